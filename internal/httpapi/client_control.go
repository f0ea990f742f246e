package httpapi

import (
	"context"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Approve consents to the plan that guards hold back.
func (c *Client) Approve(ctx context.Context, name string, request v1alpha1.ApproveRequest) (status v1alpha1.SyncStatus, err error) {
	return status, c.post(ctx, syncPath(name, "/approve"), request, &status)
}

// OverrideWindows lets a Sync act outside its windows until a time on the agent's clock; a zero one ends that.
func (c *Client) OverrideWindows(ctx context.Context, name string, o v1alpha1.WindowOverride) (status v1alpha1.SyncStatus, err error) {
	return status, c.post(ctx, syncPath(name, "/override"), o, &status)
}

// RollBackSync goes back to an earlier desired state.
func (c *Client) RollBackSync(ctx context.Context, name string, r v1alpha1.SyncRollbackRequest) (status v1alpha1.SyncStatus, err error) {
	return status, c.post(ctx, syncPath(name, "/rollback"), r, &status)
}

// Why gives the way from a Sync to what keeps it from being healthy.
func (c *Client) Why(ctx context.Context, name string) (why v1alpha1.Why, err error) {
	return why, c.get(ctx, syncPath(name, "/why"), &why)
}

// Deviation gives that of a Sync over time.
func (c *Client) Deviation(ctx context.Context, name string) (series v1alpha1.DeviationSeries, err error) {
	return series, c.get(ctx, syncPath(name, "/deviation"), &series)
}
