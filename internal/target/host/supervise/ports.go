package supervise

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// portTries bounds the search for a free port: the kernel proposes one that nobody has bound, which may be promised already.
const portTries = 200

// ports are those that processes have been promised. One that is promised is given to no other process, though it may not be bound yet.
type ports struct {
	mu       sync.Mutex
	promised map[int]string // to which process
}

func newPorts() *ports { return &ports{promised: map[int]string{}} }

// take promises a port: 0 is a free one, -1 none.
func (p *ports) take(ctx context.Context, port int, process string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port < 0 {
		return 0, nil
	}
	if port > 0 {
		if holder := p.promised[port]; holder != "" && holder != process {
			return 0, notNow("port %d is taken by process %s", port, holder)
		}
		if _, err := bindable(ctx, port); err != nil {
			return 0, portRefusal(port, err)
		}
		p.promised[port] = process
		return port, nil
	}
	for range portTries {
		free, err := bindable(ctx, 0)
		if err != nil {
			return 0, notNow("no port is free: %s", reason(err))
		}
		if p.promised[free] == "" {
			p.promised[free] = process
			return free, nil
		}
	}
	return 0, notNow("no port is free")
}

func portRefusal(port int, err error) error {
	if errors.Is(err, syscall.EACCES) {
		return never("port %d may only be bound by root", port)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return notNow("port %d is taken by another program", port)
	}
	return notNow("port %d cannot be bound: %s", port, reason(err))
}

// keep promises a port that a process has already.
func (p *ports) keep(port int, process string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port > 0 {
		p.promised[port] = process
	}
}

// free ends a promise.
func (p *ports) free(port int, process string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.promised[port] == process {
		delete(p.promised, port)
	}
}

// bindable binds a loopback port for a moment; 0 lets the kernel choose.
func bindable(ctx context.Context, port int) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	chosen := listener.Addr().(*net.TCPAddr).Port
	return chosen, listener.Close()
}
