package history

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// sampled is a sample with the time that it was in force.
type sampled struct {
	at   int64 // milliseconds
	took time.Duration
	extent
}

// walk lets a Sync's deviation change at random: for long and for short, in bursts, across hours, days and weeks.
func walk(t *rapid.T, d *Deviations, c *clock) []sampled {
	spans := []time.Duration{0, time.Microsecond, 10 * time.Millisecond, time.Second, 20 * time.Second, time.Minute, 7 * time.Minute,
		time.Hour, 5 * time.Hour, 26 * time.Hour}
	var samples []sampled
	sample := func(took time.Duration, n int) {
		deviation := v1alpha1.Deviation{Objects: n, Fields: n * (int(took) % 3), Unhealthy: n / 2}
		samples = append(samples, sampled{milli(c.now), took, extentOf(deviation)})
		d.Sample("shop", deviation)
		c.forward(took)
	}
	for range rapid.IntRange(1, 40).Draw(t, "phases") {
		span := rapid.SampledFrom(spans).Draw(t, "span")
		jitter := time.Duration(rapid.IntRange(0, 999_999).Draw(t, "jitter")) * time.Microsecond
		changes := 1
		if span < time.Hour {
			changes = rapid.SampledFrom([]int{1, 2, 7, 300}).Draw(t, "changes")
		}
		for range changes {
			sample(span+jitter, rapid.SampledFrom([]int{0, 0, 1, 2, 9}).Draw(t, "objects"))
		}
	}
	return samples
}

// newMemory is without a store: nothing but Load, Flush, Stop and Forget may use it.
func newMemory() (*Deviations, *clock) {
	c := &clock{time.Date(2026, 3, 1, 22, 30, 0, 0, time.UTC)}
	return NewDeviations(nil, DeviationOptions{Now: c.Now, Log: slog.New(slog.DiscardHandler)}), c
}

// TestTimeInDeviationIsExact compares the days with a sum that walks from midnight to midnight.
func TestTimeInDeviationIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, c := newMemory()
		now := c.now
		want, total := map[string]time.Duration{}, time.Duration(0)
		for _, s := range walk(t, d, c) {
			end := now.Add(s.took)
			for !s.none() && now.Before(end) {
				until := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
				if until.After(end) {
					until = end
				}
				want[now.Format(time.DateOnly)] += until.Sub(now)
				total += until.Sub(now)
				now = until
			}
			now = end
		}
		oldest := c.now.AddDate(0, 0, -maxDays+1).Format(time.DateOnly)
		for day := range want {
			if day < oldest {
				delete(want, day)
			}
		}
		got := map[string]time.Duration{}
		for _, day := range d.Series("shop").Days {
			got[day.Day] = time.Duration(day.Deviating)
		}
		if difference := cmp.Diff(want, got); difference != "" {
			t.Fatalf("days (-want +got):\n%s", difference)
		}
		if got := d.Totals("shop").Deviating; got != total {
			t.Fatalf("in all %v, want %v", got, total)
		}
	})
}

// TestMaximaAreNeverLost: over any sample's time the series is at least as large, and it is nowhere larger than the largest sample
// in the span that it may stand for. It survives a restart as it is, and is bounded.
func TestMaximaAreNeverLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, c := newMemory()
		samples := walk(t, d, c)
		now := milli(c.now)
		if n := len(d.tracks["shop"].stepsOrNone()); n > maxSteps {
			t.Fatalf("%d steps between two compactions", n)
		}
		d.Series("shop")
		list := d.tracks["shop"].stepsOrNone()
		for i, s := range samples {
			end := now
			if i+1 < len(samples) {
				end = samples[i+1].at
			}
			if s.at < floor(now-month, hour) {
				continue
			}
			if got := largest(list, s.at, end); got.most(s.extent) != got {
				t.Fatalf("%v from %d to %d is lost: the series has %v", s.extent, s.at, end, got)
			}
		}
		for i, s := range list {
			end := now
			if i+1 < len(list) {
				end = list[i+1].at
			}
			if most := among(samples, s.at, end, now); s.most(most) != most {
				t.Fatalf("step %d says %v, and the most was %v", i, s.extent, most)
			}
		}
		checkBounds(t, list, now)
		checkTrend(t, d, samples, now)
		checkRecord(t, d.tracks["shop"])
	})
}

// stepsOrNone gives the steps of a track that may not be there.
func (t *track) stepsOrNone() []step {
	if t == nil {
		return nil
	}
	return t.steps.list
}

// largest gives the most that the series says from one time to another.
func largest(list []step, from, to int64) extent {
	var most extent
	for i, s := range list {
		if s.at <= to && (i+1 == len(list) || list[i+1].at >= from) {
			most = most.most(s.extent)
		}
	}
	return most
}

// among gives the most of the samples that were in force in the spans which a step from one time to another may stand for.
func among(samples []sampled, from, to, now int64) extent {
	grid := 30 * second
	switch {
	case from < floor(now-day, hour):
		grid = hour
	case from < floor(now-hour, minute):
		grid = minute
	}
	from, to = floor(from, grid), floor(to, grid)+grid
	var most extent
	for i, s := range samples {
		if s.at <= to && (i+1 == len(samples) || samples[i+1].at >= from) {
			most = most.most(s.extent)
		}
	}
	return most
}

