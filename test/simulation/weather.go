package main

import (
	"math/rand/v2"
	"time"
)

// weather is how likely each fault is at each call. A world has some of them and not all, so that what each does is seen by itself too.
type weather struct {
	crash    float64 // the agent is killed
	slow     float64 // a call takes its time, and other things happen meanwhile
	refuse   float64 // the target does not answer; nothing was done
	timeout  float64 // the target does not answer in time; something may have been done
	unknown  float64 // one of several targets cannot be compared
	before   float64 // a step fails before it has an effect
	after    float64 // a step has its effect, and fails all the same
	lose     float64 // an event is lost
	late     float64 // an event comes late
	double   float64 // an event comes twice
	sluggish float64 // an object becomes healthy a while after a write
	render   float64 // a revision cannot be read for the moment
	store    float64 // the database does not take a write
	shelf    float64 // what could be gone back to cannot be kept, or read
	mistakes float64 // a commit has one
	forgets  bool    // what could be gone back to is kept in memory alone, as what holds secrets is: the next life has nothing of it

	disturbances int           // how many things happen from outside
	lasts        time.Duration // how long
	rates        []float64     // of each of the disturbances, as weights
}

// forecast draws the weather of a world.
func forecast(random *rand.Rand) weather {
	some := func(most float64) float64 {
		if random.IntN(2) == 0 {
			return 0
		}
		return random.Float64() * most
	}
	w := weather{
		crash: some(0.02), slow: some(0.3), refuse: some(0.2), timeout: some(0.1), unknown: some(0.1),
		before: some(0.3), after: some(0.2), lose: some(0.5), late: some(0.3), double: some(0.3), sluggish: some(1),
		render: some(0.3), store: some(0.2), shelf: some(0.3) * float64(random.IntN(2)), mistakes: some(0.5),
		disturbances: 2 + random.IntN(30), lasts: time.Duration(1+random.IntN(120)) * time.Minute,
	}
	w.forgets = random.IntN(4) == 0
	for _, d := range disturbances {
		w.rates = append(w.rates, d.weight*float64(random.IntN(3)))
	}
	return w
}

// disturbance is something that happens to a world from outside.
type disturbance struct {
	name   string
	weight float64
	happen func(w *world)
}

// disturbances are all of them.
var disturbances = []disturbance{
	{"a commit", 8, (*world).pushes},
	{"many commits", 1, (*world).floods},
	{"the source fails", 1, (*world).sourceFails},
	{"a writer changes an object", 4, (*world).writerChanges},
	{"a writer removes an object", 2, (*world).writerRemoves},
	{"a rival keeps changing an object", 1, (*world).rivalWrites},
	{"a rival keeps removing an object", 1, (*world).rivalRemoves},
	{"an object falls ill", 2, (*world).fallsIll},
	{"the object outside falls ill", 1, (*world).outsideFallsIll},
	{"the clock jumps", 1, (*world).clockJumps},
	{"the agent is killed", 1, (*world).killed},
	{"the agent is stopped", 1, (*world).stopped},
	{"a person asks for a look", 2, (*world).personAsks},
	{"a person suspends or resumes", 2, (*world).personSuspends},
	{"a person approves", 2, (*world).personApproves},
	{"a person goes back", 1, (*world).personGoesBack},
	{"a person overrides the windows", 1, (*world).personOverrides},
	{"a declaration changes", 3, (*world).redeclared},
	{"a Sync is no longer declared", 1, (*world).undeclared},
	{"events without need", 1, (*world).rumours},
}

// trouble is the first part of the story.
func (w *world) trouble() {
	total := 0.0
	for _, rate := range w.weather.rates {
		total += rate
	}
	for range w.weather.disturbances {
		at := time.Duration(w.random.Float64() * float64(w.weather.lasts))
		if w.random.IntN(3) == 0 {
			at = at.Round(w.weather.lasts / 4) // several at once, now and then
		}
		pick := w.random.Float64() * total
		for i, rate := range w.weather.rates {
			if pick -= rate; pick < 0 {
				w.after(at, func() { w.strike(disturbances[i]) })
				break
			}
		}
	}
	w.until(w.weather.lasts)
	if w.violated != nil {
		panic(halt{})
	}
}

func (w *world) strike(d disturbance) {
	if w.calm {
		return
	}
	w.steps++
	w.trace.say(w.now, "", "%s", d.name)
	d.happen(w)
}
