package kube

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// How often a followed object is asked for: after failures that may go away, and where it may be read but not watched.
const (
	followPause    = 500 * time.Millisecond
	maxFollowPause = 30 * time.Second
	followPoll     = time.Minute
)

// Follow tells, until it is stopped, when an object may have changed, been made or been deleted; telling twice changes nothing.
// It returns when the object's version at that time is known, or cannot be found out for now: whoever reads it afterwards misses no
// change. All who follow the same object as the same identity share one watch of this single object, which knows metadata alone.
// Where the identity may read the object but not watch it, it is asked for once a minute; where it may not read it either, too, and
// the first answer is told. notify must not block; a call may be under way when stop returns. Errors: Invalid for a name that cannot
// be one, NotFound for a kind that the cluster does not serve, Transient.
func (t *Target) Follow(ctx context.Context, id state.ID, notify func()) (stop func(), err error) {
	r, id, err := t.locate(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{id.Namespace, id.Name} {
		wrong := content.IsPathSegmentName(part)
		if len(wrong) == 0 && part == "" && (part == id.Name || r.namespaced) {
			wrong = []string{"is missing"}
		}
		if len(wrong) > 0 {
			return nil, fault.New(fault.Invalid, "follow", id.String(), "a name "+wrong[0])
		}
	}
	if !r.namespaced {
		id.Namespace = ""
	}
	f, stop := t.cluster.follows.join(followed{id: id, identity: t.identity}, &follow{client: t.client, resource: r, id: id}, notify)
	select {
	case <-f.settled:
		return stop, nil
	case <-ctx.Done():
		stop()
		return nil, fault.Wrap(fault.Transient, "follow", id.String(), ctx.Err())
	}
}

// followed is an object with the identity that follows it: its real ID.
type followed struct {
	id       state.ID
	identity string
}

// follows are all objects that somebody follows. Safe for concurrent use.
type follows struct {
	cluster *Cluster
	ctx     context.Context //nolint:containedctx // the life of the watches, which outlive the calls that start them

	mu    sync.Mutex
	byKey map[followed]*follow
}

// follow is one followed object.
type follow struct {
	client   *client
	resource resource
	id       state.ID

	all     *follows
	cancel  context.CancelFunc
	settled chan struct{} // closed after the first look, be it a success or not

	// Guarded by follows.mu.
	followers map[*func()]bool
	version   uint64 // the latest that was seen
	there     bool
	known     bool // whether it is there was found out at least once
	open      bool // settled is not closed yet
}

func newFollows(ctx context.Context, cluster *Cluster) *follows {
	return &follows{cluster: cluster, ctx: ctx, byKey: map[followed]*follow{}}
}

// join gives the follow of an object with one more follower: the one that is there, else the fresh one, which is started.
func (fs *follows) join(key followed, fresh *follow, notify func()) (f *follow, stop func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f = fs.byKey[key]
	if f == nil {
		f = fresh
		f.all, f.settled, f.open, f.followers = fs, make(chan struct{}), true, map[*func()]bool{}
		ctx, cancel := context.WithCancel(fs.ctx)
		f.cancel = cancel
		fs.byKey[key] = f
		fs.cluster.watches.running.Go(func() { f.run(ctx) })
	}
	follower := &notify
	f.followers[follower] = true
	return f, func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		delete(f.followers, follower)
		if len(f.followers) == 0 && fs.byKey[key] == f {
			delete(fs.byKey, key)
			f.cancel()
		}
	}
}

// version gives the latest version of an object that its followers were told of, 0 when nobody follows it.
func (fs *follows) version(identity string, id state.ID) uint64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.byKey[followed{id: id, identity: identity}]; f != nil {
		return f.version
	}
	return 0
}

// run watches the object until ctx ends.
func (f *follow) run(ctx context.Context) {
	defer f.settle()
	for pause := followPause; ; {
		began := time.Now()
		err := f.watch(ctx)
		f.settle()
		wait := pause
		switch {
		case refusesWatch(err):
			wait = followPoll
		case err == nil && time.Since(began) > maxFollowPause:
			pause, wait = followPause, followPause // a watch ends from time to time
		default:
			pause = min(2*pause, maxFollowPause)
		}
		select {
		case <-time.After(wait + rand.N(wait/2)): //nolint:gosec // jitter, not a secret: not all at the same instant
		case <-ctx.Done():
			return
		}
	}
}

// refusesWatch says whether asking again soon is of no use.
func refusesWatch(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// settle lets those go on who wait for the first look.
func (f *follow) settle() {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	if f.open {
		f.open = false
		close(f.settled)
	}
}

// saw takes in a version of the object, or that it has gone (version 0 where that is not known), and tells when that is news. What is
// found out for the first time is news for those who went on without knowing.
func (f *follow) saw(version uint64, there bool) {
	for _, notify := range f.news(version, there) {
		notify()
	}
}

// news gives those who are to be told.
func (f *follow) news(version uint64, there bool) (told []func()) {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	if f.known && version > 0 && version <= f.version {
		return nil // from before what is known, or the same
	}
	same := f.known && !there && !f.there
	first := !f.known && f.open
	f.there, f.known, f.version = there, true, max(f.version, version)
	if same || first {
		return nil
	}
	for follower := range f.followers {
		told = append(told, *follower)
	}
	return told
}
