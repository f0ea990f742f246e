// Package targettest is the conformance suite of targets: what a loop may rely on, whatever it drives.
package targettest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Harness connects the suite to one kind of target. Its functions act on the system itself, past the Target, as somebody else
// would. Each may fail the test.
type Harness struct {
	// New gives a target; objects of earlier tests may be there still, so names are never used twice.
	New func(t *testing.T) target.Target
	// Object declares an object with a name and one value that can be changed.
	Object func(name, value string) *state.Object
	// Tamper changes the value of an object; By is how the target names the culprit, "" when it cannot. Tamper and Remove are nil
	// for a target that has no other writers.
	Tamper func(t *testing.T, id state.ID, value string)
	By     string
	// Remove deletes an object.
	Remove func(t *testing.T, id state.ID)
	// Exists says whether an object is there.
	Exists func(t *testing.T, id state.ID) bool
	// Foreign makes an object that belongs to nobody; nil when the target has no such thing.
	Foreign func(t *testing.T, object *state.Object)
}

// patience bounds every wait for an event; it is no measure of speed.
const patience = 30 * time.Second

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Run("create update delete", h.lifeCycle)
	t.Run("equal is free of steps", h.idempotent)
	t.Run("tampering is seen and put right", h.tampering)
	t.Run("removal is seen and put right", h.removal)
	t.Run("owners are kept apart", h.owners)
	t.Run("unowned objects", h.unowned)
	t.Run("only some objects", h.only)
	t.Run("watch ends with its context", h.watchEnds)
}

// session is one owner's use of a target.
type session struct {
	t      *testing.T
	h      Harness
	target target.Target
	owner  state.Owner
	prefix string
}

func (h Harness) session(t *testing.T) *session {
	t.Helper()
	name := clean(t.Name())
	return &session{t: t, h: h, target: h.New(t), owner: state.Owner{Agent: "conformance", Sync: name}, prefix: name}
}

func (s *session) object(name, value string) *state.Object {
	return s.h.Object(s.prefix+"-"+name, value)
}

func (s *session) compare(want state.Set, only ...state.ID) map[state.ID]diff.Entry {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	query := target.Query{Owner: s.owner, Want: want}
	if len(only) > 0 {
		query.Only = only
	}
	report, err := s.target.Compare(ctx, query)
	if err != nil {
		s.t.Fatalf("Compare: %v", err)
	}
	if !slices.IsSortedFunc(report.Entries, func(a, b diff.Entry) int { return a.ID.Compare(b.ID) }) {
		s.t.Errorf("Compare: entries are not in the order of their IDs")
	}
	entries := map[state.ID]diff.Entry{}
	for _, entry := range report.Entries {
		if _, twice := entries[entry.ID]; twice {
			s.t.Errorf("Compare: %s is reported twice", entry.ID)
		}
		entries[entry.ID] = entry
	}
	return entries
}

// converge compares and applies until nothing differs, and gives the results of all steps.
func (s *session) converge(want state.Set) []target.Result {
	s.t.Helper()
	var results []target.Result
	for range 10 {
		var steps []plan.Step
		for _, entry := range s.compare(want) {
			if entry.Op != diff.None && !entry.Terminating {
				steps = append(steps, plan.Step{ID: entry.ID, Op: entry.Op, Want: entry.Want, Fields: entry.Fields})
			}
		}
		if len(steps) == 0 {
			return results
		}
		results = append(results, s.apply(steps)...)
	}
	s.t.Fatalf("does not converge: %v", s.compare(want))
	return nil
}

func (s *session) apply(steps []plan.Step) []target.Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var results []target.Result
	err := s.target.Apply(ctx, s.owner, steps, func(result target.Result) { results = append(results, result) })
	if err != nil {
		s.t.Fatalf("Apply: %v", err)
	}
	if len(results) != len(steps) {
		s.t.Fatalf("Apply: %d results of %d steps", len(results), len(steps))
	}
	return results
}

// watch starts watching and gives a function that waits until an object is named by an event, or everything is.
func (s *session) watch() (await func(id state.ID)) {
	ctx, cancel := context.WithCancel(context.Background())
	events, done := make(chan target.Event, 1000), make(chan error, 1)
	go func() {
		done <- s.target.Watch(ctx, s.owner, func(event target.Event) {
			select {
			case events <- event:
			default: // a test that does not look does not need more
			}
		})
	}()
	s.t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				s.t.Errorf("Watch after its context ended: %v, want nil", err)
			}
		case <-time.After(patience):
			s.t.Error("Watch did not end with its context")
		}
	})
	select {
	case <-events:
	case <-time.After(patience):
		s.t.Fatal("Watch does not tell that it has begun")
	}
	return func(id state.ID) {
		s.t.Helper()
		deadline := time.After(patience)
		for {
			select {
			case event := <-events:
				if len(event.IDs) == 0 || slices.Contains(event.IDs, id) {
					return
				}
			case err := <-done:
				s.t.Fatalf("Watch ended: %v", err)
			case <-deadline:
				s.t.Fatalf("no event about %s", id)
			}
		}
	}
}

// eventually compares until an entry is as expected: events and caches may be a moment behind each other.
func (s *session) eventually(want state.Set, id state.ID, what string, expected func(diff.Entry) bool) diff.Entry {
	s.t.Helper()
	var entry diff.Entry
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if entry = s.compare(want)[id]; expected(entry) {
			return entry
		}
	}
	s.t.Fatalf("%s: want %s, have %+v", id, what, entry)
	return entry
}

func set(objects ...*state.Object) state.Set {
	s, _ := state.NewSet(objects)
	return s
}

func (s *session) owned() []state.ID {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ids, err := s.target.Owned(ctx, s.owner)
	if err != nil {
		s.t.Fatalf("Owned: %v", err)
	}
	return ids
}

func isConflict(err error) bool { return fault.KindOf(err) == fault.Conflict }
