package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// readRecords reads what was remembered of every Sync.
func (a *Agent) readRecords(ctx context.Context) error {
	kept, err := a.store.List(ctx, store.Status)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), "read", "the last status of the Syncs", err)
	}
	for name, data := range kept {
		var rest loop.Rest
		if err := json.Unmarshal(data, &rest); err != nil {
			a.log.Warn("a Sync's last status cannot be read", "sync", name, "error", err)
			continue
		}
		a.before[name] = rest
	}
	overrides, err := a.store.List(ctx, store.Override)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), "read", "what people have asked of the Syncs", err)
	}
	for name, data := range overrides {
		var asked override
		if err := json.Unmarshal(data, &asked); err != nil {
			a.log.Warn("what people have asked of a Sync cannot be read", "sync", name, "error", err)
			continue
		}
		a.overrides[name] = asked
	}
	return nil
}

// remember keeps a Sync's status for the next start. That a newer revision was seen which changes nothing is not worth a write.
func (a *Agent) remember(name string, update loop.Update) {
	rest := update.Rest
	rest.Status.Looked, rest.Status.NextTry = time.Time{}, time.Time{}
	a.mu.Lock()
	before, known := a.before[name]
	if known && !update.Keep && before.Desired == rest.Desired && sameRest(before.Status, rest.Status) {
		a.mu.Unlock()
		return
	}
	a.before[name] = rest
	a.mu.Unlock()
	data, err := json.Marshal(rest)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), 5*time.Second)
		defer cancel()
		err = a.store.Put(ctx, store.Status, name, data)
	}
	if err != nil {
		a.log.Error("cannot remember a status", "sync", name, "error", err)
	}
}

// forget drops what was remembered of a Sync that is gone.
func (a *Agent) forget(name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), 5*time.Second)
	defer cancel()
	for _, bucket := range []store.Bucket{store.Status, store.Override, store.Made} {
		if err := a.store.Delete(ctx, bucket, name); err != nil {
			a.log.Error("cannot forget a status", "sync", name, "error", err)
		}
	}
	a.deviations.Forget(ctx, name)
	a.mu.Lock()
	good := a.before[name].Good
	delete(a.overrides, name)
	a.mu.Unlock()
	for _, kept := range good {
		if err := a.shelf.Drop(ctx, name, kept.Digest); err != nil {
			a.log.Error("cannot forget a state that was healthy", "sync", name, "error", err)
		}
	}
}

func sameRest(a, b v1alpha1.SyncStatus) bool {
	return a.State == b.State && a.Reason == b.Reason && a.Message == b.Message && a.Since.Equal(b.Since) && a.Objects == b.Objects &&
		a.Path == b.Path && a.Source == b.Source && len(a.Problems) == len(b.Problems)
}
