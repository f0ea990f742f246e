// Package probe looks from this machine whether a URL answers and an address takes connections, again and again, for as long as somebody
// wants to know: what is looked at (probe.go), by whom and when (set.go), how (look.go), and what is said of it (words.go).
package probe

import (
	"net/url"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Kind is the kind of the IDs by which probes are named in causes and messages. It has no group: no declaration can have it.
const Kind = "Probe"

// Check says what to look at: a URL or an address. It is a value: equal ones are one probe, whoever declares them.
type Check struct {
	URL     string // of an HTTP check; "" for one of TCP
	Status  int    // that the URL is to answer with; 0 for 200 to 399
	Address string // host:port, of a TCP check
	// Interval between two looks, of which each may take up to Timeout.
	Interval, Timeout time.Duration
}

// The defaults of a check, and its bounds: a declaration cannot have anything looked at without a pause, or for ever.
const (
	defaultInterval = 10 * time.Second
	defaultTimeout  = 5 * time.Second
	minInterval     = time.Second
	maxTimeout      = time.Minute
)

// Of gives the probe that a declared check asks for; false when it asks for none.
func Of(declared v1alpha1.HealthCheck) (Check, bool) {
	switch {
	case declared.HTTP != nil:
		return Check{URL: declared.HTTP.URL, Status: declared.HTTP.Status}.
			paced(declared.HTTP.Interval, declared.HTTP.Timeout), true
	case declared.TCP != nil:
		return Check{Address: declared.TCP.Address}.paced(declared.TCP.Interval, declared.TCP.Timeout), true
	}
	return Check{}, false
}

// All gives the probes that some declared checks ask for.
func All(declared []v1alpha1.HealthCheck) []Check {
	var checks []Check
	for _, one := range declared {
		if check, ok := Of(one); ok {
			checks = append(checks, check)
		}
	}
	return checks
}

func (c Check) paced(interval, timeout v1alpha1.Duration) Check {
	c.Interval, c.Timeout = defaultInterval, defaultTimeout
	if interval > 0 {
		c.Interval = max(time.Duration(interval), minInterval)
	}
	if timeout > 0 {
		c.Timeout = min(time.Duration(timeout), maxTimeout)
	}
	return c
}

// ID names the probe, for people: by its URL without user and password, or its address. Probes of one URL that differ in what they expect
// have one ID.
func (c Check) ID() state.ID {
	if c.URL == "" {
		return state.ID{Kind: Kind, Name: c.Address}
	}
	where, err := url.Parse(c.URL)
	if err != nil {
		return state.ID{Kind: Kind, Name: "(unreadable URL)"} // it may hold a password, wherever it is
	}
	where.User = nil
	return state.ID{Kind: Kind, Name: where.String()}
}
