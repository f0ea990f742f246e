package supervise

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/proxy"
)

// The times of setting addresses: for one to be listened on, and before one that could not be is tried again.
const (
	placing    = 5 * time.Second
	placeAgain = time.Second
)

// balancer is what is needed of *proxy.Proxy.
type balancer interface {
	Set(ctx context.Context, name string, route proxy.Route) error
	Remove(name string)
	Idle(key string) <-chan struct{}
	Counters(name string) (requests, failed uint64)
	Files() (map[string]*os.File, error)
	Shutdown(ctx context.Context)
}

// An app is what was registered of one.
type app struct {
	wanted  App
	failure string   // why its address cannot be listened on
	before  counters // of predecessors, before an upgrade
}

// counters are those of an AppStatus.
type counters struct {
	Requests uint64 `json:"requests,omitempty"`
	Failed   uint64 `json:"failed,omitempty"`
}

// setApp registers an app, and has its address so when it returns.
func (s *supervisor) setApp(ctx context.Context, wanted App) error {
	if err := checkApp(wanted); err != nil {
		return err
	}
	if err := writeApp(s.home, wanted); err != nil {
		return &fault.Error{Op: "record", Item: "app " + wanted.Name, Kind: fault.Transient, Err: reason(err)}
	}
	s.board.change(func() bool {
		known := s.board.apps[wanted.Name]
		if known == nil {
			s.board.apps[wanted.Name] = &app{wanted: wanted}
			return true
		}
		same := known.wanted.same(wanted)
		known.wanted = wanted
		return !same
	})
	s.rebalance(ctx)
	return nil
}

func checkApp(a App) error {
	if !names.MatchString(a.Name) {
		return fault.New(fault.Invalid, "register", "app "+a.Name, "the names of apps are DNS labels")
	}
	if a.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(a.Listen); err != nil {
		return fault.New(fault.Invalid, "register", "app "+a.Name, "its address is not host:port")
	}
	return nil
}

// same says whether others see no difference: what commands of people run with is not shown in full.
func (a App) same(other App) bool {
	return a.Name == other.Name && a.Release == other.Release && a.Listen == other.Listen && a.Protocol == other.Protocol &&
		slices.Equal(a.Backends, other.Backends)
}

// removeApp ends what setApp began.
func (s *supervisor) removeApp(ctx context.Context, name string) error {
	if !names.MatchString(name) {
		return nil
	}
	if err := os.Remove(appPath(s.home, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &fault.Error{Op: "forget", Item: "app " + name, Kind: fault.Transient, Err: reason(err)}
	}
	s.board.change(func() bool {
		_, known := s.board.apps[name]
		delete(s.board.apps, name)
		return known
	})
	s.rebalance(ctx)
	return nil
}

// rebalance has each address served by the processes that are healthy now. When it returns, those that are not get nothing new.
func (s *supervisor) rebalance(ctx context.Context) {
	s.balancing.Lock()
	defer s.balancing.Unlock()
	routes := s.routes()
	for name := range s.placed {
		if _, wanted := routes[name]; !wanted {
			s.proxy.Remove(name)
			delete(s.placed, name)
		}
	}
	// What is asked for must be done whether or not whoever asked for it still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), placing)
	defer cancel()
	again := false
	for name, route := range routes {
		if placed, ok := s.placed[name]; ok && sameRoute(placed, route) {
			continue
		}
		err := s.proxy.Set(ctx, name, route)
		if err == nil {
			s.placed[name] = route
		} else {
			delete(s.placed, name)
			again = true
		}
		s.placedOr(name, err)
	}
	if again {
		s.retry.Reset(placeAgain)
	}
}

func sameRoute(a, b proxy.Route) bool {
	return a.Listen == b.Listen && a.Protocol == b.Protocol && slices.Equal(a.Backends, b.Backends)
}

// placedOr shows whether an address is listened on.
func (s *supervisor) placedOr(name string, err error) {
	failure := ""
	if err != nil {
		failure = err.Error()
		s.log.Debug("an address cannot be listened on", "app", name, "error", failure)
	}
	s.board.change(func() bool {
		a := s.board.apps[name]
		if a == nil || a.failure == failure {
			return false
		}
		a.failure = failure
		return true
	})
}

// routes gives what should be listened on, and for whom.
func (s *supervisor) routes() map[string]proxy.Route {
	routes := map[string]proxy.Route{}
	s.board.read(func() {
		for name, a := range s.board.apps {
			if a.wanted.Listen == "" {
				a.failure = ""
				continue
			}
			route := proxy.Route{Listen: a.wanted.Listen, Protocol: a.wanted.Protocol}
			for _, id := range a.wanted.Backends {
				if p := s.board.processes[id]; p != nil && p.status.Phase == Running && p.status.Healthy && p.status.Port > 0 {
					route.Backends = append(route.Backends, proxy.Backend{Key: p.key, Address: p.reachedAt()})
				}
			}
			routes[name] = route
		}
	})
	return routes
}

// reachedAt gives the address of a process. The board is locked.
func (p *process) reachedAt() string {
	if p.address != "" {
		return p.address
	}
	return net.JoinHostPort(ipv4Loopback.String(), strconv.Itoa(p.status.Port))
}

// refused has a process checked at once that the proxy could not connect to. It never blocks for long.
func (s *supervisor) refused(key string) {
	s.board.read(func() {
		for _, p := range s.board.processes {
			if p.key == key {
				p.look()
			}
		}
	})
}
