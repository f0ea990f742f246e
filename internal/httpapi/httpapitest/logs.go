package httpapitest

import (
	"context"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// listener follows the output of an App.
type listener struct {
	app   string
	lines chan v1alpha1.LogLine
	leave context.CancelFunc
}

// Logs implements httpapi.Backend.
func (b *Backend) Logs(ctx context.Context, name string, query v1alpha1.LogQuery, emit func(v1alpha1.LogLine) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	old, l, err := b.listen(name, query, cancel)
	if err != nil {
		return err
	}
	if l != nil {
		defer b.unlisten(l)
	}
	for _, line := range old {
		if err := emit(line); err != nil {
			return err
		}
	}
	if l == nil {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case line := <-l.lines:
			if !selects(query, line) {
				continue
			}
			if err := emit(line); err != nil {
				return err
			}
		}
	}
}

// listen gives the lines that are there, and when following, who is told of those that come: none is missed in between.
func (b *Backend) listen(name string, query v1alpha1.LogQuery, leave context.CancelFunc) ([]v1alpha1.LogLine, *listener, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	app, err := b.app(name)
	if err != nil {
		return nil, nil, err
	}
	var old []v1alpha1.LogLine
	for _, line := range app.Logs {
		if selects(query, line) {
			old = append(old, line)
		}
	}
	if query.Tail > 0 && len(old) > query.Tail {
		old = old[len(old)-query.Tail:]
	}
	if !query.Follow {
		return old, nil, nil
	}
	l := &listener{app: name, lines: make(chan v1alpha1.LogLine, 256), leave: leave}
	b.listeners[l] = true
	return old, l, nil
}

func (b *Backend) unlisten(l *listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, l)
}

// Write adds a line to the output of its App, and tells those who follow it; one that is too slow is disconnected.
func (b *Backend) Write(line v1alpha1.LogLine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	app, err := b.app(line.App)
	if err != nil {
		return
	}
	app.Logs = append(app.Logs, line)
	for l := range b.listeners {
		if l.app != line.App {
			continue
		}
		select {
		case l.lines <- line:
		default:
			l.leave()
		}
	}
}

// selects says whether a line is asked for: "web.2" is one process, "web" all of its type.
func selects(query v1alpha1.LogQuery, line v1alpha1.LogLine) bool {
	kind, _, _ := strings.Cut(line.Process, ".")
	return (query.Process == "" || query.Process == line.Process || query.Process == kind) && !line.Time.Before(query.Since)
}
