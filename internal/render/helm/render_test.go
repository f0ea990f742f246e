package helm_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	release "helm.sh/helm/v4/pkg/release/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// chart makes the files of a chart "app" with one template.
func chart(template string, more ...string) map[string]string {
	files := map[string]string{
		"app/Chart.yaml":       "apiVersion: v2\nname: app\nversion: 0.1.0\n",
		"app/templates/x.yaml": template,
	}
	for i := 0; i+1 < len(more); i += 2 {
		files["app/"+more[i]] = more[i+1]
	}
	return files
}

func request(files map[string]string, how *v1alpha1.Helm) render.Request {
	return render.Request{Artifact: artifactOf(files), Path: "app", Name: "demo", Namespace: "apps", How: v1alpha1.Rendering{Helm: how}}
}

// must renders through Formats, as the agent does.
func must(t *testing.T, request render.Request) render.Result {
	t.Helper()
	result, err := render.Formats{Helm: helm.New(helm.Options{})}.Render(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func refused(t *testing.T, request render.Request, kind fault.Kind, words ...string) {
	t.Helper()
	_, err := render.Formats{Helm: helm.New(helm.Options{})}.Render(t.Context(), request)
	if fault.KindOf(err) != kind {
		t.Fatalf("%v, want an error of kind %s", err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+"\n"+fault.HintOf(err), word) {
			t.Errorf("%v (%s) does not say %q", err, fault.HintOf(err), word)
		}
	}
}

// field gives a value of an object by its name, "data.a".
func field(result render.Result, name, path string) any {
	for object := range result.Objects.All() {
		if object.ID().Name != name {
			continue
		}
		var value any = object.Content()
		for part := range strings.SplitSeq(path, ".") {
			table, _ := value.(map[string]any)
			value = table[part]
		}
		return value
	}
	return "no object " + name
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: "

// cluster is a fake of what a render may ask for.
type cluster struct {
	objects map[string]*state.Object
	lookups int
}

func (c *cluster) Object(_ context.Context, id state.ID) (*state.Object, error) {
	if object := c.objects[id.Kind+"/"+id.Namespace+"/"+id.Name]; object != nil {
		return object, nil
	}
	return nil, fault.New(fault.NotFound, "read", id.String(), "there is no such object")
}

func (c *cluster) Capabilities(context.Context) (render.Capabilities, error) {
	return render.Capabilities{Version: "v1.37.2", APIVersions: []string{"example.com/v1", "example.com/v1/Thing", "v1"}}, nil
}

func (c *cluster) Lookup(_ context.Context, apiVersion string, id state.ID) (map[string]any, error) {
	c.lookups++
	object := c.objects[id.Kind+"/"+id.Namespace+"/"+id.Name]
	if object == nil || apiVersion != "v1" {
		return nil, nil
	}
	return object.Content(), nil
}

func holding(kind, name string, data map[string]any) *cluster {
	object := state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"namespace": "apps", "name": name}, "data": data,
	}, state.Origin{})
	return &cluster{objects: map[string]*state.Object{kind + "/apps/" + name: object}}
}

