package main

import (
	"strings"
	"testing"
)

func TestMutationsCanBeMade(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutations {
		if names[m.name] {
			t.Errorf("there are two mutations %q", m.name)
		}
		names[m.name] = true
		if _, err := m.apply("../../.."); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	if len(names) < 12 {
		t.Errorf("%d mutations, want a dozen at least", len(names))
	}
}

func TestMutationNeedsItsText(t *testing.T) {
	for _, old := range []string{"there is no such text", "name: "} {
		m := mutation{file: "test/simulation/mutations/list.go", old: old, new: "x"}
		if _, err := m.apply("../../.."); err == nil || !strings.Contains(err.Error(), "want once") {
			t.Errorf("a mutation of %q: %v, want an error", old, err)
		}
	}
}

func TestParse(t *testing.T) {
	found, err := parse("1 violations:\nVIOLATION seed=12 invariant=\"never panics\" boom\n  replay: x\nVIOLATION seed=13 invariant=\"x\" y\n")
	if err != nil || found.seed != 12 || found.invariant != "never panics" {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := parse("panic: something else"); err == nil {
		t.Error("what is no violation passes for one")
	}
}
