package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// epoch is the time in which one desired state is in force: how that came about, and which of its hooks have run.
type epoch struct {
	desired  state.Digest // as it was rendered
	back     bool         // it was gone back to, which asks no guard and runs no hook
	judged   declaration  // that the guards went by, when it was not
	outside  bool         // no window was open then
	approved bool         // a person's approval was used
	failed   bool         // it was given up
	runs     map[string]*run
}

// past is what the simulation knows of the desired states of a Sync. It survives crashes: what a crash may have kept from being
// remembered is not in it.
type past struct {
	bad      map[state.Digest]loop.Quarantined
	good     []state.Digest // that were in order, the last one first
	chosen   state.Digest   // that a person went back to last
	approved time.Time      // of the approval that was used last
	spent    map[time.Time]string
}

// keyOf names a desired state, whatever run its hooks are in.
func keyOf(set state.Set) string {
	for object := range set.All() {
		if mark := object.Annotation(v1alpha1.AnnotationHookRun); mark != "" {
			return mark[:strings.IndexAny(mark+".", ".-")]
		}
	}
	if set.Len() == 0 {
		return state.Digest("empty").Short()
	}
	return set.Digest().Short()
}

// turn takes note of what is remembered: whether another desired state is in force, and which have failed.
func (m *member) turn(update loop.Update, before string) {
	rest := update.Rest
	if rest.InForce != m.epoch.desired {
		d := m.known.judged
		m.epoch = epoch{
			desired: rest.InForce, back: before == "RollingBack", judged: d, outside: !d.open(m.world.wall()),
			approved: !rest.Approved.Equal(m.past.approved),
		}
		clear(m.truce) // what is new is no repair
		for _, entry := range m.view().entries {
			m.epoch.saw(entry, m.world.wall())
		}
		m.say("in force is %s, back=%v approved=%v outside=%v", rest.InForce.Short(), m.epoch.back, m.epoch.approved, m.epoch.outside)
		m.world.check(m, func(i invariant) string { return ask(i.enforced, m, rest.InForce) })
	}
	p := &m.past
	p.approved = rest.Approved
	if update.Resting || update.Keep { // else a crash may lose it
		p.condemn(rest)
	}
	if q, bad := p.bad[rest.InForce]; bad && q.By == "" && !m.epoch.failed {
		m.epoch.failed = true
		m.world.check(m, func(i invariant) string { return ask(i.gaveUp, m, q) })
	}
	if s := loop.State(update.Status.State); update.Resting && !update.Status.Deleting && (s == loop.InSync || s == loop.RolledBack) {
		p.good = append([]state.Digest{rest.InForce}, slices.DeleteFunc(p.good, func(d state.Digest) bool { return d == rest.InForce })...)
		delete(p.bad, rest.InForce) // health came later
	}
}

// keptBad is how many failed desired states a loop remembers.
const keptBad = 20

func (p *past) condemn(rest loop.Rest) {
	if p.bad == nil || len(rest.Bad) >= keptBad {
		p.bad = map[state.Digest]loop.Quarantined{}
	}
	for _, q := range rest.Bad {
		p.bad[q.Digest] = q
	}
}

// recovered releases what failed while something was not healthy that is so now, and counts that.
func (p *past) recovered(ready map[state.ID]bool) (released int) {
	for digest, q := range p.bad {
		if len(q.Until) > 0 && !slices.ContainsFunc(q.Until, func(id state.ID) bool { return !ready[id] }) {
			delete(p.bad, digest)
			released++
		}
	}
	return released
}

// accepted releases what the target has said that it would accept now, and counts that.
func (p *past) accepted(want state.Set) (released int) {
	for digest := range p.bad {
		if digest.Short() == keyOf(want) {
			delete(p.bad, digest)
			released++
		}
	}
	return released
}

// look is called when the loop looks at what is declared. A person's word counts from here.
func (m *member) look(d declaration) {
	if m.known.excused {
		m.past.bad = nil
		clear(m.answers)
		clear(m.truce)
	}
	if m.known.wished {
		m.known.wished, m.epoch.failed = false, false
		for _, r := range m.epoch.runs {
			r.again, r.left = true, r.failed
		}
	}
	m.known.look(d)
}

