package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// appWait is for an app to run a release that it was told to go to, and to be healthy.
type appWait struct {
	client *httpapi.Client
	app    string
	to     int
	unwell time.Time // since when it runs and is not well; zero when not
}

// appView is what the agent says of an app.
type appView struct {
	releases v1alpha1.Releases
	status   v1alpha1.AppStatus
}

// arrival is how far an app is on the way to a release.
type arrival int

const (
	onTheWay arrival = iota
	arrived          // it runs, and the app is healthy
	unwell           // it runs, and the app is not healthy: that may be from before
	failed           // it does not get there by itself
)

// judge says how far an app is on the way to a release.
func judge(view appView, to int) arrival {
	at := slices.IndexFunc(view.releases.Releases, func(r v1alpha1.Release) bool { return r.Number == to })
	if at < 0 {
		return failed
	}
	switch view.releases.Releases[at].State {
	case v1alpha1.ReleaseFailed:
		return failed
	case v1alpha1.ReleaseActive:
		switch health := view.status.Health; {
		case health.Status == state.Healthy:
			return arrived
		case health.Final:
			return failed
		case health.Status == state.Degraded || health.Status == state.Missing:
			return unwell
		}
	case v1alpha1.ReleaseSuperseded:
		// It has not begun yet, unless something else was asked for meanwhile.
		if view.releases.RolledBack != to && newest(view.releases.Releases) != to {
			return failed
		}
	}
	return onTheWay
}

// awaitRelease shows how an app gets to a release, and how that ends.
func (s *session) awaitRelease(ctx context.Context, w *appWait) error {
	view, end, err := s.waitForApp(ctx, w)
	if err != nil {
		return err
	}
	if err := s.out.Show(s.format, view.releases, func() { s.printEnd(view, w.to, end) }); err != nil {
		return err
	}
	if end != arrived {
		return exit(exitNotHealthy)
	}
	return nil
}

// waitForApp shows an app's progress until the wait is over.
func (s *session) waitForApp(ctx context.Context, w *appWait) (view appView, end arrival, err error) {
	progress := s.err.Progress()
	defer progress.End()
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		view, err = w.look(ctx)
		switch {
		case err == nil:
			if end = w.ends(judge(view, w.to)); end != onTheWay {
				return view, end, nil
			}
			progress.Now(view.line(w.to))
		case fault.KindOf(err) != fault.Transient:
			return view, failed, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return view, failed, fault.New(fault.Transient, "wait for", appPrefix+w.app, "it did not come to an end in time").
					WithHint("`setpoint history " + appPrefix + w.app + "` shows how it goes on")
			}
			return view, failed, ctx.Err()
		}
	}
}

// look asks the agent.
func (w *appWait) look(ctx context.Context) (view appView, err error) {
	if view.releases, err = w.client.Releases(ctx, w.app); err != nil {
		return view, err
	}
	list, err := w.client.Apps(ctx)
	at := slices.IndexFunc(list.Apps, func(app v1alpha1.AppStatus) bool { return app.Name == w.app })
	if at >= 0 {
		view.status = list.Apps[at]
	}
	return view, err
}

// ends gives an app that runs and is not well some time: what it is told to be may be from before it ran.
func (w *appWait) ends(now arrival) arrival {
	if now != unwell {
		w.unwell = time.Time{}
		return now
	}
	if w.unwell.IsZero() {
		w.unwell = time.Now()
	}
	if time.Since(w.unwell) < patience {
		return onTheWay
	}
	return unwell
}

// line says in one line how an app is doing on its way to a release.
func (v appView) line(to int) string {
	line := fmt.Sprintf("%s%s  release %d  %s", appPrefix, v.releases.App, to, v.stateOf(to))
	if health := v.status.Health; health.Status != state.Healthy {
		line += fmt.Sprintf("  %s  %s", health.Status, healthMessage(health))
	}
	return line
}

func (v appView) stateOf(number int) string {
	for _, release := range v.releases.Releases {
		if release.Number == number {
			return release.State
		}
	}
	return "gone"
}

// printEnd says how the wait ended.
func (s *session) printEnd(view appView, to int, end arrival) {
	app := term.Clean(appPrefix + view.releases.App)
	if end == arrived {
		s.out.Line(s.out.Paint(term.Good, "✓ "), app, fmt.Sprintf(" runs release %d and is healthy", to))
		return
	}
	s.out.Line(s.out.Paint(term.Bad, "✗ "), app, fmt.Sprintf(" is not healthy with release %d", to))
	for _, release := range view.releases.Releases {
		if why := reasonOf(release); release.Number == to && why != "" {
			s.out.Line("  ", term.Clean(why))
			return
		}
	}
	if why := healthMessage(view.status.Health); why != "" && view.status.Health.Status != state.Healthy {
		s.out.Line("  ", term.Clean(why))
	}
}