func TestValuesAreMergedInTheirOrder(t *testing.T) {
	files := chart(configMap+`{{ .Values | toJson }}`, "values.yaml", "a: chart\nb: chart\nlist: [{x: 1, z: 2}]\nkeep: true\n")
	files["env/prod.yaml"] = "a: file\nb: file\nc: file\n---\nd: second\n"
	r := request(files, &v1alpha1.Helm{
		Values: map[string]any{"c": "inline", "n": int64(1000000)},
		ValuesFrom: []v1alpha1.HelmValues{
			{File: "env/prod.yaml"},
			{ConfigMap: &v1alpha1.ObjectName{Name: "cm"}},
			{ConfigMap: &v1alpha1.ObjectName{Name: "cm"}, Key: "tag", At: "image.tag"},
			{ConfigMap: &v1alpha1.ObjectName{Name: "gone"}, Optional: true},
			{File: "env/gone.yaml", Optional: true, At: "x"},
		},
	})
	r.Outside.Values = holding("ConfigMap", "cm", map[string]any{"values.yaml": "b: object\nlist: [{x: 9, z: 2}]", "tag": "1.20"})
	want := `{"a":"file","b":"object","c":"inline","d":"second","image":{"tag":"1.20"},"keep":true,"list":[{"x":9,"z":2}],"n":1000000}`
	data, _ := json.Marshal(field(must(t, r), "cm", "data"))
	if string(data) != want {
		t.Errorf("%s, want %s", data, want)
	}
	for _, from := range []v1alpha1.HelmValues{
		{File: "env/gone.yaml"}, {ConfigMap: &v1alpha1.ObjectName{Name: "gone"}}, {ConfigMap: &v1alpha1.ObjectName{Name: "cm"}, Key: "gone"},
	} {
		r.How.Helm.ValuesFrom = []v1alpha1.HelmValues{from}
		refused(t, r, fault.NotFound)
	}
	for _, at := range []string{"a=b", "a[", "a[-1]", "a[99999999999]"} {
		r.How.Helm.ValuesFrom = []v1alpha1.HelmValues{{File: "env/prod.yaml", At: at}}
		refused(t, r, fault.Invalid, "is no path")
	}
}

func TestSecretValuesAreMarked(t *testing.T) {
	files := chart(configMap + `{url: "https://u:{{ .Values.password }}@h", other: x, pin: {{ .Values.pin }}, encoded: {{ .Values.password | b64enc }}}`)
	r := request(files, &v1alpha1.Helm{ValuesFrom: []v1alpha1.HelmValues{{Secret: &v1alpha1.ObjectName{Name: "s"}}}})
	r.Outside.Values = holding("Secret", "s", map[string]any{"values.yaml": "cGFzc3dvcmQ6IGh1bnRlcjIyCnBpbjogNDcxMQo="})
	for object := range must(t, r).Objects.All() {
		if got := strings.Join(object.Secrets(), " "); got != "/data/encoded /data/pin /data/url" {
			t.Errorf("marked: %s", got)
		}
	}
	files["app/templates/x.yaml"] = `{{ fail (printf "bad password %s" .Values.password) }}`
	r.Artifact = artifactOf(files)
	_, err := helm.New(helm.Options{}).Render(t.Context(), r)
	if err == nil || strings.Contains(err.Error(), "hunter22") || fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v tells the secret", err)
	}
}

func TestNamespacesAreTheReleases(t *testing.T) {
	const objects = configMap + "{}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns}\n---\napiVersion: example.com/v1\nkind: Wide\nmetadata: {name: wide}\n" +
		"---\napiVersion: v1\nkind: Secret\nmetadata: {name: own, namespace: other}\n"
	const crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: wides.example.com}\n" +
		"spec: {group: example.com, scope: Cluster, names: {kind: Wide}}\n"
	files := chart(objects, "crds/crd.yaml", crd)
	for namespace, want := range map[string]string{"": "", "apps": "", "web": "web"} {
		result := must(t, request(files, &v1alpha1.Helm{Namespace: namespace, CRDs: v1alpha1.CRDsSkip}))
		for name, want := range map[string]string{"cm": want, "ns": "", "wide": "", "own": "other"} {
			if got, _ := field(result, name, "metadata.namespace").(string); got != want {
				t.Errorf("release in %q: %s is in %q, want %q", namespace, name, got, want)
			}
		}
	}
}

