// Package agent puts the parts together: one loop per Sync, the sources they follow, the targets they drive, the memory, the
// HTTP API. It is the only package that knows every driver.
package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/seal"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/store/sqlite"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

const (
	// grace is how long a stopping agent waits for steps under way.
	grace = 25 * time.Second
	// resync is how long a comparison is trusted without any event.
	resync = 15 * time.Minute
	// writeAfter is how long the deviation over time is only in memory.
	writeAfter = 5 * time.Second
	// sweepEvery is how often the history's retention is applied, when something was written.
	sweepEvery = time.Hour
)

// Agent is a running agent. Its methods are safe for concurrent use.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	store   store.Store
	history *history.History
	// deviations are how far every Sync's target has been from what is declared, over time.
	deviations *history.Deviations
	shelf      shelf
	registry   *self.Registry
	feeds      *source.Feeds
	clusters   *clusters
	hosts      *thisHost
	builds     *builds
	renderer   render.Renderer
	events     *eventLog
	metrics    *httpapi.Metrics
	probes     *probe.Set
	slots      chan struct{}

	ctx      context.Context //nolint:containedctx // the life of everything that the agent has started
	stopping chan struct{}
	stirred  chan struct{} // holds one; see giveBack
	measured chan struct{} // holds one; see writeDeviations
	lockFile *os.File

	upstreams *upstreams
	work      sync.WaitGroup // every goroutine of the agent
	busy      sync.WaitGroup // those that carry out steps

	configuring sync.Mutex
	overriding  sync.Mutex
	mu          sync.Mutex
	members     map[string]*member
	overrides   map[string]override // what people have asked
	before      map[string]loop.Rest
	graph       graph
	cyclic      map[string]bool // Syncs that depend on themselves
}

