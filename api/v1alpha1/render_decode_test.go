package v1alpha1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

const (
	helmHead       = specHead + "  helm:\n    chart: charts/shop\n"         // goes on with four, line 7
	valuesHead     = helmHead + "    valuesFrom:\n    - "                   // six, line 8
	substituteHead = specHead + "  substitute:\n    values: {REGION: eu}\n" // four, line 7
	decryptHead    = specHead + "  decrypt:\n    keys:\n    - "             // line 7
	longName       = "a-name-that-a-sync-may-have-and-that-is-too-long-for-helm"
)

var renderSamples = []sample{
	{name: "everything about rendering", text: specHead + everyRendering},
	{name: "Jsonnet with everything", text: specHead + everyJsonnet},
	{name: "CUE with everything", text: specHead + everyCUE},
	{name: "a chart and Jsonnet", text: helmHead + "  jsonnet: {}\n", want: "7 spec.jsonnet"},
	{name: "a chart and CUE", text: helmHead + "  cue: {}\n", want: "7 spec.cue"},
	{name: "Jsonnet and CUE", text: specHead + "  jsonnet: {}\n  cue: {}\n", want: "6 spec.cue"},

	{name: "a chart at the path", text: specHead + "  helm: {}\n"},
	{name: "a chart above", text: specHead + "  helm:\n    chart: ../shop\n", want: "6 spec.helm.chart"},
	{name: "a release", text: helmHead + "    release: shop.eu\n"},
	{name: "a release with capitals", text: helmHead + "    release: Shop\n", want: "7 spec.helm.release"},
	{name: "a long release", text: helmHead + "    release: " + strings.Repeat("a", 54) + "\n", want: "7 spec.helm.release"},
	{name: "a long name of a Sync with a chart", text: strings.Replace(helmHead, "name: shop", "name: "+longName, 1),
		want: "5 spec.helm.release", decodeOnly: true},
	{name: "a long name with a release", text: strings.Replace(helmHead, "name: shop", "name: "+longName, 1) + "    release: shop\n"},
	{name: "a namespace with a slash", text: helmHead + "    namespace: a/b\n", want: "7 spec.helm.namespace"},
	{name: "another word for definitions", text: helmHead + "    crds: keep\n", want: "7 spec.helm.crds"},
	{name: "no history", text: helmHead + "    history: 0\n", want: "7 spec.helm.history"},
	{name: "too much history", text: helmHead + "    history: 101\n", want: "7 spec.helm.history"},
	{name: "values with null", text: helmHead + "    values: {a: null, b: {c: null, d: [null, 1]}}\n"},
	{name: "no values", text: helmHead + "    values:\n", want: "7 spec.helm.values"},
	{name: "a list of values", text: helmHead + "    values: [a]\n", want: "7 spec.helm.values"},
	{name: "values from a file", text: valuesHead + "file: values/eu.yaml\n"},
	{name: "values from above", text: valuesHead + "file: ../eu.yaml\n", want: "8 spec.helm.valuesFrom[0].file"},
	{name: "values from nowhere", text: valuesHead + "optional: true\n", want: "8 spec.helm.valuesFrom[0]"},
	{name: "values from two places", text: valuesHead + "file: a.yaml\n      secret: {name: a}\n", want: "9 spec.helm.valuesFrom[0].secret"},
	{name: "a key of a file", text: valuesHead + "file: a.yaml\n      key: b\n", want: "9 spec.helm.valuesFrom[0].key"},
	{name: "a key of a Secret", text: valuesHead + "secret: {name: a}\n      key: b.yaml\n      at: auth.password\n"},
	{name: "a key that cannot be", text: valuesHead + "secret: {name: a}\n      key: a/b\n", want: "9 spec.helm.valuesFrom[0].key"},
	{name: "a place with a value", text: valuesHead + "secret: {name: a}\n      at: a=b\n", want: "9 spec.helm.valuesFrom[0].at"},
	{name: "a Secret without a name", text: valuesHead + "secret: {namespace: a}\n", want: "8 spec.helm.valuesFrom[0].secret.name"},
	{name: "too many values", text: helmHead + "    valuesFrom: [" + list(51, "{file: a%d}") + "]\n", want: "7 spec.helm.valuesFrom"},

	{name: "a library above", text: specHead + "  jsonnet:\n    libraries: [a, ../b]\n", want: "6 spec.jsonnet.libraries[1]"},
	{name: "no libraries", text: specHead + "  jsonnet:\n    libraries: []\n", want: "6 spec.jsonnet.libraries"},
	{name: "a tag that cannot be named", text: specHead + "  cue:\n    tags: {a b: c}\n", want: "6 spec.cue.tags.a b"},
	{name: "a tag that is a number", text: specHead + "  cue:\n    tags: {a: 1}\n", want: "6 spec.cue.tags.a"},
	{name: "an empty expression", text: specHead + "  cue:\n    expression: \"\"\n", want: "6 spec.cue.expression"},

	{name: "substitution of nothing", text: specHead + "  substitute: {}\n"},
	{name: "a name that cannot be substituted", text: substituteHead[:len(substituteHead)-2] + ", a-b: c}\n", want: "6 spec.substitute.values.a-b"},
	{name: "a value that is a number", text: substituteHead[:len(substituteHead)-2] + ", COUNT: 3}\n", want: "6 spec.substitute.values.COUNT"},
	{name: "values of nothing", text: substituteHead + "    from:\n    - optional: true\n", want: "8 spec.substitute.from[0]"},
	{name: "values of two things", text: substituteHead + "    from:\n    - configMap: {name: a}\n      secret: {name: a}\n",
		want: "9 spec.substitute.from[0].secret"},
	{name: "the agent's own variable", text: substituteHead + "    environment: [SETPOINT_GIT_TOKEN]\n",
		want: "7 spec.substitute.environment[0]", decodeOnly: true},
	{name: "no variable", text: substituteHead + "    environment: [a-b]\n", want: "7 spec.substitute.environment[0]"},
	{name: "a variable twice", text: substituteHead + "    environment: [A, A]\n", want: "7 spec.substitute.environment[1]"},
	{name: "no variables", text: substituteHead + "    environment: []\n", want: "7 spec.substitute.environment"},

	{name: "a key from a variable", text: decryptHead + "env: SOPS_AGE_KEY\n"},
	{name: "a key in the place of a variable", text: decryptHead + "env: AGE-SECRET-KEY-1AAAA\n", want: "7 spec.decrypt.keys[0].env"},
	{name: "a key from a relative file", text: decryptHead + "file: key.txt\n", want: "7 spec.decrypt.keys[0].file"},
	{name: "a key from nowhere", text: decryptHead + "{}\n", want: "7 spec.decrypt.keys[0]"},
	{name: "one key from two places", text: decryptHead + "file: /a\n      secret: {name: a}\n", want: "8 spec.decrypt.keys[0].secret"},
	{name: "no keys", text: specHead + "  decrypt: {keys: []}\n", want: "5 spec.decrypt.keys"},
	{name: "nothing to decrypt with", text: specHead + "  decrypt: {}\n", want: "5 spec.decrypt.keys"},
}

