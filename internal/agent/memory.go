package agent

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// lull is how long nothing may have happened before memory is given back.
	lull = 5 * time.Second
	// giveBackEvery is the least time between two times, since each costs a whole collection: it bounds the cost in an agent
	// where something happens all the time.
	giveBackEvery = 20 * time.Second
	// worthIt is the least that is given back, in bytes; worthShare is the least part of what is in use, as one in so many. A small
	// change leaves less, and collecting costs the more the more is in use.
	worthIt    = 8 << 20
	worthShare = 4
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
		a.upstreams.rest()
		if !worthwhile() {
			continue
		}
		debug.FreeOSMemory()
		select {
		case <-a.ctx.Done():
			return
		case <-time.After(giveBackEvery):
		}
	}
}

// worthwhile says whether enough would be given back: what is free and still held, and what was allocated since the last collection,
// most of which is garbage.
func worthwhile() bool {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	free, now, live := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
	return free+now-min(now, live) >= max(worthIt, live/worthShare)
}
