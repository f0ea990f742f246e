package witness

import (
	"time"

	"golang.org/x/sys/unix"
)

// culprit is who changed something, as far as it was to be seen at that moment. Two are equal when the same is said of them.
type culprit struct {
	note    string // all that is known, when that is not a program
	command string // the program
	origin  string // the program that had it do so, "" when that says nothing new
	user    uint32 // with whose rights
	started uint32 // who started it; for most programs the same
	login   uint32 // as whom the person behind it logged in, or nobody
}

// nobody is the user id of no user: of processes that no login leads to.
const nobody = ^uint32(0)

var (
	self   = culprit{note: "the agent itself"}
	ended  = culprit{note: "a process that has ended"}
	hidden = culprit{note: "a process that cannot be seen from here"}
)

const (
	// fresh is how long a process is taken for what it was, at first. Each time that it is still the same program it is twice as long, up
	// to steady: one that writes without end is hardly looked at, and one that starts another in its place is seen to.
	fresh  = 10 * time.Millisecond
	steady = 500 * time.Millisecond
	// reuse is how long no other process gets the number of one that has ended: the kernel gives out all others first.
	reuse = time.Second
	// maxSeen bounds how many processes are remembered.
	maxSeen = 256
)

// culprits finds out who processes are. It is used by one goroutine at a time.
type culprits struct {
	proc  string // where /proc is
	agent int    // the agent's own pid
	seen  map[int]sighting
}

// sighting is what was seen of a process, when, and for how long it is good.
type sighting struct {
	who  culprit
	when time.Time
	good time.Duration
}

func newCulprits(proc string, agent int) culprits {
	return culprits{proc: proc, agent: agent, seen: map[int]sighting{}}
}

// of gives who did what an event tells.
func (c *culprits) of(this event, now time.Time) culprit {
	switch {
	case this.pid == c.agent:
		return self
	case this.pid <= 0 || this.pidfd == unix.FAN_EPIDFD:
		return hidden // in another namespace, or there was no descriptor left to hold on to it
	}
	before, known := c.seen[this.pid]
	age := now.Sub(before.when)
	if known && age < before.good {
		return before.who
	}
	who, ok := c.look(this)
	switch {
	case ok:
		good := fresh
		if known && age < reuse && who == before.who {
			good = min(2*before.good, steady)
		}
		c.remember(this.pid, sighting{who: who, when: now, good: good})
		return who
	case known && age < reuse:
		return before.who
	}
	return ended
}

func (c *culprits) remember(pid int, s sighting) {
	if _, known := c.seen[pid]; !known && len(c.seen) >= maxSeen {
		clear(c.seen)
	}
	c.seen[pid] = s
}

// look asks /proc. The pidfd is asked after the process's directory was opened: while the event's process is there, nobody else has its
// number, so that the directory is its own, also later.
func (c *culprits) look(this event) (culprit, bool) {
	if this.pidfd == unix.FAN_NOPIDFD {
		return culprit{}, false
	}
	p, err := openProcess(c.proc, this.pid)
	if err != nil {
		return culprit{}, false
	}
	defer p.close()
	if this.pidfd >= 0 && !alive(this.pidfd) {
		return culprit{}, false
	}
	facts, err := p.facts()
	if err != nil {
		return culprit{}, false
	}
	return culprit{
		command: facts.command, origin: origin(c.proc, facts),
		user: facts.user, started: facts.started, login: p.login(),
	}, true
}

// alive says whether a process is there, if only to be reaped.
func alive(pidfd int) bool { return unix.PidfdSendSignal(pidfd, 0, nil, 0) != unix.ESRCH }
