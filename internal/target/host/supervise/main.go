package supervise

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/proxy"
)

// The times of a supervisor's own end.
const (
	defaultIdle = 30 * time.Second // without anything to do
	farewell    = 5 * time.Second  // for requests under way, when it ends or hands over
)

// Options of a supervisor.
type Options struct {
	Dir     string        // its own directory; it is made when it is not there
	Version string        // of the program, see State.Binary
	Log     *slog.Logger  // default: nothing is logged
	Idle    time.Duration // ends by itself after so long without processes, apps and requests; default 30s
}

// supervisor is the process of that name.
type supervisor struct {
	options Options
	log     *slog.Logger
	home    *home
	id      string // of the directory
	boot    string

	board  *board
	reaper *reaper
	ports  *ports
	groups groups
	logs   *logbook
	hears  atomic.Bool // it is known which ports are listened on
	// unheard is done when that could not be found out for the first time.
	unheard sync.Once

	proxy     balancer
	balancing sync.Mutex
	placed    map[string]proxy.Route // what the proxy was told last; balancing guards it
	retry     *time.Timer

	life  func() context.Context // of processes: ends when the supervisor leaves
	lives sync.WaitGroup
	leave context.CancelFunc

	requests  atomic.Int64 // under way
	requested atomic.Int64 // when the last one ended, in nanoseconds since 1970
	next      atomic.Pointer[[]string]
}

// Main is the supervisor of a directory. It returns when ctx ends, and leaves the processes running: the next one adopts them, and serves
// their addresses again. It returns as well after a Shutdown, which stops them, and when there has been nothing to do for a while. It is
// the main function of a process of its own, because it waits for all children of its process. A supervisor that runs already in this
// directory is a fault, Conflict.
func Main(ctx context.Context, options Options) error {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Idle <= 0 {
		options.Idle = defaultIdle
	}
	from := inherit()
	home, err := openHome(options.Dir)
	if err != nil {
		return err
	}
	defer home.close()
	lock, err := from.held(home)
	if err != nil {
		return err
	}
	defer lock.Close()
	id, err := home.id()
	if err != nil {
		return err
	}
	socket, err := from.listening(ctx, home)
	if err != nil {
		return err
	}
	s := newSupervisor(options, home, id)
	s.run(ctx, socket, from)
	if next := s.next.Load(); next != nil {
		return s.replace(ctx, *next, estate{lock: lock, socket: socket})
	}
	_ = socket.Close()
	s.shutProxy(ctx)
	return nil
}

func newSupervisor(options Options, home *home, id string) *supervisor {
	s := &supervisor{
		options: options, log: options.Log, home: home, id: id, boot: bootID(),
		board: newBoard(), reaper: newReaper(), ports: newPorts(), groups: findGroups(id), logs: newLogbook(),
		placed: map[string]proxy.Route{},
	}
	s.requested.Store(time.Now().UnixNano())
	return s
}

// run supervises until it is told to end. The proxy goes on with what it has.
func (s *supervisor) run(ctx context.Context, socket *os.File, from estate) {
	life, leave := context.WithCancel(ctx)
	defer leave()
	s.life, s.leave = func() context.Context { return life }, leave
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		s.log.Warn("orphans of processes cannot be collected", "error", reason(err))
	}
	s.proxy = proxy.New(proxy.Options{Log: s.log, Refused: s.refused, Inherit: from.addresses})
	s.retry = time.AfterFunc(time.Hour, func() { s.rebalance(life) })
	defer s.retry.Stop()

	s.adopt(life)
	s.restore(from)
	s.rebalance(life)
	s.log.Info("supervising", "directory", s.home.dir, "version", s.options.Version)
	var work sync.WaitGroup
	reaping, stopReaping := context.WithCancel(context.WithoutCancel(ctx))
	work.Go(func() { s.reaper.run(reaping) })
	work.Go(func() { s.hear(life) })
	work.Go(func() { s.endWhenIdle(life) })
	s.serve(life, socket) // until leave
	s.lives.Wait()
	stopReaping()
	work.Wait()
}

func (s *supervisor) shutProxy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	s.proxy.Shutdown(ctx)
}

// restore registers the apps of a predecessor again.
func (s *supervisor) restore(from estate) {
	for _, a := range readApps(s.home, s.log) {
		a.OneOff.Env = from.kept.OneOff[a.Name]
		s.board.change(func() bool {
			s.board.apps[a.Name] = &app{wanted: a, before: from.kept.Counters[a.Name]}
			return true
		})
	}
}

// endWhenIdle leaves when there is nothing to do.
func (s *supervisor) endWhenIdle(ctx context.Context) {
	ticker := time.NewTicker(max(s.options.Idle/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		since := time.Since(time.Unix(0, s.requested.Load()))
		if s.board.idle() && s.requests.Load() == 0 && since > s.options.Idle {
			s.log.Info("there is nothing to supervise")
			s.leave()
			return
		}
	}
}

// shutdown stops everything, forgets it, and ends.
func (s *supervisor) shutdown(ctx context.Context) error {
	var registered []string
	s.board.read(func() {
		for name := range s.board.apps {
			registered = append(registered, name)
		}
	})
	for _, name := range registered {
		_ = s.removeApp(ctx, name)
	}
	for _, p := range s.board.all() {
		s.stop(p, 0)
	}
	for _, p := range s.board.all() {
		if err := s.gone(ctx, p); err != nil {
			return err
		}
		s.forget(p.spec.ID)
	}
	return nil
}

// gone waits until a process has exited.
func (s *supervisor) gone(ctx context.Context, p *process) error {
	for ctx.Err() == nil {
		var version uint64
		over := false
		s.board.read(func() { version, over = s.board.version, p.status.Phase == Exited })
		if over {
			return nil
		}
		s.board.wait(ctx, version, time.Minute)
	}
	return fault.Wrap(fault.Transient, "stop", "process "+p.key, ctx.Err())
}
