package v1alpha1_test

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

var update = flag.Bool("update", false, "write descriptions.json anew")

// TestDescriptions holds the schema's descriptions against the doc comments that they are made of.
func TestDescriptions(t *testing.T) {
	found := map[string]string{}
	for _, name := range []string{
		"kinds.go", "source_kinds.go", "render_kinds.go", "policy_kinds.go", "host_files.go", "host_app.go", "host_command.go",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(found, descriptions(file))
	}
	made, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile("descriptions.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile("descriptions.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("run go test -run TestDescriptions -update (-kept +made):\n%s", diff)
	}
}

// descriptions gives the doc comments of a file's types and fields.
func descriptions(file *ast.File) map[string]string {
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.TYPE {
			return true
		}
		for _, one := range decl.Specs {
			named := one.(*ast.TypeSpec)
			found[named.Name.Name] = sentence(decl.Doc, nil)
			fields, ok := named.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					if text := sentence(field.Doc, field.Comment); text != "" {
						found[named.Name.Name+"."+name.Name] = text
					}
				}
			}
		}
		return false
	})
	return found
}

func sentence(doc, line *ast.CommentGroup) string {
	text := doc.Text()
	if text == "" {
		text = line.Text()
	}
	return strings.Join(strings.Fields(text), " ")
}

// validator checks documents against the definition of one kind, as an editor would.
func validator(t *testing.T, kind string) *validate.SchemaValidator {
	t.Helper()
	var whole struct {
		Definitions map[string]*spec.Schema `json:"definitions"`
	}
	if err := json.Unmarshal(v1alpha1.Schema(), &whole); err != nil {
		t.Fatal(err)
	}
	return validate.NewSchemaValidator(whole.Definitions[kind], nil, "", strfmt.Default)
}

// TestSchemaAgreesWithDecoding holds both against the same documents.
func TestSchemaAgreesWithDecoding(t *testing.T) {
	kinds := map[string]*validate.SchemaValidator{}
	for _, kind := range v1alpha1.Kinds() {
		kinds[kind] = validator(t, kind)
	}
	for _, test := range slices.Concat(samples, sourceSamples, renderSamples, policySamples, hostSamples, commandSamples) {
		object := test.object(t)
		result := kinds[object.Kind()].Validate(object.Content())
		good := test.want == "" || test.decodeOnly
		if result.IsValid() != good {
			t.Errorf("%s: the schema says %t: %v", test.name, result.IsValid(), result.Errors)
		}
	}
}

// TestSchemaChoosesByKind: a document is held against the definition of the kind that it names.
func TestSchemaChoosesByKind(t *testing.T) {
	var whole struct {
		AllOf []struct {
			If struct {
				Properties map[string]map[string]string `json:"properties"`
			} `json:"if"`
			Then map[string]string `json:"then"`
		} `json:"allOf"`
		Definitions map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(v1alpha1.Schema(), &whole); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, choice := range whole.AllOf {
		kind := choice.If.Properties["kind"]["const"]
		kinds = append(kinds, kind)
		if choice.Then["$ref"] != "#/definitions/"+kind || whole.Definitions[kind] == nil {
			t.Errorf("%s is held against %s", kind, choice.Then["$ref"])
		}
	}
	if diff := cmp.Diff(v1alpha1.Kinds(), kinds); diff != "" || len(whole.Definitions) != len(kinds) {
		t.Errorf("%d definitions; -kinds +choices:\n%s", len(whole.Definitions), diff)
	}
}

func TestSchemaHasTheDefaults(t *testing.T) {
	for _, text := range []string{
		syncHead + "spec: {source: {git: {url: https://example.com/x}}}\n", gitHead, fileHead, directoryHead, linkHead,
		windowHead, ruleHead, httpHead, tcpHead,
		appHead + "  processes: {web: {check: {http: /}}}\n  expose: {port: 80}\n  needs: [{url: $DATABASE_URL}]\n" +
			"  envFrom: [{configMap: {name: a}}]\n",
	} {
		kind, filled := decodeAny(t, text)
		data, err := json.Marshal(filled)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		var schema struct {
			Definitions map[string]any `json:"definitions"`
		}
		if json.Unmarshal(data, &got) != nil || json.Unmarshal(v1alpha1.Schema(), &schema) != nil {
			t.Fatal("no JSON")
		}
		compareDefaults(t, kind, schema.Definitions[kind], got)
	}
}

// compareDefaults wants every default of a schema in a value that was decoded of nothing else.
func compareDefaults(t *testing.T, path string, schema, value any) {
	t.Helper()
	s, _ := schema.(map[string]any)
	want, has := s["default"]
	if text, ok := value.(string); ok && strings.HasSuffix(text, "m0s") {
		value = strings.TrimSuffix(text, "0s")
	}
	if has && value != nil && want != value {
		t.Errorf("%s: the schema says %v, decoding gives %v", path, want, value)
	}
	items, _ := value.([]any)
	for _, item := range items {
		compareDefaults(t, path+"[]", s["items"], item)
	}
	fields, _ := value.(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	for name, property := range properties {
		compareDefaults(t, path+"."+name, property, fields[name])
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for pattern, property := range patterns {
		for name, field := range fields {
			if regexp.MustCompile(pattern).MatchString(name) {
				compareDefaults(t, path+"."+name, property, field)
			}
		}
	}
}
