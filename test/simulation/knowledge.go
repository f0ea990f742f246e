package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// knowledge is what a loop has been told: invariants judge it by that, and not by what it could not know.
type knowledge struct {
	looked  declaration // that the loop went by when it looked last
	judged  declaration // that it went by when it compared last
	blocked bool        // something that it depends on was not healthy then
	ready   map[state.ID]bool
	// excused says that a person, or the end of the declaration, makes the loop forget what failed at its next look.
	excused bool
	wished  bool // that a person did so, who wants failed hooks to run again too

	views    map[string]*view // by the desired state that the target was compared with
	applied  string           // the desired state of the last steps
	failing  map[state.ID]failure
	compares failure
	// written is when each object was written lately, since a person asked last.
	written map[state.ID][]time.Time
	// repaired is when disturbances of each object were put right, since a person asked last.
	repaired map[repair][]time.Time
	// inForce are the declarations that objects were last seen equal to in this life of the agent.
	inForce map[state.ID]state.Digest
	// equal are the declarations that each object was ever seen equal to: a difference from one of them may be a disturbance.
	equal map[state.ID]map[state.Digest]bool
}

// view is what comparisons with one desired state have said.
type view struct {
	want    state.Set
	entries map[state.ID]diff.Entry
	unknown bool // another target could not be compared
}

// failure is something that is to be tried again, but not too early.
type failure struct {
	digest state.Digest
	count  int
	at     time.Time
}

// earliest is when the next try may be: the back-off, less the fifth that chance may take from it.
func (f failure) earliest(backoff loop.Backoff) time.Time {
	if f.count == 0 {
		return time.Time{}
	}
	wait := backoff.Initial
	for range min(f.count-1, 40) {
		wait = min(2*wait, backoff.Max)
	}
	return f.at.Add(min(wait, backoff.Max) * 4 / 5)
}

// reborn is what a new loop knows.
func (k *knowledge) reborn(declared declaration) knowledge {
	equal := k.equal
	if equal == nil {
		equal = map[state.ID]map[state.Digest]bool{}
	}
	return knowledge{
		looked: declared, judged: declared, equal: equal,
		ready: map[state.ID]bool{}, views: map[string]*view{}, failing: map[state.ID]failure{},
		inForce: map[state.ID]state.Digest{}, written: map[state.ID][]time.Time{},
		repaired: map[repair][]time.Time{},
	}
}

// look is called when the loop looks at what is declared.
func (k *knowledge) look(d declaration) {
	k.looked = d
	if k.excused {
		k.excused = false
		k.desired()
		clear(k.written)
		clear(k.repaired)
	}
}

// desired takes note of another desired state: what failed before may be tried at once.
func (k *knowledge) desired() {
	clear(k.failing)
	k.compares = failure{}
}

// told takes note of how others are doing.
func (k *knowledge) told(needs []loop.Need) {
	for _, need := range needs {
		k.ready[need.ID] = need.Health.Ready()
	}
}

func (k *knowledge) notCompared(now time.Time) {
	k.compares.count++
	k.compares.at = now
}

// tooEarly says why the target may not be compared yet.
func (k *knowledge) tooEarly(m *member) string {
	if now := m.world.wall(); now.Before(k.compares.earliest(m.declared.backoff)) {
		return fmt.Sprintf("compares again %s after %d failures", now.Sub(k.compares.at), k.compares.count)
	}
	return ""
}

// maxViews is more than the desired states that can be compared with before one of them is in force for long.
const maxViews = 8

// view gives what is known of the target, compared with what is in force.
func (m *member) view() *view {
	if v := m.known.views[keyOf(m.loop.Want())]; v != nil {
		return v
	}
	return &view{}
}

