// Command profiled is the product with Go's profiles served beside it, for `go run ./bench -profiles DIR`. The product itself
// has no such door.
package main

import (
	"context"
	"fmt"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // on loopback, for measurements
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: os.Getenv("BENCH_PROFILES"), ReadHeaderTimeout: time.Minute}
	go func() { _, _ = fmt.Fprintln(os.Stderr, server.ListenAndServe()) }() // ends with the process
	return cli.Main(ctx, cli.Parts{
		Version: cli.BuildVersion("bench"),
		Out:     os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now,
		Run: agent.Run, Preview: agent.Preview, Render: agent.Render,
		CheckSource: agent.CheckSource, CheckCluster: agent.CheckCluster,
	}, os.Args[1:])
}
