package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// massRemedy is that of the guard against mass deletion.
const massRemedy = "see `setpoint diff shop`; if it is meant, approve it with `setpoint approve shop`, or set guards.massDeletion: allow"

// governed is an agent whose guards, damping and people have decided about every Sync: shop is held back, web went back to an earlier
// revision, hpa fights for a field, and everything of the chain api, db goes back to one process.
func governed() httpapitest.Content {
	revision := v1alpha1.Revision{ID: strings.Repeat("1a2b3c4d", 5), Ref: "main", Author: "Ann <ann@example.com>", Message: "Move the shop"}
	older := v1alpha1.Revision{ID: strings.Repeat("9f8e7d6c", 5), Ref: "main", Author: "Bob <bob@example.com>", Message: "Scale web"}
	sync := func(name, word, reason, message string) v1alpha1.SyncDetail {
		return v1alpha1.SyncDetail{SyncStatus: v1alpha1.SyncStatus{Name: name, Parent: "root", State: word, Reason: reason, Message: message,
			Since: now.Add(-3 * time.Minute), Looked: now.Add(time.Second), Source: "https://git.example.com/fleet.git main", Path: "apps/" + name,
			Revision: revision, Applied: revision, Objects: v1alpha1.Counts{Total: 1, Healthy: 1}}}
	}
	web, postgres := object("apps", "Deployment", "shop", "web"), object("apps", "StatefulSet", "db", "postgres")
	root := sync("root", "InSync", "", "")
	root.Parent = ""
	root.Items = []v1alpha1.ObjectStatus{
		{ID: object("batch", "Job", "shop", "migrate"), Health: v1alpha1.Health{Status: state.Healthy, Reason: "HookSucceeded"}}}
	held := sync("shop", "Held", "MassDeletion", "3 of 4 objects would be deleted")
	held.Applied, held.Hint = older, massRemedy
	held.Plan = &v1alpha1.HeldPlan{Digest: strings.Repeat("3f2a1b4c5d6e7f80", 4), Revision: revision, Changes: map[string]int{"delete": 3, "update": 1},
		Verdicts: []v1alpha1.Verdict{
			{Check: "MassDeletion", Outcome: "hold", Message: "3 of 4 objects would be deleted", Remedy: massRemedy, Approvable: true},
			{Check: "OutsideWindow", Outcome: "hold", Message: "no window is open", Remedy: "wait, or let it through with `setpoint override shop --for 1h`", Until: now.Add(2 * time.Hour)}},
		Void: &v1alpha1.Approval{Digest: strings.Repeat("0", 64), By: "bob@box", Time: now.Add(-time.Hour)}}
	held.Override = &v1alpha1.WindowOverride{Until: now.Add(90 * time.Minute), By: "alice@box", Comment: "hotfix"}
	back := sync("web", "RolledBack", "Unhealthy", "main@1a2b3c4 was not healthy within 5m")
	back.Applied, back.Hint = older, "mend it with a new commit, which is tried by itself; `setpoint sync` tries this one again"
	back.Quarantine = &v1alpha1.Quarantine{Revision: revision, Reason: "Unhealthy", Message: "apps/Deployment/shop/web: ImagePullBackOff",
		Since: now.Add(-10 * time.Minute), Until: []state.ID{web, object("setpoint.dev", "Sync", "", "db")}}
	fight := sync("hpa", "Drifted", "Contended", "1 field is changed back again and again")
	fight.Deviation = v1alpha1.Deviation{Objects: 2, Fields: 5, Since: now.Add(-20 * time.Minute)}
	fight.Trend = []int{0, 0, 1, 2, 2, 1, 2}
	fight.Contended = []v1alpha1.Contention{
		{ID: web, Path: "/spec/replicas", By: "hpa-controller", Theirs: "5", Ours: "2", Rounds: 5, Since: now.Add(-20 * time.Minute), RetryAt: now.Add(5 * time.Minute)},
		{ID: object("", "ConfigMap", "shop", "flags"), Rounds: 1, Since: now.Add(-time.Minute),
			Remedy: "find out who deletes or ends it, and why"}}
	fight.Items = []v1alpha1.ObjectStatus{{ID: web, Health: v1alpha1.Health{Status: state.Degraded, Reason: "Contended", Message: "/spec/replicas is set to 5 by hpa-controller"},
		Change: &v1alpha1.Change{ID: web, Op: "update", Fields: []v1alpha1.Field{{Path: "/spec/replicas", Old: "5", New: "2"}}}}}
	api := sync("api", "Settling", "DependencyUnhealthy", "waits for Sync/db")
	api.Cause = &v1alpha1.Cause{ID: object("setpoint.dev", "Sync", "", "db"), Message: "Failed: 1 object is not healthy"}
	api.RootCause = "apps/StatefulSet/db/postgres: container postgres exits with 1"
	db := sync("db", "Failed", "Unhealthy", "1 object is not healthy")
	db.Deviation = v1alpha1.Deviation{Objects: 1, Unhealthy: 1, Since: now.Add(-time.Hour)}
	link := func(d v1alpha1.SyncDetail, relation string) v1alpha1.WhyLink {
		return v1alpha1.WhyLink{ID: object("setpoint.dev", "Sync", "", d.Name), Relation: relation, State: d.State, Reason: d.Reason, Message: d.Message, Since: d.Since}
	}
	bottom := v1alpha1.WhyLink{ID: postgres, Relation: "owns", State: "Degraded", Reason: "CrashLoopBackOff", Message: "container postgres exits with 1",
		Hint: "look at `kubectl logs -n db postgres-0`", Since: now.Add(-time.Hour)}
	return httpapitest.Content{
		Syncs: []v1alpha1.SyncDetail{root, held, back, fight, api, db},
		Changes: map[string][]v1alpha1.Change{"shop": {
			{ID: object("", "Namespace", "", "old"), Op: "delete"}, {ID: web, Op: "update", Fields: []v1alpha1.Field{{Path: "/spec/replicas", Old: "2", New: "3"}}}}},
		Healthy: map[string][]v1alpha1.Revision{"web": {revision, older}, "db": {older}},
		Why: map[string]v1alpha1.Why{
			"api": {Chain: []v1alpha1.WhyLink{link(api, ""), link(db, "depends on"), bottom}},
			"db":  {Chain: []v1alpha1.WhyLink{link(db, ""), bottom}}},
		Deviations: map[string]v1alpha1.DeviationSeries{"hpa": {
			Points: []v1alpha1.DeviationPoint{
				{Time: now.Add(-30 * time.Hour), Span: v1alpha1.Duration(time.Hour), Objects: 9},
				{Time: now.Add(-20 * time.Hour), Objects: 0},
				{Time: now.Add(-2 * time.Hour), Objects: 1, Fields: 1},
				{Time: now.Add(-20 * time.Minute), Objects: 2, Fields: 5}},
			Days: []v1alpha1.DeviationDay{
				{Day: "2026-01-30", Settled: 2, SettlingMean: v1alpha1.Duration(4 * time.Second), SettlingMax: v1alpha1.Duration(6 * time.Second)},
				{Day: "2026-01-31", Deviating: v1alpha1.Duration(2 * time.Hour), Repairs: 12, Causes: map[string]int{"hpa-controller": 9, "": 2, "kubectl-edit": 1}}}}},
		Attempts: []v1alpha1.Attempt{
			{ID: "01", Sync: "shop", Trigger: "revision", Revision: older, Started: now.Add(-2 * time.Hour), Finished: now.Add(-2 * time.Hour), Outcome: "Succeeded",
				Approval: &v1alpha1.Approval{Digest: strings.Repeat("3f", 32), By: "alice@box", Comment: "meant", Time: now.Add(-3 * time.Hour)}},
			{ID: "02", Sync: "web", Trigger: "retry", Revision: older, Started: now.Add(-time.Hour), Finished: now.Add(-time.Hour), Outcome: "Succeeded", RolledBackFrom: &revision}},
	}
}

