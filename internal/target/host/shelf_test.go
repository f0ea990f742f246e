package host

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// shelf is a small driver that works: an object is a text in memory.
type shelf struct {
	journal *journal.Journal

	mu       sync.Mutex
	texts    map[state.ID]string
	busy     map[state.ID]bool
	compared []state.ID
	applied  []state.ID
	doubled  bool // it was called twice at once for an object
	changed  func(all bool, ids ...state.ID)
	watches  int
	blind    error                // Watch fails with it
	during   func(step plan.Step) // called while a step is carried out
	closed   int
}

func newShelf(j *journal.Journal) *shelf {
	return &shelf{journal: j, texts: map[state.ID]string{}, busy: map[state.ID]bool{}}
}

func (s *shelf) enter(id state.ID) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubled = s.doubled || s.busy[id]
	s.busy[id] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy[id] = false
	}
}

func (s *shelf) get(id state.ID) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, found := s.texts[id]
	return text, found
}

// set and remove act as somebody else would.
func (s *shelf) set(id state.ID, text string) {
	s.mu.Lock()
	s.texts[id] = text
	s.mu.Unlock()
	s.tell(false, id)
}

func (s *shelf) remove(id state.ID) {
	s.mu.Lock()
	delete(s.texts, id)
	s.mu.Unlock()
	s.tell(false, id)
}

func (s *shelf) tell(all bool, ids ...state.ID) {
	s.mu.Lock()
	changed := s.changed
	s.mu.Unlock()
	if changed != nil {
		changed(all, ids...)
	}
}

func (s *shelf) Compare(_ context.Context, _ state.Owner, want *state.Object, record journal.Record) diff.Entry {
	defer s.enter(want.ID())()
	text, found := s.get(want.ID())
	s.mu.Lock()
	s.compared = append(s.compared, want.ID())
	s.mu.Unlock()
	if !found {
		return diff.Entry{Op: diff.Create, Lost: record.Declared != "", Health: state.Health{Status: state.Missing}}
	}
	entry := diff.Entry{Op: diff.None, Health: state.Health{Status: state.Healthy}}
	if text != textOf(want) {
		entry.Fields = []diff.Field{{Path: "/spec/content", Old: text, New: textOf(want)}}
	}
	if text != textOf(want) || record.Declared == "" {
		entry.Op = diff.Update
	}
	return entry
}

func textOf(object *state.Object) string {
	spec, _ := object.Content()["spec"].(map[string]any)
	text, _ := spec["content"].(string)
	return text
}

func (s *shelf) Owned(_ context.Context, record journal.Record) diff.Entry {
	defer s.enter(record.ID)()
	return diff.Entry{Op: diff.Delete, Health: state.Health{Status: state.Healthy}}
}

func (s *shelf) Apply(ctx context.Context, owner state.Owner, step plan.Step) target.Result {
	defer s.enter(step.ID)()
	s.mu.Lock()
	s.applied = append(s.applied, step.ID)
	during := s.during
	s.mu.Unlock()
	if during != nil {
		during(step)
	}
	if step.Op == diff.Delete {
		s.mu.Lock()
		delete(s.texts, step.ID)
		s.mu.Unlock()
		return target.Result{Changed: true, Err: s.journal.Delete(ctx, step.ID)}
	}
	record, known := s.journal.Get(step.ID)
	record.ID, record.Owner, record.Data = step.ID, owner, json.RawMessage(`{}`)
	if err := s.journal.Put(ctx, record); err != nil {
		return target.Result{Err: err}
	}
	s.mu.Lock()
	_, found := s.texts[step.ID]
	s.texts[step.ID] = textOf(step.Want)
	s.mu.Unlock()
	record.Declared, record.Wave = step.Want.Digest(), plan.Wave(step.Want.Annotation("setpoint.dev/wave"))
	record.Keep = step.Want.Annotation("setpoint.dev/prune") == "disabled"
	return target.Result{Changed: true, Adopted: found && !known, Err: s.journal.Put(ctx, record)}
}

