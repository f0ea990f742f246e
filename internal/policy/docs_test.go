package policy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/expression"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// examples gives the YAML of docs/policy.md that has a line with a certain beginning.
func examples(t *testing.T, beginning string) []byte {
	t.Helper()
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(block[1], beginning) || strings.Contains(block[1], "\n"+beginning) {
			return []byte(block[1])
		}
	}
	t.Fatalf("docs/policy.md has no example with %q", beginning)
	return nil
}

func TestTheDocumentedPolicy(t *testing.T) {
	var documented v1alpha1.Policy
	if err := yaml.UnmarshalStrict(examples(t, "kind: Policy"), &documented); err != nil {
		t.Fatal(err)
	}
	terms := (*policy.Terms)(nil).Add("Policy production", documented.Spec)
	if terms.Broken != nil || len(terms.Windows) != 2 || terms.Approval != v1alpha1.ApprovalRisky {
		t.Error(terms.Broken, len(terms.Windows), terms.Approval)
	}
}

const good = `
change:
  op: update
  fields: [/spec/replicas]
  drift: false
  id: {group: apps, kind: Deployment, namespace: shop-production, name: web}
  before: {metadata: {name: web, annotations: {example.com/disposable: "yes"}}, spec: {replicas: 4}}
  object:
    metadata: {name: web, labels: {team: shop}}
    spec:
      path: /etc/shop/web.conf
      replicas: 3
      rules: [{host: shop.example.com}]
      template: {spec: {containers: [{image: "registry.example.com/web:1", resources: {limits: {memory: 1Gi}}}]}}
sync: {name: shop, parent: "", path: apps, source: main, target: kubernetes context eu-production}
revision: {id: 1a2b, ref: v1.2.3, author: Ann, message: Scale}
`

const bad = `
change:
  op: update
  fields: [/spec/resources/requests/storage]
  drift: false
  id: {group: apps, kind: Deployment, namespace: shop-production, name: web}
  before: {metadata: {name: web}, spec: {replicas: 9}}
  object:
    metadata: {name: web}
    spec:
      path: /etc/cron.d/web
      type: LoadBalancer
      rules: [{host: shop.example.org}]
      template: {spec: {containers: [{image: "elsewhere.example.org/web:latest", securityContext: {privileged: true}}]}}
sync: {name: shop, parent: "", path: apps, source: main, target: kubernetes context eu-production}
revision: {id: 1a2b, ref: main, author: Ann, message: Scale}
`

// TestTheDocumentedRules: each of them compiles, is true of a change that is in order and false of one that is not.
func TestTheDocumentedRules(t *testing.T) {
	var documented v1alpha1.Constraints
	if err := yaml.UnmarshalStrict(examples(t, "rules:"), &documented); err != nil {
		t.Fatal(err)
	}
	if terms := (*policy.Terms)(nil).Add("docs", documented); terms.Broken != nil || len(terms.Rules) < 12 {
		t.Errorf("%d rules, %v", len(terms.Rules), terms.Broken)
	}
	for day, sample := range map[int]string{-2: good, -1: bad} { // a Thursday, a Friday
		var variables map[string]any
		if err := yaml.Unmarshal([]byte(sample), &variables); err != nil {
			t.Fatal(err)
		}
		variables = state.NewObject(variables, state.Origin{}).Content() // with whole numbers, as objects have them
		variables["revision"].(map[string]any)["time"] = noon.AddDate(0, 0, day)
		for _, rule := range documented.Rules {
			program, err := expression.Rule(rule.Expression)
			if err != nil {
				t.Errorf("%s: %v", rule.Name, err)
				continue
			}
			if holds, err := program.Holds(variables); err != nil || holds != (sample == good) {
				t.Errorf("%s: %t, %v of\n%s", rule.Name, holds, err, sample)
			}
		}
	}
}

// TestTheDocumentedRulesMatchWhatTheySay: a create of a Deployment that is in order meets all of them.
func TestTheDocumentedRulesMatchWhatTheySay(t *testing.T) {
	var documented v1alpha1.Constraints
	var variables map[string]any
	if err := yaml.Unmarshal(examples(t, "rules:"), &documented); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(good), &variables); err != nil {
		t.Fatal(err)
	}
	content := variables["change"].(map[string]any)["object"].(map[string]any)
	content["apiVersion"], content["kind"] = "apps/v1", "Deployment"
	create := policy.Change{Entry: diff.Entry{Op: diff.Create, ID: state.ID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"},
		Want: state.NewObject(content, state.Origin{})}}
	input := policy.Input{Objects: 1, Changes: []policy.Change{create}, Revision: state.Revision{Ref: "v1.0", Time: noon},
		Terms: (*policy.Terms)(nil).Add("docs", documented)}
	if verdicts := policy.Judge(input); len(verdicts) > 0 {
		t.Error(show(verdicts))
	}
	documented.Rules = slices.DeleteFunc(documented.Rules, func(rule v1alpha1.Rule) bool { return rule.Name != "fixed-images" })
	input.Terms = (*policy.Terms)(nil).Add("docs", documented)
	delete(content["spec"].(map[string]any), "template")
	input.Changes[0].Want = state.NewObject(content, state.Origin{})
	if verdicts := policy.Judge(input); len(verdicts) > 0 {
		t.Error(show(verdicts))
	}
}