// compared takes in an answer, as the loop does. What is only being considered tells nothing of what is in force.
func (k *knowledge) compared(m *member, query target.Query, report diff.Report) {
	k.compares = failure{}
	inForce := query.Want.Digest() == m.loop.Want().Digest()
	if query.Exact { // asks what the target would say
		if !slices.ContainsFunc(report.Entries, func(entry diff.Entry) bool { return entry.Err != nil }) {
			m.asked += m.past.accepted(query.Want)
		}
		if !inForce {
			return
		}
	}
	k.judged = k.looked
	v := k.views[keyOf(query.Want)]
	if v == nil || query.Only == nil {
		if len(k.views) >= maxViews {
			clear(k.views)
		}
		v = &view{want: query.Want, entries: map[state.ID]diff.Entry{}, unknown: len(report.Unknown) > 0}
		k.views[keyOf(query.Want)] = v
	}
	for _, id := range query.Only {
		delete(v.entries, id)
	}
	for _, entry := range report.Entries {
		v.entries[entry.ID] = entry
		if isHook(entry.Want) { // what it may be later, and was before, is no disturbance of a run
			delete(k.inForce, entry.ID)
		}
		if inForce {
			m.epoch.saw(entry, m.world.wall())
		}
		if entry.Op == diff.None && entry.Err == nil && entry.Want != nil {
			delete(k.failing, entry.ID)
			k.wasEqual(entry.ID, entry.Want, inForce)
		}
	}
	if query.Only != nil {
		return
	}
	gone := func(id state.ID) bool {
		_, still := v.entries[id]
		return !still && !query.Want.Has(id)
	}
	maps.DeleteFunc(k.failing, func(id state.ID, _ failure) bool { return gone(id) })
	maps.DeleteFunc(k.inForce, func(id state.ID, _ state.Digest) bool { return gone(id) })
}

// applying takes note of the desired state that steps belong to: another one begins without any back-off.
func (k *knowledge) applying(want string) {
	if k.applied != want {
		k.applied = want
		k.desired()
	}
}

func (k *knowledge) wasEqual(id state.ID, want *state.Object, inForce bool) {
	if k.equal[id] == nil {
		k.equal[id] = map[state.Digest]bool{}
	}
	k.equal[id][want.Digest()] = true
	switch {
	case inForce:
		k.inForce[id] = want.Digest()
	case k.inForce[id] != want.Digest():
		delete(k.inForce, id) // which of the two the loop goes by depends on what comes of it
	}
}

// repairs says whether a step may be the repair of a disturbance.
func (k *knowledge) repairs(step plan.Step) bool {
	return step.Want != nil && k.equal[step.ID][step.Want.Digest()]
}

// repair is what is done about a disturbance.
type repair struct {
	id state.ID
	op diff.Op
}

// disturbed says whether a step is certainly the repair of a disturbance.
func (k *knowledge) disturbed(step plan.Step) bool {
	return step.Want != nil && k.inForce[step.ID] == step.Want.Digest()
}

// stepped takes note of how a step went, as the loop was told.
func (k *knowledge) stepped(m *member, step plan.Step, err error) {
	if err == nil {
		if k.disturbed(step) {
			key := repair{id: step.ID, op: step.Op}
			k.repaired[key] = append(k.repaired[key], m.world.wall())
			m.answered(key)
		}
		delete(k.failing, step.ID)
		if step.Want == nil {
			delete(k.inForce, step.ID) // declared again, it is new
		} else {
			k.wasEqual(step.ID, step.Want, true)
		}
		return
	}
	f := k.failing[step.ID]
	if digest := digestOf(step); f.digest != digest {
		f = failure{digest: digest}
	}
	f.count++
	f.at = m.world.wall()
	k.failing[step.ID] = f
}

func digestOf(step plan.Step) state.Digest {
	if step.Want == nil {
		return ""
	}
	return step.Want.Digest()
}

// contends says whether the loop leaves an object alone, because others change it back again and again. It holds nothing else up.
func (m *member) contends(id state.ID) bool {
	return slices.ContainsFunc(m.status.Contended, func(c v1alpha1.Contention) bool { return c.ID == id })
}

// differing gives the declared objects that are not as declared, as far as the loop knows, and that it does something about.
func (m *member) differing() []string {
	var names []string
	for id, entry := range m.view().entries {
		if entry.Want != nil && (entry.Op != diff.None || entry.Err != nil) && !m.contends(id) && !isHook(entry.Want) {
			names = append(names, id.Name)
		}
	}
	slices.Sort(names)
	return names
}
