// Package httpapitest is a working agent without loops: it keeps what it is given and behaves like the real one towards the
// API, for tests of the API, its client and the command line.
package httpapitest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// firstID is the ID before the first event: IDs begin above 1.
const firstID = 1

// Backend implements httpapi.Backend in memory. Safe for concurrent use.
type Backend struct {
	mu        sync.Mutex
	content   Content
	requested []string
	approvals []v1alpha1.Approval
	ready     error
	now       func() time.Time
	events    []v1alpha1.Event
	followers map[chan v1alpha1.Event]bool
	listeners map[*listener]bool // of the output of apps
	// OnRollback, when set, is called after an App went back to a release, or a Sync to a revision; it may call SetApp and Set.
	OnRollback func(name string)
	// OnApprove, when set, is called after a plan was approved; it may call Set.
	OnApprove func(name string)
	// OnRequest, when set, is called after a Sync was asked to look; it may call Set and Emit.
	OnRequest func(name string)
}

// Content is what a Backend shows.
type Content struct {
	Syncs    []v1alpha1.SyncDetail        `json:"syncs"`
	Attempts []v1alpha1.Attempt           `json:"attempts"`
	Changes  map[string][]v1alpha1.Change `json:"changes"` // by Sync: what Diff says
	Events   []v1alpha1.Event             `json:"events"`  // with IDs above 1
	Apps     []App                        `json:"apps"`
	// By Sync: the revisions that can be gone back to, the newest first; why it is as it is; how far it deviated.
	Healthy    map[string][]v1alpha1.Revision      `json:"healthy"`
	Why        map[string]v1alpha1.Why             `json:"why"`
	Deviations map[string]v1alpha1.DeviationSeries `json:"deviations"`
}

// New makes a backend with a clock; nil is time.Now.
func New(content Content, now func() time.Time) *Backend {
	if now == nil {
		now = time.Now
	}
	return &Backend{content: content, now: now, events: content.Events,
		followers: map[chan v1alpha1.Event]bool{}, listeners: map[*listener]bool{}}
}

// Syncs implements httpapi.Backend.
func (b *Backend) Syncs() []v1alpha1.SyncStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []v1alpha1.SyncStatus
	for _, detail := range b.content.Syncs {
		all = append(all, detail.SyncStatus)
	}
	slices.SortFunc(all, func(x, y v1alpha1.SyncStatus) int { return strings.Compare(x.Name, y.Name) })
	return all
}

// Sync implements httpapi.Backend.
func (b *Backend) Sync(name string) (v1alpha1.SyncDetail, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, err := b.find(name)
	if err != nil {
		return v1alpha1.SyncDetail{}, err
	}
	return b.content.Syncs[at], nil
}

func (b *Backend) find(name string) (int, error) {
	at := slices.IndexFunc(b.content.Syncs, func(d v1alpha1.SyncDetail) bool { return d.Name == name })
	if at < 0 {
		return 0, fault.New(fault.NotFound, "find", "Sync/"+name, "there is no such Sync").WithHint("`setpoint status` lists them")
	}
	return at, nil
}

// Set replaces a Sync's detail, or adds it, and tells followers its state.
func (b *Backend) Set(detail v1alpha1.SyncDetail) {
	b.mu.Lock()
	at, err := b.find(detail.Name)
	if err != nil {
		b.content.Syncs = append(b.content.Syncs, detail)
	} else {
		b.content.Syncs[at] = detail
	}
	b.mu.Unlock()
	b.Emit(v1alpha1.Event{Sync: detail.Name, Type: "state", Reason: detail.Reason, Message: detail.Message, Status: &detail.SyncStatus})
}

// Emit gives an event its ID and time, keeps it and tells followers.
func (b *Backend) Emit(event v1alpha1.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	event.ID, event.Time = firstID+1, b.now().UTC()
	if n := len(b.events); n > 0 {
		event.ID = b.events[n-1].ID + 1
	}
	b.events = append(b.events, event)
	for follower := range b.followers {
		select {
		case follower <- event:
		default: // too slow
			b.drop(follower)
		}
	}
}

func (b *Backend) drop(follower chan v1alpha1.Event) {
	if b.followers[follower] {
		delete(b.followers, follower)
		close(follower)
	}
}

// Disconnect closes the channel of everyone who follows events, and ends every reading of output.
func (b *Backend) Disconnect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for follower := range b.followers {
		b.drop(follower)
	}
	for listener := range b.listeners {
		listener.leave()
	}
}

// Followers gives how many follow events or output now.
func (b *Backend) Followers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.followers) + len(b.listeners)
}

// Follow implements httpapi.Backend.
func (b *Backend) Follow(ctx context.Context, after uint64) <-chan v1alpha1.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	follower := make(chan v1alpha1.Event, len(b.events)+16)
	for _, event := range b.events {
		if after > 0 && event.ID > after {
			follower <- event
		}
	}
	b.followers[follower] = true
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(follower)
	})
	return follower
}

// Attempts implements httpapi.Backend.
func (b *Backend) Attempts(_ context.Context, query store.AttemptQuery) ([]v1alpha1.Attempt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []v1alpha1.Attempt
	for _, a := range b.content.Attempts {
		if (query.Sync == "" || a.Sync == query.Sync) && (query.Before == "" || a.ID < query.Before) && !a.Started.Before(query.Since) {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(x, y v1alpha1.Attempt) int { return strings.Compare(y.ID, x.ID) })
	return found[:min(len(found), query.Limit)], nil
}

// Request implements httpapi.Backend.
func (b *Backend) Request(name string) error {
	b.mu.Lock()
	_, err := b.find(name)
	if err == nil {
		b.requested = append(b.requested, name)
	}
	b.mu.Unlock()
	if err == nil && b.OnRequest != nil {
		b.OnRequest(name)
	}
	return err
}

// Refresh implements httpapi.Backend.
func (b *Backend) Refresh(name string) error { return b.Request(name) }

// Requested gives the Syncs that were asked to look, in order.
func (b *Backend) Requested() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requested)
}

// Suspend implements httpapi.Backend.
func (b *Backend) Suspend(_ context.Context, name string, on bool) error {
	detail, err := b.Sync(name)
	if err != nil {
		return err
	}
	detail.State, detail.SuspendedBy = "Pending", ""
	if on {
		detail.State, detail.SuspendedBy = "Suspended", "person"
	}
	b.Set(detail)
	return nil
}

// Diff implements httpapi.Backend.
func (b *Backend) Diff(_ context.Context, name, _ string) (v1alpha1.Diff, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, err := b.find(name)
	if err != nil {
		return v1alpha1.Diff{}, err
	}
	return v1alpha1.Diff{Changes: b.content.Changes[name], Plan: b.content.Syncs[at].Plan}, nil
}

// Rendered implements httpapi.Backend.
func (b *Backend) Rendered(name string) ([]byte, error) {
	detail, err := b.Sync(name)
	if err != nil {
		return nil, err
	}
	ids := []v1alpha1.ObjectID{}
	for _, item := range detail.Items {
		ids = append(ids, item.ID)
	}
	return json.Marshal(ids)
}

// Ready implements httpapi.Backend.
func (b *Backend) Ready() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready
}

// SetReady says what Ready answers.
func (b *Backend) SetReady(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = err
}
