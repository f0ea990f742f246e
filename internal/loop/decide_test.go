package loop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// anyTime is before or after now, or never.
var anyTime = rapid.Custom(func(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "never") {
		return time.Time{}
	}
	return epoch.Add(time.Duration(rapid.IntRange(-600, 600).Draw(t, "seconds")) * time.Second)
})

var anyError = rapid.Custom(func(t *rapid.T) error {
	kind := rapid.SampledFrom([]fault.Kind{fault.Invalid, fault.Denied, fault.Transient, fault.NotFound, fault.Conflict}).Draw(t, "kind")
	switch rapid.IntRange(0, 4).Draw(t, "error") {
	case 0:
		return fault.New(kind, "apply", "x", "broken").WithHint("mend it")
	case 1:
		return errors.Join(fault.New(kind, "read", "y", "wrong"), fault.New(fault.Denied, "read", "z", "no"))
	case 2:
		return errors.Join(fault.New(kind, "read", "y", "wrong"), fault.Unverified("z", "it is not signed").WithHint("sign it"))
	}
	return nil
})

var anyHealth = rapid.Custom(func(t *rapid.T) state.Health {
	return state.Health{
		Status: rapid.SampledFrom([]state.HealthStatus{state.Healthy, state.Progressing, state.Degraded, state.Missing, state.Suspended, state.Unknown}).Draw(t, "status"),
		Reason: rapid.SampledFrom([]string{"", "CrashLoopBackOff"}).Draw(t, "reason"),
	}
})