func TestDefinitionsHooksAndPolicies(t *testing.T) {
	files, _ := chartIn(t, "testdata/parity/order.txtar")
	r := render.Request{Artifact: artifactOf(files), Path: ".", Name: "demo", Namespace: "apps", How: v1alpha1.Rendering{Helm: &v1alpha1.Helm{}}}
	result := must(t, r)
	if got := field(result, "check", "kind"); got != "no object check" {
		t.Errorf("a hook that tests is there: %v", got)
	}
	if got := field(result, "migrate", "kind"); got != "Job" {
		t.Errorf("a hook is missing: %v", got)
	}
	annotations, _ := field(result, "things.example.com", "metadata.annotations").(map[string]any)
	if len(annotations) != 0 {
		t.Errorf("a definition has %v", annotations)
	}
	r.How.Helm = &v1alpha1.Helm{CRDs: v1alpha1.CRDsCreate, SkipHooks: true}
	result = must(t, r)
	annotations, _ = field(result, "things.example.com", "metadata.annotations").(map[string]any)
	if annotations[v1alpha1.AnnotationDrift] != v1alpha1.DriftIgnore || annotations[v1alpha1.AnnotationPrune] != "disabled" {
		t.Errorf("a definition that is created once has %v", annotations)
	}
	if got := field(result, "migrate", "kind"); got != "no object migrate" {
		t.Errorf("a hook is there: %v", got)
	}
	r.How.Helm = &v1alpha1.Helm{CRDs: v1alpha1.CRDsSkip}
	if got := field(must(t, r), "things.example.com", "kind"); got != "no object things.example.com" {
		t.Errorf("a definition is there: %v", got)
	}
	var kept []string
	for object := range result.Objects.All() {
		if object.Annotation(v1alpha1.AnnotationPrune) == "disabled" && object.Kind() != "CustomResourceDefinition" {
			kept = append(kept, object.ID().Name+" "+object.Origin().String())
		}
	}
	if !slices.Equal(kept, []string{"web templates/a-deployment.yaml"}) {
		t.Errorf("kept: %v", kept)
	}
}

func TestTheClusterIsAsked(t *testing.T) {
	files := chart(configMap + `{version: {{ .Capabilities.KubeVersion.Version }}, has: "{{ .Capabilities.APIVersions.Has "example.com/v1/Thing" }}",
  found: {{ (lookup "v1" "ConfigMap" "apps" "there").data.a }}, gone: "{{ lookup "v1" "Pod" "apps" "gone" }}"}`)
	r := request(files, nil)
	fake := holding("ConfigMap", "there", map[string]any{"a": "here"})
	r.Outside.Cluster = fake
	data, _ := json.Marshal(field(must(t, r), "cm", "data"))
	if want := `{"found":"here","gone":"map[]","has":"true","version":"v1.37.2"}`; string(data) != want || fake.lookups != 2 {
		t.Errorf("%s after %d look-ups, want %s", data, fake.lookups, want)
	}
}

// What a chart has made or looked up is marked where it would be shown; a Secret shows none of it, and can be kept on a disk.
func TestWhatAChartFindsIsNotShown(t *testing.T) {
	files := chart(configMap+`{url: "https://:{{ randAlphaNum 20 }}@example.com", found: {{ (lookup "v1" "Secret" "apps" "there").data.key | b64dec }}}`,
		"templates/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {made: {{ randAlphaNum 20 | b64enc }}, "+
			`found: {{ (lookup "v1" "Secret" "apps" "there").data.key }}}`)
	r := request(files, nil)
	r.Outside.Cluster = holding("Secret", "there", map[string]any{"key": "c3dvcmRmaXNo"})
	for _, found := range must(t, r).Found {
		want := map[string]string{"ConfigMap": "/data/found /data/url", "Secret": ""}[found.Object.Kind()]
		if got := strings.Join(found.Object.Secrets(), " "); got != want {
			t.Errorf("%s: %q is marked, want %q", found.Object.ID(), got, want)
		}
	}
}

