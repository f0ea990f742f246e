package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

const workers = 32

// bench is one run.
type bench struct {
	server *cluster.Cluster
	mixed  bool
	turns  int
}

// objects declares what both sides apply.
func (b *bench) objects(namespace string, count int) []*state.Object {
	objects := make([]*state.Object, count)
	for i := range objects {
		objects[i] = state.NewObject(b.content(namespace, i), state.Origin{})
	}
	return objects
}

func (b *bench) content(namespace string, i int) map[string]any {
	metadata := map[string]any{"name": fmt.Sprintf("object-%04d", i), "namespace": namespace, "labels": map[string]any{"app": "bench"}}
	kind := 0
	if b.mixed {
		kind = i % 4
	}
	switch kind {
	case 1:
		return map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": map[string]any{"key": "value"}}
	case 2:
		return map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
	case 3:
		labels := map[string]any{"app": fmt.Sprintf("object-%04d", i)}
		return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": map[string]any{
			"replicas": int64(1), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{
				"containers": []any{map[string]any{
					"name": "main", "image": "example.com/image:1", "ports": []any{map[string]any{"containerPort": int64(8080)}},
					"resources": map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "128Mi"}},
				}},
			}},
		}}
	}
	data := map[string]any{"key": "value", "other": "text"}
	return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
}

var collections = map[string]string{
	"ConfigMap": "/api/v1/namespaces/%s/configmaps/", "Secret": "/api/v1/namespaces/%s/secrets/",
	"ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts/", "Deployment": "/apis/apps/v1/namespaces/%s/deployments/",
}

// bareLoop sends one PATCH per object, as many at a time as Setpoint does, and looks at nothing but the status of the answer.
func (b *bench) bareLoop(ctx context.Context, namespace string, count int) (time.Duration, error) {
	objects := b.objects(namespace, count)
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(workers)
	for _, object := range objects {
		group.Go(func() error { return b.barePatch(ctx, namespace, object) })
	}
	err := group.Wait()
	return time.Since(began), err
}

func (b *bench) barePatch(ctx context.Context, namespace string, object *state.Object) error {
	body, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	path := fmt.Sprintf(collections[object.Kind()], namespace) + object.ID().Name + "?fieldManager=bare&force=true"
	_, err = b.server.Do(ctx, http.MethodPatch, path, body)
	return err
}

// setpoint does what the loop does for a first sync: connect, compare, apply, and compare once more.
func (b *bench) setpoint(ctx context.Context, namespace string, count int) (time.Duration, error) {
	want, _ := state.NewSet(b.objects(namespace, count))
	owner := state.Owner{Agent: "bench", Sync: namespace}
	before := heap()
	began := time.Now()
	made, err := kube.Connect(ctx, kube.Config{Kubeconfig: b.server.Kubeconfig()})
	if err != nil {
		return 0, err
	}
	defer made.Close()
	query := target.Query{Owner: owner, Want: want}
	steps, err := changes(ctx, made, query)
	if err != nil {
		return 0, err
	}
	compared := time.Since(began)
	if len(steps) != count {
		return 0, fmt.Errorf("%d steps for %d objects", len(steps), count)
	}
	var failed error
	if err := made.Apply(ctx, owner, steps, func(r target.Result) { failed = errors.Join(failed, r.Err) }); err != nil || failed != nil {
		return 0, errors.Join(err, failed)
	}
	applied := time.Since(began)
	left, err := changes(ctx, made, query)
	if err != nil {
		return 0, err
	}
	if len(left) > 0 {
		return 0, fmt.Errorf("%d objects differ after the apply, for example %+v", len(left), left[0])
	}
	took := time.Since(began)
	fmt.Printf("  compare %.3fs, apply %.3fs, compare again %.3fs\n",
		compared.Seconds(), (applied - compared).Seconds(), (took - applied).Seconds())
	return took, idle(ctx, made, query, before)
}

// idle prints what a converged Sync costs: memory, and the time to find out that nothing has changed.
func idle(ctx context.Context, made *kube.Target, query target.Query, before uint64) error {
	time.Sleep(time.Second) // the last events arrive
	after := heap()
	best := time.Hour
	for range 20 {
		began := time.Now()
		if _, err := made.Compare(ctx, query); err != nil {
			return err
		}
		best = min(best, time.Since(began))
	}
	one := query
	one.Only = []state.ID{query.Want.Objects()[0].ID()}
	bestOne := time.Hour
	for range 20 {
		began := time.Now()
		if _, err := made.Compare(ctx, one); err != nil {
			return err
		}
		bestOne = min(bestOne, time.Since(began))
	}
	fmt.Printf("  converged: %.1f MiB of heap for the target, compared in %s, one object in %s\n",
		(float64(after)-float64(before))/(1<<20), best.Round(10*time.Microsecond), bestOne.Round(time.Microsecond))
	runtime.KeepAlive(query)
	return nil
}

// heap gives the bytes in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func changes(ctx context.Context, t *kube.Target, query target.Query) ([]plan.Step, error) {
	report, err := t.Compare(ctx, query)
	if err != nil {
		return nil, err
	}
	var steps []plan.Step
	for _, entry := range report.Entries {
		if entry.Err != nil {
			return nil, entry.Err
		}
		if entry.Op != diff.None {
			steps = append(steps, plan.Step{ID: entry.ID, Op: entry.Op, Want: entry.Want, Fields: entry.Fields})
		}
	}
	return steps, nil
}
