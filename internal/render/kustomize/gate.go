package kustomize

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// The library's OpenAPI schema is global. Builds that leave it as it is go side by side, at most one for each processor, as more would only
// take memory; one whose kustomization replaces it is alone.
var (
	most = int64(max(2, runtime.GOMAXPROCS(0)))
	gate = semaphore.NewWeighted(most)
	// ready says that the schema is complete: the library completes it while it builds, which two builds must not do at a time. It takes
	// a tenth of a second, and the first build may need none of it: so that one, the only one of most commands, goes alone.
	ready, begun atomic.Bool
)

// enter waits until a build may begin. Whoever was let in leaves, and says whether the schema may have been replaced.
func enter(ctx context.Context, alone bool) (leave func(replaced bool), err error) {
	first := !begun.Swap(true)
	if !first && !ready.Load() {
		if err := complete(ctx); err != nil {
			return nil, err
		}
	}
	weight := int64(1)
	if alone || first {
		weight = most
	}
	if err := gate.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func(replaced bool) {
		if alone && replaced {
			openapi.ResetOpenAPI() // or the next build would go by this one's schema
			openapi.Schema()
		}
		gate.Release(weight)
	}, nil
}

// complete has the library complete its schema, alone.
func complete(ctx context.Context) error {
	if err := gate.Acquire(ctx, most); err != nil {
		return err
	}
	defer gate.Release(most)
	openapi.Schema()
	ready.Store(true)
	return nil
}
