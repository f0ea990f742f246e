package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/inmem"
)

// plant is the system in memory behind a layer of faults. It knows by itself who owns what, so that it can tell what the loops may do.
type plant struct {
	*inmem.Plant

	world  *world
	owners map[state.ID]state.Owner
	fates  map[state.ID]string
	turns  map[state.ID]int // counts writes of an object: what was planned for an earlier one is void
	writes int
}

func newPlant(w *world) *plant {
	return &plant{
		Plant: inmem.New(), world: w,
		owners: map[state.ID]state.Owner{}, fates: map[state.ID]string{}, turns: map[state.ID]int{},
	}
}

var _ target.Target = (*plant)(nil)

// Compare implements target.Target.
func (p *plant) Compare(ctx context.Context, query target.Query) (diff.Report, error) {
	w, m := p.world, p.world.member(query.Owner)
	m.keepPace("compare")
	w.mayCrash()
	if why := m.known.tooEarly(m); why != "" {
		w.violate(m, "keeps to its back-off", why)
	}
	if err := p.unreachable("compare"); err != nil {
		m.say("compare: %v", err)
		m.known.notCompared(w.wall())
		return diff.Report{}, err
	}
	w.meanwhile()
	report, err := p.Plant.Compare(ctx, query)
	for i := range report.Entries {
		objectTo(&report.Entries[i], query.Exact)
		if entry := &report.Entries[i]; entry.Op == diff.Delete && precious(entry.ID) {
			entry.Holds = "the content of others"
		}
	}
	p.hide(query, &report)
	m.known.compared(m, query, report)
	m.say("compare %d of %d: %s", len(query.Only), query.Want.Len(), differences(report))
	w.meanwhile()
	w.mayCrash()
	return report, err
}

// objectTo adds what the target says beforehand about an object that is to be changed; when it is asked for exactly that, all of it.
func objectTo(entry *diff.Entry, exact bool) {
	if entry.Err != nil || entry.Op == diff.None || entry.Want == nil {
		return
	}
	switch fate := entry.Want.Annotation(fateOf); {
	case fate == fateInvalid:
		entry.Err = fault.New(fault.Invalid, "check", entry.ID.String(), "the schema has no such field")
	case fate == fateRefused && exact:
		entry.Err = refused(string(entry.Op), entry.ID)
	}
}

func refused(doing string, id state.ID) error {
	return fault.New(fault.Denied, doing, id.String(), "refused by admission")
}

// unreachable gives the error of a target that does not answer, now and then; a time-out takes its time.
func (p *plant) unreachable(doing string) error {
	w := p.world
	switch {
	case w.chance(w.weather.timeout):
		w.now += w.span(5 * time.Minute)
		return fault.Wrap(fault.Transient, doing, "the target", context.DeadlineExceeded)
	case w.chance(w.weather.refuse):
		return fault.New(fault.Transient, doing, "the target", "connection refused")
	}
	return nil
}

// hide takes some entries out of a report about everything, as when one of several targets does not answer. Who asks about single
// objects gets all of them, or an error.
func (p *plant) hide(query target.Query, report *diff.Report) {
	if query.Only != nil || !p.world.chance(p.world.weather.unknown) {
		return
	}
	report.Unknown = []error{fault.New(fault.Transient, "compare", "another target", "connection refused")}
	report.Entries = slices.DeleteFunc(report.Entries, func(diff.Entry) bool { return p.world.random.IntN(2) == 0 })
}

func differences(report diff.Report) string {
	var text strings.Builder
	for _, entry := range report.Entries {
		switch {
		case entry.Err != nil:
			fmt.Fprintf(&text, " %s:%s!", entry.ID.Name, entry.Op)
		case entry.Op != diff.None:
			fmt.Fprintf(&text, " %s:%s", entry.ID.Name, entry.Op)
		case !entry.Health.Ready():
			fmt.Fprintf(&text, " %s:%s", entry.ID.Name, entry.Health.Status)
		}
	}
	if len(report.Unknown) > 0 {
		text.WriteString(" and something unknown")
	}
	if text.Len() == 0 {
		return "equal"
	}
	return text.String()
}

// Apply implements target.Target.
func (p *plant) Apply(_ context.Context, owner state.Owner, steps []plan.Step, report func(target.Result)) error {
	w, m := p.world, p.world.member(owner)
	m.keepPace("apply")
	m.known.applying(keyOf(m.loop.Want()))
	w.check(m, func(i invariant) string { return ask(i.applying, m, steps) })
	open := map[state.ID]plan.Step{}
	for _, step := range steps {
		w.check(m, func(i invariant) string { return ask(i.stepping, m, step) })
		open[step.ID] = step
	}
	w.mayCrash()
	err := p.applyAll(m, steps, func(result target.Result) {
		m.known.stepped(m, open[result.ID], result.Err)
		delete(open, result.ID)
		report(result)
	})
	for _, step := range steps {
		if _, left := open[step.ID]; left {
			m.known.stepped(m, step, fault.New(fault.Transient, "apply", step.ID.String(), "not reported"))
		}
	}
	return err
}

func (p *plant) applyAll(m *member, steps []plan.Step, report func(target.Result)) error {
	w := p.world
	steps = slices.Clone(steps)
	w.random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	cut := len(steps)
	var broken error
	if broken = p.unreachable("apply"); broken != nil {
		cut = w.random.IntN(len(steps) + 1)
		m.say("apply: %v after %d of %d", broken, cut, len(steps))
	}
	for _, step := range steps[:cut] {
		result := p.one(m, step)
		w.meanwhile()
		w.mayCrash()
		if broken != nil && w.random.IntN(2) == 0 {
			continue // done, but nobody hears of it
		}
		report(result)
	}
	return broken
}

