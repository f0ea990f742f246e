package host

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// limited is a watcher of a kernel that has room for so many keys.
type limited struct {
	mu     sync.Mutex
	room   int
	keys   []string
	closed bool
}

func (l *limited) Set(key string, paths ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = slices.DeleteFunc(l.keys, func(k string) bool { return k == key })
	if len(paths) == 0 {
		return nil
	}
	if len(l.keys) >= l.room {
		return errBlind
	}
	l.keys = append(l.keys, key)
	return nil
}

func (l *limited) Follow(ctx context.Context, changed func(all bool, keys ...string)) error {
	changed(true)
	<-ctx.Done()
	return nil
}

func (l *limited) Directories() []string { return nil }

func (l *limited) Close() error {
	l.closed = true
	return nil
}

func (l *limited) grow(room int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room = room
}

func TestWhatCannotBeWatchedIsLookedAtNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := &limited{room: 1}
		e := &ears{deaf: map[string][]string{}, open: func() (pathWatcher, error) { return kernel, nil }}
		if err := e.Set("a", "/a"); err != nil {
			t.Error(err)
		}
		if err := e.Set("b", "/b"); err == nil {
			t.Error("the caller is not told that a path is not watched")
		}
		told := 0
		ctx, cancel := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() {
			if err := e.Follow(ctx, func(all bool, _ ...string) { told++ }); err != nil {
				t.Error(err)
			}
		})
		for _, step := range []struct {
			room, want, minutes int
		}{{1, 1 + 5, 5}, {2, 1, 1}, {2, 0, 60}} { // the first event; each minute; when it comes to be watched; never again
			kernel.grow(step.room)
			time.Sleep(time.Duration(step.minutes)*time.Minute + time.Second)
			synctest.Wait()
			if told != step.want {
				t.Errorf("told %d times in %d minutes with room for %d, want %d", told, step.minutes, step.room, step.want)
			}
			told = 0
		}
		cancel()
		following.Wait()
		if err := e.Close(); err != nil || !kernel.closed || e.Set("c", "/c") == nil {
			t.Error("it goes on after its end")
		}
	})
}

func TestNoWatcherAtAll(t *testing.T) {
	kernel, err := &limited{room: 9}, errBlind
	e := &ears{deaf: map[string][]string{}, open: func() (pathWatcher, error) {
		if err != nil {
			return nil, err
		}
		return kernel, nil
	}}
	if e.Set("a", "/a") == nil || e.Set("gone", "/b") == nil || e.Follow(t.Context(), nil) == nil {
		t.Error("nobody is told that nothing is watched")
	}
	_ = e.Set("gone")
	err = nil
	ctx, cancel := context.WithCancel(t.Context())
	if err := e.Follow(ctx, func(bool, ...string) { cancel() }); err != nil || !slices.Equal(kernel.keys, []string{"a"}) {
		t.Errorf("%v; %v are watched, want what was asked for before", err, kernel.keys)
	}
	if err := (*ears)(nil).Close(); err != nil {
		t.Error(err)
	}
}
