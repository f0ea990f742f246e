package main

import (
	"math/rand/v2"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// anyone picks a Sync.
func (w *world) anyone() *member { return w.members[w.random.IntN(len(w.members))] }

// anything picks an object that some Sync owns.
func (w *world) anything() (state.ID, bool) {
	var there []state.ID
	for _, id := range w.plant.IDs() {
		if _, owned := w.plant.owners[id]; owned {
			there = append(there, id)
		}
	}
	if len(there) == 0 {
		return state.ID{}, false
	}
	return there[w.random.IntN(len(there))], true
}

// news tells the loops that the source has something new, each in its own time.
func (w *world) news() {
	for _, m := range w.members {
		if m.loop != nil {
			m.soon(func() { m.loop.Poke() })
		}
	}
}

// pushes is a commit, as the feed sees it at its next look.
func (w *world) pushes() {
	for _, p := range w.feed.plots {
		if w.random.IntN(2) == 0 {
			p.edit(w.random, w.weather.mistakes)
		}
	}
	w.push()
}

func (w *world) push() {
	artifact := w.feed.commit()
	w.trace.say(w.now, "", "revision %s", artifact.Revision().Message)
	w.feed.err, w.feed.checked = nil, w.wall()
	w.news()
}

func (w *world) floods() {
	for range 5 + w.random.IntN(20) {
		w.after(w.span(20*time.Second), func() {
			if !w.calm {
				w.pushes()
			}
		})
	}
}

func (w *world) sourceFails() {
	w.feed.err = fault.New(fault.Transient, "fetch", "memory", "no route to host")
	if w.random.IntN(3) == 0 {
		w.feed.err = fault.New(fault.Denied, "fetch", "memory", "the token has expired")
	}
	w.feed.checked = w.wall()
	w.news()
	w.after(w.span(30*time.Minute), w.sourceRecovers)
}

func (w *world) sourceRecovers() {
	w.feed.err, w.feed.checked = nil, w.wall()
	w.news()
}

// refresh is loop.Inputs.Refresh: the source is asked, and answers a moment later.
func (w *world) refresh() { w.after(w.span(2*time.Second), func() { w.feed.checked = w.wall() }) }

func (w *world) writerChanges() {
	if id, ok := w.anything(); ok {
		w.plant.write(id, 4+w.random.IntN(3), "a person")
	}
}

func (w *world) writerRemoves() {
	if id, ok := w.anything(); ok && id != disputed {
		w.plant.remove(id, "a person")
	}
}

// rounds is how often a rival acts at most: it answers every correction, and would go on for ever.
const rounds = 300

// rivalWrites is another controller, which has its own idea of one field.
func (w *world) rivalWrites() {
	id, ok := w.anything()
	if !ok {
		return
	}
	w.rival(func() { w.plant.write(id, 9, "a rival") })
}

func (w *world) rivalRemoves() {
	id, ok := w.anything()
	if !ok || id == disputed {
		return
	}
	w.rival(func() { w.plant.remove(id, "a rival") })
}

func (w *world) rival(act func()) {
	pause := 100*time.Millisecond + w.span(3*time.Minute)
	left := rounds
	var again func()
	again = func() {
		if left--; left > 0 && !w.calm {
			act()
			w.after(pause, again)
		}
	}
	again()
}

func (w *world) fallsIll() {
	id, ok := w.anything()
	if !ok {
		return
	}
	w.plant.turns[id]++
	turn := w.plant.turns[id]
	w.plant.health(id, state.Health{Status: state.Degraded, Reason: "Crashing", Message: "crashes"})
	w.after(w.span(20*time.Minute), func() {
		if w.plant.turns[id] == turn {
			w.plant.health(id, healthOf(w.plant.fates[id]))
		}
	})
}

func (w *world) outsideFallsIll() {
	w.outsideIs(state.Health{Status: state.Degraded, Reason: "Down", Message: "is down"})
	w.after(w.span(20*time.Minute), func() { w.outsideIs(state.Health{Status: state.Healthy}) })
}

func (w *world) outsideIs(health state.Health) {
	w.outside = health
	for _, m := range w.members {
		if m.loop != nil {
			m.later(w.span(5*time.Second), func() { m.loop.Poke() })
		}
	}
}

// clockJumps sets the wall clock forward; back it goes only while there is no agent (see die), since a running one counts by a
// monotonic clock.
func (w *world) clockJumps() { w.ahead += w.span(6 * time.Hour) }

func (w *world) killed() {
	if !w.down {
		panic(crash{})
	}
}

// stopped is an orderly end: nothing new begins, and what is under way is finished.
func (w *world) stopped() {
	if w.down || closed(w.stopping) {
		return
	}
	close(w.stopping)
	life := w.life
	var end func()
	end = func() {
		switch {
		case life != w.life || w.down:
		case w.depth > 0 || len(w.ready) > 0:
			w.after(time.Second, end)
		default:
			w.die("stops")
		}
	}
	w.after(time.Second, end)
}

func closed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

func (w *world) redeclared() {
	m := w.anyone()
	d := &m.declared
	switch w.random.IntN(13) {
	case 0:
		d.prune = !d.prune
	case 1:
		d.report = !d.report
	case 2:
		d.allowEmpty = !d.allowEmpty
	case 3:
		d.broken = !d.broken
	case 4:
		d.timeout = time.Duration(1+w.random.IntN(10)) * time.Minute
	case 5:
		d.cycle = !d.cycle
	case 6:
		d.rollback = !d.rollback
	case 7:
		d.massDeletion = either(w.random, v1alpha1.GuardAllow, v1alpha1.GuardHold)
	case 8:
		d.consent = []string{v1alpha1.ApprovalNever, v1alpha1.ApprovalRisky, v1alpha1.ApprovalAlways}[w.random.IntN(3)]
	case 9:
		d.timetable = w.random.IntN(len(timetables))
	case 10:
		d.rule = !d.rule
	case 11:
		d.refused = !d.refused
	case 12:
		d.checks = !d.checks
	}
	m.configure()
}

// undeclared ends a Sync, or declares anew one that has gone.
func (w *world) undeclared() {
	m := w.anyone()
	if m.gone {
		m.gone, m.declared.deleting, m.declared.approval = false, false, nil
		m.status.State, m.known, m.epoch, m.past = "", knowledge{}, epoch{}, past{}
		if !w.down {
			m.start()
		}
		return
	}
	m.declared.deleting, m.declared.orphan = true, w.random.IntN(4) == 0
	m.known.excused = true
	m.configure()
}

// rumours are events about nothing.
func (w *world) rumours() {
	m := w.anyone()
	if m.loop == nil {
		return
	}
	m.loop.Notify(target.Event{})
	if id, ok := w.anything(); ok {
		m.loop.Notify(target.Event{IDs: []state.ID{id, {Kind: "Thing", Name: "nowhere"}}})
	}
	m.configure()
}

// relent ends everything that goes wrong: from here on only what is declared decides.
func (w *world) relent() {
	w.trace.say(w.now, "", "faults stop")
	w.calm, w.calmSince = true, w.now
	w.sourceRecovers()
	w.outsideIs(state.Health{Status: state.Healthy})
	for _, id := range w.plant.IDs() {
		if _, owned := w.plant.owners[id]; owned {
			w.plant.turns[id]++
			w.plant.health(id, healthOf(w.plant.fates[id]))
		}
	}
	mended := w.random.IntN(2) == 0
	for _, m := range w.members {
		if mended {
			m.plot.mend()
			d := &m.declared
			d.cycle, d.broken, d.suspend, d.byPerson = false, false, false, false
			d.massDeletion, d.consent, d.allowEmpty = v1alpha1.GuardAllow, v1alpha1.ApprovalNever, true
			d.rule, d.refused = false, false
			m.configure()
			m.request()
		}
	}
	if mended || w.feed.latest == nil {
		w.push()
	}
}

// disputed is an object that several Syncs may declare; bystander one that none does.
var (
	disputed  = thingID("disputed")
	bystander = thingID("bystander")
)

// populate makes the Syncs with their first declarations, and what was in the plant before them.
func (w *world) populate() {
	count := 1 + w.random.IntN(4)
	names := []string{"a", "b", "c", "d"}
	dispute := w.random.IntN(4) == 0
	for i := range count {
		m := &member{world: w, name: names[i], declared: w.declaration(i), rolledBack: map[string]bool{}, shown: map[string]bool{},
			answers: map[repair]answers{}}
		var pool []string
		for j := range w.random.IntN(9) {
			pool = append(pool, names[i]+string(rune('0'+j)))
		}
		if dispute && len(pool) > 0 {
			pool[0] = disputed.Name
		}
		m.plot = sow(w.random, names[i], pool)
		w.feed.plots = append(w.feed.plots, m.plot)
		w.members = append(w.members, m)
		if len(pool) > 0 && w.random.IntN(3) == 0 { // somebody made it by hand before
			name := pool[w.random.IntN(len(pool))]
			w.plant.Plant.Write(thingID(name), thingContent(name), "kubectl")
		}
	}
	w.plant.Plant.Write(bystander, thingContent(bystander.Name), "kubectl")
	w.after(w.span(10*time.Minute), w.push)
}

func either(random *rand.Rand, one, other string) string {
	if random.IntN(2) == 0 {
		return one
	}
	return other
}

func thingContent(name string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": name}, "value": int64(1)}
}

func (w *world) declaration(number int) declaration {
	d := declaration{
		prune: w.random.IntN(5) > 0, report: w.random.IntN(8) == 0, allowEmpty: w.random.IntN(6) == 0,
		suspend: w.random.IntN(20) == 0, rollback: w.random.IntN(2) == 0,
		massDeletion: either(w.random, v1alpha1.GuardAllow, v1alpha1.GuardHold),
		timeout:      time.Duration(1+w.random.IntN(10)) * time.Minute,
		backoff: loop.Backoff{
			Initial: time.Duration(1+w.random.IntN(10)) * time.Second, Max: time.Duration(1+w.random.IntN(5)) * time.Minute,
		},
	}
	if w.random.IntN(6) == 0 {
		d.consent = either(w.random, v1alpha1.ApprovalRisky, v1alpha1.ApprovalAlways)
	}
	if w.random.IntN(4) == 0 {
		d.timetable = w.random.IntN(len(timetables))
	}
	d.rule, d.checks = w.random.IntN(8) == 0, w.random.IntN(6) == 0
	for other := range number {
		if w.random.IntN(3) == 0 {
			d.needs = append(d.needs, other)
		}
	}
	if w.random.IntN(5) == 0 {
		d.needs = append(d.needs, outsider)
	}
	return d
}
