package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	syncHead   = "apiVersion: setpoint.dev/v1alpha1\nkind: Sync\nmetadata: {name: shop}\n"
	sourceHead = "apiVersion: setpoint.dev/v1alpha1\nkind: Source\nmetadata: {name: shop}\n"
	gitHead    = sourceHead + "spec:\n  git:\n    url: https://git.example.com/shop.git\n"
)

// sample is a document, with the line and field of what is wrong with it: "4 spec.path", or "" when nothing is.
type sample struct {
	name, text, want string
	decodeOnly       bool // JSON Schema cannot tell
}

func (s sample) object(t *testing.T) *state.Object {
	t.Helper()
	documents, err := document.Read([]byte(s.text), "x.yaml")
	if err != nil || len(documents) != 1 {
		t.Fatalf("%s: %v", s.name, err)
	}
	return documents[0].Object
}

var samples = []sample{
	{name: "the least", text: syncHead + "spec: {}\n"},
	{name: "everything", text: syncHead + everything},
	{name: "a named source", text: syncHead + "spec: {source: {name: shop}}\n"},
	{name: "a source", text: gitHead},
	{name: "no spec", text: syncHead, want: "1 spec"},
	{name: "an empty spec", text: syncHead + "spec:\n", want: "4 spec"},
	{name: "an unknown field", text: syncHead + "spec:\n  pathh: x\n", want: "5 spec.pathh"},
	{name: "an unknown field in metadata", text: strings.Replace(syncHead, "shop}", "shop, namespace: x}", 1) + "spec: {}\n",
		want: "3 metadata.namespace"},
	{name: "another case", text: syncHead + "spec:\n  Path: x\n", want: "5 spec.Path"},
	{name: "text for a flag", text: syncHead + "spec:\n  suspend: \"true\"\n", want: "5 spec.suspend"},
	{name: "a number for text", text: gitHead + "    ref: {tag: 1.20}\n", want: "7 spec.git.ref.tag"},
	{name: "text for a number", text: gitHead + "    ref: {pr: \"7\"}\n", want: "7 spec.git.ref.pr"},
	{name: "a list for a mapping", text: syncHead + "spec:\n  to: [x]\n", want: "5 spec.to"},
	{name: "a mapping for a list", text: syncHead + "spec:\n  dependsOn: {kind: x}\n", want: "5 spec.dependsOn"},
	{name: "a number for a span", text: gitHead + "  interval: 30\n", want: "7 spec.interval"},
	{name: "no span", text: gitHead + "  interval: soon\n", want: "7 spec.interval"},
	{name: "a negative span", text: gitHead + "  interval: -5s\n", want: "7 spec.interval"},
	{name: "a span of nothing", text: gitHead + "  interval: 0s\n", want: "7 spec.interval", decodeOnly: true},
	{name: "too short an interval", text: gitHead + "  interval: 10ms\n", want: "7 spec.interval", decodeOnly: true},
	{name: "a name with capitals", text: strings.Replace(syncHead, "shop", "Shop", 1) + "spec: {}\n", want: "3 metadata.name"},
	{name: "a long name", text: strings.Replace(syncHead, "shop", strings.Repeat("x", 64), 1) + "spec: {}\n", want: "3 metadata.name"},
	{name: "a path that goes up", text: syncHead + "spec:\n  path: a/../../b\n", want: "5 spec.path"},
	{name: "an absolute path", text: syncHead + "spec:\n  path: /apps\n", want: "5 spec.path"},
	{name: "a path with a dot", text: syncHead + "spec:\n  path: ./apps\n", want: "5 spec.path"},
	{name: "a path with a slash at its end", text: syncHead + "spec:\n  path: apps/\n", want: "5 spec.path"},
	{name: "paths with dots in names", text: syncHead + "spec:\n  path: .a/..b/c.d\n"},
	{name: "no upstream", text: sourceHead + "spec:\n  interval: 1m\n", want: "4 spec"},
	{name: "no source at all", text: syncHead + "spec:\n  source: {interval: 1m}\n", want: "5 spec.source"},
	{name: "a name and more", text: syncHead + "spec:\n  source: {name: a, git: {url: \"https://x/y\"}}\n", want: "5 spec.source"},
	{name: "a name and an interval", text: syncHead + "spec:\n  source: {name: a, interval: 1m}\n", want: "5 spec.source"},
	{name: "two refs", text: gitHead + "    ref: {branch: main, tag: v1}\n", want: "7 spec.git.ref"},
	{name: "a short commit", text: gitHead + "    ref: {commit: 1a2b3c4}\n", want: "7 spec.git.ref.commit"},
	{name: "no range", text: gitHead + "    ref: {semver: newest}\n", want: "7 spec.git.ref.semver", decodeOnly: true},
	{name: "a range", text: gitHead + "    ref: {semver: \">=1.2 <2\"}\n"},
	{name: "a branch like an option", text: gitHead + "    ref: {branch: --upload-pack=x}\n", want: "7 spec.git.ref.branch"},
	{name: "a pull request of nothing", text: gitHead + "    ref: {pr: 0}\n", want: "7 spec.git.ref.pr"},
	{name: "an empty branch", text: gitHead + "    ref: {branch: \"\"}\n", want: "7 spec.git.ref.branch"},
	{name: "a URL of another kind", text: strings.Replace(gitHead, "https", "ftp", 1), want: "6 spec.git.url"},
	{name: "a password in the URL", text: strings.Replace(gitHead, "//", "//me:secret@", 1), want: "6 spec.git.url", decodeOnly: true},
	{name: "an scp-like URL", text: strings.Replace(gitHead, "https://git.example.com/", "git@example.com:", 1)},
	{name: "an ssh URL", text: strings.Replace(gitHead, "https://", "ssh://git@", 1)},
	{name: "credentials from two places", text: gitHead + "    credentials:\n      token: {env: A, file: b}\n",
		want: "8 spec.git.credentials.token"},
	{name: "credentials from nowhere", text: gitHead + "    credentials:\n      token: {}\n", want: "8 spec.git.credentials.token"},
	{name: "a proxy of another kind", text: gitHead + "    proxy: example.com:3128\n", want: "7 spec.git.proxy"},
	{name: "another drift", text: syncHead + "spec:\n  drift: ignore\n", want: "5 spec.drift"},
	{name: "another deletion", text: syncHead + "spec:\n  deletion: keep\n", want: "5 spec.deletion"},
	{name: "an account without a namespace", text: syncHead + "spec:\n  to: {kubernetes: {serviceAccount: deployer}}\n",
		want: "5 spec.to.kubernetes.serviceAccount"},
	{name: "no pointer", text: syncHead + "spec:\n  ignore:\n  - fields:\n    - spec/replicas\n", want: "7 spec.ignore[0].fields[0]"},
	{name: "a pointer with a bad escape", text: syncHead + "spec:\n  ignore:\n  - fields: [/a~2]\n", want: "6 spec.ignore[0].fields[0]"},
	{name: "no pointers", text: syncHead + "spec:\n  ignore:\n  - fields: []\n", want: "6 spec.ignore[0].fields"},
	{name: "nothing to ignore", text: syncHead + "spec:\n  ignore:\n  - kind: x\n", want: "6 spec.ignore[0].fields"},
	{name: "a dependency without a name", text: syncHead + "spec:\n  dependsOn:\n  - {kind: Sync}\n", want: "6 spec.dependsOn[0].name"},
	{name: "a dependency on itself", text: syncHead + "spec:\n  dependsOn:\n  - {kind: Sync, name: shop}\n",
		want: "6 spec.dependsOn[0]", decodeOnly: true},
	{name: "a short longest back-off", text: syncHead + "spec:\n  retry: {initial: 1m, max: 5s}\n",
		want: "5 spec.retry.max", decodeOnly: true},
	{name: "another version", text: strings.Replace(syncHead, "v1alpha1", "v1", 1) + "spec: {}\n", want: "1 apiVersion"},
}

