package loop

import (
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The damping of fights: a loop that answers each change of another controller at once would make two controllers oscillate for ever.
const (
	// fightRounds corrections of one field within fightWindow are made at once; then it is contended.
	fightRounds = 5
	fightWindow = 10 * time.Minute
	// fightHeld is how long a correction has to hold for what comes after it to be another disturbance and no answer. It is less than a
	// minute, so that what is disturbed once a minute is always put right at once.
	fightHeld = 45 * time.Second
	// fightFirst is the wait before a contended field is corrected again, doubled each time up to fightLast.
	fightFirst = 10 * time.Second
	fightLast  = 10 * time.Minute
	// repairsPerHour is how often one object is repaired within an hour without a pause; after that once in repairPause, so that what is
	// disturbed for ever is never left alone for long, and a mending revision finds room.
	repairsPerHour = 60
	repairPause    = time.Minute
	// MaxWritesPerHour bounds the writes to one object within any hour, whatever their reason. Beyond it the object waits.
	MaxWritesPerHour = 120
)

// damper remembers who changes what back, and how often each object was written. It is part of a loop's memory.
type damper struct {
	fights map[contested]*fight
	writes map[state.ID][]time.Time // of the last hour, the oldest first
}

// contested is a field of an object, or the object itself ("").
type contested struct {
	id   state.ID
	path string
}

// fight is what happens to one of them.
type fight struct {
	at       []time.Time // the last corrections, at most fightRounds
	wait     time.Duration
	until    time.Time // it is left alone until then; zero: it is not contended
	since    time.Time
	rounds   int
	by       string
	old, new string
}

func newDamper() damper {
	return damper{fights: map[contested]*fight{}, writes: map[state.ID][]time.Time{}}
}

// recall takes over what the history tells of the last hour, the oldest attempt first: neither a fight nor the bound on writes ends with a
// restart.
func (d *damper) recall(attempts []v1alpha1.Attempt, now time.Time) {
	for _, attempt := range attempts {
		at := attempt.Started
		if now.Sub(at) >= time.Hour || now.Before(at) {
			continue
		}
		for _, change := range attempt.Changes {
			d.wrote(change.ID, at)
			if change.Cause != byDrift || change.Error != nil {
				continue
			}
			entry := diff.Entry{ID: change.ID, Op: diff.Op(change.Op)}
			for _, field := range change.Fields {
				entry.Fields = append(entry.Fields, diff.Field(field))
			}
			d.corrected(entry, at)
		}
	}
}

// resume takes over what was left to others before a restart. The history alone does not tell of a fight whose rounds are far apart.
func (d *damper) resume(left []v1alpha1.Contention) {
	for _, c := range left {
		key := contested{c.ID, c.Path}
		if f := d.fights[key]; f != nil && !f.until.Before(c.RetryAt) || c.Rounds >= repairsPerHour {
			continue
		}
		wait := fightFirst
		for range c.Rounds - fightRounds {
			wait = min(2*wait, fightLast)
		}
		d.fights[key] = &fight{
			at: []time.Time{c.RetryAt.Add(-wait)}, wait: wait, until: c.RetryAt, since: c.Since, rounds: c.Rounds,
			by: c.By, old: c.Theirs, new: c.Ours,
		}
	}
}

// fieldsOf gives what a difference is about: its fields, or the object as a whole where it is not there or has to go.
func fieldsOf(entry diff.Entry) []diff.Field {
	if entry.Op == diff.Update && len(entry.Fields) > 0 {
		return entry.Fields
	}
	whole := diff.Field{}
	for _, field := range entry.Fields {
		whole.By, whole.Old, whole.New = field.By, field.Old, field.New
	}
	return []diff.Field{whole}
}

// corrected takes note of a repair that was made.
func (d *damper) corrected(entry diff.Entry, now time.Time) {
	for _, field := range fieldsOf(entry) {
		key := contested{entry.ID, field.Path}
		f := d.fights[key]
		if f == nil {
			f = &fight{}
			d.fights[key] = f
		}
		if f.over(now) {
			*f = fight{}
		}
		f.at = append(f.at, now)
		f.at = f.at[max(0, len(f.at)-fightRounds):]
		f.by, f.old, f.new = field.By, field.Old, field.New
		if f.rounds++; f.since.IsZero() {
			f.since = now
		}
		if len(f.at) == fightRounds && now.Sub(f.at[0]) <= fightWindow || f.wait > 0 {
			f.wait = min(max(2*f.wait, fightFirst), fightLast)
			f.until = now.Add(f.wait)
		}
	}
}

// over says whether a fight has ended: a correction has held for long enough that the next one begins another.
func (f *fight) over(now time.Time) bool {
	last := f.since
	if len(f.at) > 0 {
		last = f.at[len(f.at)-1]
	}
	return now.Sub(last) > max(fightHeld, 2*f.wait) || now.Before(last)
}

// contended gives the fields of a drifted object that are left alone now. The whole of it is contended when all are. What is told of them
// is as it was at the last correction: the other writer may set another value many times a second, and that is no news.
func (d *damper) contended(entry diff.Entry, now time.Time) (left []v1alpha1.Contention, whole bool) {
	fields := fieldsOf(entry)
	for _, field := range fields {
		if f := d.fights[contested{entry.ID, field.Path}]; f != nil && now.Before(f.until) {
			left = append(left, v1alpha1.Contention{
				ID: entry.ID, Path: field.Path, By: orElse(f.by, field.By), Theirs: f.old, Ours: f.new,
				Rounds: f.rounds, Since: f.since, RetryAt: f.until,
			})
		}
	}
	return left, len(left) == len(fields)
}

// wrote takes note of a write to an object, successful or not.
func (d *damper) wrote(id state.ID, now time.Time) {
	kept := d.recent(id, now)
	d.writes[id] = append(kept, now)
}

func (d *damper) recent(id state.ID, now time.Time) []time.Time {
	times := d.writes[id]
	first := slices.IndexFunc(times, func(at time.Time) bool { return now.Sub(at) < time.Hour && !now.Before(at) })
	if first < 0 {
		return times[:0]
	}
	return times[first:]
}

// exhausted says until when an object must not be written; zero when it may be.
func (d *damper) exhausted(id state.ID, repair bool, now time.Time) time.Time {
	times := d.recent(id, now)
	if len(times) >= MaxWritesPerHour {
		return times[len(times)-MaxWritesPerHour].Add(time.Hour)
	}
	if repair && len(times) >= repairsPerHour {
		if next := times[len(times)-1].Add(repairPause); now.Before(next) {
			return next
		}
	}
	return time.Time{}
}

// forget drops what is over, and what is remembered of objects that are gone.
func (d *damper) forget(gone func(state.ID) bool, now time.Time) {
	for key, f := range d.fights {
		if gone(key.id) || f.over(now) && !now.Before(f.until) {
			delete(d.fights, key)
		}
	}
	for id := range d.writes { // also of objects that are gone: they may be declared again within the hour
		if len(d.recent(id, now)) == 0 {
			delete(d.writes, id)
		}
	}
}
