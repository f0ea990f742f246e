// Command render measures how charts and overlays become objects: in process, as the agent does it, beside the helm and kustomize commands,
// one after the other in turns; and what many Syncs of one chart cost.
//
//	go run ./bench/render [-rounds 20] [-syncs 500]
//
// Both commands are built from their own modules, as the tests build them. The files in order: main, charts (what is rendered), sides (who
// renders it), many (one chart with many values).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 20, "how often each side takes its turn")
	syncs := flag.Int("syncs", 500, "how many Syncs of one chart")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds, *syncs); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/render:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds, syncs int) error {
	dir, err := os.MkdirTemp("", "setpoint-bench-render-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Printf("%-52s %12s %12s %8s\n", "what, median of "+fmt.Sprint(rounds), "command", "in process", "ratio")
	for _, pair := range []func(context.Context, string) (pair, error){chart, overlay} {
		measured, err := pair(ctx, dir)
		if err != nil {
			return err
		}
		if err := measured.compare(ctx, rounds); err != nil {
			return err
		}
	}
	return many(ctx, syncs)
}

// pair is one thing that is rendered on both sides.
type pair struct {
	what    string
	command func(ctx context.Context) (objects int, err error)
	process func(ctx context.Context) (objects int, err error)
	again   func(ctx context.Context) (objects int, err error) // after one file has changed; nil for none
}

// compare lets both sides take turns, and prints the medians.
func (p pair) compare(ctx context.Context, rounds int) error {
	var command, process, again []time.Duration
	for range rounds {
		theirs, took, err := timed(ctx, p.command)
		if err != nil {
			return err
		}
		command = append(command, took)
		ours, took, err := timed(ctx, p.process)
		if err != nil {
			return err
		}
		process = append(process, took)
		if ours != theirs {
			return fmt.Errorf("%s: the command makes %d objects, and the process %d", p.what, theirs, ours)
		}
		if p.again == nil {
			continue
		}
		if _, took, err = timed(ctx, p.again); err != nil {
			return err
		}
		again = append(again, took)
	}
	printed(p.what, median(command), median(process))
	if p.again != nil {
		printed("the same after a change of one file", median(command), median(again))
	}
	return nil
}

func printed(what string, command, process time.Duration) {
	fmt.Printf("%-52s %12s %12s %8.3f\n", what, command.Round(10*time.Microsecond), process.Round(10*time.Microsecond),
		float64(process)/float64(command))
}

func timed(ctx context.Context, render func(context.Context) (int, error)) (int, time.Duration, error) {
	started := time.Now()
	objects, err := render(ctx)
	return objects, time.Since(started), err
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
