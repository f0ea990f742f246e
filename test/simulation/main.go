// Command simulation lets loops run against a plant in memory, in simulated time, while everything goes wrong that can: and checks
// that what must hold does. Each seed is a world of its own, and follows from it in every detail.
//
//	go run ./test/simulation -seeds 100000          many worlds; exits with 1 when an invariant does not hold in one
//	go run ./test/simulation -seed 42 -v            one world, with all that happens in it
//	go run ./test/simulation/mutations              does it find bugs? it makes some, one after the other
//
// The story is in world.go; what goes wrong is in weather.go and disturb.go; what must hold is in invariants.go and end.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// options are the command line.
type options struct {
	seed, from, seeds uint64
	workers, most     int
	verbose           bool
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 0, "replay this one `seed`")
	flag.Uint64Var(&o.from, "from", 1, "the first `seed`")
	flag.Uint64Var(&o.seeds, "seeds", 1000, "the `number` of seeds")
	flag.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "the `number` of worlds at a time")
	flag.IntVar(&o.most, "violations", 5, "stop after this `number` of violations")
	flag.BoolVar(&o.verbose, "v", false, "with -seed: show all that happens")
	flag.Parse()
	if err := o.run(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "simulation:", err)
		os.Exit(1)
	}
}

var errViolated = errors.New("an invariant does not hold")

func (o options) run(out, progress io.Writer) error {
	debug.SetGCPercent(400) // worlds are small and short-lived
	if o.seed != 0 {
		return o.replay(out)
	}
	began := time.Now()
	sum := o.all(progress, began)
	sum.print(out, time.Since(began))
	if len(sum.violations) > 0 {
		return errViolated
	}
	return nil
}

// replay shows one world.
func (o options) replay(out io.Writer) error {
	var shown io.Writer
	if o.verbose {
		shown = out
	}
	r := simulate(o.seed, shown)
	fmt.Fprintf(out, "seed %d: %d steps, %d writes, %s simulated, digest %016x\n", r.seed, r.steps, r.writes, r.simulated, r.digest)
	if r.violation == nil {
		return nil
	}
	r.describe(out)
	if o.verbose {
		fmt.Fprint(out, r.violation.stack)
	}
	return errViolated
}

func (r report) describe(out io.Writer) {
	fmt.Fprintf(out, "VIOLATION seed=%d invariant=%q %s\n", r.seed, r.violation.invariant, r.violation.text)
	fmt.Fprintf(out, "  replay: go run ./test/simulation -seed %d -v\n", r.seed)
}

// sum is what many worlds had in common.
type sum struct {
	seeds, steps, writes int
	simulated            time.Duration
	seen                 coverage
	violations           []report
}

// all runs every seed, some at a time.
func (o options) all(progress io.Writer, began time.Time) sum {
	total := sum{seen: newCoverage()}
	var mu sync.Mutex
	next, end, told := o.from, o.from+o.seeds, began
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		seed := next
		next++
		return seed, seed < end && len(total.violations) < o.most
	}
	put := func(r report) {
		mu.Lock()
		defer mu.Unlock()
		total.add(r)
		if r.violation != nil {
			r.describe(progress)
		}
		if now := time.Now(); now.Sub(told) >= 5*time.Second {
			told = now
			fmt.Fprintf(progress, "%d of %d seeds, %d distinct states, %d violations, %s\n", total.seeds, o.seeds, len(total.seen.prints),
				len(total.violations), now.Sub(began).Round(time.Second))
		}
	}
	var workers sync.WaitGroup
	for range o.workers {
		workers.Go(func() {
			for seed, ok := take(); ok; seed, ok = take() {
				put(simulate(seed, nil))
			}
		})
	}
	workers.Wait()
	return total
}

func (s *sum) add(r report) {
	s.seeds++
	s.steps += r.steps
	s.writes += r.writes
	s.simulated += r.simulated
	s.seen.add(r.seen)
	if r.violation != nil {
		s.violations = append(s.violations, r)
	}
}

// years shows simulated time in the unit that it comes in.
func years(d float64) string { return fmt.Sprintf("%.1f years", d/365/24) }

func (s *sum) print(out io.Writer, took time.Duration) {
	fmt.Fprintf(out, "%d seeds in %s: %d steps, %d writes, %s simulated\n", s.seeds, took.Round(time.Second/10), s.steps, s.writes,
		years(s.simulated.Hours()))
	fmt.Fprintf(out, "%d distinct states of decisions; each reason, and how often it was published:\n", len(s.seen.prints))
	s.seen.table(out)
	fmt.Fprintf(out, "%d violations%s\n", len(s.violations), strings.Repeat(":", min(1, len(s.violations))))
	for _, r := range s.violations {
		r.describe(out)
	}
}
