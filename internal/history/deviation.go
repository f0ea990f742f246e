package history

import (
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// Deviations is the memory of how far each Sync's target was from what is declared: as a series over time, and summed up by day.
// Safe for concurrent use. It has no goroutine of its own; only Load, Flush, Stop and Forget use the store, and none of the others
// waits for them. A Sync that never deviated costs nothing.
type Deviations struct {
	store store.Store
	now   func() time.Time
	log   *slog.Logger

	writing sync.Mutex // held while the store is written to; taken before mu

	mu      sync.Mutex
	tracks  map[string]*track
	gone    map[string]bool // forgotten, and perhaps still in the store
	failure error           // of the last write; nil when it worked
}

// DeviationOptions shape Deviations. The zero value of each field means its default.
type DeviationOptions struct {
	Now func() time.Time // the clock; default time.Now
	Log *slog.Logger     // default: nothing is logged
}

// DeviationTotals are counters of one Sync that begin at zero with the process, as metrics want it: what was counted before and
// not written in time would otherwise make them go back.
type DeviationTotals struct {
	Deviating time.Duration
	// Repairs by cause: at most 20 that have a name, "" for those not known, "others" for the rest.
	Repairs map[string]int
}

// NewDeviations makes an empty memory over a store, which stays the caller's to close. Load brings back what was known.
func NewDeviations(s store.Store, options DeviationOptions) *Deviations {
	d := &Deviations{store: s, now: options.Now, log: options.Log, tracks: map[string]*track{}, gone: map[string]bool{}}
	if d.now == nil {
		d.now = time.Now
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	return d
}

// Sample takes note of a Sync's deviation, which is in force until the next sample. One that equals the last costs nothing.
// Deviation.Since is not read: it is kept here.
func (d *Deviations) Sample(sync string, now v1alpha1.Deviation) {
	sample := extentOf(now)
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tracks[sync]
	if t == nil && sample.none() || t != nil && t.awake && t.last == sample {
		return
	}
	d.change(sync).sample(sample)
}

// Repaired counts objects whose drift was corrected, by who had made each deviate; "" is not known. Names are cut at 64 bytes.
func (d *Deviations) Repaired(sync string, causes []string) {
	if len(causes) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.change(sync).repaired(causes)
}

// Settled counts a revision that became healthy, with the time from its being seen to everything being healthy.
func (d *Deviations) Settled(sync string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.change(sync).settled(took)
}

// Now gives the deviation in force; after a start, until the first sample, the one known last.
func (d *Deviations) Now(sync string) v1alpha1.Deviation {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.tracks[sync]; t != nil {
		return t.deviation()
	}
	return v1alpha1.Deviation{}
}

// Series gives a Sync's deviation over the last 30 days. Days on which nothing happened are left out.
func (d *Deviations) Series(sync string) v1alpha1.DeviationSeries {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.present(sync); t != nil {
		t.compact()
		return v1alpha1.DeviationSeries{Sync: sync, Now: t.deviation(), Points: t.steps.wire(), Days: t.days.wire()}
	}
	return v1alpha1.DeviationSeries{Sync: sync, Points: []v1alpha1.DeviationPoint{}, Days: []v1alpha1.DeviationDay{}}
}

// Trend gives the largest number of deviating objects in each of the last 20 spans of 3 minutes, the oldest first; nil when there
// was none in that hour.
func (d *Deviations) Trend(sync string) []int {
	const spans, length = 20, 3 * time.Minute
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.present(sync)
	if t == nil {
		return nil
	}
	return t.steps.trend(milli(t.upTo), spans, length)
}

// Totals gives what was counted since the process started.
func (d *Deviations) Totals(sync string) DeviationTotals {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.present(sync)
	if t == nil {
		return DeviationTotals{}
	}
	return DeviationTotals{Deviating: t.total, Repairs: maps.Clone(t.repairs)}
}

// present gives a Sync's track, brought to the present; nil when there is none. The clock is read under the lock, so that of two
// callers the later one never has the earlier time.
func (d *Deviations) present(sync string) *track {
	t := d.tracks[sync]
	if t != nil {
		t.advance(d.now())
	}
	return t
}

// change gives a Sync's track, brought to the present and made if need be, for something that must be written.
func (d *Deviations) change(sync string) *track {
	if d.tracks[sync] == nil {
		d.tracks[sync] = &track{awake: true}
	}
	return d.present(sync)
}
