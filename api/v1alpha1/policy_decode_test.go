package v1alpha1_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The spec of each goes on with two spaces; the first line of it is line 5.
const (
	policyHead = "apiVersion: setpoint.dev/v1alpha1\nkind: Policy\nmetadata: {name: careful}\nspec:\n"
	specHead   = syncHead + "spec:\n"
	windowHead = policyHead + "  windows:\n  - kind: deny\n    schedule: 0 22 * * 5\n    duration: 48h\n" // goes on with four, line 9
	ruleHead   = policyHead + "  rules:\n  - name: no-latest\n    expression: change.op != \"delete\"\n"  // line 8
	healthHead = specHead + "  health:\n  - "                                                             // line 6
	deployment = healthHead + "kind: Deployment\n    healthy: object.status.ready == true\n"              // line 8
	httpHead   = healthHead + "http:\n      url: https://shop.example.com/healthz\n"                      // six spaces, line 8
	tcpHead    = healthHead + "tcp:\n      address: db.example.com:5432\n"                                // line 8
)

var policySamples = []sample{
	{name: "the least policy", text: policyHead[:len(policyHead)-1] + " {}\n"},
	{name: "every constraint of a policy", text: policyHead + everyConstraint},
	{name: "everything that controls a Sync", text: specHead + everyConstraint + everyControl},
	{name: "an unknown field of a policy", text: policyHead + "  aprovals: risky\n", want: "5 spec.aprovals"},
	{name: "a Sync's field in a policy", text: policyHead + "  guards: {massDeletion: allow}\n", want: "5 spec.guards"},
	{name: "a policy in a namespace", text: strings.Replace(policyHead, "careful}", "careful, namespace: x}", 1) + "  approval: risky\n",
		want: "3 metadata.namespace"},
	{name: "a policy's name with capitals", text: strings.Replace(policyHead, "careful", "Careful", 1) + "  approval: risky\n",
		want: "3 metadata.name"},
	{name: "another approval", text: policyHead + "  approval: sometimes\n", want: "5 spec.approval"},
	{name: "another approval of a Sync", text: specHead + "  approval: risk\n", want: "5 spec.approval"},
	{name: "an empty approval", text: policyHead + "  approval: \"\"\n", want: "5 spec.approval"},
	{name: "another rollback", text: specHead + "  rollback: latestHealthy\n", want: "5 spec.rollback"},
	{name: "what YAML takes for a flag", text: specHead + "  rollback: off\n", want: "5 spec.rollback"},
	{name: "another mass deletion", text: specHead + "  guards:\n    massDeletion: deny\n", want: "6 spec.guards.massDeletion"},
	{name: "a protected kind with its version", text: specHead + "  guards:\n    protected: [apps/v1/StatefulSet]\n",
		want: "6 spec.guards.protected[0]"},
	{name: "a protected kind as kubectl has it", text: specHead + "  guards:\n    protected: [apps/*, statefulsets]\n",
		want: "6 spec.guards.protected[1]"},
	{name: "no protected kinds", text: specHead + "  guards:\n    protected: []\n", want: "6 spec.guards.protected"},
	{name: "an empty protected kind", text: specHead + "  guards:\n    protected: [\"\"]\n", want: "6 spec.guards.protected[0]"},
	{name: "no policies", text: specHead + "  policies: []\n", want: "5 spec.policies"},
	{name: "a policy that cannot be", text: specHead + "  policies: [a, Nightly]\n", want: "5 spec.policies[1]"},
	{name: "a policy twice", text: specHead + "  policies:\n  - a\n  - b\n  - a\n", want: "8 spec.policies[2]"},
	{name: "as many policies as can be", text: specHead + "  policies: [" + list(20, "p%d") + "]\n"},
	{name: "one more", text: specHead + "  policies: [" + list(21, "p%d") + "]\n", want: "5 spec.policies"},

	{name: "the least window", text: windowHead},
	{name: "a window of no kind", text: strings.Replace(windowHead, "kind: deny", "repairs: hold", 1), want: "6 spec.windows[0].kind"},
	{name: "a window of another kind", text: strings.Replace(windowHead, "deny", "forbid", 1), want: "6 spec.windows[0].kind"},
	{name: "another word for repairs", text: windowHead + "    repairs: deny\n", want: "9 spec.windows[0].repairs"},
	{name: "a window without a schedule", text: policyHead + "  windows:\n  - {kind: allow, duration: 1h}\n",
		want: "6 spec.windows[0].schedule"},
	{name: "a window without a duration", text: policyHead + "  windows:\n  - {kind: allow, schedule: \"@daily\"}\n",
		want: "6 spec.windows[0].duration"},
	{name: "a schedule of four fields", text: strings.Replace(windowHead, "22 * * 5", "22 * *", 1),
		want: "7 spec.windows[0].schedule", decodeOnly: true},
	{name: "an hour that is not there", text: strings.Replace(windowHead, "0 22", "0 24", 1),
		want: "7 spec.windows[0].schedule", decodeOnly: true},
	{name: "too short a window", text: strings.Replace(windowHead, "48h", "10s", 1), want: "8 spec.windows[0].duration", decodeOnly: true},
	{name: "an unknown time zone", text: windowHead + "    timeZone: Europe/Berlim\n", want: "9 spec.windows[0].timeZone", decodeOnly: true},
	{name: "a time zone", text: windowHead + "    timeZone: Europe/Berlin\n"},
	{name: "an empty time zone", text: windowHead + "    timeZone: \"\"\n", want: "9 spec.windows[0].timeZone"},
	{name: "a long message", text: windowHead + "    message: " + strings.Repeat("ä", 1001) + "\n", want: "9 spec.windows[0].message"},
	{name: "the longest message", text: windowHead + "    message: " + strings.Repeat("ä", 1000) + "\n"},
	{name: "as many windows as can be", text: policyHead + "  windows: [" + list(50, "{message: w%d, kind: deny, schedule: \"@daily\", duration: 1h}") + "]\n"},
	{name: "one window more", text: policyHead + "  windows: [" + list(51, "{message: w%d, kind: deny, schedule: \"@daily\", duration: 1h}") + "]\n",
		want: "5 spec.windows"},

	{name: "the least rule", text: ruleHead},
	{name: "a rule without a name", text: policyHead + "  rules:\n  - expression: \"true\"\n", want: "6 spec.rules[0].name"},
	{name: "a rule whose name is a sentence", text: strings.Replace(ruleHead, "no-latest", "No latest", 1), want: "6 spec.rules[0].name"},
	{name: "a rule without an expression", text: policyHead + "  rules:\n  - name: a\n", want: "6 spec.rules[0].expression"},
	{name: "a flag for an expression", text: policyHead + "  rules:\n  - name: a\n    expression: true\n", want: "7 spec.rules[0].expression"},
	{name: "an expression that does not compile", text: policyHead + "  rules:\n  - name: a\n    expression: change.op ==\n",
		want: "7 spec.rules[0].expression", decodeOnly: true},
	{name: "an expression over something else", text: policyHead + "  rules:\n  - name: a\n    expression: chance.op == \"delete\"\n",
		want: "7 spec.rules[0].expression", decodeOnly: true},
	{name: "an expression that is not true or false", text: policyHead + "  rules:\n  - name: a\n    expression: sync.name + \"x\"\n",
		want: "7 spec.rules[0].expression", decodeOnly: true},
	{name: "a Sync's expression that does not compile", text: specHead + "  rules:\n  - {name: a, expression: \"(\"}\n",
		want: "6 spec.rules[0].expression", decodeOnly: true},
	{name: "a long expression", text: ruleHead + "  - name: b\n    expression: '" + strings.Repeat(" ", 4096) + "1'\n", want: "9 spec.rules[1].expression"},
	{name: "a name twice", text: ruleHead + "  - name: b\n    expression: \"true\"\n  - name: no-latest\n    expression: \"true\"\n",
		want: "10 spec.rules[2].name", decodeOnly: true},
	{name: "another outcome", text: ruleHead + "    outcome: allow\n", want: "8 spec.rules[0].outcome"},
	{name: "another operation", text: ruleHead + "    match:\n      ops: [delete, remove]\n", want: "9 spec.rules[0].match.ops[1]"},
	{name: "an operation twice", text: ruleHead + "    match:\n      ops: [delete, delete]\n", want: "9 spec.rules[0].match.ops[1]"},
	{name: "no operations", text: ruleHead + "    match:\n      ops: []\n", want: "9 spec.rules[0].match.ops"},
	{name: "a group with its version", text: ruleHead + "    match:\n      group: apps/v1\n", want: "9 spec.rules[0].match.group"},
	{name: "an empty group", text: ruleHead + "    match:\n      group: \"\"\n", want: "9 spec.rules[0].match.group"},
	{name: "a kind as kubectl has it", text: ruleHead + "    match:\n      kind: deployment\n", want: "9 spec.rules[0].match.kind"},
	{name: "a namespace with capitals", text: ruleHead + "    match:\n      namespace: Team-*\n", want: "9 spec.rules[0].match.namespace"},
	{name: "a name with a slash", text: ruleHead + "    match:\n      name: shop/web\n", want: "9 spec.rules[0].match.name"},
	{name: "as many rules as can be", text: policyHead + "  rules: [" + list(50, "{name: r%d, expression: \"true\"}") + "]\n"},
	{name: "one rule more", text: policyHead + "  rules: [" + list(51, "{name: r%d, expression: \"(\"}") + "]\n", want: "5 spec.rules"},

	{name: "nothing narrowed", text: policyHead + "  allowed: {}\n"},
	{name: "no kinds at all", text: policyHead + "  allowed:\n    kinds: []\n", want: "6 spec.allowed.kinds"},
	{name: "a kind with its version", text: policyHead + "  allowed:\n    kinds: [Service, apps/v1/Deployment]\n", want: "6 spec.allowed.kinds[1]"},
	{name: "a version for a group", text: policyHead + "  allowed:\n    kinds: [v1/Service]\n", want: "6 spec.allowed.kinds[0]", decodeOnly: true},
	{name: "a version as the group", text: ruleHead + "    match:\n      group: v1beta1\n", want: "9 spec.rules[0].match.group", decodeOnly: true},
	{name: "no namespace", text: policyHead + "  allowed:\n    namespaces: [shop, \"\"]\n", want: "6 spec.allowed.namespaces[1]"},
	{name: "a namespace that cannot be", text: policyHead + "  allowed:\n    namespaces: [a b]\n", want: "6 spec.allowed.namespaces[0]"},
	{name: "a target of blanks", text: policyHead + "  allowed:\n    targets: [\"  \"]\n", want: "6 spec.allowed.targets[0]"},
	{name: "a source with a blank", text: policyHead + "  allowed:\n    sources: [\"https://a b\"]\n", want: "6 spec.allowed.sources[0]"},
	{name: "no sources at all", text: policyHead + "  allowed:\n    sources: []\n", want: "6 spec.allowed.sources"},
	{name: "too many patterns", text: policyHead + "  allowed:\n    namespaces: [" + list(101, "n%d") + "]\n", want: "6 spec.allowed.namespaces"},
	{name: "an unknown list", text: policyHead + "  allowed:\n    names: [a]\n", want: "6 spec.allowed.names"},

	{name: "an expression of health", text: deployment},
	{name: "no way to be healthy", text: healthHead + "kind: Deployment\n", want: "6 spec.health[0]"},
	{name: "an empty check", text: specHead + "  health:\n  - {}\n", want: "6 spec.health[0]"},
	{name: "expressions about everything", text: healthHead + "failed: \"true\"\n", want: "6 spec.health[0].kind"},
	{name: "a kind of health as kubectl has it", text: strings.Replace(deployment, "kind: Dep", "kind: dep", 1), want: "6 spec.health[0].kind"},
	{name: "stars", text: deployment + "    group: '*'\n    namespace: team-*\n    name: '*-web'\n"},
	{name: "expressions about every kind", text: strings.Replace(deployment, "Deployment", "'*'", 1)},
	{name: "a namespace of health with capitals", text: deployment + "    namespace: Shop\n", want: "8 spec.health[0].namespace"},
	{name: "a version beside a group", text: deployment + "    group: apps/v1\n", want: "8 spec.health[0].group"},
	{name: "health that does not compile", text: deployment + "    failed: object.status.\n", want: "8 spec.health[0].failed", decodeOnly: true},
	{name: "progress that does not compile", text: deployment + "    progressing: (\n", want: "8 spec.health[0].progressing", decodeOnly: true},
	{name: "a rule's variable in health", text: deployment + "    failed: change.op == \"x\"\n", want: "8 spec.health[0].failed", decodeOnly: true},
	{name: "expressions and a port", text: deployment + "    tcp: {address: \"a:1\"}\n", want: "8 spec.health[0].tcp"},
	{name: "two things to look at", text: httpHead + "    tcp: {address: \"a:1\"}\n", want: "8 spec.health[0].tcp"},
	{name: "a selector of nothing", text: httpHead + "    kind: Deployment\n", want: "8 spec.health[0].kind"},
	{name: "a URL", text: httpHead},
	{name: "a URL without a path", text: strings.Replace(httpHead, "/healthz", "?a=b@c", 1)},
	{name: "a URL of another scheme", text: strings.Replace(httpHead, "https", "postgres", 1), want: "7 spec.health[0].http.url"},
	{name: "a path for a URL", text: strings.Replace(httpHead, "https://shop.example.com", "", 1), want: "7 spec.health[0].http.url"},
	{name: "a URL with a password", text: strings.Replace(httpHead, "//", "//me:secret@", 1), want: "7 spec.health[0].http.url"},
	{name: "a URL with a port that cannot be", text: strings.Replace(httpHead, ".com", ".com:99999", 1),
		want: "7 spec.health[0].http.url", decodeOnly: true},
	{name: "a check of no URL", text: healthHead + "http: {status: 200}\n", want: "6 spec.health[0].http.url"},
	{name: "a status", text: httpHead + "      status: 204\n"},
	{name: "a status that cannot be", text: httpHead + "      status: 600\n", want: "8 spec.health[0].http.status"},
	{name: "a status of nothing", text: httpHead + "      status: 0\n", want: "8 spec.health[0].http.status"},
	{name: "too often", text: httpHead + "      interval: 100ms\n", want: "8 spec.health[0].http.interval", decodeOnly: true},
	{name: "often", text: httpHead + "      interval: 1s\n"},
	{name: "longer than until the next", text: httpHead + "      timeout: 11s\n", want: "8 spec.health[0].http.timeout", decodeOnly: true},
	{name: "very long", text: httpHead + "      timeout: 2m\n      interval: 1h\n", want: "8 spec.health[0].http.timeout", decodeOnly: true},
	{name: "an address", text: tcpHead},
	{name: "an address of version 6", text: healthHead + "tcp: {address: \"[::1]:5432\"}\n"},
	{name: "an address without a port", text: strings.Replace(tcpHead, ":5432", "", 1), want: "7 spec.health[0].tcp.address"},
	{name: "a port by name", text: strings.Replace(tcpHead, ":5432", ":postgres", 1), want: "7 spec.health[0].tcp.address"},
	{name: "a port that cannot be", text: strings.Replace(tcpHead, "5432", "70000", 1), want: "7 spec.health[0].tcp.address", decodeOnly: true},
	{name: "a port and no host", text: healthHead + "tcp: {address: \":5432\"}\n", want: "6 spec.health[0].tcp.address"},
	{name: "a URL for an address", text: strings.Replace(tcpHead, "db.", "tcp://db.", 1), want: "7 spec.health[0].tcp.address"},
	{name: "a check of no address", text: healthHead + "tcp: {interval: 5s}\n", want: "6 spec.health[0].tcp.address"},
	{name: "a port that is asked too long", text: tcpHead + "      interval: 2s\n      timeout: 3s\n", want: "9 spec.health[0].tcp.timeout", decodeOnly: true},
	{name: "an object", text: healthHead + "object: {kind: Sync, name: database}\n"},
	{name: "an object without a name", text: healthHead + "object: {kind: Sync}\n", want: "6 spec.health[0].object.name"},
	{name: "its own health", text: healthHead + "object: {kind: Sync, name: shop}\n", want: "6 spec.health[0].object", decodeOnly: true},
	{name: "too many checks", text: specHead + "  health: [" + list(51, "{tcp: {address: \"a%d:1\"}}") + "]\n", want: "5 spec.health"},
}

