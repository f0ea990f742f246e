package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/store"
)

// first measures a first sync beside the bare loop, in turns. Setpoint's time begins when it is told of a commit that is on the
// server already, and ends when the API says that every object is applied and was compared once more: the fetch, reading the
// files, the server's kinds and schemas, opening the watches, validation, the PATCHes and writing the history are all in it.
func (w *world) first(ctx context.Context, count int, mixed bool) error {
	if err := w.bareTurn(ctx, 200, mixed, nil); err != nil { // warms the server up
		return err
	}
	var bare, ours []time.Duration
	for turn := range w.opts.rounds {
		sides := []func() error{
			func() error { return w.bareTurn(ctx, count, mixed, &bare) },
			func() error { return w.firstTurn(ctx, count, mixed, &ours) },
		}
		for i := range sides {
			if err := sides[(i+turn)%2](); err != nil { // who is first alternates too
				return err
			}
		}
		fmt.Printf("   turn %d: bare loop %s, setpoint %s (load %s)\n", turn+1, round(bare[turn]), round(ours[turn]), load())
	}
	what := fmt.Sprintf("first sync of %d small objects", count)
	if mixed {
		what = fmt.Sprintf("first sync of %d mixed objects", count)
	}
	ratio := median(ours).Seconds() / median(bare).Seconds()
	w.table.add(row{what + " / bare loop", "2.2 (aim 1.3)",
		fmt.Sprintf("%s / %s = %.2f", round(median(ours)), round(median(bare)), ratio), ratio / 2.2})
	return nil
}

func (w *world) bareTurn(ctx context.Context, count int, mixed bool, times *[]time.Duration) error {
	namespace, err := w.namespace(ctx)
	if err != nil {
		return err
	}
	took, err := w.bare(ctx, namespace, objects(namespace, count, mixed))
	if err != nil {
		return err
	}
	if times != nil {
		*times = append(*times, took)
	}
	return w.empty(ctx, namespace)
}

func (w *world) firstTurn(ctx context.Context, count int, mixed bool, times *[]time.Duration) error {
	namespace, err := w.namespace(ctx)
	if err != nil {
		return err
	}
	repo := w.server.Repo(namespace)
	// The agent runs before the commit comes, with one object of a kind of its own.
	first := `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + namespace + `"}}`
	repo.Commit(map[string]string{"namespace.yaml": first}, "Begin")
	if err := w.startAgent(ctx, follow{repo: repo, data: namespace, interval: time.Hour}); err != nil {
		return err
	}
	defer w.stopAgent()
	if _, err := w.inSync(ctx, repo, 1, 1); err != nil {
		return fmt.Errorf("%w\n%s", err, w.agent.tail())
	}
	if err := pause(ctx, 2*time.Second); err != nil { // so that a look is allowed at once
		return err
	}
	repo.Commit(files("objects", objects(namespace, count, mixed)), "Add everything")
	began, cpu := time.Now(), w.agent.cpu()
	if w.opts.profiles != "" {
		go w.profile(ctx, namespace+"-cpu", "profile?seconds=8") // ends by itself
	}
	if err := w.agent.hook(ctx); err != nil {
		return err
	}
	ended, err := w.inSync(ctx, repo, 1, count+1)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, w.agent.tail())
	}
	*times = append(*times, ended.Sub(began))
	if err := w.explain(ctx, began, w.agent.cpu()-cpu); err != nil {
		return err
	}
	w.profile(ctx, namespace+"-allocs", "allocs")
	w.stopAgent()
	return w.empty(ctx, namespace)
}

// explain says where the time of the last attempt went.
func (w *world) explain(ctx context.Context, began time.Time, cpu time.Duration) error {
	page, err := w.agent.client.History(ctx, store.AttemptQuery{Sync: "root", Limit: 1})
	if err != nil || len(page.Attempts) == 0 {
		return err
	}
	events, err := w.requests(ctx, began)
	if err != nil {
		return err
	}
	now, peak := w.agent.resident()
	fmt.Printf("   setpoint: %s of CPU", round(cpu))
	for _, what := range slices.Sorted(maps.Keys(page.Attempts[0].Durations)) {
		fmt.Printf(", %s %s", what, round(time.Duration(page.Attempts[0].Durations[what])))
	}
	fmt.Printf("; resident memory %.0f MiB, at its peak %.0f MiB\n   API requests: %s\n", now, peak, summary(events))
	return nil
}
