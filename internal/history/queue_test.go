package history

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

func diskFull() error {
	return fault.New(fault.Transient, "write", "database", "disk is full").WithHint("free space")
}

func TestTheLoopGoesOnWhileTheStoreFails(t *testing.T) {
	b := newBench(t, Options{})
	b.run(t, "shop", "revision", succeed)
	b.store.err = diskFull()
	entry := b.begin(t, "shop", "drift")
	if kept := b.query(t, store.AttemptQuery{Running: true}); len(kept) != 1 || kept[0].ID != entry.ID() {
		t.Errorf("running: %+v", kept)
	}
	entry.Finish(t.Context(), succeed)
	if err := b.Err(); fault.KindOf(err) != fault.Transient || fault.HintOf(err) != "free space" {
		t.Errorf("Err: %v", err)
	}
	b.run(t, "shop", "request", succeed)
	b.run(t, "other", "request", succeed)
	if n := strings.Count(b.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, b.log)
	}
	if kept := b.query(t, store.AttemptQuery{Sync: "shop", Limit: 2}); len(kept) != 2 || kept[0].Trigger != "request" {
		t.Errorf("the newest two: %+v", kept)
	}

	b.store.err = nil
	b.clock.forward(time.Hour)
	if err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
	written, err := b.store.Attempts(t.Context(), store.AttemptQuery{})
	if err != nil || len(written) != 4 {
		t.Errorf("%d attempts were written, %v; want 4", len(written), err)
	}
}

func TestAFailingStoreIsLeftAlone(t *testing.T) {
	b := newBench(t, Options{})
	b.store.err = diskFull()
	for range 100 {
		b.begin(t, "shop", "revision").Finish(t.Context(), succeed)
	}
	if b.store.calls != 1 {
		t.Errorf("%d calls within an instant, want 1", b.store.calls)
	}
	for range 60 * 60 {
		b.clock.forward(time.Second)
		b.begin(t, "shop", "revision")
	}
	if b.store.calls > 70 {
		t.Errorf("%d calls within an hour, want about one a minute", b.store.calls)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	b := newBench(t, Options{MaxPending: 5})
	b.store.err = diskFull()
	var running []*Entry
	for n := range 4 {
		b.run(t, fmt.Sprint("sync-", n), "revision", succeed)
		running = append(running, b.begin(t, fmt.Sprint("sync-", n), "drift"))
	}
	if strings.Contains(b.log.String(), "lost") {
		t.Errorf("something is said to be lost while only beginnings were given up:\n%s", b.log)
	}
	for _, entry := range running {
		entry.Finish(t.Context(), succeed)
	}
	if kept := b.all(t); len(kept) != 5 {
		t.Errorf("%d attempts, want 5", len(kept))
	}
	if !strings.Contains(b.log.String(), "lost") {
		t.Errorf("the loss is not logged:\n%s", b.log)
	}
}

func TestConcurrentUse(t *testing.T) {
	b := newBench(t, Options{})
	const loops, each = 8, 20
	var all sync.WaitGroup
	for loop := range loops {
		all.Go(func() {
			for range each {
				entry := b.Begin(t.Context(), v1alpha1.Attempt{Sync: fmt.Sprint("sync-", loop)})
				entry.Finish(t.Context(), succeed)
				_, _ = b.Attempts(t.Context(), store.AttemptQuery{})
				_ = b.Sweep(t.Context())
			}
		})
	}
	all.Wait()
	finished := 0
	for _, a := range b.query(t, store.AttemptQuery{Limit: 1000}) {
		if a.Outcome == "Succeeded" {
			finished++
		}
	}
	if finished != loops*each {
		t.Errorf("%d finished attempts, want %d", finished, loops*each)
	}
}

func TestIDsAreUniqueAndSortByTime(t *testing.T) {
	var ids generator
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	last := ""
	for n := range 20_000 { // more than a count holds, within few milliseconds, and with the clock going back
		id := ids.next(now.Add(time.Duration(n%3-1) * time.Millisecond))
		if id <= last || len(id) != 36 || id[14] != '7' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Fatalf("%s follows %s", id, last)
		}
		last = id
	}
	var restarted generator
	restarted.after(last)
	if id := restarted.next(now.Add(-time.Hour)); id <= last {
		t.Errorf("after a restart %s follows %s", id, last)
	}
	restarted.after("not an ID")
	restarted.after(strings.Repeat("g", 36))
	if id := restarted.next(now.Add(time.Hour)); id <= last {
		t.Errorf("%s follows %s", id, last)
	}
}
