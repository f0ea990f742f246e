package supervise

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// serve answers the API until ctx ends, and what was asked before that.
func (s *supervisor) serve(ctx context.Context, socket *os.File) {
	listener, err := net.FileListener(socket)
	if err != nil {
		s.log.Error("the API cannot be served", "error", reason(err))
		s.leave()
		return
	}
	server := &http.Server{
		Handler: s.handler(ctx), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	closed := make(chan struct{})
	go func() { // it ends with ctx, and is waited for
		defer close(closed)
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		_ = server.Shutdown(last)
		_ = server.Close()
	}()
	if err := server.Serve(sameUser{listener.(*net.UnixListener)}); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("the API has ended", "error", reason(err))
		s.leave()
	}
	<-closed
}

// sameUser accepts connections of the supervisor's own user and of root, whatever the mode of the socket and its directory have become.
type sameUser struct{ *net.UnixListener }

// Accept implements net.Listener.
func (l sameUser) Accept() (net.Conn, error) {
	for {
		connection, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peer(connection); err == nil && (uid == 0 || int(uid) == os.Geteuid()) {
			return connection, nil
		}
		_ = connection.Close()
	}
}

// peer gives the user at the other end.
func peer(connection *net.UnixConn) (uint32, error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return 0, err
	}
	var credentials *unix.Ucred
	var failure error
	err = raw.Control(func(fd uintptr) {
		credentials, failure = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, failure); err != nil {
		return 0, err
	}
	return credentials.Uid, nil
}

func (s *supervisor) handler(life context.Context) http.Handler {
	mux := http.NewServeMux()
	handle(s, mux, pathStart, func(ctx context.Context, spec Process) (any, error) { return nil, s.start(ctx, spec) })
	handle(s, mux, pathStop, func(_ context.Context, r stopRequest) (any, error) {
		if p := s.board.process(r.ID); p != nil {
			s.stop(p, r.Drain)
		}
		return nil, nil
	})
	handle(s, mux, pathForget, func(_ context.Context, r forgetRequest) (any, error) {
		for _, id := range r.IDs {
			s.forget(id)
		}
		return nil, nil
	})
	handle(s, mux, pathSetApp, func(ctx context.Context, a App) (any, error) { return nil, s.setApp(ctx, a) })
	handle(s, mux, pathRemove, func(ctx context.Context, r appRequest) (any, error) { return nil, s.removeApp(ctx, r.Name) })
	handle(s, mux, pathState, func(ctx context.Context, r stateRequest) (any, error) { return s.state(ctx, r.After), nil })
	handle(s, mux, pathOneOff, func(_ context.Context, r appRequest) (any, error) { return s.oneOff(r.Name) })
	handle(s, mux, pathUpgrade, func(_ context.Context, r upgradeRequest) (any, error) { return nil, s.upgrade(r.Command) })
	handle(s, mux, pathShutdown, func(context.Context, struct{}) (any, error) {
		if err := s.shutdown(life); err != nil {
			return nil, err
		}
		s.leave()
		return nil, nil
	})
	return mux
}

// handle answers a path: the request's body is one JSON value, and so is the answer.
func handle[Request any](s *supervisor, mux *http.ServeMux, path string, do func(context.Context, Request) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		defer func() {
			s.requested.Store(time.Now().UnixNano())
			s.requests.Add(-1)
		}()
		var request Request
		if err := receive(r.Body, maxRequest, &request); err != nil {
			answer(w, nil, fault.Wrap(fault.Invalid, "read", "a request", err))
			return
		}
		value, err := do(r.Context(), request)
		answer(w, value, err)
	})
}

// state gives all that is known, once it is something else than the version that is known already.
func (s *supervisor) state(ctx context.Context, known uint64) State {
	if known > 0 {
		s.board.wait(ctx, known, maxWait)
	}
	state := s.board.state()
	state.Binary, state.PID = s.options.Version, os.Getpid()
	for i := range state.Apps {
		requests, failed := s.proxy.Counters(state.Apps[i].Name)
		state.Apps[i].Requests += requests
		state.Apps[i].Failed += failed
	}
	return state
}

// oneOff gives what a command of a person runs with.
func (s *supervisor) oneOff(name string) (oneOffAnswer, error) {
	var given oneOffAnswer
	known := false
	s.board.read(func() {
		if a := s.board.apps[name]; a != nil {
			given, known = oneOffAnswer{Launch: a.wanted.OneOff, Release: a.wanted.Release}, true
		}
	})
	switch {
	case !known:
		return given, fault.New(fault.NotFound, "run in", "app "+name, "no such app runs on this host")
	case given.Launch.Env == nil:
		return given, fault.New(fault.Transient, "run in", "app "+name,
			"its environment is not known: the supervisor was started again, and the agent has not told it yet").
			WithHint("try again in a moment; if that does not help, is the agent running?")
	}
	// Whoever runs the command may be root: it is to run as the app's processes do, all the same.
	if given.Launch.UID == nil {
		uid := uint32(os.Geteuid())
		given.Launch.UID = &uid
	}
	if given.Launch.GID == nil {
		gid := uint32(os.Getegid())
		given.Launch.GID = &gid
	}
	return given, nil
}