// one carries out a step, or not, and says so, or not.
func (p *plant) one(m *member, step plan.Step) target.Result {
	w := p.world
	result := target.Result{ID: step.ID, Op: step.Op}
	switch {
	case w.chance(w.weather.before):
		result.Err = fault.New(fault.Transient, string(step.Op), step.ID.String(), "connection refused")
	case step.Want != nil && step.Want.Annotation(fateOf) == fateRefused:
		result.Err = refused(string(step.Op), step.ID)
	default:
		result = p.effect(m, step)
		if w.chance(w.weather.after) {
			result.Err = fault.Wrap(fault.Transient, string(step.Op), step.ID.String(), context.DeadlineExceeded)
		}
	}
	m.say("%s %s: %v", step.Op, step.ID.Name, result.Err)
	return result
}

// effect changes the plant.
func (p *plant) effect(m *member, step plan.Step) target.Result {
	w := p.world
	result := target.Result{ID: step.ID, Op: step.Op}
	if step.Op == diff.Delete && p.owners[step.ID] != m.owner() {
		return result // a real target deletes by owner: what is another's, or nobody's, stays
	}
	_ = p.Plant.Apply(context.Background(), m.owner(), []plan.Step{step}, func(r target.Result) { result = r })
	if result.Err != nil {
		return result
	}
	p.writes++
	m.writing = append(m.writing, write{id: step.ID, op: step.Op, at: w.wall()})
	w.check(m, func(i invariant) string { return ask(i.wrote, m, step) })
	if step.Op == diff.Delete {
		delete(p.owners, step.ID)
		delete(p.fates, step.ID)
	} else {
		p.owners[step.ID], p.fates[step.ID] = m.owner(), step.Want.Annotation(fateOf)
		p.develop(step.ID, isHook(step.Want))
	}
	p.tell(m.owner(), step.ID)
	return result
}

// develop lets an object go the way of its fate after a write: it is not healthy at once (a hook has to run first), and perhaps never.
func (p *plant) develop(id state.ID, hook bool) {
	w := p.world
	p.turns[id]++
	turn := p.turns[id]
	health := healthOf(p.fates[id])
	if !health.Ready() || hook || w.chance(w.weather.sluggish) {
		p.Plant.SetHealth(id, state.Health{Status: state.Progressing, Reason: "Starting"})
		w.after(w.span(3*time.Minute), func() {
			if p.turns[id] == turn {
				p.health(id, health)
			}
		})
		return
	}
	p.Plant.SetHealth(id, health)
}

// healthOf is how an object of a fate is doing in the end.
func healthOf(fate string) state.Health {
	switch fate {
	case fateStuck:
		return state.Health{Status: state.Progressing, Reason: "Starting"}
	case fateSick:
		return state.Health{Status: state.Degraded, Reason: "Crashing", Message: "crashes"}
	case fateDead:
		return state.Health{Status: state.Degraded, Reason: "Broken", Message: "cannot start", Final: true}
	}
	return state.Health{Status: state.Healthy}
}

// health changes how an object is doing; the object itself stays as it is.
func (p *plant) health(id state.ID, health state.Health) {
	owner, owned := p.owners[id]
	if !owned || p.Get(id) == nil {
		return
	}
	p.world.trace.say(p.world.now, "", "%s is %s", id.Name, health.Status)
	p.Plant.SetHealth(id, health)
	p.tell(owner, id)
}

// tell sends an event to the owner of an object: at once, late, twice, or not at all.
func (p *plant) tell(owner state.Owner, id state.ID) {
	w := p.world
	m := w.member(owner)
	if m == nil || w.chance(w.weather.lose) {
		return
	}
	wait := w.span(300 * time.Millisecond)
	if w.chance(w.weather.late) {
		wait = w.span(10 * time.Minute)
	}
	for range 1 + w.extra() {
		m.later(wait, func() { m.loop.Notify(target.Event{IDs: []state.ID{id}}) })
		wait += w.span(time.Minute)
	}
}

func (w *world) extra() int {
	if w.chance(w.weather.double) {
		return 1
	}
	return 0
}

// write changes a field as another writer would.
func (p *plant) write(id state.ID, value int, by string) bool {
	content := p.Get(id)
	if content == nil || content["value"] == int64(value) {
		return false
	}
	p.world.trace.say(p.world.now, "", "%s sets %s to %d", by, id.Name, value)
	p.touched(id)
	content["value"] = int64(value)
	p.Plant.Write(id, content, by)
	p.tell(p.owners[id], id)
	return true
}

// remove deletes an object as another writer would.
func (p *plant) remove(id state.ID, by string) bool {
	if p.Get(id) == nil {
		return false
	}
	p.world.trace.say(p.world.now, "", "%s removes %s", by, id.Name)
	p.touched(id)
	p.turns[id]++
	p.Plant.Remove(id)
	p.tell(p.owners[id], id)
	return true
}

// touched takes note that somebody else has changed an object: what a hook's object tells of its run may be lost with that.
func (p *plant) touched(id state.ID) {
	if m := p.world.member(p.owners[id]); m != nil {
		m.epoch.touched(id)
	}
}

// member gives the Sync of an owner, or nil.
func (w *world) member(owner state.Owner) *member {
	for _, m := range w.members {
		if m.owner() == owner {
			return m
		}
	}
	return nil
}
