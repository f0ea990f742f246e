package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

const syncs = 200

// plantFleet makes a repository whose root declares 200 Syncs, each with a directory of ConfigMaps, and waits until it is in sync.
func (w *world) plantFleet(ctx context.Context, each int, interval time.Duration) (follow, string, error) {
	namespace, err := w.namespace(ctx)
	if err != nil {
		return follow{}, "", err
	}
	content := map[string]string{}
	for i := range syncs {
		name := fmt.Sprintf("app-%03d", i)
		content["fleet/"+name+".yaml"] = "apiVersion: setpoint.dev/v1alpha1\nkind: Sync\nmetadata: {name: " + name +
			"}\nspec: {path: apps/" + name + "}\n"
		for j := range each {
			one := declare("ConfigMap", namespace, fmt.Sprintf("%s-%02d", name, j), "value")
			content["apps/"+name+"/"+one.name+".yaml"] = one.json + "\n"
		}
	}
	content["kustomization.yaml"] = "resources: [fleet]\n"
	var fleet strings.Builder
	fleet.WriteString("kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\nresources:\n")
	for i := range syncs {
		fmt.Fprintf(&fleet, "- app-%03d.yaml\n", i)
	}
	content["fleet/kustomization.yaml"] = fleet.String()
	repo := w.server.Repo(namespace)
	repo.Commit(content, "Begin")
	f := follow{repo: repo, data: namespace, interval: interval}
	if err := w.startAgent(ctx, f); err != nil {
		return f, namespace, err
	}
	at, err := w.inSync(ctx, repo, syncs+1, syncs*(each+1))
	if err != nil {
		return f, namespace, fmt.Errorf("%w\n%s", err, w.agent.tail())
	}
	now, peak := w.agent.resident()
	fmt.Printf("   in sync %s after the start; resident memory %.0f MiB, at its peak %.0f MiB\n", round(at.Sub(w.agent.began)), now, peak)
	return f, namespace, nil
}

// fleet measures 200 Syncs with 5,000 objects that have nothing to do, and an agent that starts again.
func (w *world) fleet(ctx context.Context) error {
	f, namespace, err := w.plantFleet(ctx, 25, time.Minute)
	if err != nil {
		return err
	}
	if err := pause(ctx, 10*time.Second); err != nil { // the last events of the first sync arrive
		return err
	}
	if err := w.idle(ctx, "idle with 5,000 objects and 200 Syncs, 60 s"); err != nil {
		return err
	}
	w.profile(ctx, "fleet-heap", "heap?gc=1")
	if err := w.restart(ctx, f); err != nil {
		return err
	}
	w.stopAgent()
	return w.empty(ctx, namespace)
}

// idle measures a minute in which nothing happens but the looks at the source.
func (w *world) idle(ctx context.Context, what string) error {
	const span = 60 * time.Second
	began, cpu, written := time.Now(), w.agent.cpu(), w.agent.counter("io", "write_bytes:")
	if err := pause(ctx, span); err != nil {
		return err
	}
	share := 100 * (w.agent.cpu() - cpu).Seconds() / time.Since(began).Seconds()
	written = w.agent.counter("io", "write_bytes:") - written
	events, err := w.requests(ctx, began)
	if err != nil {
		return err
	}
	now, peak := w.agent.resident()
	w.table.number(what+": CPU of one core", " %", 0.5, share)
	w.table.none("the same: write requests", writes(events))
	w.table.none("the same: bytes written to disk", int(written))
	w.table.number("the same: resident memory", " MiB", 120, now)
	fmt.Printf("   API requests of any kind: %s; resident memory at its peak %.0f MiB\n", summary(events), peak)
	return nil
}

// restart ends the agent and starts it again, and measures from the start of the process until it is ready, and until every Sync
// has been compared and is in sync.
func (w *world) restart(ctx context.Context, f follow) error {
	w.stopAgent()
	began := time.Now()
	if err := w.startAgent(ctx, f); err != nil {
		return err
	}
	if w.opts.profiles != "" {
		go w.profile(ctx, "restart-cpu", "profile?seconds=3") // ends by itself
	}
	ready, err := until(ctx, "the agent is ready", func() (bool, error) { return w.agent.ready(ctx) })
	if err != nil {
		return err
	}
	known, err := w.inSync(ctx, f.repo, syncs+1, syncs*26)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, w.agent.tail())
	}
	fmt.Printf("   CPU time of the restart %s\n", round(w.agent.cpu()))
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	events, err := w.requests(ctx, began)
	if err != nil {
		return err
	}
	w.table.spent("restart with 200 Syncs and 5,000 objects: ready", 3*time.Second, ready.Sub(w.agent.began))
	w.table.spent("the same: all known to be in sync", 3*time.Second, known.Sub(w.agent.began))
	w.table.none("the same: write requests", writes(events))
	now, peak := w.agent.resident()
	w.table.number("the same: resident memory", " MiB", 120, now)
	fmt.Printf("   API requests of any kind: %s; resident memory at its peak %.0f MiB\n", summary(events), peak)
	w.profile(ctx, "restart-heap", "heap?gc=1")
	return nil
}