func (s *shelf) Watch(ctx context.Context, changed func(all bool, ids ...state.ID)) error {
	s.mu.Lock()
	s.watches++
	err := s.blind
	s.changed = changed
	s.mu.Unlock()
	if err != nil {
		return err
	}
	changed(true)
	<-ctx.Done()
	return nil
}

func (s *shelf) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	return nil
}

// fixture is a host with two drivers: one for Files and Directories, one for Apps.
type fixture struct {
	*Host
	files, apps *shelf
}

func open(t testing.TB, dir string) fixture {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, apps := newShelf(j), newShelf(j)
	h := newHost(setup{journal: j, log: slog.New(slog.DiscardHandler), parts: []part{
		{name: "files", kinds: []string{"File", "Directory"}, driver: files, rank: depth},
		{name: "apps", kinds: []string{"App"}, driver: apps},
	}})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if files.doubled || apps.doubled {
			t.Error("a driver was called twice at once for one object")
		}
	})
	return fixture{Host: h, files: files, apps: apps}
}

// depth ranks directories by the dashes in their names, and files behind them.
func depth(s subject) int {
	if s.id.Kind == "Directory" {
		return strings.Count(s.id.Name, "-")
	}
	return 100
}

func declare(kind, name, text string, annotations ...string) *state.Object {
	notes := map[string]any{}
	for i := 0; i < len(annotations); i += 2 {
		notes[annotations[i]] = annotations[i+1]
	}
	return state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": kind, "metadata": map[string]any{"name": name, "annotations": notes},
		"spec": map[string]any{"content": text},
	}, state.Origin{})
}

func set(objects ...*state.Object) state.Set {
	s, _ := state.NewSet(objects)
	return s
}

var (
	shop = state.Owner{Agent: "host-1", Sync: "shop"}
	base = state.Owner{Agent: "host-1", Sync: "base"}
)

func (f fixture) entries(t testing.TB, query target.Query) []diff.Entry {
	t.Helper()
	report, err := f.Compare(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(report.Entries, func(a, b diff.Entry) int { return a.ID.Compare(b.ID) }) {
		t.Errorf("entries are not in order: %+v", report.Entries)
	}
	return report.Entries
}

// one gives the entry of the only object that is asked for.
func (f fixture) one(t testing.TB, owner state.Owner, want *state.Object) diff.Entry {
	t.Helper()
	entries := f.entries(t, target.Query{Owner: owner, Want: set(want), Only: []state.ID{want.ID()}})
	if len(entries) != 1 {
		t.Fatalf("entries = %+v, want one", entries)
	}
	return entries[0]
}

func (f fixture) carry(t testing.TB, owner state.Owner, steps ...plan.Step) []target.Result {
	t.Helper()
	var results []target.Result
	if err := f.Apply(t.Context(), owner, steps, func(r target.Result) { results = append(results, r) }); err != nil {
		t.Fatal(err)
	}
	if len(results) != len(steps) {
		t.Fatalf("%d results of %d steps", len(results), len(steps))
	}
	return results
}

// create has an owner create objects, without a fault.
func (f fixture) create(t testing.TB, owner state.Owner, objects ...*state.Object) {
	t.Helper()
	var steps []plan.Step
	for _, object := range objects {
		steps = append(steps, creating(object))
	}
	for _, result := range f.carry(t, owner, steps...) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
}

func creating(object *state.Object) plan.Step {
	return plan.Step{ID: object.ID(), Op: diff.Create, Want: object}
}

func deleting(object *state.Object) plan.Step { return plan.Step{ID: object.ID(), Op: diff.Delete} }

// namesBoth says whether an error is the Conflict of an object that one of two owners has and the other wants.
func namesBoth(err error, a, b state.Owner) bool {
	return fault.KindOf(err) == fault.Conflict && strings.Contains(err.Error(), a.String()) && strings.Contains(err.Error(), b.String()) &&
		fault.HintOf(err) != ""
}

var errBlind = errors.New("no more inotify watches")
