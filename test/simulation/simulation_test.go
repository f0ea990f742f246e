package main

import (
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/loop"
)

// Every change of the loop meets some hundred worlds; `make sim` runs as many as one likes.
func TestInvariantsHold(t *testing.T) {
	o := options{from: 1, seeds: 250, workers: 2, most: 3}
	var progress strings.Builder
	total := o.all(&progress, time.Now())
	for _, r := range total.violations {
		t.Errorf("seed %d: %s: %s\nreplay: go run ./test/simulation -seed %d -v", r.seed, r.violation.invariant, r.violation.text, r.seed)
	}
	if total.seeds != 250 && !t.Failed() {
		t.Errorf("%d worlds were simulated, want 250", total.seeds)
	}
	for _, reason := range []string{
		"InSync/Equal", "Syncing/Repairing", "Held/EmptyRender", "Failed/Unhealthy", "Suspended/Suspended", "Failed/HookFailed",
		"Settling/FailHooks", "Held/OutsideWindow", "Held/RuleHolds", "Held/DeclarationRefused", "Held/NotCompared", "RolledBack/Unhealthy",
	} {
		if total.seen.reasons[reason] == 0 {
			t.Errorf("no world came to %s: the simulation has become too tame", reason)
		}
	}
}

func TestSeedsReplay(t *testing.T) {
	for seed := range uint64(30) {
		first, second := simulate(seed, nil), simulate(seed, nil)
		if first.digest != second.digest || first.steps != second.steps || first.simulated != second.simulated {
			t.Errorf("seed %d: digest %x after %d steps, then %x after %d", seed, first.digest, first.steps, second.digest, second.steps)
		}
	}
	var trace strings.Builder
	if shown, silent := simulate(7, &trace), simulate(7, nil); shown.digest != silent.digest || trace.Len() == 0 {
		t.Error("being looked at makes a difference")
	}
}

func TestEventsHappenInOrder(t *testing.T) {
	var s schedule
	var order string
	s.after(2*time.Second, func() { order += "c" })
	s.after(time.Second, func() { order += "a" })
	s.after(time.Second, func() { order += "b" })
	s.after(time.Second, func() { order += "never" })()
	for _, planned := s.next(); planned; _, planned = s.next() {
		s.take().do()
	}
	if order != "abc" || s.now != 2*time.Second {
		t.Errorf("order %q at %s, want abc at 2s", order, s.now)
	}
}

func TestEarliestRetry(t *testing.T) {
	backoff := loop.Backoff{Initial: 5 * time.Second, Max: time.Minute}
	for failures, want := range []time.Duration{0, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 48 * time.Second} {
		f := failure{count: failures, at: began}
		if got := f.earliest(backoff); failures > 0 && got.Sub(began) != want {
			t.Errorf("after %d failures at the earliest after %s, want %s", failures, got.Sub(began), want)
		}
	}
}

// A violation ends a world, and is told with the command that replays it.
func TestViolationsAreTold(t *testing.T) {
	w := create(1, nil)
	w.after(0, func() { w.violate(w.members[0], "is a test", "has done it") })
	w.live()
	var told strings.Builder
	report{seed: 1, violation: w.violated}.describe(&told)
	want := "VIOLATION seed=1 invariant=\"is a test\" a has done it\n  replay: go run ./test/simulation -seed 1 -v\n"
	if told.String() != want {
		t.Errorf("told %q, want %q", told.String(), want)
	}
}
