package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
)

// askAgain is how often --wait asks when no event comes: events are the mechanism, this is the safety net.
const askAgain = time.Second

// patience is how long everything has to stand still before a Sync that waits for others is given up: those may be about to look
// at the revision that this one has looked at already.
const patience = 2 * time.Second

// wait is for one Sync to have looked after a time, and come to an end.
type wait struct {
	client *httpapi.Client
	name   string
	asked  time.Time // on the agent's clock
	stuck  time.Time // since when the Sync waits for others, and they for help; zero when not
	// stale says that a status, although looked at after asked, does not know yet what was asked for; nil: none is.
	stale func(v1alpha1.SyncStatus) bool
	// goal is the state to come to; "" for InSync.
	goal string
}

// reached says whether a Sync is where it was to come.
func (w *wait) reached(status v1alpha1.SyncStatus) bool {
	if w.goal != "" {
		return status.State == w.goal
	}
	return status.State == "InSync" && !sourceAway(status)
}

// waitFor shows a Sync's progress until the wait is over.
func (s *session) waitFor(ctx context.Context, w *wait) (detail v1alpha1.SyncDetail, err error) {
	wake := make(chan struct{}, 1)
	following, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Without events the questions of askAgain are enough.
		_ = w.client.Follow(following, httpapi.FollowQuery{Sync: w.name}, func(v1alpha1.Event) error {
			select {
			case wake <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	defer func() { stop(); <-ended }()
	progress := s.err.Progress()
	defer progress.End()
	for {
		detail, err = w.client.Sync(ctx, w.name)
		switch {
		case err == nil && w.over(ctx, detail.SyncStatus):
			return detail, nil
		case err == nil:
			progress.Now(lineOf(detail.SyncStatus))
		case fault.KindOf(err) != fault.Transient:
			return detail, err
		}
		select {
		case <-wake:
		case <-time.After(askAgain):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return detail, fault.New(fault.Transient, "wait for", w.name, "it did not come to an end in time").
					WithHint("`setpoint status " + w.name + "` shows what it waits for")
			}
			return detail, ctx.Err()
		}
	}
}

// over says whether the Sync has looked, and is well, or cannot become so without help or others.
func (w *wait) over(ctx context.Context, status v1alpha1.SyncStatus) bool {
	if !status.Looked.After(w.asked) || w.stale != nil && w.stale(status) {
		return false
	}
	if settled(status) || needsAttention(status) {
		return true
	}
	if !waitsForOthers(status) || w.othersMove(ctx) {
		w.stuck = time.Time{}
		return false
	}
	if w.stuck.IsZero() {
		w.stuck = time.Now()
	}
	return time.Since(w.stuck) >= patience
}

// othersMove says whether any Sync is on the way, so that one that waits for others may still get what it waits for.
func (w *wait) othersMove(ctx context.Context) bool {
	list, err := w.client.Syncs(ctx)
	if err != nil {
		return true // not known
	}
	return slices.ContainsFunc(list.Syncs, func(status v1alpha1.SyncStatus) bool {
		return !settled(status) && !needsAttention(status) && !waitsForOthers(status) && !waitsForChildren(status, list.Syncs)
	})
}

// waitsForOthers says whether a Sync rests until what it depends on is healthy.
func waitsForOthers(status v1alpha1.SyncStatus) bool {
	return status.State == "Pending" && status.Reason == "DependencyNotReady"
}

// waitsForChildren says whether a Sync waits for the health of nothing but Syncs that it declares: those speak for themselves.
func waitsForChildren(status v1alpha1.SyncStatus, all []v1alpha1.SyncStatus) bool {
	if status.State != "Settling" {
		return false
	}
	unhealthy := 0
	for _, child := range all {
		if child.Parent == status.Name && child.State != "InSync" && child.State != "Drifted" {
			unhealthy++
		}
	}
	return unhealthy > 0 && status.Objects.Total-status.Objects.Healthy <= unhealthy
}
