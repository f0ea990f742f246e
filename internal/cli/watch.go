package cli

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// Pauses of watching: gather takes events together that come together, and redraw keeps the relative times of a terminal true.
const (
	gather = 200 * time.Millisecond
	redraw = time.Second
)

// watchStatus shows the status whenever an event says that it may have changed, until ctx ends. On a terminal the table is drawn
// again; elsewhere each Sync whose state changed is a line; as JSON or YAML each status is one value of a sequence.
func (s *session) watchStatus(ctx context.Context, client *httpapi.Client, name string) error {
	w := &watcher{session: s, client: client, name: name, wake: make(chan struct{}, 1), states: map[string]string{}}
	if err := w.show(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return client.Follow(ctx, httpapi.FollowQuery{Sync: name, Connected: w.poke, Lost: func(error) { w.poke() }},
			func(v1alpha1.Event) error { w.poke(); return nil })
	})
	group.Go(func() error { return w.loop(ctx) })
	return group.Wait()
}

type watcher struct {
	session *session
	client  *httpapi.Client
	name    string
	wake    chan struct{}
	view    statusView
	lost    error
	states  map[string]string // as shown last, by Sync
}

// poke says that something may have changed. Two of them are as good as one.
func (w *watcher) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) loop(ctx context.Context) error {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(gather):
			}
			if err := w.show(ctx); err != nil {
				w.lost = err
			}
		case <-tick.C:
			if w.session.out.Live && w.session.format == term.FormatTable {
				w.draw()
			}
		}
	}
}

// show asks the agent and prints what is new.
func (w *watcher) show(ctx context.Context) error {
	view, err := lookAt(ctx, w.client, w.name)
	if err != nil {
		return err
	}
	w.view, w.lost = view, nil
	out := w.session.out
	return out.ShowOne(w.session.format, view.value(), func() {
		if out.Live {
			w.draw()
			return
		}
		for _, sync := range view.syncs() {
			line := lineOf(sync.SyncStatus)
			if w.states[sync.Name] != line {
				w.states[sync.Name] = line
				out.Line(term.Clean(line))
			}
		}
	})
}

// draw fills the terminal with the last view.
func (w *watcher) draw() {
	var text strings.Builder
	p := *w.session.out
	p.Out = &text
	w.view.print(&p)
	if w.lost != nil {
		p.Line()
		p.Line(p.Paint(term.Bad, term.Clean(w.lost.Error())+"; trying again"))
	}
	w.session.out.Redraw(text.String())
}

// syncs gives what is shown, as a list in any case.
func (v statusView) syncs() []shownSync {
	if v.one != nil {
		return []shownSync{{SyncStatus: v.one.SyncStatus}}
	}
	return v.all
}
