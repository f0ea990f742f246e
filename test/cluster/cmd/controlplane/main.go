// Command controlplane runs a real Kubernetes control plane on loopback until Ctrl-C, for trying things out, for benchmarks
// and for the documentation's examples.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
)

const usage = `Run a Kubernetes control plane on loopback until Ctrl-C.

  go run ./test/cluster/cmd/controlplane --nodes 2     # then paste the line that it prints
  go run ./test/cluster/cmd/controlplane --build       # only build the programs, some minutes once

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		_, _ = fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

// errUsage is a command line that the flag package has already complained about.
var errUsage = errors.New("wrong usage")

func run(ctx context.Context, args []string) error {
	opts := cluster.Options{Log: os.Stderr}
	flags := flag.NewFlagSet("controlplane", flag.ContinueOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	build := flags.Bool("build", false, "build the programs, print their paths, and run nothing")
	keep := flags.Bool("keep", false, "go on when the process that started this one ends")
	flags.BoolVar(&opts.ControllerManager, "controller-manager", true, "run kube-controller-manager")
	flags.BoolVar(&opts.Audit, "audit", false, "record every request in audit.log")
	flags.IntVar(&opts.Nodes, "nodes", 1, "simulated nodes; 0 runs no Pods")
	flags.StringVar(&opts.Dir, "dir", "", "folder for data, certificates and logs, kept afterwards (default a temporary one)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if *build {
		return printBinaries(ctx)
	}
	c, err := cluster.Start(ctx, opts)
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\n", c.Kubeconfig())
	wait(ctx, *keep)
	return c.Stop()
}

func printBinaries(ctx context.Context) error {
	paths, err := cluster.Binaries(ctx, os.Stderr)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		fmt.Printf("%s\t%s\n", name, paths[name])
	}
	return nil
}

// wait waits for a signal, or for the parent's end: "go run" and test scripts that are killed do not pass the signal on.
func wait(ctx context.Context, keep bool) {
	parent := os.Getppid()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !keep && os.Getppid() != parent {
				return
			}
		}
	}
}
