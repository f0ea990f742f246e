package agent

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var widget = state.ID{Group: "example.com", Kind: "Widget", Namespace: "shop", Name: "w"}

func TestHealthRules(t *testing.T) {
	ready := v1alpha1.HealthCheck{
		Group: "example.com", Kind: "Widget",
		Failed:      `object.status.phase == "Failed"`,
		Progressing: `object.status.phase in ["Pending", "Starting"]`,
		Healthy:     `object.status.phase == "Ready"`,
	}
	rules := func(checks ...v1alpha1.HealthCheck) []v1alpha1.HealthCheck { return checks }
	for _, test := range []struct {
		name    string
		checks  []v1alpha1.HealthCheck
		object  string
		status  state.HealthStatus // "": left to the target
		reason  string
		message string
	}{
		{"healthy", rules(ready), `{status: {phase: Ready}}`, state.Healthy, "HealthRule",
			`by spec.health[0] of the Sync: healthy is true: object.status.phase == "Ready"`},
		{"progressing", rules(ready), `{status: {phase: Pending}}`, state.Progressing, "HealthRule", "progressing is true"},
		{"failed", rules(ready), `{status: {phase: Failed}}`, state.Degraded, "HealthRule", "failed is true"},
		{"none of them", rules(ready), `{status: {phase: Other}}`, state.Progressing, "HealthRule", "healthy is not true"},
		{"no status yet", rules(ready), `{}`, state.Progressing, "HealthRuleFailed", "status"},
		{"failed is asked first", rules(v1alpha1.HealthCheck{Failed: "true", Healthy: "true"}), `{}`, state.Degraded, "HealthRule", ""},
		{"only failed, and it is not", rules(v1alpha1.HealthCheck{Failed: `has(object.status.error)`}), `{status: {}}`, "", "", ""},
		{"only progressing, and it is not", rules(v1alpha1.HealthCheck{Progressing: "false"}), `{}`, "", "", ""},
		{"one without a value is not true", rules(v1alpha1.HealthCheck{
			Failed: `object.status.error != ""`, Healthy: `object.status.ready`,
		}), `{status: {ready: true}}`, state.Healthy, "HealthRule", ""},
		{"none has a value", rules(v1alpha1.HealthCheck{Failed: `object.nothing.of == 1`}), `{}`,
			state.Progressing, "HealthRuleFailed", "nothing"},
		{"no bool", rules(v1alpha1.HealthCheck{Healthy: `object.status`}), `{status: "yes"}`, state.Progressing, "HealthRuleFailed", ""},
		{"another kind", []v1alpha1.HealthCheck{{Kind: "Gadget", Failed: "true"}}, `{}`, "", "", ""},
		{"the worst of two", []v1alpha1.HealthCheck{{Kind: "Wid*", Healthy: "true"}, {Namespace: "shop", Progressing: "true"}}, `{}`,
			state.Progressing, "HealthRule", "spec.health[1]"},
		{"the worst of two, the other way round", []v1alpha1.HealthCheck{{Progressing: "true"}, {Healthy: "true"}}, `{}`,
			state.Progressing, "HealthRule", "spec.health[0]"},
		{"one of two says nothing", []v1alpha1.HealthCheck{{Failed: "false"}, {Healthy: "true"}}, `{}`,
			state.Healthy, "HealthRule", "spec.health[1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assess, err := assessor(test.checks)
			if err != nil {
				t.Fatal(err)
			}
			var object map[string]any
			if err := yaml.Unmarshal([]byte(test.object), &object); err != nil {
				t.Fatal(err)
			}
			got, said := assess(widget, func() map[string]any { return object })
			if said != (test.status != "") || got.Status != test.status || got.Reason != test.reason ||
				!strings.Contains(got.Message, test.message) {
				t.Errorf("%+v, %v; want %s %s with %q", got, said, test.status, test.reason, test.message)
			}
			if again, _ := assess(widget, func() map[string]any { return object }); again != got {
				t.Errorf("the same object has health %+v and %+v", got, again)
			}
		})
	}
}

func TestHealthRulesReadAnObjectOnceAndOnlyIfTheyAreAboutIt(t *testing.T) {
	assess, err := assessor([]v1alpha1.HealthCheck{
		{Kind: "Widget", Healthy: "true"}, {Kind: "Widget", Failed: "false"}, {HTTP: &v1alpha1.HTTPCheck{URL: "http://shop"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	content := func() map[string]any { reads++; return map[string]any{} }
	assess(state.ID{Kind: "Service", Name: "w"}, content)
	if reads != 0 {
		t.Errorf("an object that no rule is about was read %d times", reads)
	}
	assess(widget, content)
	if reads != 1 {
		t.Errorf("an object of two rules was read %d times", reads)
	}
	if health, said := assess(widget, func() map[string]any { return nil }); said {
		t.Errorf("of an object without content it says %+v", health)
	}
}

func TestHealthWithoutRulesAsksNobody(t *testing.T) {
	assess, err := assessor([]v1alpha1.HealthCheck{{TCP: &v1alpha1.TCPCheck{Address: "db:5432"}}})
	if assess != nil || err != nil {
		t.Errorf("%v: want no function at all, so that targets read nothing", err)
	}
}

func TestHealthRulesThatCannotBeCompiled(t *testing.T) {
	_, err := assessor([]v1alpha1.HealthCheck{
		{Kind: "Widget", Healthy: "object.status.ready"}, {Kind: "Widget", Failed: "object.status.phase ==", Healthy: "nothing.known"},
	})
	if fault.KindOf(err) != fault.Invalid {
		t.Fatalf("%v is %s, want Invalid", err, fault.KindOf(err))
	}
	for _, place := range []string{"spec.health[1].failed", "spec.health[1].healthy"} {
		if !strings.Contains(err.Error(), place) {
			t.Errorf("%v: %s is not named", err, place)
		}
	}
}

func TestHealthMessagesAreBounded(t *testing.T) {
	assess, err := assessor([]v1alpha1.HealthCheck{{Failed: "true ||\n  " + strings.Repeat("object.a == 'ö' || ", 60) + "false"}})
	if err != nil {
		t.Fatal(err)
	}
	health, _ := assess(widget, func() map[string]any { return map[string]any{} })
	if len(health.Message) > 300 || strings.Contains(health.Message, "\n") || !strings.HasSuffix(health.Message, "…") {
		t.Errorf("%q: want one line of at most 300 bytes", health.Message)
	}
}

func TestSelects(t *testing.T) {
	for _, test := range []struct {
		pattern, word string
		want          bool
	}{
		{"", "", true}, {"", "anything", true}, {"web", "web", true}, {"web", "web-1", false}, {"*", "", true}, {"*", "web", true},
		{"web-*", "web-1", true}, {"web-*", "web", false}, {"*-1", "web-1", true}, {"*-1", "web-11", false},
		{"w*b*1", "web-1", true}, {"w*b*1", "w1", false}, {"a*a", "a", false}, {"a*a", "aa", true}, {"**", "x", true}, {"*b*", "abc", true},
		{"a*bc", "abcbc", true},
	} {
		if got := selects(test.pattern, test.word); got != test.want {
			t.Errorf("selects(%q, %q) = %v", test.pattern, test.word, got)
		}
	}
}
