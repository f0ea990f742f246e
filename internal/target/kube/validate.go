package kube

import (
	"context"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// checked is the outcome of finding out whether a change would be accepted. It is immutable.
type checked struct {
	want  state.Digest
	hash  uint64 // of the actual object, 0 when there is none
	exact bool
	until time.Time // when to ask again: admission and permissions change without telling
	op    diff.Op
	err   error
}

// How long an answer about a change is taken for granted, and a refusal that only another content can undo.
const (
	checkedFor   = 15 * time.Second
	immutableFor = 10 * time.Minute
)

func (k *checked) fits(w *wanted, l *live, exact bool, now time.Time) bool {
	return k != nil && k.want == w.object.Digest() && k.hash == hashOf(l) && (k.exact || !exact) && now.Before(k.until)
}

func hashOf(l *live) uint64 {
	if l == nil {
		return 0
	}
	return l.hash
}

// askServer completes an entry with what only the server knows.
func (c *comparison) askServer(ctx context.Context, w *wanted, entry *diff.Entry) {
	l := c.cachedObject(w)
	if l == nil {
		l = c.missed(ctx, w, entry)
	} else if l.belongs(c.owner.partOf) && !l.terminating {
		c.settleEntry(ctx, w, l, entry)
	}
	if entry.Err == nil && (entry.Op != diff.None || c.insists() && !entry.Terminating) {
		c.validate(ctx, w, l, entry)
	}
	if l != nil && !l.terminating {
		entry.Health = c.diagnose(ctx, w, l)
	}
}

// settleEntry clears up differences that the first comparison since the start could not judge.
func (c *comparison) settleEntry(ctx context.Context, w *wanted, l *live, entry *diff.Entry) {
	v := w.verdict.Load()
	if v != nil && v.fits(w, l, c.ignored(w)) {
		return
	}
	v = c.judge(ctx, w, l, v)
	if v.doubtful {
		settled, err := c.settle(ctx, w, l, v)
		if err != nil {
			// The differences stand. Why the server refuses is found out again, and reported, by the validation or the apply.
			c.cluster.cfg.Log.DebugContext(ctx, "dry-run", "object", w.id.String(), "error", err)
		} else {
			w.verdict.Store(settled)
		}
		v = settled
	} else {
		w.verdict.Store(v)
	}
	entry.Fields, entry.Op = v.fields, diff.None
	if len(v.fields) > 0 {
		entry.Op = diff.Update
	}
}

// missed looks after an object that was ours and is not in the cache any more: deleted, or robbed of its label. It gives the
// object when it is there.
func (c *comparison) missed(ctx context.Context, w *wanted, entry *diff.Entry) *live {
	before := c.owner.lostObject(w.id)
	if before == nil {
		return nil
	}
	entry.Lost = true
	got, err := c.client.do(ctx, call{
		method: http.MethodGet, path: w.resource.path(w.id.Namespace, w.id.Name), lane: c.owner.partOf,
	})
	if err != nil {
		if !apierrors.IsNotFound(err) {
			entry.Err = w.explain("look after", err)
		}
		return nil
	}
	l, err := parseLive(got.body, w.resource, c.cluster.cfg.FieldManager)
	if err != nil {
		entry.Err = fault.Wrap(fault.Internal, "look after", w.declared.String(), err)
		return nil
	}
	if l.terminating {
		entry.Op, entry.Terminating, entry.Health = diff.None, true, terminatingHealth(l)
		return l
	}
	entry.Op = diff.Update
	entry.Fields = c.differences(ctx, w, l)
	return l
}

// validate finds out whether the change of an entry would be accepted, and gathers every reason why not.
func (c *comparison) validate(ctx context.Context, w *wanted, l *live, entry *diff.Entry) {
	now := time.Now()
	if k := w.checked.Load(); !c.insists() && k.fits(w, l, c.query.Exact, now) && (k.op == entry.Op || k.op == diff.Replace) {
		entry.Op, entry.Err = k.op, k.err
		return
	}
	problems := invalidOnly(c.cluster.schemas.validate(ctx, w.object, entry.Op == diff.Create))
	if err := c.mayChange(ctx, w, entry.Op); err != nil {
		problems = append(problems, err)
	}
	if len(problems) == 0 && (c.query.Exact || c.cluster.admission.concerns(ctx, w, c.owner.partOf)) {
		if err := c.rehearse(ctx, w, l, entry); err != nil {
			problems = append(problems, err)
		}
	}
	entry.Err = errors.Join(problems...)
	if len(problems) == 1 {
		entry.Err = problems[0]
	}
	if fault.KindOf(entry.Err) == fault.Transient {
		return
	}
	w.checked.Store(&checked{
		want: w.object.Digest(), hash: hashOf(l), exact: c.query.Exact, until: now.Add(checkedFor), op: entry.Op, err: entry.Err,
	})
}

// mayChange asks whether the acting identity may make the change at all.
func (c *comparison) mayChange(ctx context.Context, w *wanted, op diff.Op) error {
	r := right{verb: "patch", resource: w.resource, namespace: w.id.Namespace, name: w.id.Name}
	err := c.access.allows(ctx, r, c.owner.partOf)
	if err != nil || op != diff.Create {
		return err
	}
	r.verb = "create"
	return c.access.allows(ctx, r, c.owner.partOf)
}

// rehearse makes the change by a server-side dry-run. What the server would change becomes the entry's difference.
func (c *comparison) rehearse(ctx context.Context, w *wanted, l *live, entry *diff.Entry) error {
	body, err := c.body(ctx, c.task(w), l)
	if err != nil {
		return fault.Wrap(fault.Internal, "rehearse", w.declared.String(), err)
	}
	got, err := c.client.do(ctx, c.patch(patchRequest{wanted: w, body: body, force: true, dryRun: true, lane: c.owner.partOf}))
	switch {
	case err == nil:
	case c.awaitsNamespace(w, err), dryRunUnsupported(err):
		return nil
	case immutable(err) && w.object.Annotation(v1alpha1.AnnotationForce) == "true":
		entry.Op = diff.Replace
		return nil
	default:
		return w.explain("apply", err)
	}
	if got.code == http.StatusOK && entry.Op == diff.Create {
		return c.foretellAdoption(ctx, w, entry)
	}
	return nil
}

// foretellAdoption describes the taking over of an object that exists and belongs to nobody, for people: nothing else needs it.
func (c *comparison) foretellAdoption(ctx context.Context, w *wanted, entry *diff.Entry) error {
	if !c.query.Exact {
		return nil
	}
	got, err := c.client.do(ctx, call{
		method: http.MethodGet, path: w.resource.path(w.id.Namespace, w.id.Name), lane: c.owner.partOf,
	})
	if err != nil {
		return w.explain("read", err)
	}
	l, err := parseLive(got.body, w.resource, c.cluster.cfg.FieldManager)
	if err != nil {
		return fault.Wrap(fault.Internal, "read", w.declared.String(), err)
	}
	entry.Health, _ = c.healthOf(l)
	entry.Fields = c.differences(ctx, w, l)
	return nil
}

// awaitsNamespace says whether an object was refused only because its namespace, which is wanted too, is not there yet.
func (c *comparison) awaitsNamespace(w *wanted, err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces" && c.scope.byReal[state.ID{Kind: "Namespace", Name: w.id.Namespace}] != nil
}

// invalidOnly keeps the errors that say that the object is wrong, and not that its schema could not be read.
func invalidOnly(errs []error) []error {
	var found []error
	for _, err := range errs {
		if fault.KindOf(err) == fault.Invalid {
			found = append(found, err)
		}
	}
	return found
}