const everyRendering = `  helm:
    chart: charts/shop
    release: shop
    namespace: shop
    valuesFrom:
    - {file: values/eu.yaml, optional: true}
    - {configMap: {namespace: shop, name: values}}
    - {secret: {name: database}, key: password, at: "database.auth[0].password"}
    values: {image: {tag: "1.4"}, replicas: 3, nothing: null}
    crds: create
    skipHooks: true
    skipSchema: true
    postRender: overlays/eu
    record: false
    history: 100
  kustomize: {remote: true}
  substitute:
    from: [{configMap: {name: region}}, {secret: {namespace: a, name: b}, optional: true}]
    values: {REGION: eu-1}
    environment: [CLUSTER]
  decrypt:
    keys: [{env: SOPS_AGE_KEY}, {file: /etc/setpoint/age.txt}, {secret: {namespace: flux-system, name: sops}}]
`

const everyJsonnet = `  jsonnet:
    variables: {region: eu, replicas: 3, nothing: null}
    arguments: {name: shop, list: [1, a]}
    libraries: [vendor, lib]
`

const everyCUE = `  cue:
    tags: {env: production, $x-1: b}
    expression: objects
`

func TestDecodeRendering(t *testing.T) { decodeAll(t, renderSamples) }

func TestRenderingDefaults(t *testing.T) {
	sync, err := parseSync(valuesHead+"secret: {name: a}\n    - file: b.yaml\n"+
		"  imports: [{at: base, source: {oci: {url: \"oci://a/b\"}}}]\n  substitute: {from: [{configMap: {name: c}}]}\n"+
		"  verify: {git: {pgpKeys: {env: KEYS}}}\n", "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	record := true
	want := &v1alpha1.Helm{
		Chart: "charts/shop", CRDs: "update", Record: &record, History: 10,
		ValuesFrom: []v1alpha1.HelmValues{
			{Secret: &v1alpha1.ObjectName{Name: "a"}, Key: "values.yaml"}, {File: "b.yaml"},
		},
	}
	if diff := cmp.Diff(want, sync.Spec.Helm); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	imported := sync.Spec.Imports[0]
	if imported.Path != "." || imported.Source.Interval != v1alpha1.DefaultInterval {
		t.Errorf("the import is %+v", imported)
	}
	if sync.Spec.Substitute.From[0].ConfigMap.Namespace != "" || sync.Spec.Verify.Git.Signed != "commit" {
		t.Errorf("the Sync is %+v", sync.Spec)
	}
}

func TestNullsInValuesAreKept(t *testing.T) {
	sync, err := parseSync(helmHead+"    values: {a: null, b: {c: null}}\n", "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": nil, "b": map[string]any{"c": nil}}
	if diff := cmp.Diff(want, sync.Spec.Helm.Values); diff != "" {
		t.Errorf("Helm deletes a chart's value by null; -want +got:\n%s", diff)
	}
}
