package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The deadlines of calls, beside those of their contexts, and how often one is tried whose supervisor is killed meanwhile.
const (
	callLimit     = 30 * time.Second
	shutdownLimit = 10 * time.Minute
	callTries     = 4
)

// Client speaks to a supervisor. A call that finds it dead starts it again and is repeated, so that its end is seen by nobody. Safe for
// concurrent use.
type Client struct {
	options ConnectOptions
	home    *home
	http    *http.Client

	mu   sync.Mutex
	apps map[string]App // that were set; a new supervisor has lost what may not be on disk
}

var _ Supervisor = (*Client)(nil)

func newClient(options ConnectOptions, home *home) *Client {
	c := &Client{options: options, home: home, apps: map[string]App{}}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
	}}
	return c
}

// Close ends the connections. The supervisor goes on.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	c.home.close()
	return nil
}

// Start implements Supervisor.
func (c *Client) Start(ctx context.Context, process Process) error {
	return c.call(ctx, pathStart, process, nil)
}

// Stop implements Supervisor. A process that is not known does not run, so that there is nothing to do.
func (c *Client) Stop(ctx context.Context, id ProcessID, drain time.Duration) error {
	return c.call(ctx, pathStop, stopRequest{ID: id, Drain: drain}, nil)
}

// Forget implements Supervisor. Those that are not known, or have not exited, are left as they are.
func (c *Client) Forget(ctx context.Context, ids ...ProcessID) error {
	return c.call(ctx, pathForget, forgetRequest{IDs: ids}, nil)
}

// SetApp implements Supervisor. That the address cannot be listened on is no error: it is in the state, and is tried again.
func (c *Client) SetApp(ctx context.Context, app App) error {
	err := c.call(ctx, pathSetApp, app, nil)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.apps[app.Name] = app
	}
	return err
}

// RemoveApp implements Supervisor.
func (c *Client) RemoveApp(ctx context.Context, name string) error {
	c.mu.Lock()
	delete(c.apps, name)
	c.mu.Unlock()
	return c.call(ctx, pathRemove, appRequest{Name: name}, nil)
}

// State implements Supervisor. A supervisor that was started again has another version, so that its state is given at once.
func (c *Client) State(ctx context.Context, after uint64) (state State, err error) {
	return state, c.within(ctx, callLimit+maxWait, request{pathState, stateRequest{After: after}, &state})
}

// OneOff gives what commands of people run with, the environment with its secrets, and the release that it belongs to.
func (c *Client) OneOff(ctx context.Context, app string) (Launch, int, error) {
	var given oneOffAnswer
	err := c.call(ctx, pathOneOff, appRequest{Name: app}, &given)
	return given.Launch, given.Release, err
}

// Shutdown stops all processes, forgets everything, and ends the supervisor. It returns when that has been done. One that was killed is
// started again for it when it has left something behind.
func (c *Client) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	c.mu.Lock()
	clear(c.apps)
	c.mu.Unlock()
	end := request{pathShutdown, struct{}{}, nil}
	err := c.once(ctx, end)
	if isUnreachable(err) && !c.options.StartNever && len(recordFiles(c.home, processesName)) > 0 {
		err = c.within(ctx, shutdownLimit, end)
	}
	if err != nil && !isUnreachable(err) {
		return err
	}
	for { // the lock is free when it has ended
		lock, free, err := c.home.lock()
		if err != nil {
			return err
		}
		if free {
			return lock.Close()
		}
		if !rest(ctx) {
			return fault.Wrap(fault.Transient, "end", "the supervisor", ctx.Err())
		}
	}
}

// Upgrade has the supervisor replaced by the program of ConnectOptions.Command, in the same process, and waits until that answers.
// Processes, requests and connection attempts survive it.
func (c *Client) Upgrade(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	c.options.Log.Info("the supervisor of apps is replaced", "version", c.options.Version)
	if err := c.call(ctx, pathUpgrade, upgradeRequest{Command: c.options.Command}, nil); err != nil {
		return err
	}
	for {
		state, err := c.State(ctx, 0)
		if err == nil && state.Binary == c.options.Version {
			return nil
		}
		if !rest(ctx) {
			return fault.New(fault.Transient, "upgrade", "the supervisor", "it does not run version "+c.options.Version).
				WithHint("what it is doing is in " + c.home.path(logName))
		}
	}
}

// A request is one call: what is sent, and where the answer goes.
type request struct {
	path string
	body any
	into any
}

func (c *Client) call(ctx context.Context, path string, body, into any) error {
	return c.within(ctx, callLimit, request{path, body, into})
}

func (c *Client) within(ctx context.Context, limit time.Duration, r request) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for try := 1; ; try++ {
		err := c.once(ctx, r)
		if !isUnreachable(err) || ctx.Err() != nil || try == callTries {
			return err
		}
		if err := c.ensure(ctx); err != nil {
			return err
		}
		c.remind(ctx)
	}
}

// remind tells a supervisor that was started again what its predecessor has taken with it.
func (c *Client) remind(ctx context.Context) {
	c.mu.Lock()
	apps := make([]App, 0, len(c.apps))
	for _, app := range c.apps {
		apps = append(apps, app)
	}
	c.mu.Unlock()
	for _, app := range apps {
		_ = c.once(ctx, request{pathSetApp, app, nil}) // an agent says it again with its next change
	}
}

// unreachable is a supervisor that could not be asked, or died before it had answered.
type unreachable struct{ error }

func isUnreachable(err error) bool {
	_, is := err.(unreachable) //nolint:errorlint // once gives it as it is
	return is
}

// plain leaves out of an error the URL, which leads nowhere but to the supervisor.
func plain(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return reason(err)
}

func (c *Client) once(ctx context.Context, r request) error {
	body, err := json.Marshal(r.body)
	if err != nil {
		return fault.Wrap(fault.Internal, "ask", "the supervisor", err)
	}
	asked, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://supervisor"+r.path, bytes.NewReader(body))
	if err != nil {
		return fault.Wrap(fault.Internal, "ask", "the supervisor", err)
	}
	answered, err := c.http.Do(asked)
	if err != nil {
		return unreachable{fault.Wrap(fault.Transient, "ask", "the supervisor", plain(err))}
	}
	defer answered.Body.Close()
	if answered.StatusCode != http.StatusOK {
		var p problem
		if err := receive(answered.Body, maxAnswer, &p); err != nil {
			return unreachable{fault.Wrap(fault.Transient, "ask", "the supervisor", reason(err))}
		}
		return p.fault()
	}
	if r.into == nil {
		return nil
	}
	if err := receive(answered.Body, maxAnswer, r.into); err != nil {
		return unreachable{fault.Wrap(fault.Transient, "ask", "the supervisor", reason(err))}
	}
	return nil
}
