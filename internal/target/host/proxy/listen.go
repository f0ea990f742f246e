package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// open gives a socket that listens for a name: the one that was inherited, when it does, or a new one.
func (p *Proxy) open(ctx context.Context, name, address string) (*net.TCPListener, error) {
	if socket := p.inherited(name, address); socket != nil {
		return socket, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, p.explain(address, err)
	}
	return listener.(*net.TCPListener), nil // that is what "tcp" means
}

// inherited gives the predecessor's socket if it listens where it should; otherwise it is closed, and there is none.
func (p *Proxy) inherited(name, address string) *net.TCPListener {
	file := p.inherit[name]
	if file == nil {
		return nil
	}
	defer p.disown(name)
	listener, err := net.FileListener(file)
	if err != nil {
		p.log.Warn("an inherited socket is of no use", "name", name, "error", err)
		return nil
	}
	socket, isTCP := listener.(*net.TCPListener)
	if isTCP && sameAddress(socket.Addr().(*net.TCPAddr), address) {
		return socket
	}
	_ = listener.Close()
	return nil
}

// disown closes what was inherited for a name.
func (p *Proxy) disown(name string) {
	if file := p.inherit[name]; file != nil {
		_ = file.Close()
		delete(p.inherit, name)
	}
}

// duplicate gives another handle of the same socket.
func duplicate(socket *net.TCPListener) (*net.TCPListener, error) {
	file, err := socket.File()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "listen on", socket.Addr().String(), err)
	}
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "listen on", socket.Addr().String(), err)
	}
	return listener.(*net.TCPListener), nil
}

// sameAddress says whether a socket listens at an address, where port 0 stands for any.
func sameAddress(has *net.TCPAddr, address string) bool {
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil || want.Port != 0 && want.Port != has.Port {
		return false
	}
	if isAny(want.IP) || isAny(has.IP) {
		return isAny(want.IP) && isAny(has.IP)
	}
	return want.IP.Equal(has.IP)
}

func samePort(socket *net.TCPListener, address string) bool {
	want, err := net.ResolveTCPAddr("tcp", address)
	return err == nil && want.Port == socket.Addr().(*net.TCPAddr).Port
}

func isAny(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// explain makes a fault of an address that cannot be listened on.
func (p *Proxy) explain(address string, err error) error {
	switch {
	case isInUse(err):
		return &fault.Error{
			Op: "listen on", Item: address, Kind: fault.Conflict, Err: fmt.Errorf("%s: %w", p.holder(address), syscall.EADDRINUSE),
			Hint: "stop what listens there, or choose another port in spec.expose",
		}
	case errors.Is(err, syscall.EACCES), errors.Is(err, os.ErrPermission):
		return &fault.Error{
			Op: "listen on", Item: address, Kind: fault.Denied, Err: err,
			Hint: "choose a port above 1023, or let the agent's user bind lower ones (CAP_NET_BIND_SERVICE)",
		}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &fault.Error{
			Op: "listen on", Item: address, Kind: fault.NotFound, Err: err,
			Hint: "no interface of this host has that address; 0.0.0.0 stands for all of them",
		}
	default:
		return fault.Wrap(fault.Transient, "listen on", address, err)
	}
}
