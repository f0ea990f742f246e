// Command bench measures the whole product against the limits that it is made for: the real binary as a process, a real control
// plane, a real Git server, and, where the limit is a ratio, a bare loop of the same requests in the same run.
//
//	go run ./bench [-run REGEXP] [-rounds 3] [-profiles DIR]
//
// The files in order: main, table (what is printed), world, agent (the parts), objects, bare (what is applied, and the limit);
// then one file for each measurement: first, change, drift, fleet, host.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

// options are the command line.
type options struct {
	only     *regexp.Regexp
	rounds   int
	profiles string
}

// measurement is one line or several of the table, with the world that they need.
type measurement struct {
	name  string
	about string
	run   func(ctx context.Context, w *world) error
}

var measurements = []measurement{
	{"first-mixed", "first sync of 1,000 mixed objects", func(ctx context.Context, w *world) error { return w.first(ctx, 1000, true) }},
	{"first-small", "first sync of 5,000 ConfigMaps", func(ctx context.Context, w *world) error { return w.first(ctx, 5000, false) }},
	{"change", "one Sync of 5,000 ConfigMaps: changes, drift", func(ctx context.Context, w *world) error { return w.oneSync(ctx) }},
	{"fleet", "200 Syncs of 25 ConfigMaps: idle, restart", func(ctx context.Context, w *world) error { return w.fleet(ctx) }},
	{"monorepo", "200 Syncs of 10 ConfigMaps, one directory changed", func(ctx context.Context, w *world) error { return w.monorepo(ctx) }},
	{"host", "10,000 files on this host: first apply, idle, drift", func(ctx context.Context, w *world) error { return w.host(ctx) }},
}

func main() {
	only := flag.String("run", "", "run only measurements whose name matches this regular expression")
	rounds := flag.Int("rounds", 3, "how often each side of a comparison takes its turn")
	profiles := flag.String("profiles", "", "write CPU and heap profiles of the agent to this directory (the figures suffer a little)")
	list := flag.Bool("list", false, "list the measurements")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *list {
		for _, m := range measurements {
			fmt.Printf("%-12s %s\n", m.name, m.about)
		}
		return
	}
	pattern, err := regexp.Compile(*only)
	if err == nil {
		err = run(ctx, options{only: pattern, rounds: *rounds, profiles: *profiles})
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opts options) error {
	w, err := newWorld(ctx, opts)
	if err != nil {
		return err
	}
	defer w.close()
	for _, m := range measurements {
		if !opts.only.MatchString(m.name) {
			continue
		}
		fmt.Printf("── %s: %s (load %s)\n", m.name, m.about, load())
		if err := m.run(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		w.stopAgent()
	}
	w.table.print(os.Stdout)
	return nil
}
