package targettest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

func (h Harness) lifeCycle(t *testing.T) {
	s := h.session(t)
	a, b := s.object("a", "one"), s.object("b", "one")
	for id, entry := range s.compare(set(a, b)) {
		if entry.Op != diff.Create {
			t.Errorf("%s before anything was applied: %s, want create", id, entry.Op)
		}
		if s.h.Exists(t, id) {
			t.Errorf("%s exists after a comparison: comparing changes nothing", id)
		}
	}
	for _, result := range s.converge(set(a, b)) {
		if result.Err != nil || !result.Changed {
			t.Errorf("create: %+v", result)
		}
	}
	changed := s.object("a", "two")
	entry := s.compare(set(changed, b))[a.ID()]
	if entry.Op != diff.Update || len(entry.Fields) == 0 {
		t.Fatalf("changed declaration: %+v, want an update with its fields", entry)
	}
	s.converge(set(changed, b))
	if ids := s.owned(); !slices.Equal(ids, []state.ID{a.ID(), b.ID()}) {
		t.Errorf("Owned = %v, want a and b", ids)
	}
	if entry := s.compare(set(b))[a.ID()]; entry.Op != diff.Delete {
		t.Fatalf("no longer declared: %s, want delete", entry.Op)
	}
	s.converge(set(b))
	if s.h.Exists(t, a.ID()) || !s.h.Exists(t, b.ID()) {
		t.Errorf("after pruning: a exists %v, b exists %v", s.h.Exists(t, a.ID()), s.h.Exists(t, b.ID()))
	}
	s.converge(set())
	if ids := s.owned(); len(ids) > 0 {
		t.Errorf("Owned after everything was removed = %v", ids)
	}
	for _, result := range s.apply([]plan.Step{{ID: a.ID(), Op: diff.Delete}}) {
		if result.Err != nil {
			t.Errorf("deleting what is gone: %v, want no error", result.Err)
		}
	}
}

func (h Harness) idempotent(t *testing.T) {
	s := h.session(t)
	a := s.object("a", "one")
	s.converge(set(a))
	if entry := s.compare(set(a))[a.ID()]; entry.Op != diff.None || len(entry.Fields) > 0 {
		t.Errorf("after it was applied: %+v, want no difference", entry)
	}
	for _, result := range s.apply([]plan.Step{{ID: a.ID(), Op: diff.Update, Want: a}}) {
		if result.Err != nil {
			t.Errorf("applied again: %v", result.Err)
		}
	}
	if entry := s.compare(set(a))[a.ID()]; entry.Op != diff.None {
		t.Errorf("after it was applied again: %+v", entry)
	}
}

func (h Harness) tampering(t *testing.T) {
	if h.Tamper == nil {
		return
	}
	s := h.session(t)
	a := s.object("a", "declared")
	s.converge(set(a))
	await := s.watch()
	s.h.Tamper(t, a.ID(), "tampered")
	await(a.ID())
	entry := s.eventually(set(a), a.ID(), "an update", func(e diff.Entry) bool { return e.Op == diff.Update })
	if len(entry.Fields) != 1 {
		t.Fatalf("fields = %+v, want the one that was changed", entry.Fields)
	}
	field := entry.Fields[0]
	if !strings.Contains(field.Old, "tampered") || !strings.Contains(field.New, "declared") || field.By != s.h.By {
		t.Errorf("field = %+v, want the old and the new value and %q", field, s.h.By)
	}
	s.converge(set(a))
}

func (h Harness) removal(t *testing.T) {
	if h.Remove == nil {
		return
	}
	s := h.session(t)
	a := s.object("a", "one")
	s.converge(set(a))
	await := s.watch()
	s.h.Remove(t, a.ID())
	await(a.ID())
	entry := s.eventually(set(a), a.ID(), "a creation", func(e diff.Entry) bool { return e.Op == diff.Create })
	if !entry.Lost {
		t.Errorf("entry = %+v, want Lost: it was there before", entry)
	}
	s.converge(set(a))
	if !s.h.Exists(t, a.ID()) {
		t.Errorf("%s is still gone", a.ID())
	}
}

func (h Harness) owners(t *testing.T) {
	s := h.session(t)
	a := s.object("a", "one")
	s.converge(set(a))
	other := *s
	other.owner.Sync += "-other"
	entry := other.compare(set(s.object("a", "theirs")))[a.ID()]
	if !isConflict(entry.Err) {
		t.Fatalf("an object of another owner: %+v, want a conflict", entry)
	}
	for _, name := range []string{s.owner.Sync, other.owner.Sync} {
		if !strings.Contains(entry.Err.Error(), name) {
			t.Errorf("conflict %q does not name %s", entry.Err, name)
		}
	}
	if len(other.compare(set())) > 0 || len(other.owned()) > 0 {
		t.Error("another owner's object is taken for one's own")
	}
}

func (h Harness) unowned(t *testing.T) {
	s := h.session(t)
	if s.h.Foreign == nil {
		return // such a target has no objects that belong to nobody
	}
	foreign := s.object("foreign", "theirs")
	s.h.Foreign(t, foreign)
	if len(s.compare(set())) > 0 {
		t.Error("an object that belongs to nobody would be touched")
	}
	results := s.converge(set(s.object("foreign", "ours")))
	if len(results) != 1 || results[0].Err != nil || !results[0].Adopted {
		t.Errorf("adoption: %+v, want one result that says so", results)
	}
	s.converge(set())
	if s.h.Exists(t, foreign.ID()) {
		t.Error("an adopted object is not pruned")
	}
}

func (h Harness) only(t *testing.T) {
	s := h.session(t)
	a, b, c := s.object("a", "one"), s.object("b", "one"), s.object("c", "one")
	s.converge(set(a, b))
	entries := s.compare(set(a, c), a.ID(), b.ID())
	if entries[a.ID()].Op != diff.None || entries[b.ID()].Op != diff.Delete || len(entries) != 2 {
		t.Errorf("entries = %+v, want a unchanged and b to be deleted, nothing of c", entries)
	}
}

func (h Harness) watchEnds(t *testing.T) {
	s := h.session(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.target.Watch(ctx, s.owner, func(target.Event) {}) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Watch after its context ended: %v, want nil", err)
		}
	case <-time.After(patience):
		t.Fatal("Watch goes on after its context ended")
	}
}

// clean makes a test's name usable as an object's name.
func clean(name string) string {
	name = strings.ToLower(name)
	return strings.Trim(strings.Map(func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, name), "-")
}
