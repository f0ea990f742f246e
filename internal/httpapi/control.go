package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// ControlBackend is what people decide about a Sync's loop, and what the loop tells of itself. A Sync that is not there is a fault of
// kind NotFound. Each request is remembered across restarts, and is in force when its method returns.
type ControlBackend interface {
	// Approve consents to the plan that guards hold back now. Its digest must be that of the request ("" for whichever it is), else the
	// fault is of kind Conflict; of kind NotFound when nothing is held back.
	Approve(ctx context.Context, name string, request v1alpha1.ApproveRequest) (v1alpha1.SyncStatus, error)
	// OverrideWindows lets a Sync act outside its windows until a time; a zero one ends that, also where nothing is overridden.
	OverrideWindows(ctx context.Context, name string, override v1alpha1.WindowOverride) (v1alpha1.SyncStatus, error)
	// RollBackSync goes back to an earlier desired state, until a revision that changes this Sync or a Request. Applied of its status is
	// what it goes back to, Quarantine the revision that it leaves. A fault of kind NotFound when no such revision was ever healthy.
	RollBackSync(ctx context.Context, name string, request v1alpha1.SyncRollbackRequest) (v1alpha1.SyncStatus, error)
	// Why gives the way from a Sync to what keeps it from being healthy.
	Why(name string) (v1alpha1.Why, error)
	// Deviation gives that of a Sync over time.
	Deviation(name string) (v1alpha1.DeviationSeries, error)
}

// Bounds of what people say with a decision, in bytes: it is kept, and shown again and again.
const (
	personLimit  = 200
	commentLimit = 1000
)

// overrideLimit is how long windows can be overridden for: an override that outlives its occasion is a window that nobody keeps to.
const overrideLimit = 7 * 24 * time.Hour

func (a *api) approve(r *http.Request) (any, error) {
	var body v1alpha1.ApproveRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if err := signed(body.By, body.Comment); err != nil {
		return nil, err
	}
	return a.backend.Approve(r.Context(), r.PathValue("name"), body)
}

func (a *api) override(r *http.Request) (any, error) {
	var body v1alpha1.WindowOverride
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if err := signed(body.By, body.Comment); err != nil {
		return nil, err
	}
	if left := body.Until.Sub(a.options.Now()); !body.Until.IsZero() && (left <= 0 || left > overrideLimit) {
		return nil, fault.New(fault.Invalid, "read", "until", "want a time within the next 7 days, or none to end an override")
	}
	return a.backend.OverrideWindows(r.Context(), r.PathValue("name"), body)
}

func (a *api) rollBackSync(r *http.Request) (any, error) {
	var body v1alpha1.SyncRollbackRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if err := signed(body.By, body.Comment); err != nil {
		return nil, err
	}
	return a.backend.RollBackSync(r.Context(), r.PathValue("name"), body)
}

// signed wants a decision to have somebody behind it, in words that can be kept.
func signed(by, comment string) error {
	if by == "" {
		return fault.New(fault.Invalid, "read", "by", "nobody is named").WithHint(`say who decides, like {"by": "alice@box"}`)
	}
	for _, text := range []struct {
		name, value string
		limit       int
	}{{"by", by, personLimit}, {"comment", comment, commentLimit}} {
		if len(text.value) > text.limit || !utf8.ValidString(text.value) {
			return fault.New(fault.Invalid, "read", text.name, fmt.Sprintf("want at most %d bytes of text", text.limit))
		}
	}
	return nil
}

func (a *api) why(r *http.Request) (any, error) {
	why, err := a.backend.Why(r.PathValue("name"))
	if why.Chain == nil {
		why.Chain = []v1alpha1.WhyLink{}
	}
	return why, err
}

func (a *api) deviation(r *http.Request) (any, error) {
	series, err := a.backend.Deviation(r.PathValue("name"))
	if series.Points == nil {
		series.Points = []v1alpha1.DeviationPoint{}
	}
	if series.Days == nil {
		series.Days = []v1alpha1.DeviationDay{}
	}
	return series, err
}

// controlRoutes are those of ControlBackend.
func controlRoutes() []route {
	return []route{
		{method: "POST", path: base + "/syncs/{name}/approve", id: "approve", body: v1alpha1.ApproveRequest{},
			result: v1alpha1.SyncStatus{}, answer: (*api).approve, summary: "Consent to exactly the plan that guards hold back now"},
		{method: "POST", path: base + "/syncs/{name}/override", id: "override", body: v1alpha1.WindowOverride{},
			result: v1alpha1.SyncStatus{}, answer: (*api).override, summary: "Act outside windows for a while, or no longer"},
		{method: "POST", path: base + "/syncs/{name}/rollback", id: "rollBackSync", body: v1alpha1.SyncRollbackRequest{},
			result: v1alpha1.SyncStatus{}, answer: (*api).rollBackSync,
			summary: "Go back to an earlier revision, until the next one that changes this Sync"},
		{method: "GET", path: base + "/syncs/{name}/why", id: "why", result: v1alpha1.Why{}, answer: (*api).why,
			summary: "The way from a Sync to what keeps it from being healthy"},
		{method: "GET", path: base + "/syncs/{name}/deviation", id: "deviation", result: v1alpha1.DeviationSeries{},
			answer: (*api).deviation, summary: "How far the target was from what is declared, over time"},
	}
}