func TestTheRecordIsHelms(t *testing.T) {
	files, give := chartIn(t, "testdata/parity/webapp.txtar")
	r := render.Request{Artifact: artifactOf(files), Path: ".", Name: "demo", Namespace: "apps", How: v1alpha1.Rendering{Helm: &v1alpha1.Helm{Values: give}}}
	result := must(t, r)
	var record release.Release
	if result.Release == nil || json.Unmarshal(result.Release.Data, &record) != nil {
		t.Fatal("there is no record")
	}
	if record.Name != "demo" || record.Namespace != "apps" || record.Chart.Name() != "webapp" || len(record.Chart.Templates) == 0 ||
		len(record.Hooks) != 1 || !strings.Contains(record.Manifest, "# Source: webapp/templates/deployment.yaml") ||
		record.Config["replicaCount"] != 3.0 || record.Info.Notes != "1. Get the URL: demo-webapp\n" || record.Version != 0 || result.Release.History != v1alpha1.DefaultHelmHistory {
		t.Errorf("record: %+v", record)
	}
	again := must(t, r)
	if string(again.Release.Data) != string(result.Release.Data) {
		t.Error("the same inputs make another record")
	}
	no := false
	r.How.Helm.Record = &no
	if must(t, r).Release != nil {
		t.Error("a record is made that nobody wants")
	}
}

func TestPostRendering(t *testing.T) {
	files := chart(configMap+"{a: b}\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\n", "../post/kustomization.yaml", "")
	r := request(files, &v1alpha1.Helm{PostRender: "post"})
	options := helm.Options{PostRender: func(_ context.Context, request render.Request, found []render.Found) ([]render.Found, error) {
		if request.Path != "post" || len(found) != 2 {
			t.Errorf("post-rendering of %d objects at %s", len(found), request.Path)
		}
		for i := range found {
			found[i].Object = found[i].Object.WithAnnotation("seen", "yes")
		}
		return found, nil
	}}
	result, err := helm.New(options).Render(t.Context(), r)
	if err != nil || len(result.Found) != 2 || result.Found[0].Object.Annotation("seen") != "yes" {
		t.Fatalf("%v, %v", result.Found, err)
	}
	var record release.Release
	if err := json.Unmarshal(result.Release.Data, &record); err != nil || strings.Count(record.Manifest, "seen") != 1 ||
		len(record.Hooks) != 1 || !strings.Contains(record.Hooks[0].Manifest, "seen") {
		t.Errorf("the record is of what came before: %s, %v", result.Release.Data, err)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for text, words := range map[string][]string{
		"\n\n{{ .Values.a.b }}":                            {"app/templates/x.yaml:3", ".Values.a.b: nil pointer"},
		"a: {{ required \"say who\" .Values.who }}":        {"app/templates/x.yaml:1", "say who"},
		"\n{{ include \"broken\" . }}":                     {"app/templates/_h.tpl:2", "used by app/templates/x.yaml:2"},
		"{{ if }}":                                         {"app/templates/x.yaml:1", "missing value for if"},
		"{{ tpl \"{{ .Values.a.b }}\" . }}":                {"app/templates/x.yaml:1", "nil pointer"},
		"apiVersion: v1\nkind: Pod\n\tmetadata: {name: x}": {"app/templates/x.yaml:3", "no manifest: line 3"},
		"{{- if true }}\na: b\n---\nkind: Pod\n{{ print \"x: y: z\" }}\n{{- end }}": {"app/templates/x.yaml:5", "no manifest: line 5"},
		"{{ range list 1 2 }}a: \"{{ . }}\n{{ end }}":                               {"app/templates/x.yaml: what", "no manifest: line"},
		"just text":            {"app/templates/x.yaml"},
		"apiVersion: v1\na: b": {"app/templates/x.yaml", "kind is missing"},
	} {
		files := chart(text, "templates/_h.tpl", "{{ define \"broken\" }}\n{{ .Values.a.b }}{{ end }}")
		refused(t, request(files, nil), fault.Invalid, words...)
	}
	files := chart("", "Chart.yaml", "apiVersion: v2\nname: app\nversion: 0.1.0\ntype: library\n")
	refused(t, request(files, nil), fault.Invalid, "library")
	files = chart("", "Chart.yaml", "apiVersion: v2\nname: app\nversion: 0.1.0\nkubeVersion: '>=9'\n")
	refused(t, request(files, nil), fault.Invalid, "Kubernetes")
	r := request(chart(""), nil)
	r.Name = "Not_A_Name"
	refused(t, r, fault.Invalid, "helm.release")
	refused(t, request(chart(""), &v1alpha1.Helm{Chart: "elsewhere"}), fault.NotFound)
}