var anyEntry = rapid.Custom(func(t *rapid.T) diff.Entry {
	return diff.Entry{
		ID:          state.ID{Kind: "Thing", Name: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name")},
		Op:          rapid.SampledFrom([]diff.Op{diff.None, diff.Create, diff.Update, diff.Replace, diff.Delete}).Draw(t, "op"),
		Health:      anyHealth.Draw(t, "health"),
		Err:         anyError.Draw(t, "err"),
		Terminating: rapid.Bool().Draw(t, "terminating"),
	}
})

var anyFacts = rapid.Custom(func(t *rapid.T) Facts {
	facts := Facts{
		Spec: Spec{
			Suspend: rapid.Bool().Draw(t, "suspend"), Report: rapid.Bool().Draw(t, "report"), Orphan: rapid.Bool().Draw(t, "orphan"),
			Timeout: time.Minute, Err: anyError.Draw(t, "spec"),
		},
		Deleting: rapid.Bool().Draw(t, "deleting"),
		Source:   SourceFacts{Err: anyError.Draw(t, "source")},
		Render:   RenderFacts{Known: rapid.Bool().Draw(t, "known"), Err: anyError.Draw(t, "render"), RetryAt: anyTime.Draw(t, "again")},
		Compare: CompareFacts{
			Known: rapid.Bool().Draw(t, "compared"), Fresh: rapid.Bool().Draw(t, "fresh"), Err: anyError.Draw(t, "compare"),
			RetryAt: anyTime.Draw(t, "recompare"),
		},
		Objects:   rapid.SliceOfN(anyEntry, 0, 4).Draw(t, "objects"),
		New:       rapid.Bool().Draw(t, "new"),
		Gated:     rapid.IntRange(0, 2).Draw(t, "gated"),
		ChangedAt: anyTime.Draw(t, "changed"),
		RetryAt:   anyTime.Draw(t, "retry"),
	}
	if rapid.Bool().Draw(t, "revision") {
		facts.Source.Revision = &state.Revision{ID: "new"}
		facts.Render.Revision = rapid.SampledFrom([]string{"", "old", "new"}).Draw(t, "rendered")
	}
	if rapid.Bool().Draw(t, "held") {
		facts.Candidate = heldBack
		facts.Candidate.Judged, facts.Candidate.Quarantined = rapid.Bool().Draw(t, "judged"), rapid.Bool().Draw(t, "quarantined")
	}
	facts.Proven, facts.GivenUp = rapid.Bool().Draw(t, "proven"), rapid.Bool().Draw(t, "given up")
	facts.GoBack, facts.BeganAt = rapid.Bool().Draw(t, "go back"), anyTime.Draw(t, "began")
	if rapid.Bool().Draw(t, "back") {
		facts.Back = &Good{Digest: "good", Revision: state.Revision{ID: "good"}}
	}
	if facts.Candidate.Quarantined {
		facts.Away = &Quarantined{Revision: state.Revision{ID: "bad"}, Reason: "Unhealthy", Message: "it failed"}
	}
	if rapid.Bool().Draw(t, "contended") {
		facts.Contended = []v1alpha1.Contention{{ID: state.ID{Kind: "Thing", Name: "c"}, Path: "/value", By: "other"}}
		facts.ContendedUntil = anyTime.Draw(t, "contended until")
	}
	if rapid.Bool().Draw(t, "need") {
		facts.Needs = []Need{{ID: state.ID{Kind: "Sync", Name: "db"}, Health: anyHealth.Draw(t, "need"), Cycle: rapid.SampledFrom([][]string{nil, {"a", "b", "a"}}).Draw(t, "cycle")}}
	}
	facts.Plan = plan.Build(diff.Report{Entries: facts.Objects}, plan.Rules{Prune: true})
	return facts
})

var heldBack = CandidateFacts{Known: true, Judged: true, Verdicts: []policy.Verdict{
	{Outcome: policy.Hold, Check: "EmptyRender", Message: "its path declares no objects", Remedy: "put it right"},
}}

// shown gives a decision as text, what it points to included.
func shown(decision Decision) string {
	cause := decision.Cause
	decision.Cause = nil
	return fmt.Sprintf("%+v %+v", decision, cause)
}

var camelCase = regexp.MustCompile(`^[A-Z][A-Za-z]+$`)

func TestDecideHoldsItsInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := anyFacts.Draw(t, "facts")
		decision := Decide(facts, epoch)
		if again := Decide(facts, epoch); shown(decision) != shown(again) {
			t.Fatalf("decided %+v, then %+v", decision, again)
		}
		if decision.State == "" || !camelCase.MatchString(decision.Reason) || decision.Message == "" {
			t.Fatalf("a state without a name, a reason or a sentence: %+v", decision)
		}
		never := func(broken bool, rule string) {
			if broken {
				t.Fatalf("%s: %+v", rule, decision)
			}
		}
		acts := decision.Action != Nothing
		changes := decision.Action == Apply
		never(facts.Spec.Suspend && !facts.Deleting && acts && decision.Action != Compare, "a suspended Sync does more than look")
		never(changes && len(facts.Plan.Next) == 0, "applies without a step")
		never(changes && (!facts.Compare.Known || !facts.Compare.Fresh), "changes what it has not just compared")
		never(acts && (decision.State == Failed || decision.State == Held || decision.State == Drifted || decision.State == InSync), "acts at rest")
		never(changes && !facts.Deleting && !facts.Render.Known, "changes without a desired state")
		never(decision.Action == Compare && facts.Compare.Err != nil && epoch.Before(facts.Compare.RetryAt), "compares before its back-off is over")
		never(decision.Action == Forget && !facts.Deleting, "forgets a Sync that is declared")
		never(decision.Action == Forget && !facts.Spec.Orphan && !facts.Compare.Fresh, "forgets without having looked")
		unsigned := errors.Is(facts.Source.Err, fault.ErrUnverified)
		never(unsigned && decision.Reason == "SourceFailed", "what is not signed counts as a failure of the source")
		never(unsigned && decision.State == InSync, "in sync while a newer revision is not signed")
		never(decision.Reason == Unverified && decision.State != Held, "what is not signed is not held")
		never(decision.State == InSync && facts.Render.Err != nil, "in sync with a revision that cannot be read")
		if !facts.Deleting {
			for _, need := range facts.Needs {
				never(len(need.Cycle) > 0 && acts && facts.Spec.Err == nil && !facts.Spec.Suspend, "acts in a dependency cycle")
			}
		}
	})
}

// calm is a Sync in perfect order.
func calm() Facts {
	return Facts{
		Spec:    Spec{Timeout: time.Minute},
		Source:  SourceFacts{Revision: &state.Revision{ID: "new"}},
		Render:  RenderFacts{Known: true, Revision: "new"},
		Compare: CompareFacts{Known: true, Fresh: true},
	}
}

// differing adds objects, and the plan that they lead to.
func differing(f *Facts, entries ...diff.Entry) {
	f.Objects = entries
	f.Plan = plan.Build(diff.Report{Entries: entries}, plan.Rules{Prune: true, Skip: func(e diff.Entry) bool { return e.Drift == "report" }})
}

