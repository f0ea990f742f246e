package kube

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// task is one step with its place in the cluster.
type task struct {
	owner  *owner
	step   plan.Step
	wanted *wanted // nil for a deletion
	ignore []string
	// release is set where the object may be one of a release that helm has made.
	release *helmRelease
}

// Apply implements target.Target: one request per object, in parallel, fair among all owners. The inventory is written before
// the first object of a new kind, so that a crash never leaves an object behind that cannot be found again. With no steps it
// only tidies the inventory. The error says that the inventory could not be written: then nothing was changed.
func (t *Target) Apply(ctx context.Context, who state.Owner, steps []plan.Step, report func(target.Result)) error {
	o := t.cluster.owners.get(who)
	tasks := make([]task, len(steps))
	for i, step := range steps {
		tasks[i] = t.task(ctx, o, step)
	}
	done, err := t.announce(ctx, o, tasks)
	if err != nil {
		return err
	}
	if release := t.continued(ctx, o, tasks); release != nil {
		for i := range tasks {
			tasks[i].release = release
		}
	}
	var reporting sync.Mutex
	var running errgroup.Group
	running.SetLimit(maxInFlight)
	for _, one := range tasks {
		running.Go(func() error {
			began := time.Now()
			result := t.carryOut(ctx, one)
			result.Duration = time.Since(began)
			result.Health.Message, result.Err = diff.Hide(one.step.Want, result.Health.Message, result.Err)
			reporting.Lock()
			defer reporting.Unlock()
			report(result)
			return nil
		})
	}
	_ = running.Wait() // every error is in its result
	done()
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Transient, "apply", who.String(), err)
	}
	return t.tidy(ctx, o)
}

// task finds a step's place: from the comparison that it comes from, or anew.
func (t *Target) task(ctx context.Context, o *owner, step plan.Step) task {
	made := task{owner: o, step: step}
	if step.Op == diff.Delete || step.Want == nil {
		return made
	}
	for _, s := range o.recent() {
		if w := s.byDeclared[step.ID]; s.namespace == t.namespace && w.fits(step.Want) {
			made.wanted = w
			break
		}
	}
	if made.wanted == nil {
		made.wanted = &wanted{object: step.Want, declared: step.ID, known: &known{}}
		if err := t.place(ctx, made.wanted, nil); err != nil {
			made.wanted.err = err
		}
	}
	made.ignore = ignoredPaths(step.Ignore, made.wanted.declared, made.wanted.id)
	return made
}

// fits says whether a desired object of a comparison has its place and is the one of a step.
func (w *wanted) fits(want *state.Object) bool {
	return w != nil && !w.pending && w.err == nil && w.object.Digest() == want.Digest()
}

// carryOut does one step.
func (t *Target) carryOut(ctx context.Context, one task) target.Result {
	result := target.Result{ID: one.step.ID, Op: one.step.Op}
	switch {
	case ctx.Err() != nil:
		result.Err = fault.Wrap(fault.Transient, string(one.step.Op), one.step.ID.String(), ctx.Err())
	case one.step.Op == diff.None:
	case one.wanted == nil:
		t.remove(ctx, one.owner, one.step, &result)
	case one.wanted.err != nil:
		result.Err = one.wanted.err
	default:
		t.write(ctx, one, &result)
	}
	return result
}

// write creates, updates or replaces one object, unless another owner is at it. The claim comes before the look into the cache
// and ends when the answer is there, so that whoever comes second sees the one or the other.
func (t *Target) write(ctx context.Context, one task, result *target.Result) {
	w, o := one.wanted, one.owner
	release, holder := t.cluster.claims.take(w.id, o)
	if holder != nil {
		result.Err = t.heldBy(w, holder.who.String(), o)
		return
	}
	defer release()
	if l := t.cluster.watches.latest(w.id); l != nil && l.labelled != labelledByNobody && l.partOf != o.partOf {
		result.Err = t.belongsTo(w, l, o)
		return
	}
	if one.step.Op == diff.Replace {
		t.replace(ctx, one, result)
		return
	}
	t.apply(ctx, one, result)
}

