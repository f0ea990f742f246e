package loop

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// disturbed is a field of an object that differs from what is declared.
func disturbed(path string) diff.Entry {
	return diff.Entry{
		ID: state.ID{Group: "host.setpoint.dev", Kind: "App", Name: "web"}, Op: diff.Update,
		Fields: []diff.Field{{Path: diff.Path{{Name: "processes"}, {Name: path}}.String(), Old: "exited with code 7", New: "running"}},
	}
}

// fightFor has something disturbed again a while after each correction, and gives when it was corrected, and the longest wait for that.
func fightFor(span, again time.Duration) (corrected []time.Duration, longest time.Duration) {
	d := newDamper()
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	entry := disturbed("web.1")
	disturbedAt := begin
	for now := begin; now.Before(begin.Add(span)); now = now.Add(50 * time.Millisecond) {
		_, whole := d.contended(entry, now)
		if now.Before(disturbedAt) || whole || !d.exhausted(entry.ID, true, now).IsZero() {
			continue
		}
		d.wrote(entry.ID, now)
		d.corrected(entry, now)
		corrected, longest = append(corrected, now.Sub(begin)), max(longest, now.Sub(disturbedAt))
		disturbedAt = now.Add(again)
	}
	return corrected, longest
}

// A process that ends as soon as it is started is started five times at once, and then after 10 s, 20 s and so on up to 10 minutes.
func TestWhatIsUndoneAtOnceIsCorrectedLessAndLess(t *testing.T) {
	times, _ := fightFor(3*time.Hour, 0)
	within := func(from, to time.Duration) (count int) {
		for _, at := range times {
			if at >= from && at < to {
				count++
			}
		}
		return count
	}
	for _, span := range []struct {
		from, to time.Duration
		want     int
	}{{0, 9 * time.Second, 5}, {0, 10 * time.Minute, 10}, {0, time.Hour, 15}, {time.Hour, 2 * time.Hour, 6}, {2 * time.Hour, 3 * time.Hour, 6}} {
		if got := within(span.from, span.to); got != span.want {
			t.Errorf("from %s to %s it was corrected %d times, want %d: %v", span.from, span.to, got, span.want, times)
		}
	}
}

// What is disturbed once a minute is no fight: it is put right at once, for ever.
func TestWhatIsDisturbedOnceAMinuteIsAlwaysCorrectedAtOnce(t *testing.T) {
	times, longest := fightFor(6*time.Hour, time.Minute)
	if longest > 0 || len(times) != 6*60 {
		t.Errorf("corrected %d times in 6 h, at most %s late", len(times), longest)
	}
}
