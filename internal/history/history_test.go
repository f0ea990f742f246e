package history

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/store/sqlite"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) forward(d time.Duration) { c.now = c.now.Add(d) }

// flaky is a store whose writes fail with err while it is set.
type flaky struct {
	store.Store
	err   error
	calls int
}

func (f *flaky) PutAttempt(ctx context.Context, a v1alpha1.Attempt, standsFor ...string) error {
	f.calls++
	if f.err != nil {
		return f.err
	}
	return f.Store.PutAttempt(ctx, a, standsFor...)
}

type bench struct {
	*History
	clock *clock
	store *flaky
	log   *strings.Builder
}

func newBench(t *testing.T, options Options) *bench {
	t.Helper()
	database, err := sqlite.Open(t.Context(), ":memory:", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	b := &bench{clock: &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, store: &flaky{Store: database}, log: &strings.Builder{}}
	options.Now, options.Log = b.clock.Now, slog.New(slog.NewTextHandler(b.log, nil))
	b.History = New(b.store, options)
	return b
}

func (b *bench) begin(t *testing.T, sync, trigger string) *Entry {
	t.Helper()
	return b.Begin(t.Context(), v1alpha1.Attempt{Sync: sync, Trigger: trigger, Revision: state.Revision{ID: "1a2b"}})
}

// run records a whole attempt that takes a second, a minute after the one before.
func (b *bench) run(t *testing.T, sync, trigger string, edit func(*v1alpha1.Attempt)) v1alpha1.Attempt {
	t.Helper()
	b.clock.forward(time.Minute)
	entry := b.begin(t, sync, trigger)
	b.clock.forward(time.Second)
	return entry.Finish(t.Context(), edit)
}

func (b *bench) all(t *testing.T) []v1alpha1.Attempt {
	t.Helper()
	return b.query(t, store.AttemptQuery{})
}

func (b *bench) query(t *testing.T, query store.AttemptQuery) []v1alpha1.Attempt {
	t.Helper()
	attempts, err := b.Attempts(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return attempts
}

func succeed(a *v1alpha1.Attempt) { a.Outcome = "Succeeded" }

func failBecause(message string) func(*v1alpha1.Attempt) {
	return func(a *v1alpha1.Attempt) {
		a.Outcome, a.Reason = "Failed", "Invalid"
		a.Problems = []v1alpha1.Problem{{Kind: "Invalid", Message: message}}
	}
}

func TestLifeOfAnAttempt(t *testing.T) {
	b := newBench(t, Options{})
	entry := b.begin(t, "shop", "revision")
	if kept := b.all(t); len(kept) != 1 || kept[0].Outcome != "Running" || kept[0].ID != entry.ID() || !kept[0].Finished.IsZero() {
		t.Fatalf("while it runs: %+v", kept)
	}
	b.clock.forward(3 * time.Second)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	given := entry.Finish(ended, func(a *v1alpha1.Attempt) { a.ID, a.Sync, a.Outcome = "x", "x", "Succeeded" })
	entry.Finish(t.Context(), failBecause("too late"))
	kept := b.all(t)
	if len(kept) != 1 || kept[0].Outcome != "Succeeded" || kept[0].Sync != "shop" || kept[0].ID != given.ID {
		t.Errorf("finished: %+v", kept)
	}
	if took := kept[0].Finished.Sub(kept[0].Started); took != 3*time.Second {
		t.Errorf("took %v", took)
	}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
}

func TestAnEndWithoutAnOutcomeIsAnInterruption(t *testing.T) {
	b := newBench(t, Options{})
	if a := b.run(t, "shop", "revision", func(*v1alpha1.Attempt) {}); a.Outcome != "Interrupted" {
		t.Errorf("outcome %q", a.Outcome)
	}
}

func TestRecoverEndsWhatWasRunning(t *testing.T) {
	b := newBench(t, Options{})
	b.run(t, "shop", "revision", succeed)
	for range 2*store.DefaultLimit + 5 {
		b.begin(t, "shop", "drift")
	}
	b.clock.forward(-time.Hour) // the clock was set back while the agent was down
	next := New(b.store, Options{Now: b.clock.Now})
	if err := next.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if running := b.query(t, store.AttemptQuery{Running: true}); len(running) != 0 {
		t.Errorf("%d still running", len(running))
	}
	outcomes := map[string]int{}
	for _, a := range b.query(t, store.AttemptQuery{Limit: 1000}) {
		outcomes[a.Outcome+" "+a.Message]++
	}
	if outcomes["Interrupted the agent stopped"] != 2*store.DefaultLimit+5 || outcomes["Succeeded "] != 1 {
		t.Errorf("outcomes %v", outcomes)
	}
	newest := next.Begin(t.Context(), v1alpha1.Attempt{Sync: "shop"}).ID()
	if first := b.query(t, store.AttemptQuery{Limit: 1})[0].ID; first != newest {
		t.Errorf("the newest is %s, not the one that began last, %s", first, newest)
	}
}

func TestSweepKeepsWhatItPromises(t *testing.T) {
	b := newBench(t, Options{Retention: 10 * time.Minute, Keep: 3, Most: 5})
	count := func(want int) {
		t.Helper()
		if err := b.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept := b.query(t, store.AttemptQuery{Sync: "shop"}); len(kept) != want {
			t.Errorf("%d attempts are kept, want %d", len(kept), want)
		}
	}
	for range 8 {
		b.run(t, "shop", "revision", succeed)
	}
	count(5) // none is old, but only Most are kept
	b.run(t, "shop", "revision", succeed)
	count(6) // within the hour nothing is swept
	b.clock.forward(time.Hour)
	b.run(t, "other", "revision", succeed)
	count(3) // all are old: the newest Keep stay
}

func TestSweepWithoutNewsAsksNothing(t *testing.T) {
	b := newBench(t, Options{})
	b.run(t, "shop", "revision", succeed)
	if err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.clock.forward(24 * time.Hour)
	b.History.store = nil // any use of it would panic
	if err := b.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	b := newBench(t, Options{MaxChanges: 3})
	a := b.run(t, "shop", "revision", func(a *v1alpha1.Attempt) {
		a.Outcome, a.Message = "Failed", strings.Repeat("ü", maxText)
		for n := range 10 {
			change := v1alpha1.Change{Op: "update", Fields: make([]v1alpha1.Field, 100)}
			change.Fields[0].Old = strings.Repeat("x", 1<<20)
			if n == 9 {
				change.Error = &v1alpha1.Problem{Kind: "Denied", Message: strings.Repeat("y", 1<<20)}
			}
			a.Changes = append(a.Changes, change)
		}
		a.Problems = make([]v1alpha1.Problem, 1000)
	})
	if len(a.Changes) != 3 || a.Omitted != 7 || a.Changes[0].Error == nil {
		t.Errorf("%d changes, %d omitted, first error %v", len(a.Changes), a.Omitted, a.Changes[0].Error)
	}
	first := a.Changes[0]
	if len(first.Fields) != maxFields || len(first.Fields[0].Old) > maxValue+3 || len(first.Error.Message) > maxText+3 {
		t.Error("a change is not bounded")
	}
	if len(a.Problems) != maxProblems || len(a.Message) > maxText+3 || !strings.HasSuffix(a.Message, "ü…") {
		t.Error("the attempt is not bounded")
	}
}
