package v1alpha1

import (
	"fmt"
	"net/netip"
)

// ports are those from first to last that something binds.
type ports struct {
	who, at     string
	first, last int
}

// ports finds processes that would be in each other's way, or in that of the app's own address.
func (c *checks) ports(s *AppSpec) {
	var taken []ports
	if s.Expose != nil && s.Expose.Port != 0 && boundByProcesses(s.Expose.Address) {
		taken = append(taken, ports{"expose", "/spec/expose/port", s.Expose.Port, s.Expose.Port})
	}
	for _, name := range s.Types() {
		p := s.Processes[name]
		if p.Port == 0 || *p.Replicas == 0 {
			continue
		}
		mine := ports{name, "/spec/processes/" + escape.Replace(name) + "/port", p.Port, p.Port + *p.Replicas - 1}
		if mine.last > maxPort {
			c.add(mine.at, "leaves too few ports above it for all replicas", "each replica binds the next one")
			continue
		}
		for _, other := range taken {
			if both := max(mine.first, other.first); both <= min(mine.last, other.last) {
				c.add(mine.at, fmt.Sprintf("port %d is taken by %s", both, other.who), "each replica of a process type binds the next port")
				break
			}
		}
		taken = append(taken, mine)
	}
}

// boundByProcesses says whether processes bind their ports on an address too: on loopback, or on all.
func boundByProcesses(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err != nil || ip.IsLoopback() || ip.IsUnspecified()
}