// staysQuarantined: what has failed is not put in force again before a person asks, what it depends on is healthy again, or the target
// says that it would accept it now.
func staysQuarantined(m *member, desired state.Digest) string {
	if q, bad := m.past.bad[desired]; bad {
		return fmt.Sprintf("puts %s in force again, which failed: %s %s", q.Revision.Message, q.Reason, q.Message)
	}
	return ""
}

// triesHooksAgain: when a person wants another try, a hook that failed runs again, and does not fail by what it left.
func triesHooksAgain(m *member, q loop.Quarantined) string {
	for hook := range m.loop.Want().All() {
		if r := m.epoch.runs[runKey(hook)]; r != nil && r.left && !r.touched && placeOf(hook).part != failPart {
			return fmt.Sprintf("gives up (%s) with the old run of hook %s", q.Reason, hook.ID().Name)
		}
	}
	return ""
}

// goesBackRight: a person's choice is gone back to, or else what was in order last.
func goesBackRight(m *member, desired state.Digest) string {
	p := &m.past
	if !m.epoch.back || m.world.weather.shelf > 0 || m.world.weather.forgets || desired == p.chosen {
		return ""
	}
	for _, good := range p.good {
		switch _, bad := p.bad[good]; {
		case good == desired:
			return ""
		case !bad:
			return fmt.Sprintf("goes back to %s, and %s was in order last", desired.Short(), good.Short())
		}
	}
	return "goes back to " + desired.Short() + ", which never was in order"
}

// approvedOnce: an approval lets one attempt through, and no other.
func approvedOnce(m *member, attempt v1alpha1.Attempt) string {
	if attempt.Approval == nil || attempt.Outcome == "Interrupted" {
		return ""
	}
	if m.past.spent == nil {
		m.past.spent = map[time.Time]string{}
	}
	first, spent := m.past.spent[attempt.Approval.Time]
	m.past.spent[attempt.Approval.Time] = attempt.ID
	if spent && first != attempt.ID {
		return fmt.Sprintf("uses the approval of %s a second time", attempt.Approval.Time.Format(time.TimeOnly))
	}
	return ""
}

// unremembered drops, at the end of a life, the uses of approvals that it has not remembered: the next one may use them.
func (p *past) unremembered() {
	maps.DeleteFunc(p.spent, func(at time.Time, _ string) bool { return at.After(p.approved) })
}

// judgedFirst: what is new has passed the guards as they were declared then: windows, rules, consent, and what others would lose.
func judgedFirst(m *member, step plan.Step) string {
	e, d := &m.epoch, m.epoch.judged
	if e.back || d.deleting || m.known.looked.deleting || m.known.repairs(step) && !isHook(step.Want) || m.cleans(step) || m.fails(step) ||
		runsAgain(step.Want) {
		return ""
	}
	why := ""
	switch {
	case step.Want == nil && !d.prune: // it was to be kept then, and nobody is asked when that ends
	case d.refused:
		why = "though a newer declaration of the Sync cannot be used"
	case e.outside:
		why = "though no window was open"
	case e.approved:
	case d.rule && step.Want != nil && step.Want.Content()["value"] == int64(forbidden):
		why = "against a rule"
	case d.consent == v1alpha1.ApprovalAlways:
		why = "without an approval"
	case step.Want == nil && precious(step.ID) && d.massDeletion != v1alpha1.GuardAllow:
		why = "and with it the content of others"
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("wants to %s %s of a new revision %s", step.Op, step.ID.Name, why)
}

// repairsInTime: no disturbance is put right while windows hold repairs, unless a revision brings something new at the same time.
func repairsInTime(m *member, steps []plan.Step) string {
	d := m.known.looked
	if d.deleting || !d.holdsRepairs(m.world.wall()) ||
		slices.ContainsFunc(steps, func(step plan.Step) bool { return !m.known.disturbed(step) || isHook(step.Want) }) {
		return ""
	}
	return fmt.Sprintf("repairs %s while repairs are held", steps[0].ID.Name)
}
