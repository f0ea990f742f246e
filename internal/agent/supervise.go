package agent

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// Supervise is the process beside an agent that runs apps, in a directory that the agent names. It ends with ctx, and leaves the apps
// running: the next one takes them over.
func Supervise(ctx context.Context, dir, version string) error {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)) // which the agent has led to a file
	return supervise.Main(ctx, supervise.Options{Dir: dir, Version: version, Log: log})
}

// EndApps stops every app of an agent's data directory, and the process that runs them; none is no error. The agent must have ended.
func EndApps(ctx context.Context, data string) error {
	client, err := connect(ctx, data)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // it holds nothing that could be lost
	return client.Shutdown(ctx)
}

// connect reaches the supervisor of a data directory; that none runs is NotFound.
func connect(ctx context.Context, data string) (*supervise.Client, error) {
	return supervise.Connect(ctx, supervise.ConnectOptions{Dir: host.SupervisorDir(hostDir(data)), StartNever: true})
}

// ExecConfig asks for a command to be run once in the environment of an app's current release.
type ExecConfig struct {
	// Data is the agent's data directory: its supervisor is found there.
	Data string
	// App is the app's name.
	App string
	// Command with its arguments.
	Command []string
	// In, Out and Err are the caller's. Files are handed over as they are, so that a terminal stays one.
	In       io.Reader
	Out, Err io.Writer
}

// Exec runs a command, and gives its exit code, or 128 and the number of the signal that ended it. What keeps it from being started is
// a fault. When ctx ends the command is told to stop: at Ctrl-C the terminal tells it as well.
func Exec(ctx context.Context, config ExecConfig) (int, error) {
	client, err := connect(ctx, config.Data)
	switch fault.KindOf(err) {
	case "":
	case fault.NotFound:
		return 0, fault.New(fault.NotFound, "run", "a command of app/"+config.App, "no apps are run from the data directory "+config.Data).
			WithHint("give the agent's own with --data or SETPOINT_DATA")
	default:
		return 0, err
	}
	defer func() { _ = client.Close() }() // it holds nothing that could be lost
	launch, _, err := client.OneOff(ctx, config.App)
	if err != nil {
		return 0, err
	}
	return supervise.RunOneOff(ctx, launch, config.Command, supervise.Stdio{In: config.In, Out: config.Out, Err: config.Err})
}
