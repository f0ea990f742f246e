package kube

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
)

// sink keeps what a shard sees. Calls come from one goroutine per shard.
type sink interface {
	// decode makes the value to keep of an object.
	decode(h head, raw []byte) (any, error)
	put(object *wireObject)
	drop(object *wireObject)
	// replace says that these are all objects of a namespace ("" for all) at a resource version.
	replace(namespace string, objects []*wireObject, version uint64)
}

// shard is one watch connection: a resource in one namespace, or in all of them. It reconnects by itself, with a jittered
// back-off, until it is stopped or refused.
type shard struct {
	namespace string
	sink      sink
	cancel    context.CancelFunc

	mu      sync.Mutex
	settled chan struct{} // closed when synced or refused for the first time
	synced  bool
	refused error // why the server will not have it: Forbidden, Unauthorized, NotFound
	last    error // the last failure, for whoever waits in vain
	ended   time.Time
}

// startShard starts a watch; done is called when its goroutine has ended.
func startShard(ctx context.Context, l *lister, to sink, done func()) *shard {
	ctx, cancel := context.WithCancel(ctx)
	s := &shard{namespace: l.namespace, sink: to, cancel: cancel, settled: make(chan struct{})}
	l.decode, l.failed = to.decode, s.fail
	lists := &cache.ListWatch{ListWithContextFunc: l.list, WatchFuncWithContext: l.watch}
	reflector := cache.NewReflectorWithOptions(lists, nil, s, cache.ReflectorOptions{
		Name: l.resource.String(), TypeDescription: l.resource.String(),
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 1, Cap: 5 * time.Second, Steps: math.MaxInt32},
	})
	go func() {
		defer done()
		defer cancel()
		reflector.RunWithContext(ctx)
	}()
	return s
}

// stop ends the watch.
func (s *shard) stop() { s.cancel() }

// fail remembers a failed request, and ends the watch when the server will not have it.
func (s *shard) fail(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = err
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		s.refused, s.ended = err, time.Now()
		s.settle()
		s.cancel()
	}
}

func (s *shard) settle() {
	select {
	case <-s.settled:
	default:
		close(s.settled)
	}
}

// state gives whether it is synced, and why it was refused.
func (s *shard) state() (synced bool, refused error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.synced, s.refused
}

// retryable says that it was refused a while ago, so that asking again is no burden.
func (s *shard) retryable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused != nil && time.Since(s.ended) > refusedPause
}

// refusedPause is how long a refusal is taken for granted.
const refusedPause = 15 * time.Second

// wait waits until the shard is synced or refused; the error is why not: the refusal, or the last failure when ctx ended.
func (s *shard) wait(ctx context.Context) error {
	select {
	case <-s.settled:
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.last != nil {
			return s.last
		}
		return ctx.Err()
	}
	_, refused := s.state()
	return refused
}

// Add implements cache.ReflectorStore.
func (s *shard) Add(object any) error { return s.Update(object) }

// Update implements cache.ReflectorStore.
func (s *shard) Update(object any) error {
	if o, ok := object.(*wireObject); ok {
		s.sink.put(o)
	}
	return nil
}

// Delete implements cache.ReflectorStore.
func (s *shard) Delete(object any) error {
	if o, ok := object.(*wireObject); ok {
		s.sink.drop(o)
	}
	return nil
}

// Replace implements cache.ReflectorStore.
func (s *shard) Replace(list []any, version string) error {
	objects := make([]*wireObject, 0, len(list))
	for _, item := range list {
		if o, ok := item.(*wireObject); ok {
			objects = append(objects, o)
		}
	}
	at, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		at = math.MaxUint64
	}
	s.sink.replace(s.namespace, objects, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced, s.last = true, nil
	s.settle()
	return nil
}

// Resync implements cache.ReflectorStore.
func (s *shard) Resync() error { return nil }