// The table reads like the law: what is known, and what is made of it.
func TestDecide(t *testing.T) {
	broken := fault.New(fault.Invalid, "read", "x", "broken")
	unsigned := fault.Unverified("commit 1a2b3c4", "it is not signed")
	away := fault.New(fault.Transient, "pull", "x", "no answer")
	id := state.ID{Kind: "Thing", Name: "a"}
	sick := diff.Entry{ID: id, Op: diff.None, Health: state.Health{Status: state.Degraded, Reason: "CrashLoopBackOff"}}
	unequal := diff.Entry{ID: id, Op: diff.Update, Health: state.Health{Status: state.Healthy}}
	for _, test := range []struct {
		name   string
		facts  func(f *Facts)
		state  State
		reason string
		action Action
	}{
		{"all is well", func(*Facts) {}, InSync, "Equal", Nothing},
		{"suspended", func(f *Facts) { f.Spec.Suspend = true; differing(f, unequal) }, Suspended, "Suspended", Nothing},
		{"suspended, and something happened", func(f *Facts) { f.Spec.Suspend, f.Compare.Fresh = true, false }, Suspended, "Suspended", Compare},
		{"will not get better", func(f *Facts) { e := sick; e.Health.Final = true; f.ChangedAt = epoch; differing(f, e) }, Syncing, "Unhealthy", GiveUp},
		{"was healthy before, and will not get better", func(f *Facts) { e := sick; e.Health.Final = true; f.Proven = true; differing(f, e) }, Failed, "Unhealthy", Nothing},
		{"a person went back", func(f *Facts) {
			differing(f, diff.Entry{ID: id, Op: diff.None, Health: state.Health{Status: state.Healthy, Reason: RolledBackByPerson}})
		}, InSync, "RolledBack", Nothing},
		{"declaration unusable", func(f *Facts) { f.Spec.Err = broken }, Failed, "Misconfigured", Nothing},
		{"cycle", func(f *Facts) { f.Needs = []Need{{Cycle: []string{"a", "b", "a"}}} }, Failed, "DependencyCycle", Nothing},
		{"no revision yet", func(f *Facts) { f.Source.Revision, f.Render.Known = nil, false }, Pending, "Fetching", Nothing},
		{"no revision to be had", func(f *Facts) { f.Source, f.Render.Known = SourceFacts{Err: broken}, false }, Failed, "SourceFailed", Nothing},
		{"new revision", func(f *Facts) { f.Render.Revision = "old" }, Rendering, "NewRevision", Render},
		{"first revision is broken", func(f *Facts) { f.Render.Known, f.Render.Err = false, broken }, Failed, "RenderFailed", Nothing},
		{"later revision is broken", func(f *Facts) { f.Render.Err = broken }, Failed, "RenderFailed", Nothing},
		{"drift under a broken revision", func(f *Facts) { f.Render.Err = broken; differing(f, unequal) }, Syncing, "Repairing", Apply},
		{"nothing declared", func(f *Facts) { f.Candidate = heldBack }, Held, "EmptyRender", Nothing},
		{"never compared", func(f *Facts) { f.Compare = CompareFacts{} }, Syncing, "Comparing", Compare},
		{"something happened", func(f *Facts) { f.Compare.Fresh = false }, Syncing, "Comparing", Compare},
		{"target down", func(f *Facts) { f.Compare.Err, f.Compare.RetryAt = broken, epoch.Add(time.Second) }, Failed, "CompareFailed", Nothing},
		{"target down, back-off over", func(f *Facts) { f.Compare.Err, f.Compare.RetryAt = broken, epoch }, Syncing, "Comparing", Compare},
		{"new desired state", func(f *Facts) { f.New = true; differing(f, unequal) }, Syncing, "Applying", Apply},
		{"drift", func(f *Facts) { differing(f, unequal) }, Syncing, "Repairing", Apply},
		{"dependency", func(f *Facts) {
			f.Gated, f.Needs = 1, []Need{{ID: id, Health: state.Health{Status: state.Missing}}}
		}, Pending, "DependencyNotReady", Nothing},
		{"refused", func(f *Facts) { e := unequal; e.Err = broken; differing(f, e) }, Failed, "Invalid", Nothing},
		{"a target is unknown", func(f *Facts) { f.Compare.Unknown = []error{broken, errors.New("x")} }, Failed, "ApplyFailed", Nothing},
		{"not healthy yet", func(f *Facts) { f.ChangedAt = epoch; differing(f, sick) }, Settling, "CrashLoopBackOff", Nothing},
		{"not healthy in time", func(f *Facts) { f.ChangedAt = epoch.Add(-time.Hour); differing(f, sick) }, Syncing, "Unhealthy", GiveUp},
		{"given up", func(f *Facts) { f.ChangedAt, f.GivenUp = epoch.Add(-time.Hour), true; differing(f, sick) }, Failed, "Unhealthy", Nothing},
		{"given up, with something to go back to", func(f *Facts) {
			f.ChangedAt, f.GivenUp, f.Back = epoch.Add(-time.Hour), true, &Good{Revision: state.Revision{ID: "good"}}
			differing(f, sick)
		}, Syncing, "RollingBack", GoBack},
		{"its fail hooks run first", func(f *Facts) {
			f.ChangedAt, f.GivenUp, f.Back = epoch.Add(-time.Hour), true, &Good{Revision: state.Revision{ID: "good"}}
			f.Hooks.Running = []diff.Entry{sick}
			differing(f, sick)
		}, Settling, "FailHooks", Nothing},
		{"an earlier revision is in force", func(f *Facts) {
			f.Candidate = CandidateFacts{Known: true, Quarantined: true}
			f.Away = &Quarantined{Reason: "Unhealthy", Message: "it was ill"}
		}, RolledBack, "Unhealthy", Nothing},
		{"what was refused may be accepted now", func(f *Facts) { f.Candidate = CandidateFacts{Known: true, Quarantined: true, Probe: true} }, RolledBack, "", Probe},
		{"a person went back to a revision", func(f *Facts) { f.GoBack = true }, Syncing, "RollingBack", GoBack},
		{"a newer desired state", func(f *Facts) { f.Candidate = CandidateFacts{Known: true} }, Syncing, "Judging", Judge},
		{"a newer one is denied", func(f *Facts) {
			f.Candidate = CandidateFacts{Known: true, Judged: true, Verdicts: []policy.Verdict{{Outcome: policy.Deny, Check: "RuleDenies"}}}
		}, Failed, "RuleDenies", Nothing},
		{"repair of what is held back", func(f *Facts) { f.Candidate = heldBack; differing(f, unequal) }, Syncing, "Repairing", Apply},
		{"repair outside of a window", func(f *Facts) {
			f.Frozen = policy.Verdict{Outcome: policy.Hold, Check: "OutsideWindow"}
			differing(f, unequal)
		}, Held, "OutsideWindow", Nothing},
		{"another writer", func(f *Facts) { f.Contended = []v1alpha1.Contention{{ID: id, Path: "/value"}} }, Drifted, "Contended", Nothing},
		{"a check fails", func(f *Facts) { f.ChangedAt = epoch; f.Checks = []Need{{ID: id, Health: sick.Health}} }, Settling, "CrashLoopBackOff", Nothing},
		{"a dependency fell ill", func(f *Facts) { f.Needs = []Need{{ID: id, Health: sick.Health}} }, Settling, "DependencyUnhealthy", Nothing},
		{"a dependency is on its way", func(f *Facts) {
			f.Needs = []Need{{ID: id, Health: state.Health{Status: state.Progressing}}}
		}, InSync, "Equal", Nothing},
		{"order", func(f *Facts) {
			f.ChangedAt = epoch
			e := unequal
			e.Terminating = true
			differing(f, e)
		}, Settling, "WaitingForOrder", Nothing},
		{"drift is reported", func(f *Facts) { e := unequal; e.Drift = "report"; differing(f, e) }, Drifted, "DriftReported", Nothing},
		{"source down", func(f *Facts) { f.Source.Err = away }, InSync, "SourceFailed", Nothing},
		{"nothing is signed yet", func(f *Facts) { f.Source, f.Render.Known = SourceFacts{Err: unsigned}, false }, Held, "Unverified", Nothing},
		{"a newer revision is not signed", func(f *Facts) { f.Source.Err = fmt.Errorf("of an import: %w", unsigned) }, Held, "Unverified", Nothing},
		{"one of several sources is not signed", func(f *Facts) { f.Source.Err = errors.Join(away, unsigned) }, Held, "Unverified", Nothing},
		{"what a revision asks for is not signed", func(f *Facts) { f.Render.Err = unsigned }, Held, "Unverified", Nothing},
		{"and something is wrong with it, too", func(f *Facts) { f.Render.Err = errors.Join(broken, unsigned) }, Failed, "RenderFailed", Nothing},
		{"drift under an unsigned revision", func(f *Facts) { f.Source.Err = unsigned; differing(f, unequal) }, Syncing, "Repairing", Apply},
		{"ill under an unsigned revision", func(f *Facts) {
			f.Source.Err, f.Proven, f.ChangedAt = unsigned, true, epoch.Add(-time.Hour)
			differing(f, sick)
		}, Held, "Unverified", Nothing},
		{"rolled back under an unsigned revision", func(f *Facts) {
			f.Source.Err, f.Candidate = unsigned, CandidateFacts{Known: true, Quarantined: true}
			f.Away = &Quarantined{Reason: "Unhealthy", Message: "it was ill"}
		}, Held, "Unverified", Nothing},
		{"source refuses", func(f *Facts) { f.Source.Err = broken }, Failed, "SourceFailed", Nothing},
		{"deletion begins", func(f *Facts) { f.Deleting, f.Compare.Fresh = true, false }, Syncing, "Deleting", Compare},
		{"deletion", func(f *Facts) { f.Deleting = true; differing(f, diff.Entry{ID: id, Op: diff.Delete}) }, Syncing, "Deleting", Apply},
		{"deletion waits", func(f *Facts) {
			f.Deleting = true
			differing(f, diff.Entry{ID: id, Op: diff.Delete, Terminating: true})
		}, Settling, "Deleting", Nothing},
		{"deletion refused", func(f *Facts) { f.Deleting = true; differing(f, diff.Entry{ID: id, Op: diff.Delete, Err: broken}) }, Failed, "DeletionFailed", Nothing},
		{"deletion done", func(f *Facts) { f.Deleting = true }, Syncing, "Deleted", Forget},
		{"orphaned", func(f *Facts) { f.Deleting, f.Spec.Orphan = true, true }, Syncing, "Orphaning", Forget},
	} {
		t.Run(test.name, func(t *testing.T) {
			facts := calm()
			test.facts(&facts)
			decision := Decide(facts, epoch)
			if decision.State != test.state || decision.Reason != test.reason || decision.Action != test.action {
				t.Errorf("%s/%s/%q (%s), want %s/%s/%q", decision.State, decision.Reason, decision.Action, decision.Message,
					test.state, test.reason, test.action)
			}
		})
	}
}

