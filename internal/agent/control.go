package agent

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// override is what people have asked of a Sync, beside what is declared. It is kept in the store.
type override struct {
	Suspended bool                     `json:"suspended,omitempty"`
	Approval  *v1alpha1.Approval       `json:"approval,omitempty"`
	Windows   *v1alpha1.WindowOverride `json:"windows,omitempty"`
}

// overrideOf gives what people have asked of a Sync; an override of windows that has expired is none.
func (a *Agent) overrideOf(name string) override {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.overrides[name]
	if o.Windows != nil && !time.Now().Before(o.Windows.Until) {
		o.Windows = nil
	}
	return o
}

// setOverride changes what people have asked of a Sync: on disk first, then for its loop.
func (a *Agent) setOverride(ctx context.Context, name string, change func(*override)) error {
	a.overriding.Lock()
	defer a.overriding.Unlock()
	next := a.overrideOf(name)
	change(&next)
	data, err := json.Marshal(next)
	if err != nil {
		return fault.Wrap(fault.Internal, "remember", "Sync "+name, err)
	}
	if next == (override{}) {
		err = a.store.Delete(ctx, store.Override, name)
	} else {
		err = a.store.Put(ctx, store.Override, name, data)
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.overrides[name] = next
	a.mu.Unlock()
	a.configure(name)
	return nil
}

// minPlanDigest is how much of a plan's digest has to be given to name it.
const minPlanDigest = 8

// Approve implements httpapi.ControlBackend.
func (a *Agent) Approve(ctx context.Context, name string, request v1alpha1.ApproveRequest) (v1alpha1.SyncStatus, error) {
	m, err := a.member(name)
	if err != nil {
		return v1alpha1.SyncStatus{}, err
	}
	plan := m.loop.Status().Plan
	if plan == nil {
		return v1alpha1.SyncStatus{}, fault.New(fault.NotFound, "approve", "Sync "+name, "no guard keeps anything back").
			WithHint("see what it does with `setpoint status " + name + "`")
	}
	if request.Digest != "" && (len(request.Digest) < minPlanDigest || !strings.HasPrefix(plan.Digest, request.Digest)) {
		return v1alpha1.SyncStatus{}, fault.New(fault.Conflict, "approve", "plan "+request.Digest+" of Sync "+name,
			"it is not what would be done now: the plan has changed").WithHint("look at the present one with `setpoint diff " + name + "`")
	}
	approval := &v1alpha1.Approval{Digest: plan.Digest, By: orElse(request.By, "unknown"), Comment: request.Comment, Time: time.Now().UTC()}
	if err := a.setOverride(ctx, name, func(o *override) { o.Approval = approval }); err != nil {
		return v1alpha1.SyncStatus{}, err
	}
	a.log.Info("approved", "sync", name, "plan", approval.Digest, "by", approval.By, "comment", approval.Comment)
	return m.loop.Status(), nil
}

// OverrideWindows implements httpapi.ControlBackend.
func (a *Agent) OverrideWindows(ctx context.Context, name string, windows v1alpha1.WindowOverride) (v1alpha1.SyncStatus, error) {
	m, err := a.member(name)
	if err != nil {
		return v1alpha1.SyncStatus{}, err
	}
	err = a.setOverride(ctx, name, func(o *override) {
		o.Windows = nil
		if time.Now().Before(windows.Until) {
			o.Windows = &windows
		}
	})
	a.log.Info("windows overridden", "sync", name, "until", windows.Until, "by", windows.By, "comment", windows.Comment)
	status := m.loop.Status()
	status.Override = a.overrideOf(name).Windows // the loop may not have seen it yet
	return status, err
}

// RollBackSync implements httpapi.ControlBackend.
func (a *Agent) RollBackSync(_ context.Context, name string, request v1alpha1.SyncRollbackRequest) (v1alpha1.SyncStatus, error) {
	m, err := a.member(name)
	if err != nil {
		return v1alpha1.SyncStatus{}, err
	}
	good, err := m.loop.RollBack(request.To, request.By, request.Comment)
	if err != nil {
		return v1alpha1.SyncStatus{}, err
	}
	a.log.Info("rollback", "sync", name, "to", good.Revision.Short(), "by", request.By, "comment", request.Comment)
	status := m.loop.Status()
	status.Applied = good.Revision
	return status, nil
}

// Deviation implements httpapi.ControlBackend.
func (a *Agent) Deviation(name string) (v1alpha1.DeviationSeries, error) {
	if _, err := a.member(name); err != nil {
		return v1alpha1.DeviationSeries{}, err
	}
	return a.deviations.Series(name), nil
}