func TestWhatPeopleSeeOfDecisions(t *testing.T) {
	for name, test := range map[string]struct {
		args string
		exit int
	}{
		"control-status":             {"status", 0},
		"control-status-held":        {"status shop", 0},
		"control-status-rolled-back": {"status web", 0},
		"control-status-contended":   {"status hpa", 0},
		"control-status-caused":      {"status api", 0},
		"control-tree":               {"tree", 0},
		"control-diff":               {"diff shop", 3},
		"control-diff-yaml":          {"diff shop -o yaml", 3},
		"control-history":            {"history", 0},
		"approve":                    {"approve shop --yes", 0},
		"approve-unattended":         {"approve shop", 2},
		"approve-empty":              {"approve shop --yes --plan=", 2},
		"approve-plan":               {"approve shop --plan 3F2A1B4C --comment meant --yes", 0},
		"approve-another":            {"approve shop --plan 3f2a1b40", 1},
		"approve-short":              {"approve shop --plan 3f2a", 2},
		"approve-nothing":            {"approve web --yes", 1},
		"approve-unknown":            {"approve nobody --yes", 1},
		"approve-json":               {"approve shop --yes -o json", 0},
		"help-approve":               {"approve --help", 0},
		"override":                   {"override web --for 2h --comment hotfix", 0},
		"override-well":              {"override root --for 2h", 0},
		"override-held":              {"override shop --for 2h", 0},
		"override-unknown":           {"override nobody --for 2h", 1},
		"override-end":               {"override shop --end", 0},
		"override-how-long":          {"override shop", 2},
		"override-too-long":          {"override shop --for 200h", 2},
		"override-both":              {"override shop --for 2h --end", 2},
		"rollback-sync":              {"rollback db --comment wrong", 0},
		"rollback-sync-to":           {"rollback web --to 1a2b3c4", 0},
		"rollback-sync-empty":        {"rollback db --to=", 2},
		"rollback-app-empty":         {"rollback app/web --to=", 2},
		"rollback-sync-none":         {"rollback shop", 1},
		"rollback-sync-yaml":         {"rollback db -o yaml", 0},
		"rollback-sync-wait":         {"rollback db --wait", 0},
		"why":                        {"tree --why", 0},
		"why-one":                    {"tree --why api", 0},
		"why-well":                   {"tree --why root", 0},
		"why-json":                   {"tree --why db -o json", 0},
		"why-unknown":                {"tree --why nobody", 1},
		"deviation":                  {"history hpa --deviation", 0},
		"deviation-none":             {"history root --deviation", 0},
		"deviation-json":             {"history hpa --deviation -o json", 0},
		"deviation-no-name":          {"history --deviation", 2},
		"deviation-app":              {"history app/web --deviation", 2},
		"deviation-limited":          {"history hpa --deviation --limit 3", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TZ", "UTC")
			c := newConsoleWith(t, governed())
			c.env["SUDO_USER"] = "alice"
			if code := c.run(t.Context(), strings.Fields(test.args)...); code != test.exit {
				t.Errorf("exit code %d, want %d", code, test.exit)
			}
			out := "$ setpoint " + test.args + "\n" + c.out.String()
			if c.err.Len() > 0 {
				out += "--- stderr\n" + c.err.String()
			}
			host, err := os.Hostname()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".golden"), strings.ReplaceAll(out, "alice@"+host, "alice@box"))
		})
	}
}

