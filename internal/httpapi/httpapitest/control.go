package httpapitest

import (
	"context"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// change carries out a decision on a Sync, and tells followers; an error of act changes nothing.
func (b *Backend) change(name string, act func(*v1alpha1.SyncDetail) error) (v1alpha1.SyncStatus, error) {
	detail, err := b.Sync(name)
	if err != nil {
		return v1alpha1.SyncStatus{}, err
	}
	if err := act(&detail); err != nil {
		return v1alpha1.SyncStatus{}, err
	}
	b.Set(detail)
	return detail.SyncStatus, nil
}

// Approve implements httpapi.ControlBackend: the plan goes through at once, unless OnApprove changes that.
func (b *Backend) Approve(_ context.Context, name string, request v1alpha1.ApproveRequest) (v1alpha1.SyncStatus, error) {
	status, err := b.change(name, func(detail *v1alpha1.SyncDetail) error {
		switch {
		case detail.Plan == nil:
			return fault.New(fault.NotFound, "approve", "Sync/"+name, "nothing is held back")
		case request.Digest != "" && request.Digest != detail.Plan.Digest:
			return fault.New(fault.Conflict, "approve", "Sync/"+name, "another plan is held back now").
				WithHint("look at it with `setpoint diff " + name + "`")
		}
		request.Digest = detail.Plan.Digest
		detail.Plan, detail.State, detail.Reason, detail.Message, detail.Hint = nil, "Syncing", "", "", ""
		return nil
	})
	if err != nil {
		return status, err
	}
	b.mu.Lock()
	approval := v1alpha1.Approval{Digest: request.Digest, By: request.By, Comment: request.Comment, Time: b.now().UTC()}
	b.approvals = append(b.approvals, approval)
	b.mu.Unlock()
	if b.OnApprove != nil {
		b.OnApprove(name)
	}
	return status, nil
}

// Approvals gives those that were given, in order.
func (b *Backend) Approvals() []v1alpha1.Approval {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.approvals)
}

// OverrideWindows implements httpapi.ControlBackend.
func (b *Backend) OverrideWindows(_ context.Context, name string, override v1alpha1.WindowOverride) (v1alpha1.SyncStatus, error) {
	return b.change(name, func(detail *v1alpha1.SyncDetail) error {
		detail.Override = &override
		if override.Until.IsZero() {
			detail.Override = nil
		}
		return nil
	})
}

// RollBackSync implements httpapi.ControlBackend: the revision is in force at once, unless OnRollback changes that.
func (b *Backend) RollBackSync(_ context.Context, name string, request v1alpha1.SyncRollbackRequest) (v1alpha1.SyncStatus, error) {
	status, err := b.change(name, func(detail *v1alpha1.SyncDetail) error {
		b.mu.Lock()
		healthy := b.content.Healthy[name]
		b.mu.Unlock()
		at := slices.IndexFunc(healthy, func(revision v1alpha1.Revision) bool {
			return revision.ID != detail.Applied.ID && strings.HasPrefix(revision.ID, request.To)
		})
		if at < 0 {
			return fault.New(fault.NotFound, "roll back", "Sync/"+name, "no such revision was healthy before").
				WithHint("`setpoint history " + name + "` lists them")
		}
		left := detail.Applied
		detail.Quarantine = &v1alpha1.Quarantine{
			Revision: left, Reason: "Person", Message: request.Comment, Since: b.now().UTC(), By: request.By,
		}
		detail.Applied, detail.State, detail.Reason = healthy[at], "RolledBack", "Person"
		detail.Message = request.By + " went back from " + left.Short() + "; an earlier revision is in force"
		return nil
	})
	if err == nil && b.OnRollback != nil {
		b.OnRollback(name)
	}
	return status, err
}

// Why implements httpapi.ControlBackend; what Content does not say is the Sync itself.
func (b *Backend) Why(name string) (v1alpha1.Why, error) {
	detail, err := b.Sync(name)
	if err != nil {
		return v1alpha1.Why{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if why, ok := b.content.Why[name]; ok {
		return why, nil
	}
	return v1alpha1.Why{Chain: []v1alpha1.WhyLink{{
		ID:    v1alpha1.ObjectID{Group: v1alpha1.Group, Kind: v1alpha1.KindSync, Name: name},
		State: detail.State, Reason: detail.Reason, Message: detail.Message, Hint: detail.Hint, Since: detail.Since,
		Revision: detail.Revision.Short(),
	}}}, nil
}

// Deviation implements httpapi.ControlBackend.
func (b *Backend) Deviation(name string) (v1alpha1.DeviationSeries, error) {
	detail, err := b.Sync(name)
	if err != nil {
		return v1alpha1.DeviationSeries{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	series := b.content.Deviations[name]
	series.Sync, series.Now = name, detail.Deviation
	return series, nil
}