const everyConstraint = `  approval: risky
  windows:
  - {kind: allow, schedule: "0 9 * * 1-5", duration: 8h, timeZone: Europe/Berlin, repairs: hold, message: in office hours}
  - {kind: deny, schedule: "@monthly", duration: 24h, repairs: allow}
  rules:
  - name: no-latest
    match: {ops: [create, update, replace, delete], group: "*.k8s.io", kind: "*Set", namespace: team-*, name: "web-*"}
    expression: change.op != "delete"
    outcome: deny
    message: never the latest
    remedy: name a version
  allowed:
    kinds: [Service, apps/Deployment, apps/*, "*", "*/Deploy*"]
    namespaces: [shop, team-*, "*"]
    targets: [this host, kubernetes, kubernetes context eu-* as a/b]
    sources: [https://git.example.com/team/*, git@git.example.com:*]
`

const everyControl = `  rollback: lastHealthy
  guards: {massDeletion: allow, protected: [StatefulSet, apps/*, "*.example.com/*"]}
  policies: [careful, freeze]
  health:
  - group: apps
    kind: Deployment
    namespace: shop
    name: system:web
    healthy: object.status.ready == true
    progressing: object.status.ready == false
    failed: object.status.failed == true
  - http: {url: "https://shop.example.com:8443/healthz?full=1", status: 200, interval: 30s, timeout: 10s}
  - tcp: {address: "10.0.0.1:5432", interval: 1s, timeout: 1s}
  - object: {group: apps, kind: Deployment, namespace: db, name: postgres}
`

