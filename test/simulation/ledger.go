package main

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// ledger is a store in memory. It survives crashes, as a database does: a write that returned is there.
type ledger struct {
	attempts []v1alpha1.Attempt // the oldest first
	records  map[store.Bucket]map[string][]byte
	// before and after are called around every write of an attempt; an error of before is the store's.
	before func() error
	after  func(v1alpha1.Attempt)
	writes int
}

var _ store.Store = (*ledger)(nil)

// PutAttempt implements store.Store.
func (l *ledger) PutAttempt(_ context.Context, attempt v1alpha1.Attempt, standsFor ...string) error {
	if err := l.before(); err != nil {
		return err
	}
	l.writes++
	if len(standsFor) > 0 {
		l.attempts = slices.DeleteFunc(l.attempts, func(a v1alpha1.Attempt) bool { return slices.Contains(standsFor, a.ID) })
	}
	at := len(l.attempts)
	for at > 0 && l.attempts[at-1].ID > attempt.ID {
		at--
	}
	if at > 0 && l.attempts[at-1].ID == attempt.ID {
		l.attempts[at-1] = attempt
	} else {
		l.attempts = slices.Insert(l.attempts, at, attempt)
	}
	l.after(attempt)
	return nil
}

// Attempts implements store.Store.
func (l *ledger) Attempts(_ context.Context, query store.AttemptQuery) ([]v1alpha1.Attempt, error) {
	if query.Limit <= 0 {
		query.Limit = store.DefaultLimit
	}
	var found []v1alpha1.Attempt
	for _, a := range slices.Backward(l.attempts) {
		if len(found) == query.Limit {
			break
		}
		if (query.Sync == "" || a.Sync == query.Sync) && (query.Before == "" || a.ID < query.Before) &&
			!a.Started.Before(query.Since) && (!query.Running || a.Finished.IsZero()) {
			found = append(found, a)
		}
	}
	return found, nil
}

// running gives the attempt of a Sync that is under way.
func (l *ledger) running(sync string) (v1alpha1.Attempt, bool) {
	for _, a := range slices.Backward(l.attempts) {
		if a.Sync == sync && a.Finished.IsZero() {
			return a, true
		}
	}
	return v1alpha1.Attempt{}, false
}

// DropAttempts implements store.Store. Nothing is ever old enough in a simulation.
func (l *ledger) DropAttempts(context.Context, time.Time, int) (int, error) { return 0, nil }

// Put implements store.Store.
func (l *ledger) Put(_ context.Context, bucket store.Bucket, key string, value []byte) error {
	if l.records == nil {
		l.records = map[store.Bucket]map[string][]byte{}
	}
	if l.records[bucket] == nil {
		l.records[bucket] = map[string][]byte{}
	}
	if bytes.Equal(l.records[bucket][key], value) {
		return nil
	}
	l.writes++
	l.records[bucket][key] = bytes.Clone(value)
	return nil
}

// Get implements store.Store.
func (l *ledger) Get(_ context.Context, bucket store.Bucket, key string) ([]byte, error) {
	value, ok := l.records[bucket][key]
	if !ok {
		return nil, fault.New(fault.NotFound, "read", string(bucket)+"/"+key, "there is no such record")
	}
	return bytes.Clone(value), nil
}

// List implements store.Store.
func (l *ledger) List(_ context.Context, bucket store.Bucket) (map[string][]byte, error) {
	return maps.Clone(l.records[bucket]), nil
}

// Delete implements store.Store.
func (l *ledger) Delete(_ context.Context, bucket store.Bucket, key string) error {
	delete(l.records[bucket], key)
	return nil
}

// Close implements store.Store.
func (l *ledger) Close() error { return nil }