const everything = `spec:
  source:
    git:
      url: https://git.example.com/payments.git
      ref: {branch: main}
      credentials:
        token: {env: TOKEN}
        sshKey: {file: /etc/setpoint/key}
      caFile: /etc/ssl/ca.pem
      proxy: socks5://proxy.example.com:1080
      submodules: true
    interval: 30s
    timeout: 2m
    suspend: false
  path: deploy/overlays/eu
  to: {kubernetes: {context: eu-1, kubeconfig: /etc/kube, serviceAccount: payments/deployer, namespace: payments}}
  prune: false
  drift: report
  ignore:
  - {group: apps, kind: Deployment, namespace: a, name: b, fields: [/spec/replicas, /metadata/annotations/a~1b]}
  dependsOn: [{kind: Sync, name: database}, {group: apps, kind: Deployment, namespace: db, name: postgres}]
  timeout: 1h30m
  retry: {initial: 1s, max: 1m}
  suspend: true
  deletion: orphan
  allowEmpty: true
`

func TestDecode(t *testing.T) {
	for _, test := range samples {
		var err error
		if strings.Contains(test.text, "kind: Source") {
			_, err = parseSource(test.text, "x.yaml")
		} else {
			_, err = parseSync(test.text, "x.yaml")
		}
		if got := summary(err); got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.name, got, test.want, err)
		}
	}
}

