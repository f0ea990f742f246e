package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// noon is when the first attempt of every test starts.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// attempt gives the nth attempt of a test: attempts start a minute apart and take a second.
func attempt(n int, sync string) v1alpha1.Attempt {
	started := noon.Add(time.Duration(n) * time.Minute)
	return v1alpha1.Attempt{
		ID: fmt.Sprintf("%04d", n), Sync: sync, Trigger: "revision", Outcome: "Succeeded",
		Started: started, Finished: started.Add(time.Second),
	}
}

// running gives the nth attempt, not finished.
func running(n int, sync string) v1alpha1.Attempt {
	a := attempt(n, sync)
	a.Finished, a.Outcome = time.Time{}, "Running"
	return a
}

// full has a value in every field, with text that databases are known to trip over.
func full() v1alpha1.Attempt {
	a := attempt(7, "shop; DROP TABLE attempts; --")
	a.Revision = state.Revision{ID: "1a2b", Ref: "main", Author: "Zoë <z@example.com>", Message: "'\"\\ \u2603 \x00", Time: noon}
	a.Outcome, a.Reason, a.Message = "Failed", "Invalid", "two\nlines"
	a.Changes = []v1alpha1.Change{{
		ID: state.ID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Op: "update", Cause: "drift",
		Fields:   []v1alpha1.Field{{Path: "/spec/replicas", Old: "1", New: "3", By: "kubectl-edit", When: noon}},
		TookOver: []string{"kubectl-edit"}, Error: &v1alpha1.Problem{Kind: "Denied", Message: "no", Hint: "ask"}, Origin: "a.yaml:3",
	}}
	a.Omitted, a.Repeats, a.First = 4, 2, noon
	a.Problems = []v1alpha1.Problem{{Kind: "Invalid", Message: "broken", Hint: "mend it"}}
	a.Durations = map[string]v1alpha1.Duration{"render": v1alpha1.Duration(time.Millisecond)}
	return a
}

func put(t *testing.T, s store.Store, attempts ...v1alpha1.Attempt) {
	t.Helper()
	for _, a := range attempts {
		if err := s.PutAttempt(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(t *testing.T, s store.Store, query store.AttemptQuery) []string {
	t.Helper()
	attempts, err := s.Attempts(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, a := range attempts {
		found = append(found, a.ID)
	}
	return found
}

func testAttempts(t *testing.T, open Open) {
	t.Run("nothing yet", func(t *testing.T) {
		want(t, ids(t, open(t), store.AttemptQuery{}), []string{})
	})
	t.Run("every field comes back, also after closing", func(t *testing.T) {
		s := open(t)
		put(t, s, full())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		attempts, err := open(t).Attempts(t.Context(), store.AttemptQuery{})
		if err != nil {
			t.Fatal(err)
		}
		want(t, attempts, []v1alpha1.Attempt{full()})
	})
	t.Run("the same ID replaces", func(t *testing.T) {
		s := open(t)
		put(t, s, running(1, "a"), attempt(1, "a"))
		want(t, ids(t, s, store.AttemptQuery{}), []string{"0001"})
		want(t, ids(t, s, store.AttemptQuery{Running: true}), []string{})
	})
	t.Run("one attempt stands for others", func(t *testing.T) {
		s := open(t)
		put(t, s, attempt(1, "a"), attempt(2, "a"), attempt(3, "a"), attempt(4, "b"))
		if err := s.PutAttempt(t.Context(), attempt(3, "a"), "0002", "0003", "none such"); err != nil {
			t.Fatal(err)
		}
		want(t, ids(t, s, store.AttemptQuery{}), []string{"0004", "0003", "0001"})
	})
	t.Run("queries", func(t *testing.T) { testQueries(t, open(t)) })
	t.Run("retention", func(t *testing.T) { testRetention(t, open(t)) })
}

func testQueries(t *testing.T, s store.Store) {
	for n := 1; n <= 110; n++ {
		put(t, s, attempt(n, []string{"a", "b"}[n%2]))
	}
	put(t, s, running(111, "a"), running(112, "b"))
	tests := map[string]struct {
		query store.AttemptQuery
		want  []string
	}{
		"newest first":     {store.AttemptQuery{Limit: 3}, []string{"0112", "0111", "0110"}},
		"of one Sync":      {store.AttemptQuery{Sync: "b", Limit: 2}, []string{"0112", "0109"}},
		"of no Sync":       {store.AttemptQuery{Sync: "c"}, []string{}},
		"the next page":    {store.AttemptQuery{Before: "0111", Limit: 2}, []string{"0110", "0109"}},
		"the last page":    {store.AttemptQuery{Before: "0002"}, []string{"0001"}},
		"since":            {store.AttemptQuery{Since: noon.Add(111 * time.Minute)}, []string{"0112", "0111"}},
		"running":          {store.AttemptQuery{Running: true}, []string{"0112", "0111"}},
		"running of one":   {store.AttemptQuery{Running: true, Sync: "a"}, []string{"0111"}},
		"everything given": {store.AttemptQuery{Sync: "a", Before: "0100", Since: noon.Add(95 * time.Minute)}, []string{"0098", "0096"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { want(t, ids(t, s, test.query), test.want) })
	}
	t.Run("at most 100 without a limit", func(t *testing.T) {
		found := ids(t, s, store.AttemptQuery{})
		if len(found) != 100 || found[0] != "0112" || found[99] != "0013" {
			t.Errorf("%d attempts from %s to %s", len(found), found[0], found[len(found)-1])
		}
	})
}

func testRetention(t *testing.T, s store.Store) {
	for n := 1; n <= 6; n++ {
		put(t, s, attempt(n, "a"))
	}
	put(t, s, attempt(7, "b"), running(8, "c"), attempt(9, "c"))
	drop := func(before time.Time, keep, dropped int, left ...string) {
		t.Helper()
		n, err := s.DropAttempts(t.Context(), before, keep)
		if err != nil || n != dropped {
			t.Errorf("dropped %d, %v; want %d", n, err, dropped)
		}
		want(t, ids(t, s, store.AttemptQuery{}), left)
	}
	all := []string{"0009", "0008", "0007", "0006", "0005", "0004", "0003", "0002", "0001"}
	end := noon.Add(time.Hour)
	drop(time.Time{}, 0, 0, all...)
	drop(noon, 0, 0, all...)
	drop(end, 6, 0, all...)
	drop(noon.Add(3*time.Minute), 1, 2, "0009", "0008", "0007", "0006", "0005", "0004", "0003") // only those before the time
	drop(end, 2, 2, "0009", "0008", "0007", "0006", "0005")                                     // the newest two of each Sync stay
	drop(end, 0, 4, "0008")                                                                     // what runs always stays
}

func want[T any](t *testing.T, got, want T) {
	t.Helper()
	if difference := cmp.Diff(want, got, cmpopts.EquateEmpty()); difference != "" {
		t.Errorf("unexpected (-want +got):\n%s", difference)
	}
}