func TestAnApprovalIsOfExactlyThePlanThatWasShown(t *testing.T) {
	c := newConsoleWith(t, governed())
	c.env["SUDO_USER"] = "alice"
	if code := c.run(t.Context(), "approve", "shop", "--plan", "3f2a1b4c5d6e", "--comment", "meant"); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	got := c.backend.Approvals()
	if len(got) != 1 || got[0].Digest != governed().Syncs[1].Plan.Digest || got[0].Comment != "meant" || !strings.HasPrefix(got[0].By, "alice@") {
		t.Errorf("approved %+v", got)
	}
}

func TestNothingIsApprovedThatNoApprovalLifts(t *testing.T) {
	content := governed()
	for i := range content.Syncs[1].Plan.Verdicts {
		content.Syncs[1].Plan.Verdicts[i].Approvable = false
	}
	c := newConsoleWith(t, content)
	if code := c.run(t.Context(), "approve", "shop", "--yes"); code != 1 || len(c.backend.Approvals()) > 0 {
		t.Errorf("exit code %d, approvals %v", code, c.backend.Approvals())
	}
	if text := c.err.String(); !strings.Contains(text, "no approval lifts") || !strings.Contains(text, "massDeletion") {
		t.Errorf("it says %s", text)
	}
}

// A rule that denies forbids the plan, whatever else an approval would lift.
func TestNothingIsApprovedThatIsDenied(t *testing.T) {
	content := governed()
	plan := content.Syncs[1].Plan
	plan.Verdicts = append(plan.Verdicts, v1alpha1.Verdict{Check: "RuleDenies", Outcome: "deny", Message: "root is not named", Remedy: "name it"})
	c := newConsoleWith(t, content)
	if code := c.run(t.Context(), "approve", "shop", "--yes"); code != 1 || len(c.backend.Approvals()) > 0 {
		t.Errorf("exit code %d, approvals %v", code, c.backend.Approvals())
	}
	want := "no approval lifts what holds this plan back: root is not named\n  hint: name it"
	if text := c.err.String(); !strings.Contains(text, want) {
		t.Errorf("it says %s", text)
	}
	for _, command := range []string{"status", "diff"} {
		c.run(t.Context(), command, "shop")
		if text := c.out.String(); strings.Contains(text, "approve shop --plan") || !strings.Contains(text, "RuleDenies") {
			t.Errorf("%s says %s", command, text)
		}
	}
}

