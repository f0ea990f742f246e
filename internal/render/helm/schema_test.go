package helm_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestSchemasNameFieldAndOrigin(t *testing.T) {
	const schema = `{"type": "object", "required": ["who"], "properties": {"image": {"properties": {"tag": {"type": "string"}}}, "num": {"type": "integer"}}}`
	files := chart("", "values.schema.json", schema, "values.yaml", "num: 1.5\nwho: me\n",
		"charts/sub/Chart.yaml", sub("1.0.0")["Chart.yaml"], "charts/sub/values.schema.json", `{"properties": {"mode": {"enum": ["fast"]}}}`)
	files["env.yaml"] = "image: {tag: 1}\n"
	how := &v1alpha1.Helm{
		ValuesFrom: []v1alpha1.HelmValues{{File: "env.yaml"}},
		Values:     map[string]any{"sub": map[string]any{"mode": "slow"}},
	}
	refused(t, request(files, how), fault.Invalid, "values.image.tag of env.yaml", "got number, want string",
		"values.num of app/values.yaml", "values.sub.mode of helm.values", "app/values.schema.json")
	how.Values["who"] = nil
	refused(t, request(files, how), fault.Invalid, "missing property 'who'")
	how.SkipSchema = true
	must(t, request(files, how))
}

// TestSchemasFetchNothing offers a server and a file to everything in a schema that may refer to one.
func TestSchemasFetchNothing(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = w.Write([]byte("true"))
	}))
	defer server.Close()
	for _, schema := range []string{
		`{"$ref": "URL/x.json"}`, `{"$schema": "URL/x.json"}`, `{"$id": "URL/a.json", "properties": {"a": {"$ref": "b.json"}}}`,
		`{"$schema": "https://json-schema.org/draft/2020-12/schema", "$dynamicRef": "URL/x.json"}`, `{"allOf": [{"$ref": "file:///etc/hostname"}]}`,
		`{"$ref": "other.json"}`,
	} {
		files := chart("", "values.schema.json", strings.ReplaceAll(schema, "URL", server.URL), "values.yaml", "a: 1\n")
		refused(t, request(files, nil), fault.Invalid, "nothing is fetched", "app/values.schema.json")
	}
	if requests.Load() > 0 {
		t.Error("a schema was fetched")
	}
	must(t, request(chart("", "values.schema.json", `{"$ref": "urn:example:x"}`), nil)) // as Helm does it
}

// TestHostileSchemas end.
func TestHostileSchemas(t *testing.T) {
	double := `{"anyOf": [{"$ref": "#/definitions/NEXT"}, {"$ref": "#/definitions/NEXT"}]}`
	var definitions []string
	for i := range 40 {
		next := string(rune('a'+(i+1)%26)) + strings.Repeat("x", (i+1)/26)
		definitions = append(definitions, `"`+string(rune('a'+i%26))+strings.Repeat("x", i/26)+`": `+strings.ReplaceAll(double, "NEXT", next))
	}
	definitions = append(definitions, `"`+string(rune('a'+40%26))+"x"+`": false`)
	all := `, "definitions": {` + strings.Join(definitions, ", ") + `}}`
	for name, schema := range map[string]string{
		"doubling":         `{"$ref": "#/definitions/a"` + all,
		"doubling of not":  `{"not": {"$ref": "#/definitions/a"}` + all,
		"circle":           `{"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}}}`,
		"expression":       `{"properties": {"a": {"pattern": "((((x{100}){10}){10}){10})$"}}}`,
		"long expression":  `{"properties": {"a": {"pattern": "` + strings.Repeat("x", 5000) + `"}}}`,
		"no JSON":          `{`,
		"no schema":        `{"type": 1}`,
		"wrong expression": `{"properties": {"a": {"pattern": "("}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			files := chart("", "values.schema.json", schema, "values.yaml", "a: "+strings.Repeat("x", 1_000_000)+"\n")
			refused(t, request(files, nil), fault.Invalid, "app/values.schema.json")
		})
	}
}
