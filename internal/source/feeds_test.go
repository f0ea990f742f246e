package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// fakeUpstream gives the revision or error it is told to, after a while.
type fakeUpstream struct {
	key string

	mu       sync.Mutex
	revision string
	last     string
	err      error
	note     source.Note
	takes    time.Duration
	pulls    []time.Time
}

type fakeArtifact struct {
	source.Artifact
	id string
}

func (a fakeArtifact) Revision() state.Revision { return state.Revision{ID: a.id} }

func (u *fakeUpstream) Key() string    { return u.key }
func (u *fakeUpstream) String() string { return u.key }
func (u *fakeUpstream) Last() source.Artifact {
	if u.last == "" {
		return nil
	}
	return fakeArtifact{id: u.last}
}

func (u *fakeUpstream) Pull(ctx context.Context, known source.Artifact) (source.Artifact, source.Note, error) {
	u.mu.Lock()
	u.pulls = append(u.pulls, time.Now())
	takes := u.takes
	u.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, source.Note{}, ctx.Err()
	case <-time.After(takes):
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return nil, source.Note{}, u.err
	}
	if known != nil && known.Revision().ID == u.revision {
		return known, source.Note{}, nil
	}
	return fakeArtifact{id: u.revision}, u.note, nil
}

func (u *fakeUpstream) set(revision string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.revision, u.err = revision, err
}

func (u *fakeUpstream) times() []time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.pulls)
}

func (u *fakeUpstream) count() int { return len(u.times()) }

// run gives Feeds that run for the length of the bubble, without jitter.
func run(t *testing.T) *source.Feeds {
	t.Helper()
	feeds := source.NewFeeds(source.FeedsOptions{Random: func() float64 { return 0.5 }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		feeds.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return feeds
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() { c.mu.Lock(); c.n++; c.mu.Unlock() }
func (c *counter) get() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func id(l source.Latest) string {
	if l.Artifact == nil {
		return ""
	}
	return l.Artifact.Revision().ID
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestOnePollForAllSubscribersOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", revision: "1", takes: time.Millisecond}
		var told counter
		subs := []*source.Subscription{}
		for range 200 {
			subs = append(subs, feeds.Subscribe(&fakeUpstream{key: "shop"}, source.Poll{Interval: time.Hour, Suspend: true}, told.add))
		}
		for _, s := range subs {
			s.Close()
		}
		for range 200 {
			feeds.Subscribe(u, source.Poll{Interval: time.Minute}, told.add)
		}
		time.Sleep(time.Second)
		want(t, "pulls", u.count(), 1)
		want(t, "notifications", told.get(), 200)
		time.Sleep(10*time.Minute + time.Second)
		want(t, "pulls after ten minutes", u.count(), 11)
		want(t, "notifications of look-ups without news", told.get(), 200)
	})
}

func TestLastGoodArtifactIsThereAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", last: "1", revision: "2", takes: time.Second}
		s := feeds.Subscribe(u, source.Poll{}, nil)
		want(t, "before the first look", id(s.Latest()), "1")
		want(t, "checked", s.Latest().CheckedAt.IsZero(), true)
		time.Sleep(2 * time.Second)
		want(t, "after it", id(s.Latest()), "2")
		other := feeds.Subscribe(u, source.Poll{}, nil)
		want(t, "for who comes later", id(other.Latest()), "2")
	})
}

func TestErrorsAreToldWhenTheyBeginChangeAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", revision: "1"}
		var told counter
		s := feeds.Subscribe(u, source.Poll{Interval: time.Minute}, told.add)
		synctest.Wait()
		down := fault.New(fault.Transient, "pull", "shop", "down").WithHint("wait")
		for _, step := range []struct {
			err  error
			told int
		}{{down, 2}, {down, 2}, {errors.New("other"), 3}, {nil, 4}, {nil, 4}} {
			u.set("1", step.err)
			s.Refresh()
			time.Sleep(2 * time.Second)
			want(t, fmt.Sprint("told of ", step.err), told.get(), step.told)
			want(t, "artifact", id(s.Latest()), "1")
		}
		u.set("1", down)
		s.Refresh()
		time.Sleep(2 * time.Second)
		since := s.Latest().Since
		time.Sleep(time.Hour)
		want(t, "since", s.Latest().Since, since)
		want(t, "hint", s.Latest().Hint(), "wait")
	})
}

func TestFailuresBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", err: fault.New(fault.Transient, "pull", "shop", "down")}
		feeds.Subscribe(u, source.Poll{Interval: 10 * time.Second}, nil)
		time.Sleep(time.Hour)
		pauses := []time.Duration{}
		times := u.times()
		for i := 1; i < len(times); i++ {
			pauses = append(pauses, times[i].Sub(times[i-1]))
		}
		for i, seconds := range []int{10, 20, 40, 80, 160, 300, 300} {
			want(t, fmt.Sprint("pause ", i), pauses[i], time.Duration(seconds)*time.Second)
		}
		u.set("1", nil)
		time.Sleep(6 * time.Minute)
		times = u.times()
		want(t, "pause when it works again", times[len(times)-1].Sub(times[len(times)-2]), 10*time.Second)
	})
}

func TestRefusedContentIsLookedAtAsOftenAsEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", err: fault.New(fault.Invalid, "pull", "shop", "too large")}
		feeds.Subscribe(u, source.Poll{Interval: 10 * time.Second}, nil)
		time.Sleep(10*time.Minute + time.Second)
		want(t, "pulls", u.count(), 61)
	})
}

func TestRefreshesAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", revision: "1", takes: 5 * time.Second}
		s := feeds.Subscribe(u, source.Poll{Interval: time.Hour}, nil)
		time.Sleep(time.Second)
		for range 100 { // while the first look is under way: it may have asked too early
			s.Refresh()
		}
		time.Sleep(time.Minute)
		want(t, "pulls", u.count(), 2)
	})
}

func TestAHangingServerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", takes: time.Hour}
		s := feeds.Subscribe(u, source.Poll{Interval: time.Minute, Timeout: 3 * time.Second}, nil)
		time.Sleep(4 * time.Second)
		want(t, "kind", fault.KindOf(s.Latest().Err), fault.Transient)
	})
}

func TestSuspendedSubscribersKeepWhatTheyHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", last: "1", revision: "2"}
		var told counter
		s := feeds.Subscribe(u, source.Poll{Suspend: true}, told.add)
		s.Refresh()
		time.Sleep(time.Hour)
		want(t, "pulls", u.count(), 0)
		feeds.Subscribe(u, source.Poll{}, nil)
		synctest.Wait()
		want(t, "pulls for the other", u.count(), 1)
		want(t, "suspended", id(s.Latest()), "1")
		want(t, "told", told.get(), 0)
	})
}

func TestSmallestIntervalCountsAndClosingEndsThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feeds := run(t)
		u := &fakeUpstream{key: "shop", revision: "1"}
		slow := feeds.Subscribe(u, source.Poll{Interval: time.Hour}, nil)
		time.Sleep(10 * time.Minute)
		want(t, "slow", u.count(), 1)
		fast := feeds.Subscribe(u, source.Poll{Interval: time.Minute}, nil)
		time.Sleep(10*time.Minute + time.Second)
		want(t, "fast", u.count() >= 10, true)
		fast.Close()
		before := u.count()
		time.Sleep(30 * time.Minute)
		want(t, "slow again", u.count() <= before+1, true)
		slow.Close()
		before = u.count()
		time.Sleep(5 * time.Hour)
		want(t, "closed", u.count(), before)
	})
}
