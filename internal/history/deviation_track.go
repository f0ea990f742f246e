package history

import (
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// maxCount bounds a count of objects or fields, and with it the size of a record.
const maxCount = 9_999_999

// extent is how large a deviation is; the zero value is none.
type extent struct{ objects, fields, unhealthy int32 }

func extentOf(d v1alpha1.Deviation) extent {
	return extent{counted(d.Objects), counted(d.Fields), counted(d.Unhealthy)}
}

func counted(n int) int32 { return int32(min(max(n, 0), maxCount)) }

func (e extent) none() bool { return e == extent{} }

// most gives the larger of each count.
func (e extent) most(other extent) extent {
	return extent{max(e.objects, other.objects), max(e.fields, other.fields), max(e.unhealthy, other.unhealthy)}
}

// track is what is known of one Sync. The methods that change it need advance first.
type track struct {
	steps steps
	days  days
	last  extent    // of the last sample, perhaps from before the process started
	since time.Time // when last went from none to some, or back
	// upTo is the instant up to which time in deviation is counted. It keeps the reading of the monotonic clock, so that setting
	// the wall clock neither adds time nor takes any away.
	upTo time.Time
	// awake says that last is in force. It is not between a start and the first sample: what happened while nobody looked is not
	// known, and its time is not counted.
	awake bool

	total   time.Duration  // in deviation since the process started
	repairs map[string]int // since the process started, by cause

	dirty   bool      // something changed that is not written
	written time.Time // when it was last written, or read
}

// advance counts the time up to now. The span ends now and is as long as the time that really passed, so it is given to the right
// days also when the clock was set in between; a clock without a monotonic reading that goes back counts nothing.
func (t *track) advance(now time.Time) {
	passed := now.Sub(t.upTo)
	if t.awake && !t.last.none() && passed > 0 {
		t.days.deviated(now, passed)
		t.total = plus(t.total, passed)
	}
	t.upTo = now
	t.steps.notAfter(milli(now))
	if t.since.After(now) {
		t.since = time.UnixMilli(milli(now)).UTC()
	}
}

func (t *track) sample(e extent) {
	now := milli(t.upTo)
	if e.none() != t.last.none() {
		t.since = time.UnixMilli(now).UTC()
	}
	added := t.steps.add(now, e)
	t.dirty = t.dirty || added || t.last != e
	t.last, t.awake = e, true
}

func (t *track) repaired(causes []string) {
	today := t.days.of(dayOf(t.upTo))
	for _, cause := range causes {
		cause = causeName(cause)
		today.causes = countCause(today.causes, cause)
		t.repairs = countCause(t.repairs, cause)
	}
	today.repairs = min(today.repairs+len(causes), maxTally)
	t.dirty = true
}

func (t *track) settled(took time.Duration) {
	took = max(took, 0)
	today := t.days.of(dayOf(t.upTo))
	today.settled = min(today.settled+1, maxTally)
	today.settling = plus(today.settling, took)
	today.longest = max(today.longest, took)
	t.dirty = true
}

// compact applies retention.
func (t *track) compact() {
	t.steps.compact(milli(t.upTo))
	t.days.trim(dayOf(t.upTo))
}

func (t *track) deviation() v1alpha1.Deviation {
	return v1alpha1.Deviation{Objects: int(t.last.objects), Fields: int(t.last.fields), Unhealthy: int(t.last.unhealthy), Since: t.since}
}

// due says whether the track is to be written: it changed, or it has been in deviation for so long since the last write that a kill
// would lose too much of the time counted.
func (t *track) due(now time.Time) bool {
	return t.dirty || t.counting() && now.Sub(t.written) >= renewEvery
}

// counting says whether time in deviation passes.
func (t *track) counting() bool { return t.awake && !t.last.none() }

// The range of times that JSON can express.
const minMilli, maxMilli = -62_135_596_800_000, 253_402_300_799_999

// milli gives a time in milliseconds since 1970, the resolution of the series.
func milli(t time.Time) int64 { return min(max(t.UnixMilli(), minMilli), maxMilli) }
