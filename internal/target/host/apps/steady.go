package apps

import (
	"cmp"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// The back-off of processes that go wrong: so many times in a row they are started again at once, then after firstWait, doubled each
// time up to lastWait. One that was healthy and ran for calm, which is less than a minute, begins anew: what is killed once a minute is
// always started again at once.
const (
	atOnce    = 3
	firstWait = time.Second
	lastWait  = time.Minute
	calm      = 30 * time.Second
)

// notBefore gives the instant from which a slot's process may be started again.
func (s *slot) notBefore() time.Time {
	if s.Crashed != s.Launch || s.Crashes <= atOnce {
		return s.Ended
	}
	wait := firstWait
	for i := atOnce + 1; i < s.Crashes && wait < lastWait; i++ {
		wait *= 2
	}
	return s.Ended.Add(min(wait, lastWait))
}

// stuck says whether a running process is not healthy any more, or has not become so in time; else until when that is open.
func (d *decision) stuck(status supervise.Status) (bool, time.Time) {
	if status.Phase != supervise.Running || status.Healthy {
		return false, time.Time{}
	}
	if status.Ever {
		return true, time.Time{}
	}
	limit := status.Started.Add(time.Duration(d.m.Policy.Release.Timeout))
	return !d.now.Before(limit), limit
}

// mend puts back the files of the active release.
func (d *decision) mend() {
	switch active := d.m.release(d.m.Active); {
	case active == nil || !d.Heal:
	case !d.Present[active.Number]:
		d.do(action{Do: doUnpack, Release: active.Number})
	case d.Damaged:
		d.do(action{Do: doRestore, Release: active.Number})
	}
}

// fill starts what is missing in the formation, and lets go what is to be replaced.
func (d *decision) fill() {
	for _, s := range d.formation() {
		status, there := d.holder(s)
		slot := s.slot()
		switch {
		case !there:
			d.start(s) // never started, or the agent was killed when it was about to
		case status.Phase == supervise.Exited:
			d.refill(s, status)
		case slot.Crashed == slot.Launch && !status.Healthy: // it was said before that it has to make way
		case d.replace(s, status):
			slot.crashed(d.now, "not healthy"+colon(status.Failing), nil)
		default:
			d.wanted[status.ID] = true
		}
	}
}

// replace says whether a running process has to make way for another one. Those of a release that takes over have its time-out.
func (d *decision) replace(s seat, status supervise.Status) bool {
	if s.Release.Number != d.m.Active {
		return false
	}
	stuck, until := d.stuck(status)
	if !stuck && !until.IsZero() {
		d.wake(until)
	}
	return stuck && (d.Heal || d.m.Take != nil)
}

// refill starts the successor of a process that has exited: at once when it was told to, else after its back-off and when the loop has
// asked for it. While a release takes over nobody asks.
func (d *decision) refill(s seat, status supervise.Status) {
	slot := s.slot()
	if slot.Crashed == slot.Launch {
		if wait := slot.notBefore(); d.now.Before(wait) {
			d.wake(wait)
			return
		}
		if !d.Heal && d.m.Take == nil && !status.Asked {
			return
		}
	}
	d.start(s)
}

// start starts a seat's process. The launch is counted first: it is on disk before the process can be there.
func (d *decision) start(s seat) {
	if !d.Present[s.Release.Number] || d.obstructed(s) {
		return
	}
	if slot := s.slot(); slot.Launch == slot.Over {
		slot.Launch++
	}
	id := d.id(s)
	d.wanted[id] = true
	d.do(action{Do: doStart, Release: s.Release.Number, Process: id})
}

// obstructed says whether a fixed port may still be held by another release.
func (d *decision) obstructed(s seat) bool {
	return s.fixed() && slices.ContainsFunc(d.Processes, func(status supervise.Status) bool {
		other := d.m.release(status.ID.Release)
		return alive(status) && status.ID.Release != s.Release.Number &&
			(other == nil || other.Types[status.ID.Type].Port > 0)
	})
}

// balance makes the address and its backends so: those of the active release, healthy or not, which the supervisor knows better.
func (d *decision) balance() {
	active := d.m.release(d.m.Active)
	if active == nil {
		return
	}
	app := supervise.App{Name: d.app, Release: active.Number, Listen: d.m.Policy.Listen, Protocol: d.m.Policy.Protocol}
	exposed := d.m.exposed(active)
	for _, s := range d.seats(active) {
		if s.Type == exposed && s.slot().Launch > 0 {
			app.Backends = append(app.Backends, d.id(s))
		}
	}
	have := d.Address
	if d.Told && have != nil && have.Release == app.Release && have.Listen == app.Listen && have.Protocol == app.Protocol &&
		slices.Equal(have.Backends, app.Backends) {
		return
	}
	d.do(action{Do: doBalance, Release: active.Number, App: app})
}

// dismiss stops what is not wanted. It comes after balance, so that no request is sent to what is about to end.
func (d *decision) dismiss() {
	for _, status := range d.Processes {
		if status.Phase == supervise.Running && !d.wanted[status.ID] {
			d.do(action{Do: doStop, Release: status.ID.Release, Process: status.ID, Drain: d.drain(status)})
		}
	}
}

// drain gives how long a process may go on with what is under way; one that answers nobody has nothing.
func (d *decision) drain(status supervise.Status) time.Duration {
	if status.ID.Type == typePre || !status.Healthy {
		return 0
	}
	return time.Duration(d.m.Policy.Release.Drain)
}

// tidy forgets the processes that have exited and tell nothing any more, and discards the files of releases that are gone.
func (d *decision) tidy() {
	telling := map[supervise.ProcessID]bool{}
	for _, s := range d.formation() {
		telling[d.id(s)] = true
	}
	for _, status := range d.Processes {
		if !alive(status) && !telling[status.ID] {
			d.do(action{Do: doForget, Process: status.ID})
		}
	}
	for _, number := range sortedNumbers(d.Present) {
		r := d.m.release(number)
		if (r == nil || r.Gone) && !d.running(number) {
			d.do(action{Do: doDiscard, Release: number})
		}
	}
}

func (d *decision) running(number int) bool {
	return slices.ContainsFunc(d.Processes, func(s supervise.Status) bool { return s.ID.Release == number && alive(s) })
}

// remove lets everything end, and then takes away what is left.
func (d *decision) remove() {
	d.m.Take = nil
	left := false
	for _, status := range d.Processes {
		left = left || alive(status)
	}
	d.dismiss()
	if left {
		return
	}
	if d.Address != nil {
		d.do(action{Do: doRelease})
	}
	for _, status := range d.Processes {
		d.do(action{Do: doForget, Process: status.ID})
	}
	d.do(action{Do: doFinish})
}

func sortedNumbers(set map[int]bool) []int {
	var numbers []int
	for number, in := range set {
		if in {
			numbers = append(numbers, number)
		}
	}
	slices.SortFunc(numbers, cmp.Compare[int])
	return numbers
}
