package history

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Bounds of what is kept of a day. Causes come from outside: a field manager may have any name, and there may be any number.
const (
	maxDays      = 30
	maxCauses    = 20 // that are named
	maxCause     = 64 // bytes
	otherCauses  = "others"
	unknownCause = ""
	maxTally     = 999_999_999
)

// dayTotal sums up a day (UTC).
type dayTotal struct {
	number            int // days since 1970
	deviating         time.Duration
	repairs, settled  int
	settling, longest time.Duration  // the sum and the largest
	causes            map[string]int // nil until there is one
}

// days are those on which something happened, the oldest first.
type days []dayTotal

// of gives a day, made if need be, until the next change.
func (l *days) of(number int) *dayTotal {
	at, found := slices.BinarySearchFunc(*l, number, func(d dayTotal, number int) int { return d.number - number })
	if !found {
		*l = slices.Insert(*l, at, dayTotal{number: number})
	}
	return &(*l)[at]
}

// deviated adds time in deviation that ends now to the days that it lies in.
func (l *days) deviated(now time.Time, passed time.Duration) {
	today := dayOf(now)
	sinceMidnight := now.Round(0).Sub(time.Unix(int64(today)*86_400, 0))
	for number := today; passed > 0 && number > today-maxDays; number-- {
		part := min(passed, sinceMidnight)
		if part > 0 {
			d := l.of(number)
			d.deviating = plus(d.deviating, part)
		}
		passed -= part
		sinceMidnight = 24 * time.Hour
	}
	l.trim(today)
}

// trim drops days that are too old. Days after today are there when the clock was set back: they stay as long as there is room,
// because it may be this clock that is wrong.
func (l *days) trim(today int) {
	*l = slices.DeleteFunc(*l, func(d dayTotal) bool { return d.number <= today-maxDays })
	*l = (*l)[:min(len(*l), maxDays)]
}

func (l days) wire() []v1alpha1.DeviationDay {
	wire := make([]v1alpha1.DeviationDay, len(l))
	for i, d := range l {
		wire[i] = v1alpha1.DeviationDay{
			Day: time.Unix(int64(d.number)*86_400, 0).UTC().Format(time.DateOnly), Deviating: v1alpha1.Duration(d.deviating),
			Repairs: d.repairs, Causes: maps.Clone(d.causes), Settled: d.settled, SettlingMax: v1alpha1.Duration(d.longest),
		}
		if d.settled > 0 {
			wire[i].SettlingMean = v1alpha1.Duration(d.settling / time.Duration(d.settled))
		}
	}
	return wire
}

// plus adds durations that are not negative, up to the longest that there is.
func plus(a, b time.Duration) time.Duration { return min(a, math.MaxInt64-b) + b }

// dayOf numbers days (UTC) from 1970 on.
func dayOf(t time.Time) int { return int(floor(milli(t), day) / day) }

// causeName makes a name bearable for tables, records and labels of metrics: valid text without control characters, and short.
func causeName(name string) string {
	if len(name) > 4*maxCause {
		name = name[:4*maxCause]
	}
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "")))
	return clip(name, maxCause-len("…"))
}

// countCause adds one to a cause, under "others" when there are too many with a name.
func countCause(causes map[string]int, name string) map[string]int {
	if causes == nil {
		causes = map[string]int{}
	}
	if _, known := causes[name]; !known && name != unknownCause && named(causes) >= maxCauses {
		name = otherCauses
	}
	causes[name] = min(causes[name]+1, maxTally)
	return causes
}

// named counts the causes that have a name of their own.
func named(causes map[string]int) int {
	n := len(causes)
	for _, name := range []string{unknownCause, otherCauses} {
		if _, there := causes[name]; there {
			n--
		}
	}
	return n
}
