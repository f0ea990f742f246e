package files_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/files"
)

// listener gathers what Watch tells.
type listener struct {
	mu   sync.Mutex
	all  int
	told map[state.ID]bool
}

func (h *host) listen() *listener {
	l := &listener{told: map[state.ID]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := h.driver.Watch(ctx, l.changed); err != nil {
			h.t.Errorf("Watch: %v", err)
		}
	})
	h.t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
	await(h.t, "the watch has begun", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.all > 0
	})
	return l
}

func (l *listener) changed(all bool, ids ...state.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all {
		l.all++
	}
	for _, id := range ids {
		l.told[id] = true
	}
}

func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = map[state.ID]bool{}
}

func (l *listener) await(t *testing.T, id state.ID) {
	t.Helper()
	await(t, "a change of "+id.String()+" is told", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.told[id]
	})
	l.forget()
}

func TestWatch(t *testing.T) {
	h := newHost(t)
	h.write("run/token", "1")
	conf := object("Directory", "conf", spec{"path": "/conf", "purge": true})
	app, current := file("app", "/conf/app", "x"), link("current", "/conf/current", "app")
	secret := object("File", "secret", spec{"path": "/secret", "contentFrom": map[string]any{"secret": map[string]any{"file": "/run/token"}}})
	all := []*state.Object{conf, app, current, secret}
	for _, want := range all {
		h.put(want)
	}
	l := h.listen()
	for _, c := range []struct {
		id     state.ID
		change func() error
	}{
		{app.ID(), func() error { return os.WriteFile(h.path("conf/app"), []byte("y"), 0o600) }},
		{app.ID(), func() error { return os.Chmod(h.path("conf/app"), 0o600) }},
		{current.ID(), func() error { return os.Remove(h.path("conf/current")) }},
		{conf.ID(), func() error { return os.WriteFile(h.path("conf/more"), nil, 0o600) }},
		{conf.ID(), func() error { return os.Chmod(h.path("conf"), 0o700) }},
		{secret.ID(), func() error { return os.WriteFile(h.path("run/token"), []byte("2"), 0o600) }},
		{app.ID(), func() error { return os.RemoveAll(h.path("conf")) }},
	} {
		l.forget()
		h.must(c.change())
		l.await(t, c.id)
	}
	for _, want := range all {
		h.put(want)
	}
	h.remove(app)
	l.forget()
	h.must(os.WriteFile(h.path("conf/app"), nil, 0o600))
	l.await(t, conf.ID())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told[app.ID()] {
		t.Error("an object that was removed is told of")
	}
}

// After a restart, what is owned is watched before anything is compared.
func TestWatchAfterARestart(t *testing.T) {
	h := newHost(t)
	app := file("app", "/app", "x")
	h.put(app)
	h.restart()
	l := h.listen()
	h.must(os.Remove(h.path("app")))
	l.await(t, app.ID())
}

func TestWithoutAWatcher(t *testing.T) {
	h := newHost(t)
	driver := files.New(files.Config{Root: h.root, Journal: h.journal})
	ctx, cancel := context.WithCancel(context.Background())
	told := 0
	if err := driver.Watch(ctx, func(all bool, _ ...state.ID) {
		if told++; all {
			cancel()
		}
	}); err != nil || told != 1 {
		t.Errorf("told %d times, %v", told, err)
	}
	cancel()
}
