package main

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// workers is how many requests the bare loop has under way: as many as the product.
const workers = 32

// bare is the limit of a first sync: one server-side-apply PATCH for each object, and no look at the answer but its status.
func (w *world) bare(ctx context.Context, namespace string, list []object) (time.Duration, error) {
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(workers)
	for _, one := range list {
		group.Go(func() error {
			path := collection(one.kind, namespace) + one.name + "?fieldManager=bare&force=true"
			_, err := w.plant.Do(ctx, http.MethodPatch, path, []byte(one.json))
			return err
		})
	}
	err := group.Wait()
	return time.Since(began), err
}
