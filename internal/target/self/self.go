package self

import (
	"context"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Root is the name of the Sync that the agent starts with; no declaration may take it.
const Root = "root"

var (
	_ target.Target = (*Registry)(nil)
	_ target.Reader = (*Registry)(nil)
)

// Compare implements target.Target.
func (r *Registry) Compare(_ context.Context, query target.Query) (diff.Report, error) {
	asked := func(id state.ID) bool { return query.Only == nil || slices.Contains(query.Only, id) }
	var report diff.Report
	for want := range query.Want.All() {
		if asked(want.ID()) {
			report.Entries = append(report.Entries, r.entry(query.Owner.Sync, want))
		}
	}
	for _, id := range r.owned(query.Owner.Sync) {
		if query.Want.Has(id) || !asked(id) {
			continue
		}
		declaration, _ := r.Get(id)
		entry := diff.Entry{
			ID: id, Op: diff.Delete, Health: r.healthOf(id), Terminating: declaration.Deleting,
			Wave: plan.WaveOf(declaration.Object.Annotation),
			Keep: declaration.Object.Annotation(v1alpha1.AnnotationPrune) == "disabled",
		}
		report.Entries = append(report.Entries, entry)
	}
	slices.SortFunc(report.Entries, func(a, b diff.Entry) int { return a.ID.Compare(b.ID) })
	return report, nil
}

func (r *Registry) entry(parent string, want *state.Object) diff.Entry {
	id := want.ID()
	entry := diff.Entry{ID: id, Op: diff.None, Want: want}
	known, ok := r.Get(id)
	switch err := check(want); {
	case err != nil:
		entry.Op, entry.Err = diff.Update, err
		if !ok {
			entry.Op, entry.Health = diff.Create, state.Health{Status: state.Missing}
		}
	case id == SyncID(Root):
		entry.Op = diff.Update
		entry.Err = fault.New(fault.Conflict, "declare", id.String(), "the agent's own Sync has this name").
			WithHint("choose another metadata.name")
	case !ok:
		entry.Op, entry.Health = diff.Create, state.Health{Status: state.Missing}
	case known.Parent != parent:
		entry.Op, entry.Health = diff.Update, r.healthOf(id)
		entry.Err = fault.New(fault.Conflict, "declare", id.String(),
			"it is declared by Sync "+r.agent+"/"+known.Parent+" already, so "+r.agent+"/"+parent+" cannot have it").
			WithHint("remove it from one of the two, or rename it")
	case known.Deleting:
		entry.Op, entry.Terminating = diff.Create, true
		entry.Health = state.Health{Status: state.Progressing, Reason: "Deleting",
			Message: "an earlier declaration of this name is still being removed"}
	default:
		entry.Health = r.healthOf(id)
		if known.Object.Digest() != want.Digest() {
			entry.Op = diff.Update
			entry.Fields = diff.Compare(want.Content(), known.Object.Content(), diff.Options{Marks: diff.MarksOf(want)})
		}
	}
	return entry
}

// check decodes a declaration, so that a wrong one is an error of its object and never of the agent.
func check(want *state.Object) error {
	var err error
	switch id := want.ID(); id.Kind {
	case v1alpha1.KindSync:
		_, err = v1alpha1.DecodeSync(want)
	case v1alpha1.KindSource:
		_, err = v1alpha1.DecodeSource(want)
	case v1alpha1.KindPolicy:
		_, err = v1alpha1.DecodePolicy(want)
	default:
		err = fault.New(fault.Invalid, "declare", id.String(), "the group "+v1alpha1.Group+" has no kind "+id.Kind).
			WithHint("its kinds are Sync, Source and Policy: see `setpoint schema`")
	}
	return err
}

// Apply implements target.Target.
func (r *Registry) Apply(ctx context.Context, owner state.Owner, steps []plan.Step, report func(target.Result)) error {
	for _, step := range steps {
		started := time.Now()
		result := target.Result{ID: step.ID, Op: step.Op, Changed: true}
		known, ok := r.Get(step.ID)
		switch {
		case ok && known.Parent != owner.Sync:
			result.Err = fault.New(fault.Conflict, "declare", step.ID.String(), "it belongs to Sync "+known.Parent)
		case step.Op != diff.Delete:
			result.Err = r.put(ctx, Declaration{Object: step.Want, Parent: owner.Sync})
		case !ok || known.Deleting:
			result.Changed = false
		case step.ID.Kind == v1alpha1.KindSync:
			// What it owns goes first: its loop says when that is done (see Gone).
			known.Deleting = true
			result.Err = r.put(ctx, known)
		default:
			result.Err = r.Gone(ctx, step.ID)
		}
		result.Changed = result.Changed && result.Err == nil
		result.Health, result.Duration = r.healthOf(step.ID), time.Since(started)
		report(result)
	}
	return nil
}

// Watch implements target.Target.
func (r *Registry) Watch(ctx context.Context, owner state.Owner, notify func(target.Event)) error {
	w := &watcher{parent: owner.Sync, notify: notify}
	r.mu.Lock()
	r.watchers[w] = struct{}{}
	r.mu.Unlock()
	notify(target.Event{})
	<-ctx.Done()
	r.mu.Lock()
	delete(r.watchers, w)
	r.mu.Unlock()
	return nil
}

// Read implements target.Reader: what is declared now.
func (r *Registry) Read(_ context.Context, id state.ID) (*state.Object, error) {
	known, ok := r.Get(id)
	if !ok {
		return nil, nil //nolint:nilnil // that nothing is there is an answer
	}
	return known.Object, nil
}

// Owned implements target.Target.
func (r *Registry) Owned(_ context.Context, owner state.Owner) ([]state.ID, error) {
	return r.owned(owner.Sync), nil
}
