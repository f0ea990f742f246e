package history

import (
	"context"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// renewEvery is how often a Sync that stays in deviation is written although nothing changes: a killed agent loses at most so much
// of the time counted.
const renewEvery = time.Hour

// Load reads what is in the store, once, before the first sample. Damaged records are logged and removed. An error means that the
// store could not be read; then everything begins anew.
func (d *Deviations) Load(ctx context.Context) error {
	records, err := d.store.List(ctx, store.Deviation)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for sync, data := range records {
		t, err := decode(data)
		if err != nil {
			d.log.Error("the deviation of a Sync over time is damaged and begins anew", "sync", sync, "error", err)
			d.gone[sync] = true
			continue
		}
		t.written = now
		d.tracks[sync] = t
	}
	return nil
}

// Dirty says whether Flush has something to write. It takes microseconds.
func (d *Deviations) Dirty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.gone) > 0 {
		return true
	}
	now := d.now()
	for _, t := range d.tracks {
		if t.due(now) {
			return true
		}
	}
	return false
}

// Flush writes what changed since the last time, and once an hour what stays in deviation. What the store does not take stays for the
// next time; that is logged here, once per cause.
func (d *Deviations) Flush(ctx context.Context) error {
	return d.write(ctx, func(t *track, now time.Time) bool { return t.due(now) })
}

// Stop is Flush for the end of the process: it also writes the time that passed in deviation since the last write.
func (d *Deviations) Stop(ctx context.Context) error {
	return d.write(ctx, func(t *track, now time.Time) bool { return t.dirty || t.counting() })
}

// Forget drops a Sync that is gone, also from the store; where that fails, Flush tries again.
func (d *Deviations) Forget(ctx context.Context, sync string) {
	d.mu.Lock()
	delete(d.tracks, sync)
	d.gone[sync] = true
	d.mu.Unlock()
	_ = d.report(d.remove(ctx, sync)) // what failed is logged, and tried again
}

// write brings tracks to the store, in the order of their names, until the store fails.
func (d *Deviations) write(ctx context.Context, wanted func(*track, time.Time) bool) error {
	var leaving, staying []string
	d.mu.Lock()
	for sync := range d.gone {
		leaving = append(leaving, sync)
	}
	now := d.now()
	for sync, t := range d.tracks {
		if wanted(t, now) {
			staying = append(staying, sync)
		}
	}
	d.mu.Unlock()
	slices.Sort(leaving)
	slices.Sort(staying)
	for _, sync := range leaving { // first, because a Sync may be there again by the same name
		if err := d.remove(ctx, sync); err != nil {
			return d.report(err)
		}
	}
	for _, sync := range staying {
		if err := d.put(ctx, sync); err != nil {
			return d.report(err)
		}
	}
	return d.report(nil)
}

// remove deletes the record of a Sync that is gone, unless that is done already.
func (d *Deviations) remove(ctx context.Context, sync string) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.mu.Lock()
	gone := d.gone[sync]
	d.mu.Unlock()
	if !gone {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := d.store.Delete(ctx, store.Deviation, sync); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.gone, sync)
	d.mu.Unlock()
	return nil
}

// put writes a Sync's record, unless it has gone in the meantime. Changes made while it is written make it dirty again.
func (d *Deviations) put(ctx context.Context, sync string) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	t, data, err := d.encode(sync)
	if t == nil || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err = d.store.Put(ctx, store.Deviation, sync, data); err != nil {
		d.mu.Lock()
		t.dirty = true
		d.mu.Unlock()
	}
	return err
}

// encode gives a Sync's track, nil when it has none, and its record, and takes it as written.
func (d *Deviations) encode(sync string) (*track, []byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.present(sync)
	if t == nil || d.gone[sync] { // in the latter case the old record goes first, the next time
		return nil, nil, nil
	}
	data, err := t.encode()
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, "encode", "deviation of "+sync, err)
	}
	t.dirty, t.written = false, t.upTo
	return t, data, nil
}

// report logs a failure once per cause, and its end.
func (d *Deviations) report(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err != nil && (d.failure == nil || d.failure.Error() != err.Error()):
		d.log.Error("deviations cannot be written; they are kept in memory", "error", err, "hint", fault.HintOf(err))
	case err == nil && d.failure != nil:
		d.log.Info("deviations are written again")
	}
	d.failure = err
	return err
}
