package httpapi_test

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
)

func TestClientCarriesDecisions(t *testing.T) {
	server := serve(t, httpapi.Options{Token: "secret"})
	c, ctx := client(t, server.URL, "secret"), t.Context()
	known := content()

	found, err := c.Diff(ctx, "shop", "")
	same(t, err, found, v1alpha1.Diff{Changes: known.Changes["shop"], Plan: known.Syncs[1].Plan})
	_, err = c.Approve(ctx, "shop", v1alpha1.ApproveRequest{Digest: "another", By: "alice@box"})
	if fault.KindOf(err) != fault.Conflict || fault.HintOf(err) == "" {
		t.Errorf("another plan: %v, want a Conflict with a hint", err)
	}
	status, err := c.Approve(ctx, "shop", v1alpha1.ApproveRequest{Digest: found.Plan.Digest, By: "alice@box", Comment: "meant"})
	same(t, err, status.Plan, nil)
	same(t, nil, server.backend.Approvals(), []v1alpha1.Approval{{Digest: found.Plan.Digest, By: "alice@box", Comment: "meant", Time: start}})

	override := v1alpha1.WindowOverride{Until: start.Add(2 * time.Hour), By: "alice@box", Comment: "hotfix"}
	status, err = c.OverrideWindows(ctx, "shop", override)
	same(t, err, status.Override, &override)
	status, err = c.OverrideWindows(ctx, "shop", v1alpha1.WindowOverride{By: "alice@box"})
	same(t, err, status.Override, nil)

	status, err = c.RollBackSync(ctx, "shop", v1alpha1.SyncRollbackRequest{To: "9f8e", By: "alice@box"})
	same(t, err, status.Applied, known.Healthy["shop"][0])
	same(t, err, status.Quarantine.By, "alice@box")
}

func TestClientReadsWhatTheLoopTells(t *testing.T) {
	server := serve(t, httpapi.Options{})
	c, ctx, known := client(t, server.URL, ""), t.Context(), content()
	why, err := c.Why(ctx, "shop")
	same(t, err, why, known.Why["shop"])
	why, err = c.Why(ctx, "root")
	same(t, err, len(why.Chain), 1)
	series, err := c.Deviation(ctx, "shop")
	want := known.Deviations["shop"]
	want.Sync, want.Now = "shop", known.Syncs[1].Deviation
	same(t, err, series, want)
	series, err = c.Deviation(ctx, "root")
	same(t, err, series, v1alpha1.DeviationSeries{Sync: "root", Points: []v1alpha1.DeviationPoint{}, Days: []v1alpha1.DeviationDay{}})
}
