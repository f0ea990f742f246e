// Package proxy gives an app one stable address, balanced over the processes that are healthy at the moment. Backends come and go without
// a request lost: who leaves gets nothing new, and goes when what it has is done. The files in the order of the story: proxy.go sets
// addresses up and moves them; route.go is what is asked for; listen.go and holder.go get a socket, or say who has it; limit.go bounds
// what comes in; balance.go chooses among backends, and search.go goes on to the next one; dial.go reaches one; http.go serves requests,
// carry.go brings one to a backend, body.go lets it be sent again; tcp.go serves connections; refusals.go tells of backends that refuse.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Options of a Proxy.
type Options struct {
	// Log of what goes wrong with single connections. Default: nothing is logged.
	Log *slog.Logger
	// Refused is told the key of a backend that could not be connected to. It is called from one goroutine, and no request waits for it;
	// refusals that come while it runs are told once. Default: nobody is told.
	Refused func(key string)
	// Inherit are the listening sockets of a predecessor, by name (see Proxy.Files). The proxy owns them: Set uses one when it listens on
	// the address that is asked for, and closes it otherwise.
	Inherit map[string]*os.File
}

// A Proxy listens on the addresses of apps. Make one with New and end it with Close or Shutdown. Safe for concurrent use.
type Proxy struct {
	log      *slog.Logger
	balance  *balance
	refusals *refusals
	base     func(net.Listener) context.Context // ends with the proxy, and with it everything under way
	cancel   context.CancelFunc

	setting   sync.Mutex // one change at a time; guards what follows
	addresses map[string]*address
	inherit   map[string]*os.File
	closed    bool

	retired sync.WaitGroup // addresses that are left, until what came in through them is done
}

// An address is what is listened on for a name.
type address struct {
	listen   string // as it was asked for
	protocol string
	pool     *pool
	front    front // nil while it cannot be listened on
}

// A front accepts the connections of one socket.
type front interface {
	// socket that it accepts from.
	socket() *net.TCPListener
	// leave ends accepting, at once.
	leave()
	// busy says whether a request or connection is under way.
	busy() bool
	// drain waits until every connection that came in has ended, which those do that are idle too, in time; or until ctx ends, and with it
	// the proxy. leave was called before.
	drain(ctx context.Context)
}

// New starts a proxy without any address.
func New(options Options) *Proxy {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Proxy{
		log:       options.Log,
		balance:   newBalance(),
		refusals:  startRefusals(options.Refused),
		base:      func(net.Listener) context.Context { return ctx },
		cancel:    cancel,
		addresses: map[string]*address{},
		inherit:   maps.Clone(options.Inherit),
	}
}

// Set makes the address of a name so: it starts to listen, moves (the new address is listened on before the old one is left), or changes
// the backends. Those that stay keep their connections; those that leave finish what they have (see Idle). An address that cannot be
// listened on is a fault (Conflict when somebody else does), and then the old address serves on, with the new backends.
func (p *Proxy) Set(ctx context.Context, name string, route Route) error {
	route, err := route.checked(name)
	if err != nil {
		return err
	}
	p.setting.Lock()
	defer p.setting.Unlock()
	if p.closed {
		return fault.New(fault.Transient, "expose", name, "the proxy has ended")
	}
	a, known := p.addresses[name]
	if !known {
		a = &address{pool: p.balance.pool()}
	}
	if err := a.pool.set(route.Backends); err != nil {
		return fault.Wrap(fault.Invalid, "expose", name, err)
	}
	if err := p.place(ctx, name, a, route); err != nil {
		if !known {
			a.pool.clear()
		}
		return err
	}
	p.addresses[name] = a
	return nil
}

// place sees to it that an address is listened on as a route wants it.
func (p *Proxy) place(ctx context.Context, name string, a *address, route Route) error {
	if a.front != nil && a.listen == route.Listen && a.protocol == route.Protocol {
		return nil
	}
	socket, err := p.socketFor(ctx, name, a, route.Listen)
	if err != nil {
		return err
	}
	old := a.front
	a.listen, a.protocol, a.front = route.Listen, route.Protocol, p.serve(socket, a.pool, route.Protocol)
	p.retire(old)
	return nil
}

