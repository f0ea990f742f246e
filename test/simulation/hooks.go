package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// run is one run of a hook, as far as a loop can know of it: what it has done, and what comparisons have told it.
type run struct {
	created   bool
	seen      bool // as it was created
	started   time.Time
	succeeded bool
	failed    bool
	again     bool // a person has asked for another
	left      bool // and it had failed then
	touched   bool // somebody else has changed or removed the object, which told of the run
	slow      bool // it took longer than it may: whether that counts depends on when the loop looked
}

func isHook(object *state.Object) bool {
	if object == nil {
		return false
	}
	_, is := plan.HookOf(object)
	return is
}

func runKey(hook *state.Object) string {
	return hook.ID().Name + " " + hook.Annotation(v1alpha1.AnnotationHookRun)
}

// run gives that of a hook as it is marked.
func (e *epoch) run(hook *state.Object) *run {
	if e.runs == nil {
		e.runs = map[string]*run{}
	}
	key := runKey(hook)
	if e.runs[key] == nil {
		e.runs[key] = &run{}
	}
	return e.runs[key]
}

// saw takes in what a comparison says of a hook.
func (e *epoch) saw(entry diff.Entry, now time.Time) {
	if entry.Err != nil || !isHook(entry.Want) {
		return
	}
	r := e.run(entry.Want)
	r.seen = r.seen || entry.Op == diff.None
	switch {
	case r.succeeded || r.failed || !r.seen || entry.Op == diff.Create:
	case entry.Health.Ready():
		r.succeeded, r.slow = true, now.Sub(r.started) >= shortestHook
	case entry.Health.Final:
		r.failed = true
	}
}

// shortestHook is the shortest time that any hook is given.
const shortestHook = 20 * time.Second

func (e *epoch) touched(id state.ID) {
	for key, r := range e.runs {
		if strings.HasPrefix(key, id.Name+" ") {
			r.touched = true
		}
	}
}

// done says whether a hook has succeeded. Those of what was gone back to ran when it was new, and only some run again.
func (e *epoch) done(hook *state.Object) bool {
	return e.back && !runsAgain(hook) || e.run(hook).succeeded
}

// runsAgain says whether a hook is on another run than its first: for a repair, or a person.
func runsAgain(hook *state.Object) bool {
	return hook != nil && strings.Contains(hook.Annotation(v1alpha1.AnnotationHookRun), ".")
}

// cleans says whether a step deletes a hook that is declared: what is over is cleared away.
func (m *member) cleans(step plan.Step) bool {
	return step.Op == diff.Delete && m.loop.Want().Has(step.ID)
}

// fails says whether a step is about a hook that is there for a failure.
func (m *member) fails(step plan.Step) bool { return placeOf(step.Want).part == failPart }

// place is where an object stands in the order of its revision.
type place struct{ part, wave int }

const failPart = 3

func placeOf(object *state.Object) place {
	if object == nil {
		return place{}
	}
	at := place{part: 1, wave: waveOf(object)}
	if hook, is := plan.HookOf(object); is {
		at.part = map[plan.HookPhase]int{plan.HookPre: 0, plan.HookMain: 1, plan.HookPost: 2, plan.HookFail: failPart}[hook.Phase]
	}
	return at
}

func (p place) before(other place) bool {
	return p.part < other.part || p.part == other.part && p.wave < other.wave
}

// hooksOnce: a hook runs once for each desired state that is put in force, and not at all for one that is gone back to. Those that run
// always carry another mark each time. The object tells of the run, unless somebody has changed or removed it.
func hooksOnce(m *member, step plan.Step) string {
	if !isHook(step.Want) || m.known.looked.deleting {
		return ""
	}
	e, r := &m.epoch, m.epoch.run(step.Want)
	mark := step.Want.Annotation(v1alpha1.AnnotationHookRun)
	twice := r.created && !r.again && !r.touched
	*r = run{created: true, started: m.world.wall()}
	switch hook, _ := plan.HookOf(step.Want); {
	case twice:
		return fmt.Sprintf("runs hook %s twice for one revision (run %s)", step.ID.Name, mark)
	case hook.Always:
	case e.back && hook.Phase != plan.HookFail:
		return fmt.Sprintf("runs hook %s though it has only gone back", step.ID.Name)
	}
	return ""
}

// inOrder: what is new waits until the waves before it are applied and healthy, and until the hooks before it have succeeded; hooks that
// come after all others wait for deletions too, and those of a failure until there is one.
func inOrder(m *member, step plan.Step) string {
	at := placeOf(step.Want)
	switch {
	case step.Want == nil, m.known.looked.deleting, m.known.repairs(step) && !isHook(step.Want):
		return ""
	case at.part == failPart && !m.epoch.failed:
		return fmt.Sprintf("runs hook %s though nothing has failed", step.ID.Name)
	case at.part == failPart:
		return ""
	case at.part > 1 && m.view().unknown:
		return fmt.Sprintf("runs hook %s while another target could not be compared", step.ID.Name)
	}
	for id, entry := range m.view().entries {
		if why := m.unready(entry, at); why != "" {
			return fmt.Sprintf("wants to %s %s before %s %s", step.Op, step.ID.Name, id.Name, why)
		}
	}
	return ""
}

// unready says why an object keeps back what stands at a place, or "".
func (m *member) unready(entry diff.Entry, at place) string {
	switch {
	case entry.Want == nil:
		if at.part > 1 && m.known.looked.prune {
			return "is gone"
		}
	case !placeOf(entry.Want).before(at):
	case isHook(entry.Want):
		if !m.epoch.done(entry.Want) {
			return "has succeeded"
		}
	case m.known.looked.report && entry.Err == nil || m.contends(entry.ID):
	case entry.Op != diff.None, entry.Err != nil, !entry.Health.Ready():
		return "is ready"
	}
	return ""
}

// deletesAfterHooks: what is no longer declared goes when all hooks but the last have succeeded.
func deletesAfterHooks(m *member, step plan.Step) string {
	if step.Op != diff.Delete || m.cleans(step) || m.known.looked.deleting {
		return ""
	}
	for hook := range m.loop.Want().All() {
		if isHook(hook) && placeOf(hook).part < 2 && !m.epoch.done(hook) {
			return fmt.Sprintf("deletes %s before hook %s has succeeded", step.ID.Name, hook.ID().Name)
		}
	}
	return ""
}

// runsAlways says whether there is a hook that runs before or after every repair.
func (m *member) runsAlways() bool {
	return slices.ContainsFunc(m.loop.Want().Objects(), func(object *state.Object) bool {
		hook, is := plan.HookOf(object)
		return is && hook.Always
	})
}

// pending gives a hook of the desired state in force that has not succeeded, or may count as failed all the same; "" for none. One that
// is there for a failure counts when it has run.
func (m *member) pending() string {
	for hook := range m.loop.Want().All() {
		if !isHook(hook) || placeOf(hook).part == failPart && !m.epoch.run(hook).created {
			continue
		}
		r := m.epoch.run(hook)
		due := !m.epoch.done(hook) && placeOf(hook).part != failPart
		if due || r.created && !r.succeeded || r.touched || r.slow {
			return hook.ID().Name
		}
	}
	return ""
}
