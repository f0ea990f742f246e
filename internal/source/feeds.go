package source

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The defaults of Poll, and the bounds of waiting.
const (
	DefaultInterval = time.Minute
	DefaultTimeout  = time.Minute
	minInterval     = time.Second
	firstBackoff    = 10 * time.Second
	maxBackoff      = 5 * time.Minute
	refreshGap      = time.Second // between a look and the next one that somebody asks for
)

// Feeds looks at upstreams again and again: once for each distinct Upstream.Key, however many subscribe. Safe for concurrent use.
type Feeds struct {
	opts FeedsOptions

	mu      sync.Mutex
	feeds   map[string]*feed
	ctx     context.Context //nolint:containedctx // of Run; nil before and after
	running sync.WaitGroup
}

// FeedsOptions are what Feeds needs from outside; the zero value is good.
type FeedsOptions struct {
	// Random gives numbers in [0,1) for the jitter. Default math/rand.
	Random func() float64
	// Looked hears of every look at an upstream: what is known after it, and whether that is news. It must not block. May be nil.
	Looked func(upstream string, latest Latest, changed bool)
	// Log hears of errors that begin and end. Default: nobody.
	Log *slog.Logger
}

// Poll says how to look.
type Poll struct {
	Interval time.Duration // between looks; of several subscribers the smallest counts. Default 1m, at least 1s
	Timeout  time.Duration // of one look; of several subscribers the largest counts. Default 1m
	Suspend  bool          // do not look, and keep what there is
}

// Latest is what is known of an upstream. The artifact stays when a look fails.
type Latest struct {
	Artifact  Artifact  // nil until there was one
	Note      Note      // of the pull that gave the artifact
	Err       error     // of the last look; nil when it went well
	Since     time.Time // when the looks began to fail with Err
	CheckedAt time.Time // when the last look ended, well or not; zero before the first
}

// Hint says what to do about Err, or "".
func (l Latest) Hint() string { return fault.HintOf(l.Err) }

// NewFeeds makes Feeds; nothing is looked at before Run.
func NewFeeds(opts FeedsOptions) *Feeds {
	if opts.Random == nil {
		opts.Random = rand.Float64
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Feeds{opts: opts, feeds: map[string]*feed{}}
}

// Run looks until the context ends, and returns when the last look has. It is called once.
func (f *Feeds) Run(ctx context.Context) {
	f.mu.Lock()
	f.ctx = ctx
	for _, each := range f.feeds {
		f.launch(each)
	}
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	f.ctx = nil
	f.mu.Unlock()
	f.running.Wait()
}

// launch starts a feed's goroutine, which Run waits for.
func (f *Feeds) launch(each *feed) {
	ctx, cancel := context.WithCancel(f.ctx)
	each.cancel = cancel
	f.running.Go(func() {
		defer cancel()
		each.run(ctx)
	})
}

// Subscription is one subscriber's view of an upstream. Its methods are safe for concurrent use.
type Subscription struct {
	feed   *feed
	poll   Poll
	notify func()
	frozen *Latest // of a suspended one
}

// Subscribe begins to follow an upstream. Latest is the upstream's last good artifact from disk, or what others have found
// already, until the first look ends. The function notify is called after each change of Latest other than its times (a new
// revision; an error that appears, changes or disappears), from a goroutine that must not be held up; never for a look that
// found nothing new. It may be nil.
func (f *Feeds) Subscribe(upstream Upstream, poll Poll, notify func()) *Subscription {
	poll = poll.withDefaults()
	key := upstream.Key()
	f.mu.Lock()
	_, ok := f.feeds[key]
	f.mu.Unlock()
	var last Artifact
	if !ok {
		last = upstream.Last() // reads the disk: not under the lock
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	each, ok := f.feeds[key]
	if !ok {
		each = &feed{
			owner: f, upstream: upstream, latest: Latest{Artifact: last},
			subs: map[*Subscription]bool{}, wake: make(chan struct{}, 1),
		}
		f.feeds[key] = each
		if f.ctx != nil {
			f.launch(each)
		}
	}
	return each.join(poll, notify)
}

func (p Poll) withDefaults() Poll {
	if p.Interval <= 0 {
		p.Interval = DefaultInterval
	}
	if p.Timeout <= 0 {
		p.Timeout = DefaultTimeout
	}
	p.Interval = max(p.Interval, minInterval)
	return p
}

// Latest gives what is known now.
func (s *Subscription) Latest() Latest {
	if s.frozen != nil {
		return *s.frozen
	}
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return s.feed.latest
}

// Refresh asks for a look now. Any number of requests during one look cause one more look, since the one under way may have
// asked too early. It does nothing while every subscriber is suspended.
func (s *Subscription) Refresh() {
	s.feed.mu.Lock()
	s.feed.refresh = true
	s.feed.mu.Unlock()
	s.feed.poke()
}

// Close ends the subscription: notify is not called any more once Close and a call under way have returned. The upstream is left
// alone when nobody else follows it.
func (s *Subscription) Close() {
	owner := s.feed.owner
	owner.mu.Lock()
	defer owner.mu.Unlock()
	s.feed.mu.Lock()
	delete(s.feed.subs, s)
	empty := len(s.feed.subs) == 0
	s.feed.mu.Unlock()
	if key := s.feed.upstream.Key(); empty && owner.feeds[key] == s.feed {
		delete(owner.feeds, key)
		if s.feed.cancel != nil {
			s.feed.cancel()
		}
	}
	s.feed.poke()
}

// same says whether two revisions are one, found by one name.
func same(a, b Artifact) bool {
	revision := func(x Artifact) state.Revision {
		if x == nil {
			return state.Revision{}
		}
		return x.Revision()
	}
	return revision(a).ID == revision(b).ID && revision(a).Ref == revision(b).Ref
}
