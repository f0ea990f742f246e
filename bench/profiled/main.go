// Command profiled is the agent with Go's profiles served beside it, for `go run ./bench -profiles DIR`; it knows the flags of
// `setpoint run` that the measurements use. The product itself has no such door.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	_ "net/http/pprof" // the door
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
)

func main() {
	var config agent.Config
	git := &v1alpha1.GitSource{}
	_ = flag.String("log-format", "json", "always json")
	interval := flag.Duration("interval", time.Minute, "between two looks")
	flag.StringVar(&git.URL, "source", "", "URL of the repository")
	flag.StringVar(&git.Ref.Branch, "ref", "main", "branch")
	flag.StringVar(&config.Data, "data", "", "data directory")
	flag.StringVar(&config.Listen, "listen", agent.DefaultListen, "address")
	flag.StringVar(&config.HostRoot, "host-root", "/", "of what is declared for the host")
	cluster := flag.String("kubernetes", "auto", "auto or off")
	if len(os.Args) > 1 { // after "run"
		_ = flag.CommandLine.Parse(os.Args[2:]) // ends the process when it cannot
	}
	config.NoCluster = *cluster == "off"
	config.Source = v1alpha1.SourceSpec{Git: git, Interval: v1alpha1.Duration(*interval)}
	config.Log, config.Version = slog.New(slog.NewJSONHandler(os.Stdout, nil)), "bench"
	server := &http.Server{Addr: os.Getenv("BENCH_PROFILES"), ReadHeaderTimeout: time.Minute}
	go func() { _, _ = fmt.Fprintln(os.Stderr, server.ListenAndServe()) }() // ends with the process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := agent.Run(ctx, config); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
	}
}
