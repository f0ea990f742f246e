package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// A fate is what becomes of an object once it is declared; it is an annotation, so that the plant knows.
const (
	fateGood    = ""
	fateInvalid = "invalid" // the target says beforehand that it cannot be applied
	fateRefused = "refused" // the target refuses every write of it
	fateStuck   = "stuck"   // never gets ahead
	fateSick    = "sick"    // breaks a while after each write
	fateDead    = "dead"    // breaks for good
	fateWrong   = "wrong"   // has an annotation that Setpoint itself refuses
)

var fates = []string{fateInvalid, fateRefused, fateStuck, fateSick, fateDead, fateWrong}

// fateOf is the annotation's name.
const fateOf = "simulation/fate"

// thing is the declaration of one object.
type thing struct {
	name  string
	value int
	wave  int
	fate  string
	hook  string // annotations that make it a hook; "" for none
}

// plot is what the repository says below the path of one Sync.
type plot struct {
	path   string
	things []thing
	pool   []string // names that its objects may have
	flaw   string   // why the path cannot be read at all: "", "syntax", "twice", "moved"
}

// sow makes the first content of a path.
func sow(random *rand.Rand, path string, pool []string) *plot {
	p := &plot{path: path, pool: pool}
	for _, name := range pool {
		if random.IntN(4) > 0 {
			p.things = append(p.things, draw(random, name))
		}
	}
	return p
}

func draw(random *rand.Rand, name string) thing {
	t := thing{name: name, value: random.IntN(4)}
	if random.IntN(5) == 0 {
		t.wave = random.IntN(3) - 1
	}
	if random.IntN(5) == 0 {
		t.hook = drawHook(random)
	}
	return t
}

// drawHook gives the annotations of one kind of hook. Few of them fail a revision, so that most are seen to their end.
func drawHook(random *rand.Rand) string {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	hook := "setpoint.dev/hook: " + pick("pre", "pre", "main", "post", "post", "fail")
	if random.IntN(4) == 0 {
		hook += ", setpoint.dev/hook-runs: always"
	}
	if random.IntN(2) == 0 {
		hook += ", setpoint.dev/hook-delete: " + pick("before", "succeeded", "failed", "\"succeeded, failed\"", "never")
	}
	if random.IntN(3) == 0 {
		hook += ", setpoint.dev/hook-timeout: " + pick("20s", "2m", "10m")
	}
	return hook
}

// edit changes something, as a person's commit does. Some edits are mistakes, and a later one may mend them.
func (p *plot) edit(random *rand.Rand, mistakes float64) {
	if p.flaw != "" && random.IntN(2) == 0 {
		p.flaw = ""
		return
	}
	switch random.IntN(10) {
	case 0:
		p.drop(random)
	case 1, 2:
		p.add(random)
	case 3:
		p.mend()
	default:
		if len(p.things) > 0 {
			t := &p.things[random.IntN(len(p.things))]
			t.value = (t.value + 1 + random.IntN(3)) % 4
			t.fate = fateGood
		}
	}
	if random.Float64() < mistakes {
		p.mistake(random)
	}
}

func (p *plot) drop(random *rand.Rand) {
	if len(p.things) == 0 {
		return
	}
	if random.IntN(6) == 0 {
		p.things = nil
		return
	}
	at := random.IntN(len(p.things))
	p.things = slices.Delete(p.things, at, at+1)
}

func (p *plot) add(random *rand.Rand) {
	for _, name := range p.pool {
		has := slices.ContainsFunc(p.things, func(t thing) bool { return t.name == name })
		if !has && random.IntN(2) == 0 {
			p.things = append(p.things, draw(random, name))
			return
		}
	}
}

func (p *plot) mistake(random *rand.Rand) {
	if len(p.things) == 0 || random.IntN(3) == 0 {
		p.flaw = []string{"syntax", "twice", "moved"}[random.IntN(3)]
		return
	}
	p.things[random.IntN(len(p.things))].fate = fates[random.IntN(len(fates))]
}

// mend corrects every mistake.
func (p *plot) mend() {
	p.flaw = ""
	for i := range p.things {
		p.things[i].fate = fateGood
	}
}

// files adds what the repository holds below the path.
func (p *plot) files(into map[string]string) {
	if p.flaw == "moved" {
		return
	}
	into[p.path+"/README.md"] = "# " + p.path + "\n"
	for _, t := range p.things {
		into[p.path+"/"+t.name+".yaml"] = t.yaml()
	}
	switch {
	case p.flaw == "syntax":
		into[p.path+"/flaw.yaml"] = "kind: [broken\n"
	case p.flaw == "twice" && len(p.things) > 0:
		into[p.path+"/flaw.yaml"] = p.things[0].yaml()
	}
}

func (t thing) yaml() string {
	var annotations []string
	if t.wave != 0 {
		annotations = append(annotations, fmt.Sprintf("setpoint.dev/wave: %q", fmt.Sprint(t.wave)))
	}
	if t.hook != "" {
		annotations = append(annotations, t.hook)
	}
	switch {
	case t.fate == fateWrong:
		annotations = []string{"setpoint.dev/wave: first"}
	case t.fate != fateGood:
		annotations = append(annotations, fateOf+": "+t.fate)
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Thing\nmetadata: {name: %s, annotations: {%s}}\nvalue: %d\n",
		t.name, strings.Join(annotations, ", "), t.value)
}

func thingID(name string) state.ID { return state.ID{Kind: "Thing", Name: name} }
