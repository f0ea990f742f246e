// Command setpoint keeps running systems equal to what version control says they should be.
package main

import (
	"context"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // windows name time zones, and small hosts have no database of them

	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/cli"
)

// version is set by the linker.
var version string

func main() { os.Exit(run()) }

// quiet takes the standard loggers from libraries: some write values of charts there, and ours are handed on.
func quiet() {
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
}

// run is main with an exit code, so that tests can call it.
func run() int {
	if agent.Evaluate() {
		return 0
	}
	quiet()
	stderr := os.Stderr
	defer mute()()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return cli.Main(ctx, cli.Parts{
		Version: cli.BuildVersion(version),
		In:      os.Stdin, Out: os.Stdout, Err: stderr, Getenv: os.Getenv, Now: time.Now,
		Run: agent.Run, Preview: agent.Preview, Render: agent.Render, Exec: agent.Exec,
		Supervise: agent.Supervise, EndApps: agent.EndApps,
		CheckSource: agent.CheckSource, CheckCluster: agent.CheckCluster,
	}, os.Args[1:])
}
