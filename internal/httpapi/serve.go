package httpapi

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// shutdownTime is how long requests may go on after the server was told to stop.
const shutdownTime = 5 * time.Second

// Listen opens the API's port, so that a port in use is found before anything else begins. Without a token only a loopback
// address is opened. The listener's Addr tells the port where the system chose it (":0").
func Listen(ctx context.Context, addr, token string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fault.New(fault.Invalid, "listen on", addr, "this is not host:port").
			WithHint("set SETPOINT_LISTEN to an address such as 127.0.0.1:7468")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Conflict, "listen on", addr, "the port is in use").
			WithHint("stop the other agent or program, or choose another port with SETPOINT_LISTEN")
	case errors.Is(err, syscall.EACCES):
		return nil, fault.New(fault.Denied, "listen on", addr, "the system does not allow it").
			WithHint("choose a port above 1023 with SETPOINT_LISTEN")
	case err != nil:
		return nil, &fault.Error{Op: "listen on", Item: addr, Kind: fault.Invalid, Err: innermost(err),
			Hint: "set SETPOINT_LISTEN to an address of this machine, such as 127.0.0.1:7468"}
	}
	if token == "" && !isLoopback(listener.Addr()) {
		_ = listener.Close()
		return nil, fault.New(fault.Denied, "listen on", addr, "other machines could reach the API, and there is no token").
			WithHint("set SETPOINT_TOKEN, or listen on 127.0.0.1")
	}
	return listener, nil
}

// innermost takes the address off a network error: the fault names it already.
func innermost(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// Serve answers on a listener until ctx ends: event streams are closed then, other requests may finish, and Serve returns nil
// after at most five seconds. It owns the listener.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // what clients do wrong is theirs; panics are logged by the handler
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), closingKey{}, ctx.Done())
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fault.Wrap(fault.Internal, "serve", "the API", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		_ = server.Close() // whoever is still connected had its time
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(fault.Internal, "serve", "the API", err)
	}
	return nil
}

type closingKey struct{}

// closing gives the channel that closes when the server begins to stop; nil, which never does, outside of Serve.
func closing(ctx context.Context) <-chan struct{} {
	done, _ := ctx.Value(closingKey{}).(<-chan struct{})
	return done
}