// socketFor gives a socket that listens, while the one before goes on to do so wherever the system allows that.
func (p *Proxy) socketFor(ctx context.Context, name string, a *address, listen string) (*net.TCPListener, error) {
	if a.front != nil && a.listen == listen { // another protocol: no connection is refused when both have the same socket
		return duplicate(a.front.socket())
	}
	socket, err := p.open(ctx, name, listen)
	if !isInUse(err) || a.front == nil || !samePort(a.front.socket(), listen) {
		return socket, err
	}
	// The same port on more or fewer interfaces: both cannot be listened on at once.
	p.retire(a.front)
	a.front = nil
	if socket, err = p.open(ctx, name, listen); err == nil {
		return socket, nil
	}
	if back, again := p.open(ctx, name, a.listen); again == nil {
		a.front = p.serve(back, a.pool, a.protocol)
	}
	return nil, err
}

func (p *Proxy) serve(socket *net.TCPListener, pool *pool, protocol string) front {
	if protocol == tcp {
		return p.serveTCP(socket, pool)
	}
	return p.serveHTTP(socket, pool)
}

// retire leaves an address, and lets what came in through it finish.
func (p *Proxy) retire(f front) {
	if f == nil {
		return
	}
	f.leave()
	p.retired.Go(func() { f.drain(p.base(nil)) })
}

// Remove ends listening for a name. What is under way finishes; its backends are then idle. Removing what is not there is no error.
func (p *Proxy) Remove(name string) {
	p.setting.Lock()
	defer p.setting.Unlock()
	p.disown(name)
	a, known := p.addresses[name]
	if !known || p.closed {
		return
	}
	delete(p.addresses, name)
	p.retire(a.front)
	a.pool.clear()
}

// Addr gives the address that is listened on for a name, "127.0.0.1:8080", or "".
func (p *Proxy) Addr(name string) string {
	p.setting.Lock()
	defer p.setting.Unlock()
	if a, known := p.addresses[name]; known && a.front != nil {
		return a.front.socket().Addr().String()
	}
	return ""
}

// InFlight gives how many requests and connections a backend has under way, whether it is still in a route or not.
func (p *Proxy) InFlight(key string) int { return p.balance.underWay(key) }

// Idle gives a channel that is closed once a backend is in no route and has nothing under way; at once for one that is not known.
func (p *Proxy) Idle(key string) <-chan struct{} { return p.balance.idle(key) }

// Counters gives, since the name was first set, the requests (of tcp: connections) that a backend answered with whatever status, and those
// that failed: no backend could be reached, or the one that had it broke off, which may be after the answer had begun.
func (p *Proxy) Counters(name string) (requests, failed uint64) {
	p.setting.Lock()
	defer p.setting.Unlock()
	if a, known := p.addresses[name]; known {
		return a.pool.answered.Load(), a.pool.failed.Load()
	}
	return 0, 0
}

// Files gives copies of the listening sockets by name, for a successor's Options.Inherit. The caller closes them; while one is open, the
// system accepts connections to it and keeps them waiting, whatever becomes of this proxy.
func (p *Proxy) Files() (map[string]*os.File, error) {
	p.setting.Lock()
	defer p.setting.Unlock()
	files := map[string]*os.File{}
	for name, a := range p.addresses {
		if a.front == nil {
			continue
		}
		file, err := a.front.socket().File()
		if err != nil {
			for _, f := range files {
				err = errors.Join(err, f.Close())
			}
			return nil, fault.Wrap(fault.Internal, "hand over the address of", name, err)
		}
		files[name] = file
	}
	return files, nil
}

// Shutdown ends accepting at once, waits until nothing is under way or ctx ends, and closes the proxy.
func (p *Proxy) Shutdown(ctx context.Context) {
	fronts := p.end()
	for _, f := range fronts {
		f.leave()
	}
	wait(ctx, func() bool { return !p.balance.busy() && !slices.ContainsFunc(fronts, front.busy) })
	p.Close()
}

// wait waits until something is done, or ctx ends. It is for ends, of which there are few, so looking again is good enough.
func wait(ctx context.Context, done func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close ends the proxy and breaks off what is under way. It returns when its goroutines have ended. Closing twice is no error.
func (p *Proxy) Close() {
	fronts := p.end()
	p.cancel()
	for _, f := range fronts {
		f.leave()
		f.drain(p.base(nil))
	}
	p.retired.Wait()
	p.balance.close()
	p.refusals.stop()
}

// end refuses any further change, and gives what listens.
func (p *Proxy) end() []front {
	p.setting.Lock()
	defer p.setting.Unlock()
	p.closed = true
	for name := range p.inherit {
		p.disown(name)
	}
	var fronts []front
	for _, name := range slices.Sorted(maps.Keys(p.addresses)) {
		if f := p.addresses[name].front; f != nil {
			fronts = append(fronts, f)
		}
	}
	return fronts
}
