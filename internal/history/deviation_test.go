package history

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/store/sqlite"
)

// counting is a store that counts what is written, and fails with err while it is set.
type counting struct {
	store.Store
	err    error
	writes []string
}

func (c *counting) Put(ctx context.Context, bucket store.Bucket, key string, value []byte) error {
	c.writes = append(c.writes, key)
	if c.err != nil {
		return c.err
	}
	return c.Store.Put(ctx, bucket, key, value)
}

func (c *counting) Delete(ctx context.Context, bucket store.Bucket, key string) error {
	if c.err != nil {
		return c.err
	}
	return c.Store.Delete(ctx, bucket, key)
}

// gauge is a memory of deviations with a clock that tests move and a store that tells.
type gauge struct {
	*Deviations
	clock *clock
	store *counting
	log   *strings.Builder
}

func newGauge(t *testing.T) *gauge {
	t.Helper()
	database, err := sqlite.Open(t.Context(), ":memory:", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	g := &gauge{clock: &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, store: &counting{Store: database}, log: &strings.Builder{}}
	g.restart(t)
	return g
}

// restart is what a new process does over the same store.
func (g *gauge) restart(t *testing.T) {
	t.Helper()
	g.Deviations = NewDeviations(g.store, DeviationOptions{Now: g.clock.Now, Log: slog.New(slog.NewTextHandler(g.log, nil))})
	if err := g.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (g *gauge) flush(t *testing.T) {
	t.Helper()
	if err := g.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.Dirty() {
		t.Error("dirty after a flush")
	}
}

// hold has so many objects deviate for a time.
func (g *gauge) hold(objects int, d time.Duration) {
	g.Sample("shop", v1alpha1.Deviation{Objects: objects, Fields: 2 * objects})
	g.clock.forward(d)
}

func (g *gauge) deviating() map[string]time.Duration {
	days := map[string]time.Duration{}
	for _, d := range g.Series("shop").Days {
		if d.Deviating > 0 {
			days[d.Day] = time.Duration(d.Deviating)
		}
	}
	return days
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("%s (-want +got):\n%s", what, difference)
	}
}

func TestDeviationOverTime(t *testing.T) {
	g := newGauge(t)
	start := g.clock.now
	g.hold(0, time.Minute)
	g.hold(3, time.Minute)
	g.hold(3, time.Minute)
	g.hold(1, 1500*time.Millisecond)
	equal(t, "now", g.Now("shop"), v1alpha1.Deviation{Objects: 1, Fields: 2, Since: start.Add(time.Minute)})
	g.hold(0, time.Hour/2)
	g.Repaired("shop", []string{"kubectl-edit", "", "kubectl-edit"})
	g.Settled("shop", 2*time.Second)
	g.Settled("shop", 4*time.Second)
	equal(t, "series", g.Series("shop"), v1alpha1.DeviationSeries{
		Sync: "shop", Now: v1alpha1.Deviation{Since: start.Add(3*time.Minute + 1500*time.Millisecond)},
		Points: []v1alpha1.DeviationPoint{
			{Time: start.Add(time.Minute), Objects: 3, Fields: 6},
			{Time: start.Add(3 * time.Minute), Objects: 1, Fields: 2},
			{Time: start.Add(3*time.Minute + 1500*time.Millisecond)},
		},
		Days: []v1alpha1.DeviationDay{{
			Day: "2026-03-01", Deviating: v1alpha1.Duration(121500 * time.Millisecond), Repairs: 3,
			Causes: map[string]int{"kubectl-edit": 2, "": 1}, Settled: 2,
			SettlingMean: v1alpha1.Duration(3 * time.Second), SettlingMax: v1alpha1.Duration(4 * time.Second),
		}},
	})
	equal(t, "totals", g.Totals("shop"), DeviationTotals{Deviating: 121500 * time.Millisecond, Repairs: map[string]int{"kubectl-edit": 2, "": 1}})
}

func TestASyncThatIsNotKnown(t *testing.T) {
	g := newGauge(t)
	equal(t, "series", g.Series("x"), v1alpha1.DeviationSeries{Sync: "x", Points: []v1alpha1.DeviationPoint{}, Days: []v1alpha1.DeviationDay{}})
	if g.Trend("x") != nil || g.Now("x") != (v1alpha1.Deviation{}) || g.Totals("x").Deviating != 0 {
		t.Error("something is known of it")
	}
}

func TestTrend(t *testing.T) {
	g := newGauge(t)
	wanted := func(what string, counts map[int]int) {
		t.Helper()
		want := make([]int, 20)
		for span, n := range counts {
			want[span] = n
		}
		equal(t, what, g.Trend("shop"), want)
	}
	g.hold(7, 0)
	wanted("a sample now", map[int]int{19: 7})
	g.clock.forward(4 * time.Minute)
	wanted("still in force", map[int]int{18: 7, 19: 7})
	g.hold(0, 0)
	g.hold(9, 0)
	g.hold(0, 26*time.Minute)
	wanted("gone after 4 minutes, with a peak", map[int]int{10: 7, 11: 9})
	g.clock.forward(30 * time.Minute)
	wanted("at the edge", map[int]int{0: 7, 1: 9})
	g.clock.forward(5 * time.Minute)
	if trend := g.Trend("shop"); trend != nil {
		t.Errorf("after an hour: %v", trend)
	}
	g.hold(2, 5*time.Hour)
	equal(t, "long in force", g.Trend("shop"), slices.Repeat([]int{2}, 20))
}

// TestTheNewestAreExact: however fast the changes, the newest are as they were, and the hour keeps its shape.
func TestTheNewestAreExact(t *testing.T) {
	g := newGauge(t)
	start := g.clock.now
	for n := range 50 * 60 * 10 {
		g.hold(1+n%5+n/10_000*10, 100*time.Millisecond)
		list := g.tracks["shop"].steps.list
		if newest := list[max(0, len(list)-exactSteps):]; n < 1_000 && slices.ContainsFunc(newest, func(s step) bool { return s.merged }) {
			t.Fatalf("after %d samples one of the newest %d is merged", n+1, exactSteps)
		}
	}
	points := g.Series("shop").Points
	if len(points) > maxRecent || points[0].Time != start || points[0].Objects != 5 {
		t.Errorf("%d points, the first %+v", len(points), points[0])
	}
	if trend := g.Trend("shop"); trend[5] != 5 || trend[13] != 15 || trend[19] != 25 {
		t.Errorf("trend %v", trend)
	}
}

func TestTimeInDeviationSpansMidnightAndMonths(t *testing.T) {
	g := newGauge(t)
	g.clock.now = time.Date(2026, 2, 28, 23, 59, 59, 500_000_000, time.UTC)
	g.hold(1, time.Second+24*time.Hour)
	g.hold(0, time.Hour)
	equal(t, "days", g.deviating(), map[string]time.Duration{
		"2026-02-28": time.Second / 2, "2026-03-01": 24 * time.Hour, "2026-03-02": time.Second / 2})

	g.hold(1, 40*24*time.Hour)
	days := g.deviating()
	if len(days) != 30 || days["2026-04-10"] != 24*time.Hour {
		t.Errorf("%d days of %v", len(days), days)
	}
	if first := g.Series("shop").Points[0]; first.Objects != 1 || !first.Time.Equal(g.clock.now.Add(-30*24*time.Hour).Truncate(time.Hour)) {
		t.Errorf("what is in force begins with %+v", first)
	}
	if total := g.Totals("shop").Deviating; total != 41*24*time.Hour+time.Second {
		t.Errorf("in all %v", total)
	}
}

func TestTheClockIsSet(t *testing.T) {
	g := newGauge(t)
	g.hold(1, time.Hour)
	g.hold(4, time.Minute)
	for _, jump := range []time.Duration{-time.Second, -3 * time.Hour, -50 * 365 * 24 * time.Hour, 80 * 365 * 24 * time.Hour, -30 * 365 * 24 * time.Hour} {
		g.hold(7, 0)
		before := g.Totals("shop").Deviating
		g.clock.forward(jump)
		after := g.Totals("shop").Deviating
		if jump < 0 && after != before {
			t.Errorf("%v: %v became %v", jump, before, after)
		}
		g.hold(2, time.Second)
		g.hold(5, time.Second)
		if got := g.Totals("shop").Deviating - after; got != 2*time.Second {
			t.Errorf("%v: then %v in two seconds", jump, got)
		}
		series := g.Series("shop")
		if !slices.IsSortedFunc(series.Points, func(a, b v1alpha1.DeviationPoint) int { return a.Time.Compare(b.Time) }) || len(series.Days) > maxDays {
			t.Errorf("%v: %+v", jump, series)
		}
		if newest := series.Points[len(series.Points)-1].Time; newest.After(g.clock.now.Add(time.Minute)) || series.Now.Since.After(g.clock.now) {
			t.Errorf("%v: in the future: %v, since %v", jump, newest, series.Now.Since)
		}
		g.flush(t)
		g.restart(t)
	}
}

// TestDaysAfterTodayStayWhileThereIsRoom: a machine that starts with a wrong clock does not lose its days.
func TestDaysAfterTodayStayWhileThereIsRoom(t *testing.T) {
	g := newGauge(t)
	g.hold(1, 40*24*time.Hour)
	g.hold(0, -20*365*24*time.Hour)
	g.hold(1, 10*24*time.Hour)
	g.hold(0, 0)
	days := g.Series("shop").Days
	if len(days) != maxDays || !strings.HasPrefix(days[10].Day, "2006-") || !strings.HasPrefix(days[11].Day, "2026-") {
		t.Errorf("%d days: %+v", len(days), days)
	}
}

func TestCausesAreBounded(t *testing.T) {
	g := newGauge(t)
	causes := []string{"", "a\x1b[31m\xff\nb", strings.Repeat("ü", 500)}
	for n := range 100 {
		causes = append(causes, fmt.Sprint("manager-", n), "manager-1")
	}
	g.Repaired("shop", causes)
	for what, counts := range map[string]map[string]int{"day": g.Series("shop").Days[0].Causes, "totals": g.Totals("shop").Repairs} {
		sum := 0
		for name, n := range counts {
			sum += n
			if len(name) > maxCause {
				t.Errorf("%s: %q is too long", what, name)
			}
		}
		if sum != len(causes) || len(counts) != 22 || counts["others"] != 82 || counts["manager-1"] != 101 || counts[""] != 1 || counts["a[31mb"] != 1 {
			t.Errorf("%s: %d in %v", what, sum, counts)
		}
	}
	g.Totals("shop").Repairs["x"] = 1
	g.Series("shop").Days[0].Causes["x"] = 1
	if _, there := g.Totals("shop").Repairs["x"]; there || slices.Contains(slices.Collect(maps.Keys(g.Series("shop").Days[0].Causes)), "x") {
		t.Error("callers can change what is kept")
	}
}

func TestDeviationsInConcurrentUse(t *testing.T) {
	g := newGauge(t)
	g.now = time.Now
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			name := fmt.Sprint(worker % 2)
			for n := range 300 {
				g.Sample(name, v1alpha1.Deviation{Objects: n % 7})
				g.Repaired(name, []string{"x"})
				g.Settled(name, time.Second)
				g.Trend(name)
				g.Now(name)
				g.Totals(name)
				if n%50 == 0 {
					g.Series(name)
					_ = g.Flush(t.Context())
					g.Forget(t.Context(), "other")
				}
			}
		})
	}
	group.Wait()
	g.flush(t)
	if got := g.Totals("0").Repairs["x"]; got != 600 {
		t.Errorf("%d repairs", got)
	}
}
