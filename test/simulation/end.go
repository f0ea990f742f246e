package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// demand is how a Sync has to be when nothing goes wrong any more.
type demand struct {
	states []loop.State // one of these
	equal  bool         // InSync means: exactly the objects of the newest revision, and all of them healthy
	why    string
}

// unsettled says what is not yet as it has to be, or "".
func (m *member) unsettled() string {
	if m.gone {
		return ""
	}
	if m.loop == nil {
		return "the agent is not there"
	}
	m.checkContended()
	want := m.demand()
	if want.states == nil {
		return want.why
	}
	status := m.loop.Status()
	if !slices.Contains(want.states, loop.State(status.State)) {
		return fmt.Sprintf("is %s/%s (%s), want %v because %s", status.State, status.Reason, status.Message, want.states, want.why)
	}
	if want.equal && status.State == string(loop.InSync) {
		if latest := m.world.feed.latest.Revision(); status.Applied.ID != latest.ID {
			return fmt.Sprintf("has revision %s in force, want %s", status.Applied.Message, latest.Message)
		}
		return m.unequal()
	}
	return m.neighbours()
}

// checkContended: what is left to others is left to them for as long as the Sync says, and not longer. A timer that was set before the
// clock jumped fires within the longest wait of a fight.
func (m *member) checkContended() {
	if m.world.now-m.world.calmSince < 11*time.Minute || m.status.State == string(loop.Suspended) {
		return
	}
	for _, c := range m.status.Contended {
		if late := m.world.wall().Sub(c.RetryAt); late > time.Minute && c.Rounds < manyWrites {
			m.world.violate(m, "leaves nothing alone for longer than it says", fmt.Sprintf("is %s late with %s", late, c.ID.Name))
		}
	}
}

// demand derives from what is declared how the Sync has to be.
func (m *member) demand() demand {
	d := m.declared
	set, err := m.world.feed.objects(m.world.feed.latest.Revision().ID, m.plot.path)
	switch {
	case d.deleting && d.suspend && d.byPerson:
		return demand{states: []loop.State{loop.Suspended}, why: "a person keeps it from going"}
	case d.deleting && m.status.Plan != nil && (d.massDeletion != v1alpha1.GuardAllow || d.consent != "" || d.rule):
		return demand{states: []loop.State{loop.Held}, why: "a person has to approve that it goes"}
	case d.deleting:
		return demand{why: "it has to be gone"}
	case d.suspend:
		return demand{states: []loop.State{loop.Suspended}, why: "it is suspended"}
	case d.broken, d.cycle && len(d.needs) > 0:
		return demand{states: []loop.State{loop.Failed}, why: "its declaration is wrong"}
	case m.plot.flaw == "moved": // what was there is gone, which is held like a revision that declares nothing, or fails
		states := []loop.State{loop.Held, loop.Failed, loop.RolledBack, loop.InSync, loop.Drifted}
		if m.waits() {
			states = append(states, loop.Pending, loop.Settling)
		}
		return demand{states: states, why: "its path is not there any more"}
	case err != nil:
		return demand{states: []loop.State{loop.Failed}, why: "the newest revision cannot be read"}
	case set.Len() == 0 && !d.allowEmpty && m.status.Plan != nil:
		// What was in force before is kept, and may have its own troubles.
		states := []loop.State{loop.Held, loop.Failed, loop.RolledBack}
		if d.report {
			states = append(states, loop.Drifted)
		}
		if m.waits() {
			states = append(states, loop.Pending, loop.Settling)
		}
		return demand{states: states, why: "the newest revision declares nothing"}
	}
	return m.demandOf(set)
}

func (m *member) demandOf(set state.Set) demand {
	states, equal, why := []loop.State{loop.InSync}, true, "everything is well"
	if m.declared.report {
		// What somebody has removed is not made again, and is not healthy either.
		states, why = append(states, loop.Drifted, loop.Failed), "drift is left as it is"
	}
	if m.waits() {
		states, equal, why = append(states, loop.Pending, loop.Settling), false, "what it depends on is not healthy"
	}
	if bad := m.bad(set); bad != "" {
		states, equal, why = append(states, loop.Failed), false, bad
	}
	if m.status.Quarantine != nil { // it failed once, while things went wrong, and nobody has asked for another try
		states = append(states, loop.Failed, loop.RolledBack, loop.Pending, loop.Held)
		equal, why = false, "its newest revision is quarantined"
	}
	if hook := m.pending(); hook != "" {
		states, equal, why = append(states, loop.Failed), false, "hook "+hook+" has not succeeded"
	}
	if m.declared.refused {
		states, equal, why = append(states, loop.Held), false, "a newer declaration of it cannot be used"
	}
	if m.status.Plan != nil && (m.declared.massDeletion != v1alpha1.GuardAllow || m.declared.consent != "" || m.declared.rule) {
		states, equal, why = append(states, loop.Held, loop.Failed), false, "a person has to approve"
	}
	return demand{states: states, equal: equal && !m.declared.report, why: why}
}

// waits says whether something that the Sync depends on is not healthy.
func (m *member) waits() bool {
	return slices.ContainsFunc(m.needs(m.declared), func(need loop.Need) bool { return !need.Health.Ready() })
}

