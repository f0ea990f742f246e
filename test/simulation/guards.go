package main

import (
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// slot is a window that begins at a minute of every hour: simple enough that what it means is known without the code that is tested.
type slot struct {
	deny, hold   bool // hold: repairs wait too
	from, length int  // minutes
	schedule     string
}

func (s slot) covers(at time.Time) bool {
	return at.Minute() >= s.from && at.Minute() < s.from+s.length
}

// timetables are what may be declared; the first has no windows.
var timetables = [][]slot{
	nil,
	{{from: 0, length: 20, schedule: "0 * * * *"}},
	{{deny: true, from: 30, length: 15, schedule: "30 * * * *"}},
	{{from: 10, length: 15, schedule: "10 * * * *"}, {from: 40, length: 10, hold: true, schedule: "40 * * * *"}},
	{{deny: true, from: 5, length: 20, hold: true, schedule: "5 * * * *"}},
}

// shut says whether a timetable keeps changes back: of those windows alone that hold repairs, or of all.
func shut(slots []slot, repairs bool, at time.Time) bool {
	levelHolds, allows, open := false, false, false
	for _, s := range slots {
		switch {
		case s.deny && (s.hold || !repairs) && s.covers(at):
			return true
		case !s.deny:
			allows, open, levelHolds = true, open || s.covers(at), levelHolds || s.hold
		}
	}
	return allows && !open && (levelHolds || !repairs)
}

func (d declaration) overridden(at time.Time) bool {
	return d.override != nil && at.Before(d.override.Until)
}

// open says whether something new may be put in force.
func (d declaration) open(at time.Time) bool {
	return d.overridden(at) || !shut(timetables[d.timetable], false, at)
}

func (d declaration) holdsRepairs(at time.Time) bool {
	return !d.overridden(at) && shut(timetables[d.timetable], true, at)
}

// forbidden is the value that the one rule refuses.
const forbidden = 3

// precious says whether an object holds what belongs to others.
func precious(id state.ID) bool { return strings.HasSuffix(id.Name, "0") }

// constraints is what is made into terms.
type constraints struct {
	timetable int
	rule      bool
	consent   string
}

// terms are those that were made before: reading windows and compiling rules costs more than a world can spend.
var terms = struct {
	sync.Mutex
	known map[constraints]*policy.Terms
}{known: map[constraints]*policy.Terms{}}

func (d declaration) terms() *policy.Terms {
	key := constraints{timetable: d.timetable, rule: d.rule, consent: d.consent}
	terms.Lock()
	defer terms.Unlock()
	if terms.known[key] == nil {
		terms.known[key] = key.terms()
	}
	return terms.known[key].Guarded(v1alpha1.Guards{MassDeletion: d.massDeletion}, d.allowEmpty)
}

func (c constraints) terms() *policy.Terms {
	given := v1alpha1.Constraints{Approval: c.consent}
	for _, s := range timetables[c.timetable] {
		one := v1alpha1.Window{Kind: v1alpha1.WindowAllow, Schedule: s.schedule,
			Duration: v1alpha1.Duration(time.Duration(s.length) * time.Minute)}
		if s.deny {
			one.Kind = v1alpha1.WindowDeny
		}
		if s.hold {
			one.Repairs = v1alpha1.GuardHold
		}
		given.Windows = append(given.Windows, one)
	}
	if c.rule {
		given.Rules = []v1alpha1.Rule{{Name: "small", Expression: "change.object.value < 3",
			Match: v1alpha1.Match{Ops: []string{"create", "update", "replace"}}}}
	}
	var none *policy.Terms
	return none.Add("Sync", given)
}

// unusable is why a newer declaration of a Sync is not in force.
func unusable(name string) error {
	return fault.New(fault.Invalid, "read", "Sync "+name, "its newest declaration cannot be used")
}