// list gives so many items of a YAML list.
func list(count int, item string) string {
	items := make([]string, count)
	for i := range items {
		items[i] = fmt.Sprintf(item, i)
	}
	return strings.Join(items, ", ")
}

func parsePolicy(text, file string) (*v1alpha1.Policy, error) {
	return parse(text, file, v1alpha1.DecodePolicy)
}

func TestDecodePolicies(t *testing.T) {
	for _, test := range policySamples {
		var err error
		if strings.Contains(test.text, "kind: Policy") {
			_, err = parsePolicy(test.text, "x.yaml")
		} else {
			_, err = parseSync(test.text, "x.yaml")
		}
		if got := summary(err); got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.name, got, test.want, err)
		}
	}
}

// What is wrong here has a hint that names the way out.
func TestHintsOfPolicies(t *testing.T) {
	for text, want := range map[string]string{
		specHead + "  rollback: lastHealty\n":                         "did you mean lastHealthy?",
		specHead + "  rollback: always\n":                             "want never or lastHealthy",
		specHead + "  rollback: off\n":                                "want never or lastHealthy",
		specHead + "  approvals: risky\n":                             "did you mean approval?",
		ruleHead + "    match: {ops: [delte]}\n":                      "did you mean delete?",
		ruleHead + "    match: {kind: deployments}\n":                 "capital letter",
		policyHead + "  allowed: {kinds: [apps/v1/Deployment]}\n":     "no version",
		policyHead + "  allowed: {kinds: []}\n":                       "remove the line",
		httpHead + "      timeout: 1m\n":                              "make interval longer",
		healthHead + "kind: Deployment\n":                             "healthy, progressing, failed",
		strings.Replace(httpHead, "//", "//me:secret@", 1):            "without any",
		strings.Replace(deployment, "kind: Deployment", "name: x", 1): "name the kind",
	} {
		object := sample{name: text, text: text}.object(t)
		err := v1alpha1.Check(object, nil)
		if hint := fault.HintOf(err); !strings.Contains(hint, want) {
			t.Errorf("%s: hint %q, want %q", text, hint, want)
		}
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
}

// Everything that is wrong is said at once, each thing at its line.
func TestEveryErrorOfAPolicyIsReported(t *testing.T) {
	_, err := parsePolicy(`apiVersion: setpoint.dev/v1alpha1
kind: Policy
metadata: {name: x}
spec:
  approval: maybe
  windows:
  - kind: deny
    schedule: at night
    duration: 1s
    timeZone: Mars/Olympus
  rules:
  - name: a
    expression: (
    outcome: warn
  - name: a
    expression: "true"
    match: {ops: [kill]}
  allowed:
    kinds: [x]
`, "x.yaml")
	var lines []string
	for _, one := range fault.Flatten(err) {
		var wrong *fault.Error
		if !errors.As(one, &wrong) || wrong.Kind != fault.Invalid {
			t.Fatalf("%v", one)
		}
		lines = append(lines, strings.TrimPrefix(wrong.Item, "x.yaml:"))
	}
	want := []string{"5", "8", "9", "10", "13", "14", "15", "17", "19"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("-want +got:\n%s\n%v", diff, err)
	}
}

func TestDefaultsOfPolicies(t *testing.T) {
	const second, hour = v1alpha1.Duration(time.Second), v1alpha1.Duration(time.Hour)
	sync, err := parseSync(specHead+`  windows: [{kind: allow, schedule: "@daily", duration: 1h}]
  rules: [{name: a, expression: "true"}]
  health:
  - http: {url: "http://a"}
  - http: {url: "http://a", interval: 2s}
  - tcp: {address: "a:1", timeout: 2s}
  - object: {kind: Policy, name: a}
`, "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	constraints := v1alpha1.Constraints{ // approval is that of the Syncs above
		Windows: []v1alpha1.Window{{Kind: "allow", Schedule: "@daily", Duration: hour, TimeZone: "UTC", Repairs: "allow"}},
		Rules:   []v1alpha1.Rule{{Name: "a", Expression: "true", Outcome: "hold"}},
	}
	health := []v1alpha1.HealthCheck{
		{HTTP: &v1alpha1.HTTPCheck{URL: "http://a", Interval: 10 * second, Timeout: 5 * second}},
		{HTTP: &v1alpha1.HTTPCheck{URL: "http://a", Interval: 2 * second, Timeout: 2 * second}},
		{TCP: &v1alpha1.TCPCheck{Address: "a:1", Interval: 10 * second, Timeout: 2 * second}},
		{Object: &v1alpha1.Reference{Group: "setpoint.dev", Kind: "Policy", Name: "a"}},
	}
	if diff := cmp.Diff(constraints, sync.Spec.Constraints); diff != "" {
		t.Errorf("constraints: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(health, sync.Spec.Health); diff != "" {
		t.Errorf("health: -want +got:\n%s", diff)
	}
	if sync.Spec.Rollback != "never" || sync.Spec.Guards.MassDeletion != "hold" {
		t.Errorf("rollback %q, mass deletion %q", sync.Spec.Rollback, sync.Spec.Guards.MassDeletion)
	}
}

// A Policy that is put together in Go is held to the same, but for what has a default.
func TestValidatePolicy(t *testing.T) {
	right := &v1alpha1.Policy{Metadata: v1alpha1.Metadata{Name: "a"}, Spec: v1alpha1.Constraints{Approval: "always"}}
	if err := right.Validate(); err != nil {
		t.Error(err)
	}
	wrong := &v1alpha1.Policy{Spec: v1alpha1.Constraints{Rules: []v1alpha1.Rule{{}}, Windows: []v1alpha1.Window{{}}}}
	if errs := fault.Flatten(wrong.Validate()); len(errs) != 6 { // two names, expression, kind, schedule, duration
		t.Errorf("%d errors: %v", len(errs), errs)
	}
}

// FuzzDecodePolicy: as FuzzDecodeHost, for what controls Syncs.
func FuzzDecodePolicy(f *testing.F) {
	for _, test := range policySamples {
		f.Add(test.text)
	}
	f.Fuzz(decodeSafely)
}
