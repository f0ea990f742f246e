package host

import (
	"testing"

	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Rules are asked about what is there, with what is declared and what the driver knows, and their word holds.
func TestRulesSayWhatHealthyMeans(t *testing.T) {
	h := openReal(t, t.TempDir(), t.TempDir())
	here, missing := declareAt("File", "here", "/here", "x"), declareAt("File", "missing", "/missing", "x")
	if err := h.Apply(t.Context(), shop, steps(here), func(target.Result) {}); err != nil {
		t.Fatal(err)
	}
	says := state.Health{Status: state.Degraded, Reason: "HealthRule"}
	asked := map[state.ID]map[string]any{}
	compare := func(assess func(state.ID, func() map[string]any) (state.Health, bool)) map[string]state.Health {
		report, err := h.Compare(t.Context(), target.Query{Owner: shop, Want: set(here, missing), Assess: assess})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]state.Health{}
		for _, entry := range report.Entries {
			found[entry.ID.Name] = entry.Health
		}
		return found
	}
	ofDriver := compare(nil)
	got := compare(func(id state.ID, content func() map[string]any) (state.Health, bool) {
		asked[id] = content()
		return says, true
	})
	if got["here"] != says || got["missing"] != ofDriver["missing"] || len(asked) != 1 {
		t.Errorf("%+v, asked about %v: want the rule's word on the file that is there, and only on that", got, asked)
	}
	spec, _ := asked[here.ID()]["spec"].(map[string]any)
	status, _ := asked[here.ID()]["status"].(map[string]any)
	known, _ := status["health"].(map[string]any)
	if spec["path"] != "/here" || known["status"] != "Healthy" {
		t.Errorf("rules see %v, want what is declared and how it is doing", asked[here.ID()])
	}
	silent := compare(func(state.ID, func() map[string]any) (state.Health, bool) { return state.Health{}, false })
	if silent["here"] != ofDriver["here"] {
		t.Errorf("%+v, want the driver's word where a rule says nothing", silent["here"])
	}
	agreeing := compare(func(state.ID, func() map[string]any) (state.Health, bool) {
		return state.Health{Status: state.Healthy, Reason: "HealthRule"}, true
	})
	if agreeing["here"] != ofDriver["here"] {
		t.Errorf("%+v, want the driver's own words where both say that it is healthy", agreeing["here"])
	}
}

func steps(objects ...*state.Object) []plan.Step {
	var made []plan.Step
	for _, object := range objects {
		made = append(made, creating(object))
	}
	return made
}
