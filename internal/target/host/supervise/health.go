package supervise

import (
	"fmt"
	"time"
)

// The bounds of how often a process is looked at that has not been healthy yet, and the defaults of a check.
const (
	firstPause      = 50 * time.Millisecond
	longestPause    = 100 * time.Millisecond
	settled         = time.Second // a process without a check is healthy when it has run for so long
	defaultInterval = time.Second
	defaultTimeout  = time.Second
)

// health is what checks have said about a process so far. It is a value: what comes next is decided without a machine.
type health struct {
	Healthy bool   `json:"healthy,omitempty"`
	Ever    bool   `json:"ever,omitempty"`
	Failing string `json:"failing,omitempty"`

	good, bad int // in a row
}

// withDefaults fills in what a check leaves out.
func (c Check) withDefaults() Check {
	if c.Interval <= 0 {
		c.Interval = defaultInterval
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	c.Healthy, c.Unhealthy = max(1, c.Healthy), max(1, c.Unhealthy)
	return c
}

// after gives the health after a check, which found a failure or "".
func (h health) after(failure string, check Check) health {
	h.Failing = failure
	if failure == "" {
		h.good, h.bad = h.good+1, 0
		if h.good >= check.Healthy {
			h.Healthy, h.Ever = true, true
		}
		return h
	}
	h.good, h.bad = 0, h.bad+1
	if h.bad >= check.Unhealthy {
		h.Healthy = false
	}
	return h
}

// deaf gives the health of a process that has stopped listening: no threshold applies, because nobody can reach it.
func (h health) deaf(port int) health {
	return health{Ever: h.Ever, Failing: deafness(port), bad: h.bad + 1}
}

func deafness(port int) string { return fmt.Sprintf("it no longer listens on port %d", port) }

func notYet(port int) string { return fmt.Sprintf("it does not listen on port %d yet", port) }

// same says whether others see a difference.
func (h health) same(other health) bool {
	return h.Healthy == other.Healthy && h.Ever == other.Ever && h.Failing == other.Failing
}

// pause gives how long to wait before the next check.
func (h health) pause(last time.Duration, check Check) time.Duration {
	switch {
	case h.Ever:
		return check.Interval
	case last == 0:
		return min(firstPause, check.Interval)
	}
	return min(last*5/4, longestPause, check.Interval)
}
