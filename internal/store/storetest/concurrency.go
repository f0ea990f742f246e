package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// testConcurrency lets eight writers and readers loose: none of them may see a lock, and nothing may be lost.
func testConcurrency(t *testing.T, s store.Store) {
	const workers, each = 8, 25
	group, ctx := errgroup.WithContext(t.Context())
	for worker := range workers {
		group.Go(func() error {
			for n := range each {
				sync := fmt.Sprintf("sync-%d", worker)
				_, readErr := s.Attempts(ctx, store.AttemptQuery{Sync: sync})
				_, listErr := s.List(ctx, store.Status)
				err := errors.Join(readErr, listErr,
					s.PutAttempt(ctx, running(worker*each+n, sync)),
					s.PutAttempt(ctx, attempt(worker*each+n, sync)),
					s.Put(ctx, store.Status, sync, fmt.Append(nil, n)))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if found := ids(t, s, store.AttemptQuery{Limit: 2 * workers * each}); len(found) != workers*each {
		t.Errorf("%d attempts, want %d", len(found), workers*each)
	}
	want(t, ids(t, s, store.AttemptQuery{Running: true}), []string{})
}

// testEndedContext: a caller that has gone is told so, and the store goes on.
func testEndedContext(t *testing.T, s store.Store) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, readErr := s.Attempts(ended, store.AttemptQuery{})
	for _, err := range []error{readErr, s.PutAttempt(ended, attempt(1, "a")), s.Put(ended, store.Status, "a", nil)} {
		if fault.KindOf(err) != fault.Transient || !errors.Is(err, context.Canceled) {
			t.Errorf("%v; want a Transient fault around the context's error", err)
		}
	}
	put(t, s, attempt(2, "a"))
	want(t, ids(t, s, store.AttemptQuery{}), []string{"0002"})
}
