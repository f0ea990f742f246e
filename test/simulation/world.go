package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// world is one agent with its Syncs, what they drive, and all that happens to them. Everything in it follows from its seed.
type world struct {
	schedule

	seed    uint64
	random  *rand.Rand
	trace   trace
	weather weather
	feed    *feed
	plant   *plant
	ledger  *ledger
	history *history.History
	shelf   *shelf
	members []*member
	outside state.Health // of the object that belongs to no Sync, and that some depend on
	resync  time.Duration

	life     int  // of the agent, counted; what belongs to an earlier one is void
	down     bool // between two lives
	stopping chan struct{}
	ready    []task
	depth    int // of calls under way: a loop may run while a call of another takes its time

	calm      bool // faults have stopped
	calmSince time.Duration
	seen      coverage
	steps     int
	violated  *violation
}

// task is a function that a loop gave to the agent to run.
type task struct {
	member *member
	run    func()
}

// crash is what ends a life in the middle of a call; halt ends the simulation.
type (
	crash struct{}
	halt  struct{}
)

// report is what is known of a world when it has ended.
type report struct {
	seed      uint64
	digest    uint64
	steps     int
	writes    int
	simulated time.Duration
	violation *violation
	seen      coverage
}

// simulate runs the world of a seed to its end.
func simulate(seed uint64, out io.Writer) report {
	w := create(seed, out)
	w.live()
	return report{
		seed: seed, digest: w.trace.digest(), steps: w.steps, writes: w.plant.writes, simulated: w.now,
		violation: w.violated, seen: w.seen,
	}
}

// live is the whole story: a while in which things go wrong, and then a while in which nothing does.
func (w *world) live() {
	defer func() {
		switch thrown := recover().(type) {
		case nil, halt:
		default:
			w.violated = &violation{invariant: "never panics", text: fmt.Sprint(thrown), stack: string(debug.Stack())}
		}
		if w.violated != nil {
			w.trace.say(w.now, "", "VIOLATION %s: %s", w.violated.invariant, w.violated.text)
		}
	}()
	w.boot()
	w.trouble()
	w.settle()
}

// create makes a world that has not begun.
func create(seed uint64, out io.Writer) *world {
	random := rand.New(rand.NewPCG(seed, 0x5e7b01a7))
	w := &world{
		seed: seed, random: random, trace: newTrace(out), seen: newCoverage(), ledger: &ledger{}, shelf: newShelf(),
		feed: newFeed(), outside: state.Health{Status: state.Healthy},
	}
	w.weather = forecast(random)
	w.resync = []time.Duration{10 * time.Minute, time.Hour}[random.IntN(2)]
	w.plant = newPlant(w)
	w.ledger.before, w.ledger.after = w.recording, w.recorded
	w.shelf.fails = w.shelving
	w.populate()
	return w
}

// boot begins a life of the agent: everything is made anew from what outlived the last one.
func (w *world) boot() {
	w.life++
	w.down, w.ready = false, nil
	w.stopping = make(chan struct{})
	w.trace.say(w.now, "", "the agent starts")
	if w.weather.forgets {
		clear(w.shelf.sets)
	}
	w.history = history.New(w.ledger, history.Options{Now: w.wall, Log: slog.New(slog.DiscardHandler)})
	w.whole(func() {
		if err := w.history.Recover(context.Background()); err != nil {
			w.trace.say(w.now, "", "the history cannot be read: %v", err)
		}
	})
	for _, m := range w.members {
		if !m.gone {
			m.start()
		}
	}
}

// die ends a life; the next one begins a while later, perhaps with another idea of what time it is.
func (w *world) die(how string) {
	if w.down {
		return
	}
	w.trace.say(w.now, "", "the agent %s", how)
	w.down, w.ready, w.depth = true, nil, 0
	for _, m := range w.members {
		m.died()
	}
	if w.random.IntN(4) == 0 && !w.calm {
		w.ahead -= w.span(10 * time.Minute)
	}
	w.after(w.span(5*time.Minute), w.boot)
}

