package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

// world is everything around the agent that is measured: a control plane, a Git server, the binary.
type world struct {
	opts   options
	table  table
	dir    string
	binary string

	plant  *cluster.Cluster
	admin  *http.Client // to the API server, for answers that are streams
	server *gitserver.Server
	agent  *agent // the one that runs now, or nil
	turns  int
}

func newWorld(ctx context.Context, opts options) (*world, error) {
	dir, err := os.MkdirTemp("", "setpoint-bench-")
	if err != nil {
		return nil, err
	}
	w := &world{opts: opts, dir: dir, binary: filepath.Join(dir, "setpoint")}
	if err := w.open(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) open(ctx context.Context) error {
	program := "./cmd/setpoint"
	if w.opts.profiles != "" {
		program = "./bench/profiled"
		if err := os.MkdirAll(w.opts.profiles, 0o750); err != nil {
			return err
		}
	}
	fmt.Println("── building", program)
	build := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", w.binary, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build %s: %w", program, err)
	}
	var err error
	if w.plant, err = cluster.Start(ctx, cluster.Options{Audit: true, Log: os.Stdout}); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", w.plant.Kubeconfig())
	if err != nil {
		return err
	}
	if w.admin, err = rest.HTTPClientFor(config); err != nil {
		return err
	}
	w.server, err = gitserver.New(filepath.Join(w.dir, "server"), gitserver.Options{})
	return err
}

func (w *world) close() {
	w.stopAgent()
	if w.server != nil {
		w.server.Stop()
	}
	if w.plant != nil {
		_ = w.plant.Stop()
	}
	_ = os.RemoveAll(w.dir)
}

// namespace makes a new one.
func (w *world) namespace(ctx context.Context) (string, error) {
	w.turns++
	name := fmt.Sprintf("bench-%d", w.turns)
	_, err := w.plant.Do(ctx, http.MethodPost, "/api/v1/namespaces", []byte(`{"metadata":{"name":"`+name+`"}}`))
	return name, err
}

// empty deletes what is in a namespace, so that the next turn meets a server that holds no more than this one did.
func (w *world) empty(ctx context.Context, namespace string) error {
	for _, kind := range kinds {
		if _, err := w.plant.Do(ctx, http.MethodDelete, strings.TrimSuffix(collection(kind, namespace), "/"), nil); err != nil {
			return err
		}
	}
	return pause(ctx, time.Second) // the server finishes what it does in the background
}

// requests gives what the agent has asked the API server since an instant. Watches that it opened before are not among them. The
// log is written a moment after the answer.
func (w *world) requests(ctx context.Context, since time.Time) ([]cluster.AuditEvent, error) {
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	all, err := w.plant.AuditEvents(since)
	var mine []cluster.AuditEvent
	for _, event := range all {
		if strings.HasPrefix(event.UserAgent, "setpoint/") {
			mine = append(mine, event)
		}
	}
	return mine, err
}

// writes counts those that may change something.
func writes(events []cluster.AuditEvent) int {
	count := 0
	for _, event := range events {
		if event.Write() {
			count++
		}
	}
	return count
}

// summary counts requests by what they ask for, for people.
func summary(events []cluster.AuditEvent) string {
	counts := map[string]int{}
	for _, event := range events {
		counts[event.Verb+" "+event.Resource]++
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
	}
	return strings.Join(parts, ", ")
}

// pollEvery is how exactly waiting is measured: seldom enough that asking costs the agent little.
const pollEvery = 20 * time.Millisecond

// until polls until something is so, and says when that was first seen.
func until(ctx context.Context, what string, done func() (bool, error)) (time.Time, error) {
	for deadline := time.Now().Add(3 * time.Minute); ; {
		ok, err := done()
		if ok || err != nil {
			return time.Now(), err
		}
		if time.Now().After(deadline) {
			return time.Now(), fmt.Errorf("not so within three minutes: %s", what)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return time.Now(), err
		}
	}
}

func pause(ctx context.Context, span time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(span):
		return nil
	}
}