// Run runs an agent until ctx ends: steps under way are finished then (for at most 25 seconds), and it returns nil. What keeps
// it from starting is a fault with a hint.
func Run(ctx context.Context, cfg Config) error {
	a, err := open(ctx, cfg.withDefaults())
	if err != nil {
		return err
	}
	defer a.close()
	listener, err := httpapi.Listen(ctx, a.cfg.Listen, a.cfg.Token)
	if err != nil {
		return err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	a.ctx = life
	a.start()
	if a.cfg.Started != nil {
		a.cfg.Started(listener.Addr().String())
	}
	handler := httpapi.New(a, httpapi.Options{
		Token: a.cfg.Token, Metrics: a.metrics.Handler(), Name: a.cfg.Name, Version: a.cfg.Version, Log: a.log,
		HostRoot: a.cfg.HostRoot, Data: a.cfg.Data,
	})
	a.log.Info("agent started", "listen", listener.Addr().String(), "name", a.cfg.Name,
		"source", a.cfg.sourceName(), "path", a.cfg.Path)
	err = httpapi.Serve(ctx, listener, handler)
	a.stop(end)
	return err
}

// open takes what the agent needs before it starts anything.
func open(ctx context.Context, cfg Config) (*Agent, error) {
	a := &Agent{
		cfg: cfg, log: cfg.Log, renderer: newRenderer(sops.Options{Getenv: cfg.SOPS, Log: cfg.Log}),
		stopping: make(chan struct{}), stirred: make(chan struct{}, 1), measured: make(chan struct{}, 1),
		slots:   make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		members: map[string]*member{}, overrides: map[string]override{}, before: map[string]loop.Rest{}, cyclic: map[string]bool{},
		upstreams: newUpstreams(cfg, cfg.Data), events: newEventLog(), clusters: newClusters(cfg),
		builds: &builds{of: map[string][]render.Build{}},
	}
	if err := makeData(cfg.Data); err != nil {
		return nil, &fault.Error{Op: "create", Item: "the data directory " + cfg.Data, Kind: fault.Denied, Err: err,
			Hint: "choose another with SETPOINT_DATA, or make it writable"}
	}
	if err := a.checkRoot(); err != nil {
		return nil, err
	}
	if err := a.lock(); err != nil {
		return nil, err
	}
	a.probes = probe.New(a.probed)
	var err error
	if a.store, err = sqlite.Open(ctx, cfg.DatabaseURL, cfg.Log); err != nil {
		a.unlock()
		return nil, err
	}
	a.history = history.New(a.store, history.Options{Log: cfg.Log})
	a.deviations = history.NewDeviations(a.store, history.DeviationOptions{Log: cfg.Log})
	a.metrics = httpapi.NewMetrics(cfg.Version, a.Syncs)
	a.metrics.ReadDeviations(a.deviations.Totals)
	a.feeds = source.NewFeeds(source.FeedsOptions{Log: cfg.Log, Looked: a.looked})
	if err := a.recall(ctx); err != nil {
		_ = a.store.Close()
		a.unlock()
		return nil, err
	}
	return a, nil
}

// recall reads what an earlier run has left.
func (a *Agent) recall(ctx context.Context) error {
	key, err := secretKey(filepath.Join(a.cfg.Data, keyName))
	if err != nil {
		return err
	}
	box, err := seal.New(key, "desired states")
	if err != nil {
		return fault.Wrap(fault.Internal, "use", "the agent's key", err)
	}
	a.clusters.secretKey, a.shelf = key, shelf{store: a.store, box: box, secret: &secretive{sets: map[string]state.Set{}}}
	a.hosts = a.openHost(key)
	if err := a.history.Recover(ctx); err != nil {
		return err
	}
	if err := a.deviations.Load(ctx); err != nil {
		a.log.Warn("the deviation over time begins anew", "error", err)
	}
	a.registry, err = self.Open(ctx, self.Options{
		Store: a.store, Agent: a.cfg.Name, Changed: a.declared, Health: a.health,
	})
	if err != nil {
		return err
	}
	return a.readRecords(ctx)
}

// start brings up the root and everything that was declared before.
func (a *Agent) start() {
	a.goDo(func() { a.feeds.Run(a.ctx) })
	a.goDo(func() { a.probes.Run(a.ctx) })
	a.goEvery(sweepEvery, a.sweep)
	a.goEvery(servedEvery, a.compareServed)
	a.goDo(a.writeDeviations)
	a.goDo(a.giveBack)
	a.configure(self.Root)
	for id := range a.registry.All() {
		a.declared(id)
	}
}

// stop lets no new step begin, waits for those under way, and then ends everything.
func (a *Agent) stop(end context.CancelFunc) {
	a.log.Info("agent stopping")
	close(a.stopping)
	a.mu.Lock()
	for _, m := range a.members {
		m.loop.Stop()
	}
	a.mu.Unlock()
	idle := make(chan struct{})
	go func() { // ends with the loops' steps, which end with the agent's context at the latest
		a.busy.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(grace):
		a.log.Warn("steps under way are cut short", "after", grace)
	}
	end()
	a.work.Wait()
}

// close gives back what open took.
func (a *Agent) close() {
	a.clusters.close()
	if err := a.hosts.close(); err != nil {
		a.log.Error("cannot close the host's journal", "error", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.history.Flush(ctx); err != nil {
		a.log.Error("history is incomplete", "error", err)
	}
	if err := a.deviations.Stop(ctx); err != nil {
		a.log.Error("the deviation over time is incomplete", "error", err)
	}
	if err := a.store.Close(); err != nil {
		a.log.Error("cannot close the database", "error", err)
	}
	a.unlock()
}

// goDo runs a function as part of the agent.
func (a *Agent) goDo(f func()) {
	a.work.Go(f)
}

// goEvery runs a function as part of the agent, at intervals.
func (a *Agent) goEvery(interval time.Duration, f func()) {
	a.work.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-a.ctx.Done():
				return
			case <-ticker.C:
				f()
			}
		}
	})
}

// sweep applies the history's retention, and sees to what nobody else sees to.
func (a *Agent) sweep() {
	if err := a.history.Sweep(a.ctx); err != nil {
		a.log.Error("cannot apply the history's retention", "error", err)
	}
	if a.deviations.Dirty() {
		_ = a.deviations.Flush(a.ctx) // as above
	}
	a.askAgain()
}

// writeDeviations writes what was measured, some seconds after it was: drift may come a hundred times in a second.
func (a *Agent) writeDeviations() {
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-a.measured:
		}
		select {
		case <-a.ctx.Done():
			return
		case <-time.After(writeAfter):
		}
		ctx, cancel := context.WithTimeout(a.ctx, writeAfter)
		_ = a.deviations.Flush(ctx) // it says itself what is wrong, once; the next try comes with the next sample or sweep
		cancel()
	}
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) } //nolint:gosec // jitter, not secrets

// health says how a declared object is doing, for the Sync that declared it and those that depend on it.
func (a *Agent) health(id state.ID) state.Health {
	switch id {
	case self.SourceID(id.Name):
		return a.sourceHealth(id.Name)
	case self.PolicyID(id.Name):
		return a.policyHealth(id.Name)
	}
	return a.syncHealth(id.Name)
}
