package kube

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

const (
	background = "Background" // dependants go later
	foreground = "Foreground" // dependants go first

	// goneTimeout bounds the wait for an object to be gone that is to be created anew.
	goneTimeout = 2 * time.Minute
)

// remove deletes one object, if it is ours. What is gone already is no error.
func (t *Target) remove(ctx context.Context, o *owner, step plan.Step, result *target.Result) {
	r, id, err := t.locate(ctx, step.ID)
	if fault.KindOf(err) == fault.NotFound {
		return // its kind is gone, and all objects with it
	}
	if err != nil {
		result.Err = err
		return
	}
	l, err := t.current(ctx, o, r, id)
	if err != nil || l == nil {
		result.Err = err
		return
	}
	if !l.belongs(o.partOf) {
		result.Err = fault.New(fault.Conflict, "delete", step.ID.String(), "it does not belong to "+o.who.String()).
			WithHint("it lost its ownership label, or was taken by another; delete it by hand if it is not needed")
		return
	}
	result.Changed = !l.terminating
	result.Err = t.erase(ctx, o, victim{r, l}, background)
}

// locate gives the resource and the real ID of a declared one.
func (t *Target) locate(ctx context.Context, id state.ID) (resource, state.ID, error) {
	r, ok := t.cluster.watches.versionOf(id.GroupKind())
	if !ok {
		var err error
		if r, err = t.cluster.kinds.find(ctx, id.GroupKind(), ""); err != nil {
			return r, id, err
		}
	}
	if r.namespaced && id.Namespace == "" {
		id.Namespace = t.namespace
	}
	return r, id, nil
}

// current gives an object from the cache or the server; nil when it is not there.
func (t *Target) current(ctx context.Context, o *owner, r resource, id state.ID) (*live, error) {
	if s := t.cluster.watches.store(r.gvr); s != nil {
		if l := s.get(keyOf(id)); l != nil {
			return l, nil
		}
	}
	return t.get(ctx, r, id, o.partOf)
}

// get gives an object from the server; nil when it is not there.
func (t *Target) get(ctx context.Context, r resource, id state.ID, lane string) (*live, error) {
	got, err := t.client.do(ctx, call{method: http.MethodGet, path: r.path(id.Namespace, id.Name), lane: lane})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // not there is an answer
	}
	if err != nil {
		return nil, explain("read", id.String(), err)
	}
	l, err := parseLive(got.body, r, t.cluster.cfg.FieldManager)
	return l, fault.Wrap(fault.Internal, "read", id.String(), err)
}

// victim is an object to be deleted.
type victim struct {
	resource resource
	live     *live
}

// erase deletes exactly this object: one that has been created anew under its name is left alone. Nobody misses it afterwards,
// although it may still be wanted: it is to be created anew, or it is a hook that has done its work.
func (t *Target) erase(ctx context.Context, o *owner, v victim, propagation string) error {
	o.deletes(v.live.id)
	err := t.requestDeletion(ctx, o, v, propagation)
	if err != nil {
		o.spares(v.live.id)
	}
	return err
}

// requestDeletion makes the request of erase and takes its answer into the cache.
func (t *Target) requestDeletion(ctx context.Context, o *owner, v victim, propagation string) error {
	r, l := v.resource, v.live
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation,
		"preconditions": map[string]string{"uid": l.uid},
	})
	if err != nil {
		return err
	}
	got, err := t.client.do(ctx, call{
		method: http.MethodDelete, path: r.path(l.id.Namespace, l.id.Name), body: body, contentType: contentJSON, lane: o.partOf,
	})
	s := t.cluster.watches.store(r.gvr)
	switch {
	case apierrors.IsNotFound(err):
		err = nil
	case err != nil:
		return explain("delete", l.id.String(), err)
	default:
		// The answer is the object when something keeps it, or where the kind's answer always is.
		if after, bad := parseLive(got.body, r, t.cluster.cfg.FieldManager); bad == nil && after.terminating {
			if s != nil {
				s.add(after, true)
			}
			return nil
		}
	}
	if s != nil {
		s.deleted(l)
	}
	o.disturbed()
	return err
}

// replace deletes an object with all that depends on it, waits until it is gone, and creates it anew. One that is nobody's is left alone,
// unless it is in the way of a hook's next run: as somebody has run the hook by hand, or with the helm command.
func (t *Target) replace(ctx context.Context, one task, result *target.Result) {
	w, o := one.wanted, one.owner
	l, err := t.current(ctx, o, w.resource, w.id)
	if err != nil {
		result.Err = err
		return
	}
	run := w.object.Annotation(v1alpha1.AnnotationHookRun) != ""
	if l != nil && !l.belongs(o.partOf) && !(run && l.labelled == labelledByNobody) {
		result.Err = t.belongsTo(w, l, o)
		return
	}
	if l != nil {
		if result.Err = t.erase(ctx, o, victim{w.resource, l}, foreground); result.Err == nil {
			result.Err = t.awaitGone(ctx, o, w, l)
		}
		if result.Err != nil {
			return
		}
	}
	body, err := t.body(ctx, task{owner: o, wanted: w}, nil)
	if err != nil {
		result.Err = fault.Wrap(fault.Internal, "replace", w.declared.String(), err)
		return
	}
	got, err := t.send(ctx, patchRequest{wanted: w, body: body, force: true, lane: o.partOf})
	if err != nil {
		result.Err = w.explain("replace", err)
		return
	}
	t.done(one, nil, got, result)
	o.found(w.id)
}

// awaitGone waits until an object that is being deleted is no longer there.
func (t *Target) awaitGone(ctx context.Context, o *owner, w *wanted, l *live) error {
	ctx, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		got, err := t.client.do(ctx, call{
			method: http.MethodGet, path: w.resource.path(w.id.Namespace, w.id.Name), lane: o.partOf,
		})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			if now, bad := parseLive(got.body, w.resource, t.cluster.cfg.FieldManager); bad == nil && now.uid != l.uid {
				return nil
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fault.New(fault.Transient, "replace", w.declared.String(), "the old object is still being deleted").
				WithHint("see what its finalizers wait for")
		}
	}
}
