package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// namesBoth says whether an error is the Conflict of an object that one of two owners has and the other wants.
func namesBoth(err error, a, b state.Owner) bool {
	return fault.KindOf(err) == fault.Conflict && strings.Contains(err.Error(), a.String()) && strings.Contains(err.Error(), b.String())
}

// creations are the steps that a comparison asks for; all have to be creations.
func (b *bench) creations(objects []*state.Object) []plan.Step {
	b.t.Helper()
	var steps []plan.Step
	for _, entry := range b.compare(wantOf(objects...)) {
		if entry.Op != diff.Create || entry.Err != nil {
			b.t.Fatalf("entry = %+v", entry)
		}
		steps = append(steps, plan.Step{ID: entry.ID, Op: entry.Op, Want: entry.Want})
	}
	return steps
}

func TestRaceOfTwoOwnersHasOneWinner(t *testing.T) {
	first := newBench(t)
	second := *first
	second.owner.Sync += "-second"
	var objects []*state.Object
	for i := range 60 {
		objects = append(objects, first.configMap(fmt.Sprintf("c%d", i), "1"))
	}
	racers := []*bench{first, &second}
	steps := [2][]plan.Step{first.creations(objects), second.creations(objects)} // both find that nobody has any
	var results [2]map[state.ID]target.Result
	since := time.Now()
	var racing sync.WaitGroup
	for i, b := range racers {
		racing.Go(func() {
			results[i] = map[state.ID]target.Result{}
			err := b.target.Apply(b.ctx(), b.owner, steps[i], func(r target.Result) { results[i][r.ID] = r })
			if err != nil {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	var wins [2]int
	seen := [2]map[state.ID]diff.Entry{first.compare(wantOf(objects...)), second.compare(wantOf(objects...))}
	for _, object := range objects {
		id := object.ID()
		winner := 0
		if results[0][id].Err != nil {
			winner = 1
		}
		loser := 1 - winner
		wins[winner]++
		if won := results[winner][id]; won.Err != nil || !won.Changed || won.Adopted || seen[winner][id].Op != diff.None {
			t.Errorf("%s: the winner has %+v, then %+v", id, won, seen[winner][id])
		}
		for _, err := range []error{results[loser][id].Err, seen[loser][id].Err} {
			if !namesBoth(err, first.owner, second.owner) {
				t.Errorf("%s: the loser has %v, want a conflict that names both", id, err)
			}
		}
		if !strings.Contains(string(first.do("GET", first.path("/configmaps/"+id.Name), "")), applySetID(parentName(racers[winner].owner))) {
			t.Errorf("%s: the label does not name the winner", id)
		}
	}
	t.Logf("wins: %v", wins)
	patches := first.requests(since, func(e cluster.AuditEvent) bool { return e.Verb == "patch" && e.Namespace == first.namespace })
	if len(patches) > len(objects) {
		t.Errorf("%d patches for %d objects", len(patches), len(objects))
	}
}

func TestClaimIsHeldUntilTheLastRelease(t *testing.T) {
	owners := newOwners()
	c := newClaims(owners)
	id := state.ID{Kind: "ConfigMap", Namespace: "n", Name: "a"}
	w := &watcher{pending: map[state.ID]bool{}, signal: make(chan struct{}, 1)}
	first, second := owners.get(state.Owner{Sync: "first"}), owners.join(state.Owner{Sync: "second"}, w)
	release, _ := c.take(id, first)
	again, holder := c.take(id, first)
	if holder != nil {
		t.Fatal("an owner is in its own way")
	}
	release()
	if _, holder = c.take(id, second); holder != first {
		t.Fatalf("holder = %+v, want the first owner", holder)
	}
	again()
	if event, some := w.take(); !some || len(event.IDs) != 1 || event.IDs[0] != id {
		t.Errorf("whoever came second is told %+v", event)
	}
	release, holder = c.take(id, second)
	if holder != nil {
		t.Fatal("the claim outlived its release")
	}
	release()
	if len(c.held) > 0 {
		t.Errorf("held: %v", c.held)
	}
}

// The answer to our own write makes the watch's event no news: the former owner has to be told all the same.
func TestFormerOwnerIsToldOfOurOwnWrite(t *testing.T) {
	r := resource{gvr: configMaps.gvr, kind: "ConfigMap", namespaced: true}
	at := func(version uint64, o *owner) *live {
		return &live{
			id: state.ID{Kind: "ConfigMap", Namespace: "n", Name: "a"}, uid: "u", version: version, partOf: o.partOf,
			labelled: labelledByUs, hash: version,
		}
	}
	cases := map[string]func(s *store, first, second *owner){
		"taken by our own write": func(s *store, first, second *owner) { s.add(at(1, first), true); s.add(at(2, second), true) },
		"seen taken before the answer to the write": func(s *store, first, second *owner) {
			s.add(at(2, second), false)
			s.add(at(1, first), true)
		},
	}
	for name, act := range cases {
		t.Run(name, func(t *testing.T) {
			c := &Cluster{owners: newOwners()}
			w := &watcher{pending: map[state.ID]bool{}, signal: make(chan struct{}, 1)}
			first, second := c.owners.join(state.Owner{Sync: "first"}, w), c.owners.get(state.Owner{Sync: "second"})
			act(newStore(c, r), first, second)
			if event, some := w.take(); !some || len(event.IDs) != 1 || event.IDs[0].Name != "a" {
				t.Errorf("event = %+v", event)
			}
		})
	}
}

func TestOwnerIsToldWhenAnotherProcessTakesItsObject(t *testing.T) {
	b := newBench(t)
	thief := *b
	thief.owner.Sync += "-thief"
	thief.target = b.connect(Config{})
	theirs, object := b.configMap("theirs", "1"), b.configMap("a", "1")
	thief.settle(theirs) // so that its inventory names it
	thief.compare(wantOf(theirs, object))
	b.settle(object)
	events := make(chan target.Event, 100)
	go func() { _ = b.target.Watch(b.ctx(), b.owner, func(e target.Event) { events <- e }) }()
	<-events // the first, of everything

	// As if its caches did not know yet: the write that follows such a comparison.
	o := thief.target.cluster.owners.get(thief.owner)
	w := o.currentScope().byDeclared[object.ID()]
	body, err := json.Marshal(thief.target.applied(w, o))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = thief.target.send(b.ctx(), patchRequest{wanted: w, body: body, lane: o.partOf}); err != nil {
		t.Fatal(err)
	}
	b.eventually("an event with the object's ID", func() bool {
		select {
		case e := <-events:
			return len(e.IDs) == 1 && e.IDs[0] == object.ID()
		default:
			return false
		}
	})
	if entry := b.entry(wantOf(object), object.ID()); !namesBoth(entry.Err, b.owner, thief.owner) {
		t.Errorf("entry = %+v, want a conflict that names both", entry)
	}
}