func TestWhatIsOverIsNotShown(t *testing.T) {
	content := governed()
	shop := &content.Syncs[1]
	shop.Override.Until = now.Add(-time.Second)
	shop.Plan.Verdicts[1].Message = "the window keeps changes back, and no end is in sight: nobody is here"
	c := newConsoleWith(t, content)
	for _, args := range []string{"status shop", "approve shop --yes"} {
		c.run(t.Context(), strings.Fields(args)...)
		if text := c.out.String(); strings.Contains(text, "overridden by") || strings.Contains(text, "lets go by itself") {
			t.Errorf("%s says %s", args, text)
		}
	}
}

func TestWhatIsSaidOfASuspendedSync(t *testing.T) {
	for _, test := range []struct{ by, args, want string }{
		{"person", "status", "being deleted: suspended by a person: `setpoint resume db`"},
		{"declaration", "tree", "being deleted: suspended by its declaration"},
		{"", "status", "being deleted: Namespace/db would be deleted"},
		{"person", "rollback db", "db goes back when it is resumed: it is suspended, and `setpoint resume db` lets it go on\n"},
		{"declaration", "rollback db", "db goes back when its declaration no longer suspends it\n"},
	} {
		content := governed()
		db := &content.Syncs[5]
		db.State, db.SuspendedBy, db.Deleting, db.Message = "Held", test.by, true, "Namespace/db would be deleted"
		if test.by != "" {
			db.State = "Suspended"
		}
		c := newConsoleWith(t, content)
		if code := c.run(t.Context(), strings.Fields(test.args)...); code != 0 || !strings.Contains(c.out.String(), test.want) {
			t.Errorf("%s, suspended by %q: exit code %d, %s%s", test.args, test.by, code, c.out.String(), c.err.String())
		}
	}
}

func TestARevisionThatWasNeverAppliedIsNotInForce(t *testing.T) {
	content := governed()
	content.Syncs[1].Applied = state.Revision{}
	c := newConsoleWith(t, content)
	c.run(t.Context(), "status")
	if text := c.out.String(); !strings.Contains(text, "Held        → main@1a2b3c4 ") {
		t.Errorf("it says %s", text)
	}
}

func TestAnApprovalIsAwaited(t *testing.T) {
	for name, test := range map[string]struct {
		end  v1alpha1.SyncStatus
		exit int
	}{
		"it goes through": {v1alpha1.SyncStatus{Name: "shop", State: "InSync"}, 0},
		"it fails":        {v1alpha1.SyncStatus{Name: "shop", State: "Failed"}, 4},
		"another plan is held then": {v1alpha1.SyncStatus{Name: "shop", State: "Held",
			Plan: &v1alpha1.HeldPlan{Digest: strings.Repeat("77", 32)}}, 4},
		"a window holds it": {v1alpha1.SyncStatus{Name: "shop", State: "Held", Plan: &v1alpha1.HeldPlan{Digest: governed().Syncs[1].Plan.Digest,
			Verdicts: governed().Syncs[1].Plan.Verdicts[1:]}}, 4},
		"this plan is still held, as far as is known": {v1alpha1.SyncStatus{Name: "shop", State: "Held", Plan: governed().Syncs[1].Plan}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsoleWith(t, governed())
			test.end.Looked = now.Add(time.Second)
			c.backend.OnApprove = func(string) { c.backend.Set(v1alpha1.SyncDetail{SyncStatus: test.end}) }
			timeout := "1m"
			if test.exit == 1 {
				timeout = "50ms"
			}
			if code := c.run(t.Context(), "approve", "shop", "--yes", "--wait", "--timeout", timeout); code != test.exit {
				t.Errorf("exit code %d, want %d: %s%s", code, test.exit, c.out.String(), c.err.String())
			}
		})
	}
}

func TestARollbackOfASyncIsAwaited(t *testing.T) {
	quarantine := &v1alpha1.Quarantine{By: "alice@box"}
	for name, test := range map[string]struct {
		end  v1alpha1.SyncStatus
		exit int
	}{
		"it is healthy":    {v1alpha1.SyncStatus{State: "RolledBack", Quarantine: quarantine}, 0},
		"it fails":         {v1alpha1.SyncStatus{State: "Failed", Quarantine: quarantine}, 4},
		"it has not begun": {v1alpha1.SyncStatus{State: "Failed"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsoleWith(t, governed())
			test.end.Name, test.end.Looked = "db", now.Add(time.Second)
			c.backend.OnRollback = func(string) { c.backend.Set(v1alpha1.SyncDetail{SyncStatus: test.end}) }
			timeout := "1m"
			if test.exit == 1 {
				timeout = "50ms"
			}
			if code := c.run(t.Context(), "rollback", "db", "--wait", "--timeout", timeout); code != test.exit {
				t.Errorf("exit code %d, want %d: %s%s", code, test.exit, c.out.String(), c.err.String())
			}
		})
	}
}
