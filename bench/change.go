package main

import (
	"context"
	"fmt"
	"time"

	"github.com/setpoint-dev/setpoint/test/gitserver"
)

const many = 5000

// one is a Sync with many objects at rest.
type one struct {
	*world
	namespace string
	repo      *gitserver.Repo
	list      []object
}

// oneSync measures what happens to one Sync of 5,000 objects.
func (w *world) oneSync(ctx context.Context) error {
	namespace, err := w.namespace(ctx)
	if err != nil {
		return err
	}
	o := &one{world: w, namespace: namespace, repo: w.server.Repo(namespace), list: objects(namespace, many, false)}
	o.repo.Commit(files("objects", o.list), "Begin")
	if err := w.startAgent(ctx, follow{repo: o.repo, data: namespace, interval: time.Hour}); err != nil {
		return err
	}
	if _, err := w.inSync(ctx, o.repo, 1, many); err != nil {
		return fmt.Errorf("%w\n%s", err, w.agent.tail())
	}
	for _, measure := range []func(context.Context) error{o.change, o.nothing, o.drift} {
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
		if err := measure(ctx); err != nil {
			return err
		}
	}
	now, peak := w.agent.resident()
	fmt.Printf("   resident memory %.0f MiB, at its peak %.0f MiB\n", now, peak)
	w.profile(ctx, "one-heap", "heap?gc=1")
	w.stopAgent()
	return w.empty(ctx, namespace)
}

// change commits another value for one object, and measures from the webhook's call until the API server has it.
func (o *one) change(ctx context.Context) error {
	var times []time.Duration
	for turn := range 10 {
		value := fmt.Sprintf("changed-%d", turn)
		changed := declare("ConfigMap", o.namespace, o.list[turn*37].name, value)
		o.list[turn*37] = changed
		events, err := o.watch(ctx)
		if err != nil {
			return err
		}
		o.repo.Commit(files("objects", o.list[:turn*37+1]), "Change one") // the others are as they were
		began := time.Now()
		if err := o.agent.hook(ctx); err != nil {
			return err
		}
		at, err := events.wait(ctx, changed.name, value)
		events.close()
		if err != nil {
			return err
		}
		times = append(times, at.Sub(began))
		if err := pause(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
	}
	what := fmt.Sprintf("one object of %d changed: webhook to applied, median of %d", many, len(times))
	o.table.spent(what, 500*time.Millisecond, median(times))
	o.table.spent("the same, slowest", 500*time.Millisecond, quantile(times, 1))
	return nil
}

// nothing commits what no object depends on.
func (o *one) nothing(ctx context.Context) error {
	var times []time.Duration
	began := time.Now()
	if o.opts.profiles != "" {
		go o.profile(ctx, "nothing-cpu", "profile?seconds=10") // ends by itself
	}
	for turn := range 5 {
		before := o.agent.cpu()
		o.repo.Commit(map[string]string{"objects/README.md": fmt.Sprintf("turn %d\n", turn)}, "Change no object")
		if err := o.agent.hook(ctx); err != nil {
			return err
		}
		if err := pause(ctx, 2*time.Second); err != nil { // all that this commit costs is in it
			return err
		}
		times = append(times, o.agent.cpu()-before)
	}
	if _, err := o.inSync(ctx, o.repo, 1, many); err != nil {
		return err
	}
	events, err := o.requests(ctx, began)
	if err != nil {
		return err
	}
	o.table.spent("a commit that changes no object: CPU time, median of 5", 100*time.Millisecond, median(times))
	o.table.none("the same: API requests", len(events))
	return nil
}