// bad names an object that keeps the Sync from being in order, or "".
func (m *member) bad(set state.Set) string {
	for object := range set.All() {
		if owner, owned := m.world.plant.owners[object.ID()]; owned && owner != m.owner() {
			return object.ID().Name + " belongs to another"
		}
		if fate := object.Annotation(fateOf); fate != fateGood {
			return object.ID().Name + " is " + fate
		}
		if object.Annotation("setpoint.dev/wave") == "first" {
			return object.ID().Name + " is declared wrongly"
		}
	}
	return ""
}

// unequal says what differs between the newest revision and the plant, which knows the truth.
func (m *member) unequal() string {
	set, _ := m.world.feed.objects(m.world.feed.latest.Revision().ID, m.plot.path)
	for object := range set.All() {
		if why := m.missing(object); why != "" && !isHook(object) {
			return why
		}
	}
	for id, owner := range m.world.plant.owners {
		if owner == m.owner() && m.declared.prune && !set.Has(id) && m.world.plant.Get(id) != nil {
			return id.Name + " has not been deleted"
		}
	}
	return ""
}

// missing says in what an object of the plant is not as declared.
func (m *member) missing(object *state.Object) string {
	live := m.world.plant.Get(object.ID())
	switch {
	case live == nil:
		return object.ID().Name + " is not there"
	case m.world.plant.owners[object.ID()] != m.owner():
		return object.ID().Name + " is not owned"
	case !reflect.DeepEqual(live, object.Content()):
		return object.ID().Name + " is not as declared"
	}
	return ""
}

// neighbours says which good object of the first wave is not as declared because of something else: one bad object is one bad object.
func (m *member) neighbours() string {
	set, err := m.world.feed.objects(m.world.feed.latest.Revision().ID, m.plot.path)
	d := m.declared
	if m.status.Plan != nil || m.status.Quarantine != nil || len(m.status.Contended) > 0 || m.pending() != "" || d.refused {
		return "" // what is newest is not in force, or not all of it
	}
	if err != nil || set.Len() == 0 || d.suspend || d.deleting || d.broken || d.report || d.cycle && len(d.needs) > 0 || m.waits() {
		return ""
	}
	first := 0
	for object := range set.All() {
		first = min(first, waveOf(object))
	}
	for object := range set.All() {
		owner, owned := m.world.plant.owners[object.ID()]
		taken := owned && owner != m.owner()
		refused := object.Annotation(fateOf) == fateInvalid || object.Annotation(fateOf) == fateRefused
		wrong := object.Annotation("setpoint.dev/wave") == "first"
		if waveOf(object) != first || taken || refused || wrong || isHook(object) {
			continue
		}
		if why := m.missing(object); why != "" {
			return why + ", though nothing keeps it from being"
		}
	}
	return ""
}

// atEnd checks what has to be so when everything has come to rest.
func (w *world) atEnd() {
	w.trace.say(w.now, "", "everything is as it has to be")
	w.until(w.now + time.Minute) // what is on its way arrives
	_ = w.history.Flush(context.Background())
	before, quiet := w.effort(), w.quiet()
	for range 2 {
		for _, m := range w.members {
			if m.loop != nil {
				m.loop.Poke()
			}
		}
		w.until(w.now)
	}
	if after := w.effort(); after != before && quiet && w.quiet() {
		w.violate(nil, "being in order costs nothing", fmt.Sprintf("%+v, then %+v", before, after))
	}
	for _, m := range w.members {
		if attempt, open := w.ledger.running(m.name); open && w.quiet() {
			w.violate(m, "leaves no attempt open", attempt.Trigger+" of "+attempt.Revision.Message)
		}
		if missing := m.untold(); len(missing) > 0 && w.quiet() {
			w.violate(m, "every write is in the history",
				fmt.Sprintf("has no attempt that tells of %s %s", missing[0].op, missing[0].id.Name))
		}
	}
	w.repairsSoon()
	if w.plant.Get(bystander) == nil || w.plant.Get(bystander)["value"] != int64(1) {
		w.violate(nil, "never touches what it does not own", "the bystander has changed")
	}
}

// repairsSoon: what disturbs a Sync that is in order is put right at the next event, and not when everything is looked at anyway.
func (w *world) repairsSoon() {
	for _, m := range w.members {
		d := m.declared
		if m.loop == nil || m.status.State != string(loop.InSync) || d.report || d.suspend || d.holdsRepairs(w.wall().Add(time.Minute)) ||
			d.holdsRepairs(w.wall()) || m.runsAlways() {
			continue
		}
		for object := range m.loop.Want().All() {
			if isHook(object) || !w.plant.write(object.ID(), 8, "a visitor") {
				continue
			}
			w.until(w.now + time.Minute)
			if why := m.missing(object); why != "" && !m.contends(object.ID()) { // there may have been a fight about it before
				w.violate(m, "repairs what an event tells of", why)
			}
			break
		}
	}
}

// effort is what may not grow while nothing happens.
type effort struct{ writes, records int }

func (w *world) effort() effort { return effort{writes: w.plant.writes, records: w.ledger.writes} }

// quiet says whether every Sync is in order: what has failed is tried again now and then.
func (w *world) quiet() bool {
	if w.down { // the agent has stopped in the middle of something, which its next start tells of
		return false
	}
	for _, m := range w.members {
		if m.loop != nil && loop.State(m.status.State) != loop.InSync && loop.State(m.status.State) != loop.Suspended {
			return false
		}
	}
	return true
}