func (a *agent) ready(ctx context.Context) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/readyz", nil)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	return response.StatusCode == http.StatusOK, response.Body.Close()
}

// monorepo commits to one directory of 200.
func (w *world) monorepo(ctx context.Context) error {
	f, namespace, err := w.plantFleet(ctx, 10, time.Hour)
	if err != nil {
		return err
	}
	var wall, cpu []time.Duration
	var asked []int
	renders := 0
	for turn := range 10 {
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
		began, before := time.Now(), w.agent.cpu()
		changed := declare("ConfigMap", namespace, "app-100-03", fmt.Sprintf("changed-%d", turn))
		f.repo.Commit(map[string]string{"apps/app-100/app-100-03.yaml": changed.json + "\n"}, "Change one directory")
		looks, err := w.lookAll(ctx, f.repo)
		if err != nil {
			return err
		}
		wall, cpu = append(wall, looks.took), append(cpu, w.agent.cpu()-before)
		events, err := w.requests(ctx, began)
		if err != nil {
			return err
		}
		fmt.Printf("   turn %d: known after %s, %s of CPU, API requests: %s\n",
			turn+1, round(looks.took), round(cpu[turn]), summary(events))
		asked, renders = append(asked, len(events)), max(renders, looks.attempts)
	}
	w.table.spent("one directory of 200 changed: the other 199 Syncs know that it is not theirs", 50*time.Millisecond, median(wall))
	w.table.number("the same: Syncs that did something", "", 1, float64(renders))
	w.table.note("the same: all CPU time, with fetch, render and apply", round(median(cpu)).String())
	w.table.note("the same: API requests, median of 10", fmt.Sprint(slices.Sorted(slices.Values(asked))[len(asked)/2]))
	if err := w.elsewhere(ctx, f.repo); err != nil {
		return err
	}
	w.stopAgent()
	return w.empty(ctx, namespace)
}

// elsewhere commits to what no Sync reads.
func (w *world) elsewhere(ctx context.Context, repo *gitserver.Repo) error {
	var cpu []time.Duration
	began := time.Now()
	for turn := range 10 {
		if err := pause(ctx, 2*time.Second); err != nil {
			return err
		}
		before := w.agent.cpu()
		repo.Commit(map[string]string{"documents/README.md": fmt.Sprintf("turn %d\n", turn)}, "Change what no Sync reads")
		if err := w.agent.hook(ctx); err != nil {
			return err
		}
		if err := pause(ctx, time.Second); err != nil { // all that this commit costs is in it
			return err
		}
		cpu = append(cpu, w.agent.cpu()-before)
	}
	if _, err := w.inSync(ctx, repo, syncs+1, syncs*11); err != nil {
		return err
	}
	events, err := w.requests(ctx, began)
	if err != nil {
		return err
	}
	w.table.spent("a commit to what none of 200 Syncs reads: all CPU time, with the fetch", 50*time.Millisecond, median(cpu))
	w.table.none("the same: API requests", len(events))
	return nil
}

// looks is what the Syncs did with a commit.
type looks struct {
	took     time.Duration // from the feed's news to the last Sync at rest that had nothing to do
	attempts int
}

func (w *world) lookAll(ctx context.Context, repo *gitserver.Repo) (looks, error) {
	var result looks
	var news time.Time
	following, stop := context.WithCancel(ctx)
	defer stop()
	arrived, connected := make(chan v1alpha1.Event, 1000), make(chan struct{}, 10)
	go func() { // ends with following
		_ = w.agent.client.Follow(following, followQuery(connected), func(event v1alpha1.Event) error {
			arrived <- event
			return nil
		})
	}()
	<-connected
	if err := w.agent.hook(ctx); err != nil {
		return result, err
	}
	if _, err := w.inSync(ctx, repo, syncs+1, syncs*11); err != nil {
		return result, err
	}
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return result, err
	}
	for len(arrived) > 0 {
		switch event := <-arrived; {
		case event.Type == "source":
			news = event.Time
		case event.Attempt != nil:
			result.attempts++
		}
	}
	list, err := w.agent.client.Syncs(ctx)
	for _, status := range list.Syncs {
		if status.Name != "app-100" && status.Name != "root" && status.Looked.Sub(news) > result.took {
			result.took = status.Looked.Sub(news)
		}
	}
	return result, err
}

func followQuery(connected chan<- struct{}) httpapi.FollowQuery {
	return httpapi.FollowQuery{Connected: func() { connected <- struct{}{} }}
}