// summary gives the line and field of an error that says one thing, of which all the rest only follows.
func summary(err error) string {
	if err == nil {
		return ""
	}
	if fault.KindOf(err) != fault.Invalid || len(fault.Flatten(err)) != 1 {
		return fmt.Sprintf("%s: %v", fault.KindOf(err), err)
	}
	text := strings.TrimPrefix(err.Error(), "decode x.yaml:")
	line, rest, _ := strings.Cut(text, ": ")
	field, _, _ := strings.Cut(rest, ": ")
	return line + " " + field
}

func TestDefaults(t *testing.T) {
	text := syncHead + "spec: {source: {git: {url: \"https://x/y\"}}, dependsOn: [{kind: Sync, name: db}]}\n"
	sync, err := parseSync(text, "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	prune := true
	want := &v1alpha1.Sync{
		APIVersion: "setpoint.dev/v1alpha1", Kind: "Sync", Metadata: v1alpha1.Metadata{Name: "shop"},
		Spec: v1alpha1.SyncSpec{
			Source: &v1alpha1.SyncSource{SourceSpec: v1alpha1.SourceSpec{
				Git:      &v1alpha1.GitSource{URL: "https://x/y"},
				Interval: v1alpha1.Duration(time.Minute), Timeout: v1alpha1.Duration(time.Minute),
			}},
			Path: ".", Prune: &prune, Drift: "correct", Deletion: "prune", Timeout: v1alpha1.Duration(5 * time.Minute),
			Rollback: "never", Guards: v1alpha1.Guards{MassDeletion: "hold"},
			DependsOn: []v1alpha1.Reference{{Group: "setpoint.dev", Kind: "Sync", Name: "db"}},
			Retry:     v1alpha1.Retry{Initial: v1alpha1.Duration(5 * time.Second), Max: v1alpha1.Duration(10 * time.Minute)},
		},
	}
	if diff := cmp.Diff(want, sync); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDecodeObject(t *testing.T) {
	origin := state.Origin{File: "a.yaml", Line: 7}
	const text = `{"apiVersion":"setpoint.dev/v1alpha1","kind":"Sync","metadata":{"name":"x"},"spec":{"a":1,"drift":"x"}}`
	object, err := state.DecodeObject([]byte(text), origin)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v1alpha1.DecodeSync(object)
	want := "decode a.yaml:7: spec.a: unknown field\ndecode a.yaml:7: spec.drift: \"x\" is not known"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if _, err := v1alpha1.DecodeSource(object); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a Sync is decoded as a Source: %v", err)
	}
}

func TestCheck(t *testing.T) {
	for kind, good := range map[string]bool{"Sync": true, "Source": false, "Sink": false} {
		object := state.NewObject(map[string]any{
			"apiVersion": v1alpha1.APIVersion, "kind": kind, "metadata": map[string]any{"name": "x"}, "spec": map[string]any{},
		}, state.Origin{})
		if err := v1alpha1.Check(object, nil); (err == nil) != good {
			t.Errorf("%s: %v", kind, err)
		}
	}
	other := state.NewObject(map[string]any{"apiVersion": "v1", "kind": "Sync"}, state.Origin{})
	if err := v1alpha1.Check(other, nil); err != nil {
		t.Errorf("another group: %v", err)
	}
}

func TestSecretsInURLsAreNotShown(t *testing.T) {
	_, err := parseSource(strings.Replace(gitHead, "//", "//me:secret@", 1), "x.yaml")
	if err == nil || strings.Contains(err.Error()+fault.HintOf(err), "secret") {
		t.Errorf("%v", err)
	}
}

func TestAnnotationsOfAnyKindAreChecked(t *testing.T) {
	object := func(name, value string) *state.Object {
		return state.NewObject(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{
			"name": "a", "annotations": map[string]any{name: value},
		}}, state.Origin{File: "a.yaml", Line: 1})
	}
	for _, test := range []struct {
		name, value string
		right       bool
	}{
		{v1alpha1.AnnotationWave, "-3", true}, {v1alpha1.AnnotationWave, "first", false},
		{v1alpha1.AnnotationPrune, "disabled", true}, {v1alpha1.AnnotationPrune, "disable", false},
		{v1alpha1.AnnotationDrift, "report", true}, {v1alpha1.AnnotationDrift, "no", false},
		{v1alpha1.AnnotationForce, "true", true}, {v1alpha1.AnnotationForce, "yes", false},
		{"example.com/anything", "goes", true},
	} {
		err := v1alpha1.Check(object(test.name, test.value), nil)
		if (err == nil) != test.right || (err != nil && (fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "")) {
			t.Errorf("%s: %s: error %v, right should be %v", test.name, test.value, err, test.right)
		}
	}
}