func checkBounds(t *rapid.T, list []step, now int64) {
	recent, minutes := 0, 0
	if len(list) > 0 && list[0].at < floor(now-month, hour) {
		t.Fatalf("step 0 is too old")
	}
	for i, s := range list {
		switch {
		case s.at >= floor(now-hour, minute):
			recent++
		case s.at >= floor(now-day, hour):
			minutes++
		}
		if i > 0 && s.at < list[i-1].at {
			t.Fatalf("step %d goes back", i)
		}
	}
	if recent > maxRecent || minutes > 24*60+2 || len(list)-recent-minutes > 29*24+2 {
		t.Fatalf("%d of the last hour, %d of the last day, %d in all", recent, minutes, len(list))
	}
}

// checkTrend compares the trend with the samples: at least the largest of each span, and nothing that its neighbours do not explain.
func checkTrend(t *rapid.T, d *Deviations, samples []sampled, now int64) {
	trend := d.Trend("shop")
	const width = 3 * minute
	for k := range 20 {
		from := now - int64(20-k)*width
		got := extent{}
		if trend != nil {
			got.objects = int32(trend[k])
		}
		var least int32
		for i, s := range samples {
			if s.at < from+width && (i+1 == len(samples) || samples[i+1].at > from) {
				least = max(least, s.objects)
			}
		}
		if most := among(samples, from-minute, from+width+minute, now).objects; got.objects < least || got.objects > most {
			t.Fatalf("span %d of %v: want between %d and %d", k, trend, least, most)
		}
	}
}

func checkRecord(t *rapid.T, track *track) {
	if track == nil {
		return
	}
	data, err := track.encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > maxRecord || back.last != track.last || !back.since.Equal(track.since) {
		t.Fatalf("%d bytes, %v since %v", len(data), back.last, back.since)
	}
	if !track.last.none() {
		back.steps.list = back.steps.list[:len(back.steps.list)-1] // the gap
	}
	if difference := cmp.Diff(fmt.Sprint(track.steps.list, track.days), fmt.Sprint(back.steps.list, back.days)); difference != "" {
		t.Fatalf("a restart changes (-before +after):\n%s", difference)
	}
}

// TestTheLargestRecord fills everything that can be filled with the longest that there is.
func TestTheLargestRecord(t *testing.T) {
	d, c := newMemory()
	begin, n := c.now, 0
	for elapsed := time.Duration(0); elapsed < 30*24*time.Hour; elapsed = c.now.Sub(begin) {
		pause := time.Hour
		switch left := 30*24*time.Hour - elapsed; {
		case left < 30*time.Second:
			pause = 10 * time.Millisecond
		case left < time.Hour:
			pause = 2 * time.Second
		case left < 26*time.Hour:
			pause = 20 * time.Second
		}
		n++
		d.Sample("shop", v1alpha1.Deviation{Objects: 1<<60 - n, Fields: maxCount - n, Unhealthy: maxCount - n%100_000})
		if n%50 == 0 {
			d.Repaired("shop", []string{fmt.Sprintf("%d%s", n, strings.Repeat(`"`, 100)), ""})
			d.Settled("shop", time.Duration(1<<63-1))
		}
		c.forward(pause)
	}
	for number := range maxDays {
		causes := map[string]int{unknownCause: maxTally, otherCauses: maxTally}
		for n := range maxCauses {
			causes[fmt.Sprintf("%02d%s", n, strings.Repeat(`"`, maxCause-2))] = maxTally
		}
		*d.tracks["shop"].days.of(dayOf(c.now) - number) = dayTotal{dayOf(c.now) - number, 1<<63 - 1, maxTally, maxTally, 1<<63 - 1, 1<<63 - 1, causes}
	}
	d.Series("shop")
	data, err := d.tracks["shop"].encode()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d steps, %d bytes", len(d.tracks["shop"].steps.list), len(data))
	if len(data) > maxRecord || len(d.tracks["shop"].steps.list) < 2000 {
		t.Errorf("%d steps, %d bytes", len(d.tracks["shop"].steps.list), len(data))
	}
	if _, err := decode(data); err != nil {
		t.Error(err)
	}
}

// TestAnyRecordIsBearable: whatever is in the store, reading and using it does not panic, and what was taken can be written again.
func TestAnyRecordIsBearable(t *testing.T) {
	number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-5, 5), rapid.Int64Range(3_540_000_000_000, 3_544_000_000_000))
	rapid.Check(t, func(t *rapid.T) {
		text := fmt.Sprintf(`{"version":1,"upTo":%d,"now":{"objects":%d},"steps":[%d,1,2,3,%d,0,0,%d],"days":[{"day":%d,"deviating":%d,"settled":1,"settling":%d}]}`,
			number.Draw(t, "upTo"), number.Draw(t, "objects"), number.Draw(t, "at"), number.Draw(t, "delta"), number.Draw(t, "unhealthy"),
			number.Draw(t, "day"), number.Draw(t, "deviating"), number.Draw(t, "settling"))
		track, err := decode([]byte(text))
		if err != nil {
			return
		}
		d, c := newMemory()
		d.tracks["shop"] = track
		d.Sample("shop", v1alpha1.Deviation{Objects: 1})
		c.forward(time.Minute)
		d.Settled("shop", 1<<63-1)
		d.Series("shop")
		d.Trend("shop")
		data, err := track.encode()
		if err == nil {
			_, err = decode(data)
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
