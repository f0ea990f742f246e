package apps

import (
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// The reasons of releases that failed.
const (
	reasonRelease = "ReleaseFailed"
	reasonPre     = "PreFailed"
	reasonBuild   = "BuildInvalid"
)

// lastExit is how often a new process may end before it was healthy until its release has failed.
const lastExit = 3

// take moves the take-over on as far as it goes.
func (d *decision) take() {
	goal := d.m.release(d.m.goal())
	if t := d.m.Take; t != nil && (goal == nil || t.Release != goal.Number) {
		d.overtake()
	}
	if goal == nil || goal.Number == d.m.Active || goal.State == v1alpha1.ReleaseFailed {
		d.m.Take = nil
		return
	}
	if d.m.Take == nil {
		d.m.Take = &takeover{Release: goal.Number, Stage: stageUnpack, Since: d.now}
		goal.State, goal.Reason, goal.Message = v1alpha1.ReleasePending, "", ""
	}
	for d.m.Take != nil && d.advance(goal) {
	}
}

// overtake ends a take-over because another release is asked for.
func (d *decision) overtake() {
	if r := d.m.release(d.m.Take.Release); r != nil && r.State == v1alpha1.ReleasePending {
		r.State, r.Reason = v1alpha1.ReleaseSuperseded, "Overtaken"
		r.Message = "another release was asked for before this one had taken over"
	}
	d.m.Take = nil
}

// advance does one stage's work, and says whether the next can begin at once.
func (d *decision) advance(r *release) bool {
	switch d.m.Take.Stage {
	case stageUnpack:
		if !d.Present[r.Number] || r.Types == nil {
			d.do(action{Do: doUnpack, Release: r.Number})
			return false
		}
		if len(d.m.pre(r)) > 0 && r.Pre != preDone {
			return d.enter(stagePre)
		}
		return d.begin(r)
	case stagePre:
		return d.pre(r)
	case stageStart:
		if !d.settled(r) {
			return false
		}
		if d.clash(r) {
			return d.enter(stageSwap)
		}
	case stageSwap:
		if !d.settled(r) {
			return false
		}
	}
	d.commit(r)
	return false
}

func (d *decision) enter(next stage) bool {
	d.m.Take.Stage, d.m.Take.Since = next, d.now
	return true
}

// begin enters the stage in which processes start. What went wrong in an earlier life of the release does not count against it.
func (d *decision) begin(r *release) bool {
	for _, s := range r.Slots {
		s.Crashes = 0
	}
	return d.enter(stageStart)
}

// pre has the command before the switch run to its end. That it ended is noted by reap.
func (d *decision) pre(r *release) bool {
	switch r.Pre {
	case preDone:
		return d.begin(r)
	case preFailed:
		d.fail(r, reasonPre, r.PreSaid)
		return false
	}
	id := d.preID(r)
	d.wanted[id] = true
	status, started := d.found[id]
	if !started {
		r.Pre = preAsked // once this is on disk it is never started anew: the ID is the same
		d.do(action{Do: doStart, Release: r.Number, Process: id})
		return false
	}
	limit := status.Started.Add(time.Duration(d.m.Policy.Release.PreTimeout))
	if d.now.Before(limit) {
		d.wake(limit)
		return false
	}
	delete(d.wanted, id) // dismiss stops it, and its end is noted
	r.PreSaid = "the command before the switch did not end within " + d.m.Policy.Release.PreTimeout.String()
	return false
}

// settled says whether all processes of the stage are healthy; else it fails the release when that is certain, or late.
func (d *decision) settled(r *release) bool {
	limit := d.m.Take.Since.Add(time.Duration(d.m.Policy.Release.Timeout))
	late := ""
	for _, s := range d.newSeats() {
		status, there := d.holder(s)
		switch {
		case there && status.Phase == supervise.Running && status.Healthy:
			continue
		case there && status.Exit != nil && status.Exit.Permanent, s.slot().Crashes >= lastExit:
			d.fail(r, reasonRelease, s.name()+" "+ending(s.slot()))
			return false
		case late == "":
			late = s.name() + " " + d.missing(s, d.m.Policy.Release.Timeout)
		}
	}
	if late == "" {
		return true
	}
	if d.now.Before(limit) {
		d.wake(limit)
		return false
	}
	d.fail(r, reasonRelease, strings.Join(append([]string{late}, d.Causes...), "; "))
	return false
}

// missing says what a seat's process lacks to be healthy.
func (d *decision) missing(s seat, within v1alpha1.Duration) string {
	status, there := d.holder(s)
	switch {
	case there && status.Failing != "":
		return "was not healthy within " + within.String() + ": " + status.Failing
	case s.slot().Crashes > 0:
		return ending(s.slot())
	case !there:
		return "could not be started within " + within.String()
	}
	return "was not healthy within " + within.String()
}

func (d *decision) fail(r *release, reason, message string) {
	r.State, r.Reason, r.Message = v1alpha1.ReleaseFailed, reason, message
	d.m.Take = nil
	d.m.expire()
}

// commit makes the release the active one. The balance follows, and the processes of the old one end, because they are not wanted.
func (d *decision) commit(r *release) {
	if old := d.m.release(d.m.Active); old != nil {
		old.State = v1alpha1.ReleaseSuperseded
		d.m.Previous = old.Number
	}
	r.State, r.Reason, r.Message = v1alpha1.ReleaseActive, "", ""
	d.m.Active, d.m.Take = r.Number, nil
	d.m.expire()
}

// reap notes how processes ended, so that nothing is lost when they are forgotten.
func (d *decision) reap() {
	for _, status := range d.Processes {
		r := d.m.release(status.ID.Release)
		if r == nil || status.Exit == nil || alive(status) {
			continue
		}
		if status.ID.Type == typePre {
			d.reapPre(r, status)
			continue
		}
		s := r.slot(seat{Type: status.ID.Type, Index: status.ID.Index}.name())
		s.Over = max(s.Over, status.ID.Launch)
		if status.Asked || status.ID.Launch != s.Launch || s.Crashed == s.Launch {
			continue
		}
		s.ended(status)
	}
}

// ended counts the end of the present launch, which nobody asked for.
func (s *slot) ended(status supervise.Status) {
	if status.Ever && status.Exit.Time.Sub(status.Started) >= calm {
		s.Crashes = 0
	}
	s.crashed(status.Exit.Time, how(status.Exit), status.Exit.Output)
}

func (d *decision) reapPre(r *release, status supervise.Status) {
	if r.Pre != preAsked {
		return
	}
	r.Pre = preFailed
	switch {
	case !status.Asked && status.Exit.Error == "" && status.Exit.Code == 0 && !status.Exit.Unknown:
		r.Pre = preDone
	case r.PreSaid != "":
	case status.Asked:
		r.PreSaid = "the command before the switch was stopped"
	default:
		r.PreSaid = "the command before the switch " + withOutput(how(status.Exit), status.Exit.Output)
	}
}

// crashed counts the present launch as one that went wrong.
func (s *slot) crashed(at time.Time, how string, output []string) {
	s.Crashed, s.Ended, s.How = s.Launch, at, how
	s.Crashes++
	s.Output = slices.Clone(output[max(0, len(output)-shownLines):])
}
