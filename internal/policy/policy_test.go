package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// noon is a Saturday.
var noon = time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)

// id reads "Kind/name" or "group/Kind/namespace/name".
func id(what string) state.ID {
	parts := strings.Split(what, "/")
	if len(parts) == 4 {
		return state.ID{Group: parts[0], Kind: parts[1], Namespace: parts[2], Name: parts[3]}
	}
	return state.ID{Kind: parts[0], Name: parts[len(parts)-1]}
}

func object(what string, spec map[string]any) *state.Object {
	of := id(what)
	return state.NewObject(map[string]any{"apiVersion": strings.TrimPrefix(of.Group+"/v1", "/"), "kind": of.Kind,
		"metadata": map[string]any{"name": of.Name, "namespace": of.Namespace}, "spec": spec}, state.Origin{})
}

// change reads "update apps/Deployment/shop/web".
func change(what string) policy.Change {
	op, name, _ := strings.Cut(what, " ")
	c := policy.Change{Entry: diff.Entry{ID: id(name), Op: diff.Op(op)}}
	if c.Op != diff.Delete {
		c.Want = object(name, map[string]any{"replicas": int64(3)})
	}
	return c
}

func changes(all ...string) (out []policy.Change) {
	for _, what := range all {
		out = append(out, change(what))
	}
	return out
}

func deletions(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("delete ConfigMap/c%d", i))
	}
	return all
}

