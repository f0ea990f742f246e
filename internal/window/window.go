// Package window knows spans of time that come again and again. It is pure: the time is a value.
package window

import "time"

// The bounds of how long a window is open.
const (
	MinDuration = time.Minute
	MaxDuration = 366 * 24 * time.Hour
)

const (
	// maxOccurrences is how many overlapping occurrences are followed to find an end: four years of days, a day of minutes.
	maxOccurrences = 1500
	// horizon is how far ahead an end is looked for.
	horizon = 3 * MaxDuration
)

// Window is a parsed window: it opens whenever its schedule says so, and closes when its duration has passed. It is immutable. The zero
// value never opens.
type Window struct {
	// Text as people read it: "0 22 * * 1-5 for 8h (Europe/Berlin)".
	Text     string
	duration time.Duration
	schedule schedule
}

// Contains says whether the window is open at an instant. It is cheaper than Open.
func (w Window) Contains(at time.Time) bool { return !w.began(at).IsZero() }

// began gives the first of the occurrences that are open at an instant; zero when none is. One is open from its beginning on, and no
// longer when the duration has passed: it began after at - duration.
func (w Window) began(at time.Time) time.Time {
	if w.duration <= 0 {
		return time.Time{}
	}
	if begin := w.schedule.next(at.Add(-w.duration)); !begin.After(at) {
		return begin
	}
	return time.Time{}
}

// Open says whether the window is open at an instant, and when it closes: the end of the union of its overlapping occurrences, in the
// window's time zone. The end is zero when none is in sight, as for a window of 24 hours that opens every day.
func (w Window) Open(at time.Time) (closes time.Time, open bool) {
	begin := w.began(at)
	if begin.IsZero() {
		return time.Time{}, false
	}
	for range maxOccurrences {
		end := begin.Add(w.duration)
		next := w.schedule.next(begin)
		switch {
		case next.IsZero() || next.After(end):
			return end, true
		case next.After(at.Add(horizon)):
			return time.Time{}, true
		}
		begin = next
	}
	return time.Time{}, true
}

// Next gives when it opens next, after an instant, in the window's time zone: when it is open then, that is after it has closed. Zero
// when never, or when no end is in sight.
func (w Window) Next(after time.Time) time.Time {
	if w.duration <= 0 {
		return time.Time{}
	}
	closes, open := w.Open(after)
	switch {
	case !open:
		return w.schedule.next(after)
	case closes.IsZero():
		return time.Time{}
	}
	return w.schedule.next(closes)
}
