package history

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
)

func TestEqualFailuresAreGathered(t *testing.T) {
	b := newBench(t, Options{})
	first := b.run(t, "shop", "revision", failBecause("no such kind"))
	for range 4 {
		b.run(t, "other", "retry", failBecause("no such kind"))
		b.run(t, "shop", "retry", failBecause("no such kind"))
	}
	kept := b.query(t, store.AttemptQuery{Sync: "shop"})
	if len(kept) != 1 || kept[0].Repeats != 4 || !kept[0].First.Equal(first.Started) || kept[0].Trigger != "revision" {
		t.Fatalf("gathered: %+v", kept)
	}
	if newest := b.all(t)[0]; newest.ID != kept[0].ID || !newest.Started.After(first.Started.Add(7*time.Minute)) {
		t.Errorf("the last failure is not the newest attempt: %+v", newest)
	}
}

func TestWhatDiffersIsKeptApart(t *testing.T) {
	change := func(path string, when int) func(*v1alpha1.Attempt) {
		return func(a *v1alpha1.Attempt) {
			failBecause("x")(a)
			a.Changes = []v1alpha1.Change{{
				ID: state.ID{Kind: "ConfigMap", Name: "a"}, Op: "update", TookOver: []string{"kubectl"},
				Fields: []v1alpha1.Field{{Path: path, When: time.Unix(int64(when), 0)}},
			}}
		}
	}
	for name, test := range map[string]struct {
		first, second func(*v1alpha1.Attempt)
		want          int
	}{
		"success":        {succeed, succeed, 2},
		"problem":        {failBecause("x"), failBecause("y"), 2},
		"reason":         {failBecause("x"), func(a *v1alpha1.Attempt) { failBecause("x")(a); a.Reason = "Denied" }, 2},
		"revision":       {failBecause("x"), func(a *v1alpha1.Attempt) { failBecause("x")(a); a.Revision.ID = "ffff" }, 2},
		"outcome":        {failBecause("x"), func(a *v1alpha1.Attempt) { failBecause("x")(a); a.Outcome = "Unhealthy" }, 2},
		"what was done":  {change("/data/a", 1), change("/data/b", 1), 2},
		"something done": {failBecause("x"), change("/data/a", 1), 2},
		"only the times": {change("/data/a", 1), change("/data/a", 2), 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.run(t, "shop", "revision", test.first)
			b.run(t, "shop", "retry", test.second)
			if kept := b.all(t); len(kept) != test.want {
				t.Errorf("%d attempts, want %d: %+v", len(kept), test.want, kept)
			}
		})
	}
	t.Run("a success between", func(t *testing.T) {
		b := newBench(t, Options{})
		for _, edit := range []func(*v1alpha1.Attempt){failBecause("x"), succeed, failBecause("x")} {
			b.run(t, "shop", "retry", edit)
		}
		if kept := b.all(t); len(kept) != 3 {
			t.Errorf("%d attempts, want 3", len(kept))
		}
	})
}

func TestFailuresAreGatheredWhileTheStoreFails(t *testing.T) {
	b := newBench(t, Options{})
	b.run(t, "shop", "revision", failBecause("x"))
	b.store.err = fault.New(fault.Transient, "write", "database", "disk is full")
	b.run(t, "shop", "retry", failBecause("x"))
	b.run(t, "shop", "retry", failBecause("x"))
	check := func(when string) {
		t.Helper()
		if kept := b.all(t); len(kept) != 1 || kept[0].Repeats != 2 {
			t.Errorf("%s: %+v; want one attempt with two repeats", when, kept)
		}
	}
	check("while it fails")
	b.store.err = nil
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("afterwards")
}
