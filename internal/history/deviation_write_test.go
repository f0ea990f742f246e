package history

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/store"
)

func TestSyncsThatNeverDeviateCostNothing(t *testing.T) {
	g := newGauge(t)
	for n := range 1000 {
		g.Sample(fmt.Sprint(n), v1alpha1.Deviation{})
		g.Repaired(fmt.Sprint(n), nil)
	}
	if len(g.tracks) != 0 || g.Dirty() {
		t.Errorf("%d tracks, dirty %v", len(g.tracks), g.Dirty())
	}
	g.flush(t)
	if len(g.store.writes) > 0 {
		t.Errorf("written: %v", g.store.writes)
	}
}

func TestARestartIsNotDeviation(t *testing.T) {
	g := newGauge(t)
	start := g.clock.now
	g.hold(3, time.Minute)
	g.Settled("shop", time.Second)
	g.flush(t)
	g.clock.forward(time.Minute)
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.clock.forward(time.Hour) // down
	g.restart(t)
	equal(t, "what was known last", g.Now("shop"), v1alpha1.Deviation{Objects: 3, Fields: 6, Since: start})
	g.clock.forward(time.Minute) // up, and not looked yet
	equal(t, "days before the first sample", g.deviating(), map[string]time.Duration{"2026-03-01": 2 * time.Minute})
	g.hold(3, time.Minute)
	equal(t, "days", g.deviating(), map[string]time.Duration{"2026-03-01": 3 * time.Minute})
	equal(t, "still since", g.Now("shop").Since, start)
	equal(t, "totals begin anew", g.Totals("shop").Deviating, time.Minute)
	points := []v1alpha1.DeviationPoint{
		{Time: start, Objects: 3, Fields: 6},
		{Time: start.Add(2 * time.Minute)},
		{Time: start.Add(63 * time.Minute), Objects: 3, Fields: 6},
	}
	if got := g.Series("shop").Points; len(got) != 3 || !got[1].Time.Equal(points[1].Time) || got[1].Objects != 0 || got[2] != points[2] {
		t.Errorf("points %+v", got)
	}
	g.flush(t)
	g.restart(t)
	g.hold(0, 0)
	equal(t, "back", g.Now("shop"), v1alpha1.Deviation{Since: g.clock.now})
	if !g.Dirty() {
		t.Error("that it is back is not written")
	}
}

func TestNothingNewIsNotWritten(t *testing.T) {
	g := newGauge(t)
	g.hold(3, time.Minute)
	g.flush(t)
	g.hold(3, 10*time.Minute)
	g.flush(t)
	g.Series("shop")
	g.Totals("shop")
	g.flush(t)
	if n := len(g.store.writes); n != 1 {
		t.Errorf("%d writes", n)
	}
	g.clock.forward(time.Hour)
	if !g.Dirty() {
		t.Error("the time in deviation is never written")
	}
	g.flush(t)
	g.hold(0, time.Hour)
	g.flush(t)
	g.clock.forward(100 * time.Hour)
	g.flush(t)
	g.restart(t)
	g.hold(0, time.Hour)
	g.flush(t)
	if err := g.Stop(t.Context()); err != nil || len(g.store.writes) != 3 {
		t.Errorf("%d writes, %v", len(g.store.writes), err)
	}
}

func TestAStoreThatFails(t *testing.T) {
	g := newGauge(t)
	g.hold(3, time.Minute)
	g.Sample("gone", v1alpha1.Deviation{Objects: 1})
	g.flush(t)
	g.hold(0, time.Minute)
	g.store.err = errors.New("disk full")
	for range 5 {
		if err := g.Flush(t.Context()); err == nil || !g.Dirty() {
			t.Fatal("the failure is not told")
		}
	}
	g.Forget(t.Context(), "gone")
	g.Sample("gone", v1alpha1.Deviation{Objects: 8})
	g.store.err = nil
	if err := g.put(t.Context(), "gone"); err != nil || g.store.writes[len(g.store.writes)-1] == "gone" {
		t.Errorf("written before the old record has gone: %v, %v", g.store.writes, err)
	}
	if n := strings.Count(g.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, g.log)
	}
	g.flush(t)
	if !strings.Contains(g.log.String(), "written again") {
		t.Error("the end of the failure is not told")
	}
	g.restart(t)
	equal(t, "shop", g.deviating(), map[string]time.Duration{"2026-03-01": time.Minute})
	equal(t, "the new one", g.Now("gone").Objects, 8)
	g.Forget(t.Context(), "gone")
	g.Forget(t.Context(), "none such")
	if records, err := g.store.List(t.Context(), store.Deviation); err != nil || len(records) != 1 || g.Dirty() {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestDamagedRecordsBeginAnew(t *testing.T) {
	g := newGauge(t)
	for name, text := range map[string]string{
		"text": "x", "nothing": "", "version": `{"version":2}`, "time": `{"version":1,"upTo":9223372036854775807}`,
		"three": `{"version":1,"steps":[1,2,3]}`, "back": `{"version":1,"steps":[200,1,1,1,-2,1,1,1]}`,
		"negative": `{"version":1,"steps":[200,-1,1,1]}`, "far": `{"version":1,"steps":[400000000000000,1,1,1,400000000000000,1,1,1]}`,
		"day": `{"version":1,"days":[{"day":9000000000}]}`, "order": `{"version":1,"days":[{"day":2},{"day":2}]}`,
		"count": `{"version":1,"days":[{"day":2,"repairs":-1}]}`, "cause": `{"version":1,"days":[{"day":2,"causes":{"` + strings.Repeat("x", 99) + `":1}}]}`,
		"long": `{"version":1,"steps":[` + strings.Repeat("0,1,1,1,", maxSteps) + `0,0,0,0]}`, "huge": strings.Repeat(" ", maxRecord) + `{"version":1}`,
	} {
		if err := g.store.Store.Put(t.Context(), store.Deviation, name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		g.log.Reset()
		g.restart(t)
		if len(g.tracks) != 0 || !strings.Contains(g.log.String(), name) {
			t.Errorf("%s was taken: %s", name, g.log)
		}
		g.flush(t)
		if _, err := g.store.Get(t.Context(), store.Deviation, name); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}
