package host

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// hearing gathers what an owner is told.
type hearing struct {
	mu     sync.Mutex
	events []target.Event
}

func (h *hearing) notify(event target.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
}

// all counts the events without IDs, and about those that name an object, since it was last asked.
func (h *hearing) heard(id state.ID) (all, about int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, event := range h.events {
		if len(event.IDs) == 0 {
			all++
		} else if slices.Contains(event.IDs, id) {
			about++
		}
	}
	h.events = nil
	return all, about
}

// listening has owners watch in a bubble, whose time and quiet the test controls.
func listening(ctx context.Context, f fixture, owners ...state.Owner) []*hearing {
	var all []*hearing
	for _, owner := range owners {
		h := &hearing{}
		all = append(all, h)
		go func() { _ = f.Host.Watch(ctx, owner, h.notify) }()
	}
	synctest.Wait()
	return all
}

func TestEventsReachTheirOwners(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := open(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		a, b := declare("File", "a", "1"), declare("App", "b", "1")
		f.create(t, shop, a)
		f.create(t, base, b)
		told := listening(ctx, f, shop, shop, base)
		for i, h := range told {
			if all, _ := h.heard(a.ID()); all == 0 {
				t.Errorf("watcher %d is not told that it has begun", i)
			}
		}
		if f.files.watches != 1 || f.apps.watches != 1 {
			t.Errorf("%d and %d watches, want one of each driver", f.files.watches, f.apps.watches)
		}
		f.files.set(a.ID(), "2")
		f.files.set(a.ID(), "3")
		synctest.Wait()
		for i, want := range []bool{true, true, false} {
			if all, about := told[i].heard(a.ID()); (about > 0) != want || all > 0 {
				t.Errorf("watcher %d was told %d times of its object and %d times of all", i, about, all)
			}
		}
		f.apps.tell(false, b.ID(), state.ID{Kind: "File", Name: "nobody's"})
		f.files.tell(true)
		synctest.Wait()
		if all, about := told[2].heard(b.ID()); all != 1 || about > 1 {
			t.Errorf("told %d times of its app and %d times of all", about, all)
		}
		if all, _ := told[0].heard(a.ID()); all != 1 {
			t.Errorf("told %d times of all", all)
		}
		cancel()
		synctest.Wait()
		if len(f.audience.watchers)+len(f.audience.cares) > 0 {
			t.Error("those who left are not forgotten")
		}
	})
}

// Who waits for an object of another owner, or for one that is not made yet, is told of it too.
func TestThoseWhoCareAreTold(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := open(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a, fresh := declare("File", "a", "1"), declare("File", "fresh", "1")
		f.create(t, shop, a)
		told := listening(ctx, f, base, shop)
		f.entries(t, target.Query{Owner: base, Want: set(a, fresh)})
		told[0].heard(a.ID())
		f.files.set(fresh.ID(), "appears")
		synctest.Wait()
		if _, about := told[0].heard(fresh.ID()); about != 1 {
			t.Errorf("told %d times of what it wants and nobody has", about)
		}
		f.carry(t, shop, deleting(a))
		synctest.Wait()
		if _, about := told[0].heard(a.ID()); about != 1 {
			t.Errorf("told %d times that another owner gave up what it wants", about)
		}
		f.create(t, base, a)
		f.one(t, base, a)
		f.one(t, base, fresh)
		if _, cares := f.audience.cares[base][a.ID()]; cares || len(f.audience.cares[base]) != 1 {
			t.Errorf("cares = %v, want the one that it does not have", f.audience.cares[base])
		}
		f.entries(t, target.Query{Owner: base, Want: set(a)})
		if len(f.audience.cares) > 0 {
			t.Errorf("cares = %v, and everything wanted is its own", f.audience.cares)
		}
	})
}

// A watch that cannot work is tried again at longer and longer intervals, and everything is looked at meanwhile; the other goes on.
func TestLostWatches(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := open(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		app := declare("App", "app", "1")
		f.create(t, shop, app)
		f.files.blind = errBlind
		told := listening(ctx, f, shop)[0]
		told.heard(app.ID())
		f.apps.set(app.ID(), "2")
		synctest.Wait()
		if _, about := told.heard(app.ID()); about != 1 {
			t.Error("the driver that can watch is not heard")
		}
		time.Sleep(10 * time.Minute) // of the bubble
		synctest.Wait()
		all, _ := told.heard(app.ID())
		if all < 10 || all > 20 || f.files.watches < 10 || f.files.watches > 20 {
			t.Errorf("%d events and %d attempts in ten minutes, want about one a minute", all, f.files.watches)
		}
		f.files.mu.Lock()
		f.files.blind = nil
		f.files.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		before := f.files.watches
		time.Sleep(time.Hour)
		if f.files.watches != before {
			t.Error("a watch that works was begun again")
		}
		cancel()
		synctest.Wait()
	})
}

// A slow listener holds up nobody, and is told everything in one go when it listens again.
func TestSlowListeners(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := open(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		a, b := declare("File", "a", "1"), declare("File", "b", "1")
		f.create(t, shop, a, b)
		listening(ctx, f, base) // the drivers' watches have begun
		slow, open := &hearing{}, make(chan struct{})
		go func() {
			_ = f.Host.Watch(ctx, shop, func(event target.Event) {
				slow.notify(event)
				<-open
			})
		}()
		synctest.Wait()
		slow.heard(a.ID())
		for range 100 {
			f.files.tell(false, a.ID())
			f.files.tell(false, b.ID())
		}
		close(open)
		synctest.Wait()
		if len(slow.events) != 1 || !slices.Equal(slow.events[0].IDs, []state.ID{a.ID(), b.ID()}) {
			t.Errorf("events = %+v, want one about both", slow.events)
		}
		cancel()
		synctest.Wait()
	})
}
