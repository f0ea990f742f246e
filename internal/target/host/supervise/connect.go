package supervise

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The bounds of starting a supervisor.
const (
	starting    = 15 * time.Second
	startPause  = 10 * time.Millisecond
	startTries  = 5
	maxLogBytes = 1 << 20 // of supervisor.log; a longer one is set aside when a supervisor starts
)

// ConnectOptions say where a supervisor is, and how to start one.
type ConnectOptions struct {
	Dir string
	// Command starts a supervisor of Dir: a program by its absolute path, and arguments. It ends up in Main.
	Command []string
	// Env is the supervisor's whole environment. Default: PATH, HOME, LANG, TZ and TMPDIR of this process, because the agent's own has
	// secrets in it, and the supervisor outlives the agent.
	Env []string
	// Version of the program that Command starts. A supervisor of another is replaced by it, in place; "" leaves any as it is.
	Version string
	// StartNever makes it an error, NotFound, when no supervisor runs: for previews and commands of people.
	StartNever bool
	// Log of starts and upgrades. Default: nothing is logged.
	Log *slog.Logger
}

// Connect gives a client of the supervisor of a directory, and starts the supervisor when none runs. Any number of callers may do so at
// once, in any number of processes: there is one supervisor.
func Connect(ctx context.Context, options ConnectOptions) (*Client, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	open := openHome
	if options.StartNever {
		open = existingHome
	}
	home, err := open(options.Dir)
	if err != nil {
		return nil, err
	}
	c := newClient(options, home)
	state, err := c.State(ctx, 0)
	if err == nil && options.Version != "" && state.Binary != options.Version && !options.StartNever {
		err = c.Upgrade(ctx)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// dial connects to the supervisor.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", c.home.socketPath())
}

// ensure has a supervisor running when it returns.
func (c *Client) ensure(ctx context.Context) error {
	if c.options.StartNever {
		return fault.New(fault.NotFound, "ask", "the supervisor", "none runs for "+c.options.Dir).
			WithHint("the agent starts it with the first App: does `setpoint run` run on this host, with this data directory?")
	}
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	turn, err := c.turn(ctx)
	if err != nil {
		return err
	}
	defer turn.Close()
	for failures := 0; ; {
		if connection, err := c.dial(ctx); err == nil {
			return connection.Close()
		}
		ended, err := c.spawn(ctx)
		if err != nil {
			return err
		}
		if err = c.serving(ctx, ended); err == nil || !errors.Is(err, errEnded) {
			return err
		}
		// While another that is about to go still has the lock, none can start. Who ends without that, again and again, never will.
		if c.home.free() {
			failures++
		}
		if failures == startTries || !rest(ctx) {
			return err
		}
	}
}

// turn waits until nobody else is starting a supervisor. Closing the file ends the turn.
func (c *Client) turn(ctx context.Context) (*os.File, error) {
	file, err := os.OpenFile(c.home.path(startLockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, homeFault("start a supervisor in", c.home.dir, err)
	}
	for {
		err := flock(file, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || !rest(ctx) {
			_ = file.Close()
			return nil, homeFault("start a supervisor in", c.home.dir, err)
		}
	}
}

// rest waits a moment, and says whether there is time left.
func rest(ctx context.Context) bool {
	select {
	case <-time.After(startPause):
		return true
	case <-ctx.Done():
		return false
	}
}

// spawn starts a supervisor that has nothing in common with this process: no session, no terminal, no environment. The channel is closed
// when it ends; the goroutine behind it ends then, or with this process.
func (c *Client) spawn(ctx context.Context) (<-chan struct{}, error) {
	if len(c.options.Command) == 0 {
		return nil, fault.New(fault.Internal, "start", "the supervisor", "no command is given")
	}
	log, err := c.openLog()
	if err != nil {
		return nil, homeFault("start a supervisor in", c.home.dir, err)
	}
	defer log.Close()
	command := exec.CommandContext(context.WithoutCancel(ctx), c.options.Command[0], c.options.Command[1:]...)
	command.Dir, command.Env = "/", c.environment()
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, fault.Wrap(fault.Internal, "start", "the supervisor", reason(err))
	}
	c.options.Log.Info("a supervisor of apps was started", "pid", command.Process.Pid)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait()
	}()
	return ended, nil
}

func (c *Client) environment() []string {
	if c.options.Env != nil {
		return c.options.Env
	}
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (c *Client) openLog() (*os.File, error) {
	path := c.home.path(logName)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogBytes {
		_ = os.Rename(path, path+".1")
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// errEnded is a supervisor that ended before it answered.
var errEnded = errors.New("it ended at once")

// serving waits until a supervisor answers.
func (c *Client) serving(ctx context.Context, ended <-chan struct{}) error {
	broken := func(err error) error {
		return &fault.Error{Op: "start", Item: "the supervisor", Kind: fault.Transient, Err: err,
			Hint: "the reason is in " + c.home.path(logName)}
	}
	for {
		if connection, err := c.dial(ctx); err == nil {
			return connection.Close()
		}
		select {
		case <-ended:
			return broken(errEnded)
		default:
		}
		if !rest(ctx) {
			return broken(errors.New("it does not answer"))
		}
	}
}
