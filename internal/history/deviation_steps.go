package history

import (
	"slices"
	"sort"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Lengths of time in milliseconds, and how long what is kept: for an hour the exact steps, for a day the largest of each minute,
// for 30 days the largest of each hour.
const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	month  = 30 * day

	// maxRecent bounds the steps of the last hour. When there are more, the newest exactSteps stay as they are, and those before
	// them are brought on the finest of the grids that leaves at most roomySteps, so that it does not happen at every sample.
	maxRecent  = 240
	exactSteps = 60
	roomySteps = 190
	// maxSteps follows: 29 days of hours, up to 24 hours of minutes, the last hour, and one at each seam.
	maxSteps = 29*24 + 24*60 + maxRecent + 4

	// A clock that is set back by less than smallJump only makes the next steps fall together.
	smallJump = minute
)

// grids are the spans that steps of the last hour are merged to, each a multiple of those before it. An hour on the coarsest
// is 120 steps, fewer than roomySteps less exactSteps.
var grids = []int64{second, 5 * second, 15 * second, 30 * second}

// step is the deviation from an instant on until the next step.
type step struct {
	at int64 // milliseconds since 1970
	extent
	merged bool // it is the largest of a span, and at is the beginning of that
}

// steps is a step function of time: the oldest first, none before the first one. Two steps may have the same time: what lasted for less
// than a millisecond is not lost. The newest is in force and always exact.
type steps struct {
	list   []step
	recent int // at least the number of those that are younger than an hour
}

// add lets the value change, and says whether it did.
func (s *steps) add(now int64, e extent) bool {
	if s.current() == e {
		return false
	}
	if len(s.list) > 0 {
		now = max(now, s.list[len(s.list)-1].at)
	}
	s.list = append(s.list, step{at: now, extent: e})
	if s.recent++; s.recent > maxRecent {
		s.compact(now)
	}
	return true
}

func (s *steps) current() extent {
	if len(s.list) == 0 {
		return extent{}
	}
	return s.list[len(s.list)-1].extent
}

// notAfter moves the past along when the clock is set back, so that its distance from now stays true and steps stay in order.
func (s *steps) notAfter(now int64) {
	if len(s.list) == 0 {
		return
	}
	back := s.list[len(s.list)-1].at - now
	if back < smallJump {
		return
	}
	for i := range s.list {
		s.list[i].at = max(s.list[i].at-back, minMilli)
	}
	s.recent = len(s.list) // what was off the grid by age may not be any more
}

// compact brings every step on the grid of its age, and drops what is too old.
func (s *steps) compact(now int64) {
	s.clip(floor(now-month, hour))
	s.merge(s.before(floor(now-day, hour)), hour)
	hourAgo := floor(now-hour, minute)
	s.merge(s.before(hourAgo), minute)
	s.recent = len(s.list) - s.before(hourAgo)
	if s.recent <= maxRecent {
		return
	}
	for _, grid := range grids {
		s.merge(len(s.list)-exactSteps, grid)
		if s.recent = len(s.list) - s.before(hourAgo); s.recent <= roomySteps {
			return
		}
	}
}

// before counts the steps before a time that are not in force any more.
func (s *steps) before(at int64) int {
	n := sort.Search(len(s.list), func(i int) bool { return s.list[i].at >= at })
	return max(0, min(n, len(s.list)-1))
}

// clip drops what was over at a time. The value in force then begins there, and none needs no step.
func (s *steps) clip(at int64) {
	first := sort.Search(len(s.list), func(i int) bool { return s.list[i].at > at }) - 1
	if first < 0 {
		return
	}
	if s.list[first].none() {
		first++
	} else {
		s.list[first].at = at
	}
	if first > 0 {
		s.list = slices.Clone(s.list[first:]) // let go of the memory of the others
	}
}

// merge brings the first n steps on a grid: each span has the largest value that was in force within it, so that no maximum is ever
// lost, and spans of the same value are one step. Merging again changes nothing, and to a multiple of the grid gives the same as
// merging at once.
func (s *steps) merge(n int, grid int64) {
	if s.onGrid(n, grid) {
		return
	}
	merged := make([]step, 0, len(s.list)+1)
	put := func(at int64, e extent) {
		if len(merged) == 0 && !e.none() || len(merged) > 0 && merged[len(merged)-1].extent != e {
			merged = append(merged, step{at: at, extent: e, merged: true})
		}
	}
	var last extent // in force at the end of what is done
	for i := 0; i < n; {
		start := floor(s.list[i].at, grid)
		end := start + grid
		var most extent
		if s.list[i].at > start {
			most = last
		}
		for ; i < n && s.list[i].at < end; i++ {
			last = s.list[i].extent
			most = most.most(last)
		}
		put(start, most)
		if next := s.list[i].at; i == n && next > end || i < n && floor(next, grid) > end {
			put(end, last)
		}
	}
	s.list = append(merged, s.list[n:]...)
}

// onGrid says whether the first n steps are on a grid already.
func (s *steps) onGrid(n int, grid int64) bool {
	for i, step := range s.list[:n] {
		if !step.merged || step.at != floor(step.at, grid) || i > 0 && s.list[i-1].at == step.at {
			return false
		}
	}
	return true
}

// trend gives the largest number of objects in each of n spans that end now; nil when there was none.
func (s *steps) trend(now int64, n int, span time.Duration) []int {
	width := span.Milliseconds()
	from := now - int64(n)*width
	var trend []int
	end := now
	for i := len(s.list) - 1; i >= 0 && end > from; i-- {
		step := s.list[i]
		if step.objects > 0 {
			if trend == nil {
				trend = make([]int, n)
			}
			first := (max(step.at, from) - from) / width
			last := (max(end-1, step.at, from) - from) / width
			for k := min(first, int64(n)-1); k <= min(last, int64(n)-1); k++ {
				trend[k] = max(trend[k], int(step.objects))
			}
		}
		end = step.at
	}
	return trend
}

func (s *steps) wire() []v1alpha1.DeviationPoint {
	points := make([]v1alpha1.DeviationPoint, len(s.list))
	for i, step := range s.list {
		points[i] = v1alpha1.DeviationPoint{Time: time.UnixMilli(step.at).UTC(),
			Objects: int(step.objects), Fields: int(step.fields), Unhealthy: int(step.unhealthy)}
		if step.merged && i+1 < len(s.list) {
			points[i].Span = v1alpha1.Duration(time.Duration(s.list[i+1].at-step.at) * time.Millisecond)
		}
	}
	return points
}

// floor gives the largest multiple of a unit that is not greater.
func floor(at, unit int64) int64 {
	rest := at % unit
	if rest < 0 {
		rest += unit
	}
	return at - rest
}