// apply creates or updates one object.
func (t *Target) apply(ctx context.Context, one task, result *target.Result) {
	w, o := one.wanted, one.owner
	before := t.cachedObject(w)
	if before != nil && before.labelled != labelledByNobody && before.partOf != o.partOf {
		result.Err = t.belongsTo(w, before, o)
		return
	}
	if before == nil && one.release != nil {
		var err error
		if result.TookOver, err = t.takeFromHelm(ctx, one); err != nil {
			result.Err = err
			return
		}
	}
	body, err := t.body(ctx, one, before)
	if err != nil {
		result.Err = fault.Wrap(fault.Internal, "apply", w.declared.String(), err)
		return
	}
	// What exists and is not ours yet is asked for politely first, to learn from whom it is taken.
	polite := one.step.Op == diff.Create && before == nil || before != nil && !before.belongs(o.partOf)
	request := patchRequest{wanted: w, body: body, force: !polite, lane: o.partOf}
	got, err := t.send(ctx, request)
	if isFieldConflict(err) {
		taken, claimed := conflicts(err)
		if claimed {
			result.Err = t.claimed(ctx, w, o, err)
		}
		if result.Err != nil {
			return
		}
		result.TookOver = append(result.TookOver, taken...)
		request.force = true
		got, err = t.send(ctx, request)
	}
	if err != nil {
		t.refused(ctx, one, result, err)
		return
	}
	if !polite {
		result.TookOver = t.takenOver(one)
	}
	t.done(one, before, got, result)
	result.Adopted = got.code == http.StatusOK && polite && o.lostObject(w.id) == nil
	o.found(w.id)
}

// claimed says whether an object's label was applied for another ApplySet, which is no reason to take it, or written by hand.
func (t *Target) claimed(ctx context.Context, w *wanted, o *owner, cause error) error {
	got, err := t.client.do(ctx, call{
		method: http.MethodGet, path: w.resource.path(w.id.Namespace, w.id.Name), lane: o.partOf,
	})
	if err != nil {
		return w.explain("apply", cause)
	}
	l, err := parseLive(got.body, w.resource, t.cluster.cfg.FieldManager)
	if err != nil {
		return fault.Wrap(fault.Internal, "apply", w.declared.String(), err)
	}
	if l.labelled == labelledByNobody || l.partOf == o.partOf {
		return nil
	}
	return t.belongsTo(w, l, o)
}

// refused handles an apply that the server did not carry out.
func (t *Target) refused(ctx context.Context, one task, result *target.Result, err error) {
	w := one.wanted
	if immutable(err) && w.object.Annotation(v1alpha1.AnnotationForce) == "true" {
		result.Op = diff.Replace
		t.replace(ctx, one, result)
		return
	}
	if endpointMissing(err) {
		t.cluster.kinds.expire()
	}
	result.Err = w.explain("apply", err)
	if immutable(err) {
		// The next comparison knows, without trying again.
		w.checked.Store(&checked{
			want: w.object.Digest(), hash: hashOf(t.cachedObject(w)), until: time.Now().Add(immutableFor),
			op: one.step.Op, err: result.Err,
		})
	}
}

// done takes the server's answer to an apply into the cache and the result.
func (t *Target) done(one task, before *live, got answer, result *target.Result) {
	after, err := parseLive(got.body, one.wanted.resource, t.cluster.cfg.FieldManager)
	if err != nil {
		result.Err = fault.Wrap(fault.Internal, "apply", one.step.ID.String(), err)
		return
	}
	result.Changed = before == nil || before.version != after.version
	result.Health = after.health
	if s := t.cluster.watches.store(one.wanted.resource.gvr); s != nil {
		s.add(after, true)
	}
	t.accept(one.wanted, one.owner, after, one.ignore)
}

// takenOver names those whose values a forced apply has replaced. What the step leaves to others was not taken from them.
func (t *Target) takenOver(one task) []string {
	var names []string
	for _, f := range one.step.Fields {
		by := strings.TrimPrefix(f.By, "probably ")
		if by != "" && by != t.cluster.cfg.FieldManager && !leftToOthers(f.Path, one.ignore) {
			names = append(names, by+": "+f.Path)
		}
	}
	return names
}

func (t *Target) cachedObject(w *wanted) *live {
	if s := t.cluster.watches.store(w.resource.gvr); s != nil {
		return s.get(keyOf(w.id))
	}
	return nil
}