// show gives a verdict in two lines.
func show(verdicts []policy.Verdict) string {
	var all []string
	for _, v := range verdicts {
		line := fmt.Sprintf("%s %s: %s\n  → %s", v.Outcome, v.Check, v.Message, v.Remedy)
		if v.Approvable {
			line = "approvable " + line
		}
		if !v.Until.IsZero() {
			line += " (" + v.Until.UTC().Format(time.DateTime) + ")"
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

const (
	setReplicas = "change.op == 'delete' || change.object.spec.replicas <= 2"
	meant       = "if it is meant, approve it with `setpoint approve shop`, or set guards.massDeletion: allow"
)

var (
	nights  = v1alpha1.Window{Kind: "allow", Schedule: "0 22 * * *", Duration: v1alpha1.Duration(8 * time.Hour)}
	noons   = v1alpha1.Window{Kind: "allow", Schedule: "0 11 * * *", Duration: v1alpha1.Duration(2 * time.Hour)}
	weekend = v1alpha1.Window{Kind: "deny", Schedule: "0 0 * * 6", Duration: v1alpha1.Duration(48 * time.Hour), Message: "nobody is there"}
)

func TestJudge(t *testing.T) {
	holder := change("delete Namespace/db")
	holder.Holds = "12 objects of others, such as Secret/db/x"
	drifted := change("update Service/web")
	drifted.Drift = true
	kept, leaving := change("delete ConfigMap/c0"), change("delete ConfigMap/c1")
	kept.Keep, leaving.Terminating = true, true
	for _, test := range []struct {
		name  string
		given v1alpha1.Constraints
		input policy.Input
		want  string
	}{
		{"nothing to do", v1alpha1.Constraints{Approval: "always", Windows: []v1alpha1.Window{weekend}}, policy.Input{}, ""},
		{"without any terms", v1alpha1.Constraints{}, policy.Input{Owned: 9, Changes: changes("update Service/web", "replace Job/x", "delete ConfigMap/c")}, ""},

		{"a rule holds", rule("few", setReplicas, ""), policy.Input{Changes: changes("update apps/Deployment/shop/web")},
			"approvable hold RuleHolds: rule \"few\" of Sync shop is not met by apps/Deployment/shop/web: at most two\n" +
				"  → change what is declared, or approve it with `setpoint approve shop`"},
		{"and denies", rule("few", setReplicas, "deny"), policy.Input{Changes: changes("create Service/b", "create Service/a", "delete Service/0")},
			"deny RuleDenies: rule \"few\" of Sync shop is not met by 2 objects, such as Service/a: at most two\n  → change what is declared"},
		{"a rule without a value", rule("few", "change.before.spec.replicas == 1", "deny"), policy.Input{Changes: changes("create Service/a")},
			"approvable hold RuleHolds: rule \"few\" of Sync shop cannot be evaluated for Service/a: no such key: spec\n" +
				"  → let the rule ask first, with has(…) or change.op, or match fewer changes; or approve it with `setpoint approve shop`"},
		{"a rule about other things", v1alpha1.Constraints{Rules: []v1alpha1.Rule{{Name: "never", Expression: "false",
			Match: v1alpha1.Match{Ops: []string{"delete"}, Kind: "Dep*"}}}}, policy.Input{Changes: changes("create apps/Deployment/a/b", "delete Service/x")}, ""},
		{"denials come first", v1alpha1.Constraints{Approval: "always", Rules: []v1alpha1.Rule{{Name: "a", Expression: "false"},
			{Name: "b", Expression: "false", Outcome: "deny", Remedy: "give up"}}}, policy.Input{Changes: changes("create Service/a")},
			"deny RuleDenies: rule \"b\" of Sync shop is not met by Service/a\n  → give up\n" +
				"approvable hold RuleHolds: rule \"a\" of Sync shop is not met by Service/a\n" +
				"  → change what is declared, or approve it with `setpoint approve shop`\n" +
				"approvable hold ApprovalRequired: a person has to approve this (approval: always): create Service/a\n" +
				"  → see `setpoint diff shop`, then `setpoint approve shop`"},

		{"while a window denies", v1alpha1.Constraints{Windows: []v1alpha1.Window{weekend, noons}}, policy.Input{Changes: changes("create Service/a")},
			"hold OutsideWindow: the window \"0 0 * * 6 for 48h (UTC)\" of Sync shop keeps changes back until 2026-01-12 00:00 UTC: nobody is there\n" +
				"  → wait, or let it through with `setpoint override shop --for 1h` (2026-01-12 11:00:00)"},
		{"outside of those that allow", v1alpha1.Constraints{Windows: []v1alpha1.Window{nights}}, policy.Input{Changes: changes("create Service/a")},
			"hold OutsideWindow: changes wait for the window \"0 22 * * * for 8h (UTC)\" of Sync shop, which opens 2026-01-10 22:00 UTC\n" +
				"  → wait, or let it through with `setpoint override shop --for 1h` (2026-01-10 22:00:00)"},
		{"windows that allow are a union", v1alpha1.Constraints{Windows: []v1alpha1.Window{nights, noons}}, policy.Input{Changes: changes("create Service/a")}, ""},
		{"overridden", v1alpha1.Constraints{Windows: []v1alpha1.Window{weekend}},
			policy.Input{Changes: changes("create Service/a"), WindowsUntil: noon.Add(1)}, ""},
		{"the override is over", v1alpha1.Constraints{Windows: []v1alpha1.Window{nights}},
			policy.Input{Changes: changes("create Service/a"), WindowsUntil: noon},
			"hold OutsideWindow: changes wait for the window \"0 22 * * * for 8h (UTC)\" of Sync shop, which opens 2026-01-10 22:00 UTC\n" +
				"  → wait, or let it through with `setpoint override shop --for 1h` (2026-01-10 22:00:00)"},
		{"drift is no matter of windows and approvals", v1alpha1.Constraints{Approval: "always", Windows: []v1alpha1.Window{weekend}},
			policy.Input{Changes: []policy.Change{drifted}}, ""},

		{"half of all", v1alpha1.Constraints{}, policy.Input{Owned: 4, Changes: changes(deletions(2)...)}, ""},
		{"most of few", v1alpha1.Constraints{}, policy.Input{Owned: 3, Changes: changes(deletions(3)...)}, ""},
		{"most", v1alpha1.Constraints{}, policy.Input{Owned: 8, Changes: changes(deletions(5)...)},
			"approvable hold MassDeletion: 5 of its 8 objects would be deleted: ConfigMap/c0, ConfigMap/c1, ConfigMap/c2 and 2 more\n" +
				"  → see `setpoint diff shop`; " + meant},
		{"what stays or goes already does not count", v1alpha1.Constraints{},
			policy.Input{Owned: 4, Changes: append(changes("delete ConfigMap/x", "delete ConfigMap/y"), kept, leaving)}, ""},
		{"the Sync itself goes", v1alpha1.Constraints{}, policy.Input{Owned: 8, Deleting: true, Changes: changes(deletions(8)...)},
			"approvable hold MassDeletion: the Sync is no longer declared, and 8 of its 8 objects would be deleted: ConfigMap/c0, " +
				"ConfigMap/c1, ConfigMap/c2 and 5 more\n  → see `setpoint diff shop`; " + meant},
		{"with what others have", v1alpha1.Constraints{}, policy.Input{Owned: 8, Deleting: true, Changes: []policy.Change{holder}},
			"approvable hold MassDeletion: Namespace/db would be deleted, and with it 12 objects of others, such as Secret/db/x\n" +
				"  → see `setpoint diff shop`; " + meant},

		{"nothing is risky", v1alpha1.Constraints{Approval: "risky"}, policy.Input{Owned: 8, Changes: changes("update Service/web", "create Service/b")}, ""},
		{"risky", v1alpha1.Constraints{Approval: "risky"}, policy.Input{Owned: 8,
			Changes: changes("update Service/web", "delete ConfigMap/c", "replace batch/Job/x/y", "update Namespace/shop", "create apps/StatefulSet/a/b")},
			"approvable hold ApprovalRequired: a person has to approve this (approval: risky): delete ConfigMap/c, update Namespace/shop, " +
				"create apps/StatefulSet/a/b and 1 more\n  → see `setpoint diff shop`, then `setpoint approve shop`"},
		{"a first installation is not risky", v1alpha1.Constraints{Approval: "risky"}, policy.Input{Changes: changes("create Namespace/shop", "create Service/b")}, ""},
		{"but always asked for", v1alpha1.Constraints{Approval: "always"}, policy.Input{Changes: changes("create Namespace/shop")},
			"approvable hold ApprovalRequired: a person has to approve this (approval: always): create Namespace/shop\n" +
				"  → see `setpoint diff shop`, then `setpoint approve shop`"},

		{"what cannot be compiled", v1alpha1.Constraints{Rules: []v1alpha1.Rule{{Name: "bad", Expression: "chnge.op == 1"}},
			Windows: []v1alpha1.Window{{Kind: "deny", Schedule: "0 25 * * *", Duration: v1alpha1.Duration(time.Hour)}}}, policy.Input{Approved: true},
			"hold TermsBroken: Sync shop: read the window's schedule \"0 25 * * *\": its hour \"25\" is not within 0 to 23, a range, or a step such as */2; " +
				"Sync shop: rule \"bad\" cannot be compiled: 1:1: nothing is called 'chnge' (did you mean 'change'?)\n" +
				"  → a schedule is as of cron: \"0 22 * * 1-5\" is 22:00 from Monday to Friday"},
	} {
		t.Run(test.name, func(t *testing.T) {
			input := test.input
			input.Now, input.Objects, input.Sync.Name = noon, 1, "shop"
			var none *policy.Terms
			input.Terms = none.Add("Sync shop", test.given).Guarded(v1alpha1.Guards{Protected: []string{"StatefulSet"}}, false)
			if got := show(policy.Judge(input)); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			slices.Reverse(input.Changes)
			input.Now = input.Now.Add(time.Minute)
			input.WindowsUntil = input.WindowsUntil.Add(time.Minute)
			if got := show(policy.Judge(input)); got != test.want {
				t.Errorf("a minute later, in another order:\n%s", got)
			}
		})
	}
}

func rule(name, expression, outcome string) v1alpha1.Constraints {
	return v1alpha1.Constraints{Rules: []v1alpha1.Rule{{Name: name, Expression: expression, Outcome: outcome, Message: "at most two"}}}
}

func TestEmptyRender(t *testing.T) {
	none := &policy.Terms{}
	for _, test := range []struct {
		name  string
		input policy.Input
		held  bool
	}{
		{"nothing declared", policy.Input{}, true},
		{"nothing declared, everything known", policy.Input{Terms: none}, true},
		{"approved", policy.Input{Approved: true}, false},
		{"meant", policy.Input{Terms: none.Guarded(v1alpha1.Guards{}, true)}, false},
		{"meant by the parent", policy.Input{Terms: none.Guarded(v1alpha1.Guards{}, true).Add("Sync child", v1alpha1.Constraints{})}, true},
		{"the Sync goes", policy.Input{Deleting: true}, false},
		{"something declared", policy.Input{Objects: 1}, false},
	} {
		if verdicts := policy.Judge(test.input); (len(verdicts) == 1 && verdicts[0].Check == policy.EmptyRender) != test.held {
			t.Errorf("%s: %s", test.name, show(verdicts))
		}
	}
}

func TestMassDeletionThatIsMeant(t *testing.T) {
	var none *policy.Terms
	input := policy.Input{Objects: 1, Owned: 8, Changes: changes(deletions(8)...)}
	for guard, want := range map[string]int{"": 1, "hold": 1, "allow": 0} {
		input.Terms = none.Guarded(v1alpha1.Guards{MassDeletion: guard}, false)
		if verdicts := policy.Judge(input); len(verdicts) != want {
			t.Errorf("%q: %s", guard, show(verdicts))
		}
	}
}

func TestRepairs(t *testing.T) {
	strict, strictNights := weekend, nights
	strict.Repairs, strictNights.Repairs = "hold", "hold"
	for _, test := range []struct {
		name    string
		windows []v1alpha1.Window
		until   time.Time
		want    string
	}{
		{"without windows", nil, time.Time{}, ""},
		{"windows let repairs through", []v1alpha1.Window{weekend, nights}, time.Time{}, ""},
		{"unless they say so", []v1alpha1.Window{strict}, time.Time{}, "2026-01-12 00:00:00"},
		{"or wait for one", []v1alpha1.Window{strictNights}, time.Time{}, "2026-01-10 22:00:00"},
		{"another is open", []v1alpha1.Window{strictNights, noons}, time.Time{}, ""},
		{"overridden", []v1alpha1.Window{strict}, noon.Add(time.Hour), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var none *policy.Terms
			verdict := none.Add("Policy p", v1alpha1.Constraints{Windows: test.windows}).Repairs(noon, test.until, "shop")
			switch {
			case test.want == "" && verdict != policy.Verdict{Outcome: policy.Allow}:
				t.Error(show([]policy.Verdict{verdict}))
			case test.want != "" && (verdict.Outcome != policy.Hold || verdict.Approvable || verdict.Until.UTC().Format(time.DateTime) != test.want ||
				!strings.HasPrefix(verdict.Message, "drift is not repaired: ")):
				t.Error(show([]policy.Verdict{verdict}))
			}
		})
	}
	if verdict := (*policy.Terms)(nil).Repairs(noon, time.Time{}, "shop"); verdict.Outcome != policy.Allow {
		t.Error(verdict)
	}
}

// TestAWindowThatNeverCloses: nothing is known to wait for, so that one looks again the next day.
func TestAWindowThatNeverCloses(t *testing.T) {
	var none *policy.Terms
	terms := none.Add("Sync shop", v1alpha1.Constraints{Windows: []v1alpha1.Window{{Kind: "deny", Schedule: "@daily", Duration: v1alpha1.Duration(24 * time.Hour)}}})
	verdicts := policy.Judge(policy.Input{Now: noon, Objects: 1, Changes: changes("create Service/a"), Terms: terms})
	want := "hold OutsideWindow: the window \"@daily for 24h (UTC)\" of Sync shop keeps changes back, and no end is in sight\n" +
		"  → wait, or let it through with `setpoint override NAME --for 1h` (2026-01-11 00:00:00)"
	if got := show(verdicts); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestOneRuleCannotTakeAllTime: what a rule may cost for a plan is bounded, whatever the number of changes.
func TestOneRuleCannotTakeAllTime(t *testing.T) {
	list := make([]any, 100)
	for i := range list {
		list[i] = int64(i)
	}
	input := policy.Input{Objects: 1}
	for i := range 60 {
		c := change(fmt.Sprintf("create ConfigMap/c%03d", i))
		c.Want = object(c.ID.Kind+"/"+c.ID.Name, map[string]any{"list": list})
		input.Changes = append(input.Changes, c)
	}
	var none *policy.Terms
	input.Terms = none.Add("Sync shop", rule("slow", "change.object.spec.list.all(a, change.object.spec.list.all(b, a + b >= 0))", ""))
	verdicts := policy.Judge(input)
	if len(verdicts) != 1 || !strings.Contains(verdicts[0].Message, "for all changes together it costs more than the limit of 2000000") {
		t.Error(show(verdicts))
	}
}

func TestRulesSeeTheChange(t *testing.T) {
	c := change("update apps/Deployment/shop/web")
	c.Fields = []diff.Field{{Path: "/spec/replicas", Old: "5", New: "3"}}
	c.Before = object("apps/Deployment/shop/web", map[string]any{"replicas": int64(5)})
	c.Lost = true
	var none *policy.Terms
	terms := none.Add("Sync shop", rule("all", strings.Join([]string{
		`change.op == "update"`, `change.drift`, `change.fields == ["/spec/replicas"]`,
		`change.id == {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}`,
		`change.object.spec.replicas == 3`, `change.before.spec.replicas == 5`,
		`sync == {"name": "shop", "parent": "root", "path": "apps", "source": "main", "target": "this host"}`,
		`revision.id == "1a" && revision.ref == "main" && revision.author == "Ann" && revision.message == "Scale"`,
		`revision.time == timestamp("2026-01-10T12:00:00Z")`}, " && "), ""))
	if !terms.ReadBefore() || none.ReadBefore() || none.Add("x", rule("few", setReplicas, "")).ReadBefore() {
		t.Error("which rules read what is replaced")
	}
	verdicts := policy.Judge(policy.Input{Now: noon, Objects: 1, Owned: 1, Changes: []policy.Change{c}, Terms: terms,
		Sync:     policy.Sync{Name: "shop", Parent: "root", Path: "apps", Source: "main", Target: "this host"},
		Revision: state.Revision{ID: "1a", Ref: "main", Author: "Ann", Message: "Scale", Time: noon}})
	if len(verdicts) > 0 {
		t.Error(show(verdicts))
	}
}
