package agent

import (
	"runtime/debug"
	"time"
)

const (
	// lull is how long nothing may have happened before memory is given back.
	lull = 5 * time.Second
	// giveBackEvery is the least time between two times, since each costs a whole collection: it bounds the cost in an agent
	// where something happens every minute.
	giveBackEvery = time.Minute
)

// stir notes that something has happened that used memory.
func (a *Agent) stir() {
	select {
	case a.stirred <- struct{}{}:
	default: // noted already
	}
}

// giveBack returns memory to the system after each burst of work. Without that a process keeps, at rest, what its first sync
// needed: twice the memory that is in use, and more. In a steady state it does nothing.
func (a *Agent) giveBack() {
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-a.stirred:
		}
		for quiet := false; !quiet; {
			select {
			case <-a.ctx.Done():
				return
			case <-a.stirred:
			case <-time.After(lull):
				quiet = true
			}
		}
		debug.FreeOSMemory()
		select {
		case <-a.ctx.Done():
			return
		case <-time.After(giveBackEvery):
		}
	}
}