func TestBackoffGrowsToItsMaximum(t *testing.T) {
	backoff := Backoff{Initial: 5 * time.Second, Max: time.Minute}
	rapid.Check(t, func(t *rapid.T) {
		failures := rapid.IntRange(1, 1000).Draw(t, "failures")
		wait := backoff.After(failures, newTestRandom(rapid.Uint64().Draw(t, "seed")))
		full := min(time.Minute, 5*time.Second<<min(failures-1, 10))
		if wait > full || wait < full-full/5-1 {
			t.Fatalf("after %d failures: %v, want %v less at most a fifth", failures, wait, full)
		}
	})
	if backoff.After(0, newTestRandom(1)) != 0 {
		t.Error("waits without a failure")
	}
}

func newTestRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// TestWhatIsNotSignedIsNamed: who reads the state sees what is not signed, and how what is in force is doing meanwhile.
func TestWhatIsNotSignedIsNamed(t *testing.T) {
	facts := calm()
	facts.Source.Err = errors.Join(errors.New("x"), fault.Unverified("commit 1a2b3c4", "it is not signed").WithHint("sign it"))
	facts.Away = &Quarantined{Revision: state.Revision{ID: "bad"}, Reason: "Unhealthy", Message: "it was ill"}
	decision := Decide(facts, epoch)
	for _, words := range []string{"verify commit 1a2b3c4: it is not signed", "meanwhile, of what is in force: bad failed: it was ill"} {
		if !strings.Contains(decision.Message, words) {
			t.Errorf("%q is not in %q", words, decision.Message)
		}
	}
	if decision.Hint != "sign it" || len(decision.Errs) != 2 {
		t.Errorf("%+v", decision)
	}
}