// span draws a while up to most, short ones more often.
func (w *world) span(most time.Duration) time.Duration {
	x := w.random.Float64()
	return time.Duration(x * x * x * float64(most))
}

// chance draws whether something happens that has a probability, while things may go wrong.
func (w *world) chance(probability float64) bool {
	return !w.calm && probability > 0 && w.random.Float64() < probability
}

// launch is loop.Config.Go: the function runs when its turn comes.
func (w *world) launch(m *member, life int, run func()) {
	if life == w.life && !w.down {
		w.ready = append(w.ready, task{member: m, run: run})
	}
}

// until lets everything happen that is due up to an instant.
func (w *world) until(end time.Duration) {
	for w.violated == nil {
		at, planned := w.next()
		planned = planned && at <= end
		switch {
		case len(w.ready) > 0 && (!planned || at > w.now || w.random.IntN(2) == 0):
			w.run()
		case planned:
			w.guard(w.take().do)
		default:
			w.now = max(w.now, end)
			return
		}
	}
}

// run lets one of those run that are ready.
func (w *world) run() {
	at := w.random.IntN(len(w.ready))
	next := w.ready[at]
	w.ready = slices.Delete(w.ready, at, at+1)
	w.guard(next.run)
}

// guard catches the end of a life, unless a call is under way that dies with it.
func (w *world) guard(do func()) {
	if w.depth > 0 {
		do()
		return
	}
	w.whole(do)
}

func (w *world) whole(do func()) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case crash:
			w.die("is killed")
		default:
			panic(thrown)
		}
	}()
	do()
}

// maxDepth bounds how many calls may be under way at once.
const maxDepth = 3

// meanwhile is the time that a call takes: other things happen.
func (w *world) meanwhile() {
	if w.depth >= maxDepth || !w.chance(w.weather.slow) {
		return
	}
	w.depth++
	w.until(w.now + w.span(30*time.Second))
	w.depth--
	if w.violated != nil {
		panic(halt{})
	}
}

// mayCrash is a point at which the agent may be killed.
func (w *world) mayCrash() {
	if w.chance(w.weather.crash) {
		panic(crash{})
	}
}

// recording is called before an attempt is written to the store.
func (w *world) recording() error {
	w.mayCrash()
	if w.chance(w.weather.store) {
		return fault.New(fault.Transient, "write", "attempt", "the database is locked")
	}
	return nil
}

// shelving is called before each use of the shelf.
func (w *world) shelving() error {
	w.mayCrash()
	if w.chance(w.weather.shelf) {
		return fault.New(fault.Transient, "use", "the shelf", "the database is locked")
	}
	return nil
}

// settle ends all faults, and waits until everything is as it has to be, for as long as that may take.
func (w *world) settle() {
	w.relent()
	end := w.now + w.patience()
	for w.now < end && (w.down || len(w.ready) > 0 || w.unsettled() != "") {
		next, planned := w.next()
		if !planned && len(w.ready) == 0 {
			break
		}
		w.until(min(max(next, w.now), end))
	}
	if w.violated != nil {
		return
	}
	if why := w.unsettled(); why != "" {
		w.violate(nil, "converges once faults stop", why)
	}
	w.atEnd()
}

// patience is how long it may take at most until everything is as it has to be: a lost event is made good by the slow look at
// everything, then what failed waits for its back-off, and what is not healthy for its timeout; each may come before each.
func (w *world) patience() time.Duration {
	longest := time.Duration(0)
	for _, m := range w.members {
		longest = max(longest, 4*m.declared.backoff.Max+2*m.declared.timeout)
	}
	return 2*w.resync + time.Duration(len(w.members))*longest + 2*time.Hour // an hour until every window has been open
}

// unsettled says who is not yet as it has to be, and why.
func (w *world) unsettled() string {
	var all []string
	for _, m := range w.members {
		if why := m.unsettled(); why != "" {
			all = append(all, m.name+": "+why)
		}
	}
	return strings.Join(all, "; ")
}
