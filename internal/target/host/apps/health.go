package apps

import (
	"fmt"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The reasons of an app's health, beside those of a release.
const (
	reasonRemoving   = "Removing"
	reasonReleasing  = "Releasing"
	reasonStarting   = "Starting"
	reasonRolledBack = "RolledBack"
	reasonCrashLoop  = "CrashLoopBackOff"
	reasonCrashed    = "ProcessCrashed"
	reasonUnhealthy  = "ProcessUnhealthy"
	reasonAddress    = "AddressInUse"
	reasonNeed       = "NeedUnreachable"
)

// ailments are what the health of an app may suffer from beside its processes.
type ailments struct {
	Need    string // which backing service cannot be reached, and why; "" when all can
	Problem error  // why the last action failed
}

// causes gives the ailments as sentences.
func (a ailments) causes() []string {
	var all []string
	if a.Need != "" {
		all = append(all, a.Need)
	}
	if a.Problem != nil {
		all = append(all, a.Problem.Error())
	}
	return all
}

// symptom is a line of the list that health is read from.
type symptom func(d *decision, a ailments) (state.Health, bool)

// symptoms in order: the first that is there is the app's health. What explains others comes before them.
var symptoms = []symptom{removing, failedRelease, unreachableNeed, problem, usedAddress, crashLoop, unhealthyProcess, releasing, starting}

// healthOf says how an app is doing. It is pure, and gives the same text for the same problem.
func healthOf(d *decision, a ailments) state.Health {
	for _, look := range symptoms {
		if health, is := look(d, a); is {
			return health
		}
	}
	health := state.Health{Status: state.Healthy}
	if d.m.Rollback != 0 {
		health.Reason = reasonRolledBack
		health.Message = fmt.Sprintf("a person has gone back to release %d; it holds until the declaration changes", d.m.Rollback)
	}
	return health
}

func removing(d *decision, _ ailments) (state.Health, bool) {
	if !d.m.Removing {
		return state.Health{}, false
	}
	for _, status := range d.Processes {
		if alive(status) {
			return progressing(reasonRemoving, fmt.Sprintf("waiting until %s.%d has ended", status.ID.Type, status.ID.Index)), true
		}
	}
	return progressing(reasonRemoving, "removing its files"), true
}

func failedRelease(d *decision, _ ailments) (state.Health, bool) {
	goal := d.m.release(d.m.goal())
	if goal == nil || goal.State != v1alpha1.ReleaseFailed {
		return state.Health{}, false
	}
	serving := "nothing serves"
	if d.m.Active != 0 {
		serving = fmt.Sprintf("release %d goes on", d.m.Active)
	}
	health := degraded(goal.Reason, fmt.Sprintf("release %d has failed, %s: %s", goal.Number, serving, goal.Message))
	health.Final = true
	return health, true
}

func unreachableNeed(d *decision, a ailments) (state.Health, bool) {
	if a.Need == "" || d.m.Active == 0 && d.m.Take == nil {
		return state.Health{}, false
	}
	message := a.Need
	if other, is := crashLoop(d, a); is {
		message += "; " + other.Message
	} else if other, is := unhealthyProcess(d, a); is {
		message += "; " + other.Message
	}
	return degraded(reasonNeed, message), true
}

func problem(_ *decision, a ailments) (state.Health, bool) {
	if a.Problem == nil {
		return state.Health{}, false
	}
	message := a.Problem.Error()
	if hint := fault.HintOf(a.Problem); hint != "" {
		message += " (" + hint + ")"
	}
	if kind := fault.KindOf(a.Problem); kind != fault.Transient {
		return degraded(string(kind), message), true
	}
	return progressing(string(fault.Transient), message), true
}

func usedAddress(d *decision, _ ailments) (state.Health, bool) {
	if d.Address == nil || d.Address.Error == "" || d.m.Policy.Listen == "" {
		return state.Health{}, false
	}
	return degraded(reasonAddress, "cannot listen on "+d.m.Policy.Listen+": "+d.Address.Error), true
}

// crashLoop finds the process that keeps going wrong; one that did so a few times is only on its way back.
func crashLoop(d *decision, _ ailments) (state.Health, bool) {
	var once state.Health
	for _, s := range d.seats(d.m.release(d.m.Active)) {
		slot := s.slot()
		if status, _ := d.holder(s); slot.Launch == 0 || slot.Crashed != slot.Launch || status.Healthy {
			continue
		}
		if slot.Crashes > atOnce {
			return degraded(reasonCrashLoop, s.name()+" keeps ending, and is started again later: "+ending(slot)), true
		}
		once = progressing(reasonCrashed, s.name()+" "+ending(slot))
	}
	return once, once.Reason != ""
}

func unhealthyProcess(d *decision, _ ailments) (state.Health, bool) {
	for _, s := range d.seats(d.m.release(d.m.Active)) {
		status, there := d.holder(s)
		if stuck, _ := d.stuck(status); there && stuck {
			return degraded(reasonUnhealthy, s.name()+" is not healthy"+colon(status.Failing)), true
		}
	}
	return state.Health{}, false
}

func releasing(d *decision, _ ailments) (state.Health, bool) {
	t := d.m.Take
	if t == nil {
		goal := d.m.goal()
		return progressing(reasonReleasing, fmt.Sprintf("release %d is about to take over", goal)), goal != d.m.Active
	}
	var waiting string
	switch t.Stage {
	case stageUnpack:
		waiting = "its files are brought"
	case stagePre:
		waiting = "its command before the switch runs"
	default:
		waiting = "waiting for " + strings.Join(d.unready(d.newSeats()), ", ")
	}
	return progressing(reasonReleasing, fmt.Sprintf("release %d is taking over: %s", t.Release, waiting)), true
}

func starting(d *decision, _ ailments) (state.Health, bool) {
	unready := d.unready(d.seats(d.m.release(d.m.Active)))
	return progressing(reasonStarting, "waiting for "+strings.Join(unready, ", ")), len(unready) > 0
}

// unready names the seats that have no healthy process.
func (d *decision) unready(seats []seat) []string {
	var names []string
	if d.blind {
		return nil
	}
	for _, s := range seats {
		if status, there := d.holder(s); !there || !alive(status) || !status.Healthy {
			names = append(names, s.name())
		}
	}
	return names
}

// look makes what the questions about an app's state are asked of, without deciding anything.
func look(app string, f facts, now time.Time) *decision {
	d := newDecision(app, f, now)
	d.reap()
	return d
}

func progressing(reason, message string) state.Health {
	return state.Health{Status: state.Progressing, Reason: reason, Message: message}
}

func degraded(reason, message string) state.Health {
	return state.Health{Status: state.Degraded, Reason: reason, Message: message}
}
