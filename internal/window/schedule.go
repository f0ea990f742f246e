package window

import (
	"time"

	"github.com/robfig/cron/v3"
)

// maxSpans is how many spans between two changes of the clocks are looked through for one occurrence. The calendar looks five years
// ahead, which have ten to twenty.
const maxSpans = 64

// schedule gives the instants at which the clocks of a place show certain times. The calendar is that of UTC, where all days are alike;
// what the clocks of the place do is added here: a time that they show twice counts twice, and one that they skip counts as the
// instant at which they skip it, so that no night goes by without its window.
type schedule struct {
	calendar cron.Schedule
	zone     *time.Location
}

// next gives the first occurrence after an instant, in the schedule's zone; zero when there is none within five years.
func (s schedule) next(after time.Time) time.Time {
	at := after.In(s.zone)
	shown := shownBy(at)
	for range maxSpans {
		wanted := s.calendar.Next(shown)
		if wanted.IsZero() {
			return time.Time{}
		}
		_, offset := at.Zone()
		_, end := at.ZoneBounds()
		found := wanted.Add(-time.Duration(offset) * time.Second).In(s.zone)
		if end.IsZero() || found.Before(end) {
			return found
		}
		// The clocks change before that. When they skip it, they show a later time at once.
		end = end.In(s.zone)
		if wanted.Before(shownBy(end)) {
			return end
		}
		at, shown = end, shownBy(end).Add(-time.Second)
	}
	return time.Time{}
}

// shownBy gives what the clocks of its zone show at an instant, as if they were in UTC.
func shownBy(at time.Time) time.Time {
	_, offset := at.Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}
