package proxy

import (
	"net"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	http1 = v1alpha1.ProtocolHTTP
	tcp   = v1alpha1.ProtocolTCP
)

// Route is where an address listens, and who gets what comes in.
type Route struct {
	Listen   string // "127.0.0.1:8080"; port 0 for any that is free (see Proxy.Addr)
	Protocol string // "http" balances requests, "tcp" connections; "" is "http"
	Backends []Backend
}

// Backend is one process that gets traffic.
type Backend struct {
	Key     string // names the process for good: another process, or another address, has another key
	Address string // "127.0.0.1:40001"
}

// checked gives the route with its defaults, or says what is wrong with it.
func (r Route) checked(name string) (Route, error) {
	if r.Protocol == "" {
		r.Protocol = http1
	}
	if r.Protocol != http1 && r.Protocol != tcp {
		return r, fault.New(fault.Invalid, "expose", name, "protocol "+r.Protocol+" is not known").WithHint("use http or tcp")
	}
	if _, _, err := net.SplitHostPort(r.Listen); err != nil {
		return r, fault.Wrap(fault.Invalid, "expose", name, err)
	}
	seen := map[string]bool{}
	for _, b := range r.Backends {
		if b.Key == "" || seen[b.Key] {
			return r, fault.New(fault.Invalid, "expose", name, "backend "+b.Key+" has no key of its own")
		}
		seen[b.Key] = true
		if _, _, err := net.SplitHostPort(b.Address); err != nil {
			return r, fault.Wrap(fault.Invalid, "expose", name, err)
		}
	}
	return r, nil
}
