package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/source"
)

const (
	// keptEvents is the number of events that a follower who comes back can be given.
	keptEvents = 1000
	// followerQueue is how far a follower may be behind before it is cut off.
	followerQueue = 2000
)

// looked counts a look at a source, and tells those who follow when it brought something new.
func (a *Agent) looked(upstream string, latest source.Latest, changed bool) {
	a.metrics.Poll(upstream, string(fault.KindOf(latest.Err)))
	if !changed {
		return
	}
	event := v1alpha1.Event{Time: latest.CheckedAt, Type: "source", Reason: "NewRevision"}
	switch {
	case latest.Err != nil:
		event.Type, event.Reason, event.Message = "warning", sourceReason(latest.Err), latest.Err.Error()
	case latest.Note.Rewritten:
		event.Type, event.Reason = "warning", "HistoryRewritten"
		event.Message = upstream + ": its history was rewritten (a forced push): " + latest.Artifact.Revision().Short() +
			" does not follow from " + latest.Note.From.Short()
	default:
		event.Message = upstream + " is at " + latest.Artifact.Revision().Short()
	}
	a.events.add(event)
}

// sourceReason says in a word why nothing new can be had of a source.
func sourceReason(err error) string {
	if errors.Is(err, fault.ErrUnverified) {
		return loop.Unverified
	}
	return "SourceFailed"
}

// eventLog numbers events and hands them to followers. Safe for concurrent use; adding never waits.
type eventLog struct {
	mu        sync.Mutex
	last      uint64
	kept      []v1alpha1.Event
	followers map[chan v1alpha1.Event]struct{}
}

// newEventLog begins its numbers at the present milliseconds, so that they go on growing when the agent is started again: a
// follower that comes back says which event it saw last.
func newEventLog() *eventLog {
	return &eventLog{last: uint64(time.Now().UnixMilli()), followers: map[chan v1alpha1.Event]struct{}{}}
}

func (l *eventLog) add(event v1alpha1.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	event.ID = l.last
	l.kept = append(l.kept, event)
	if len(l.kept) > 2*keptEvents {
		l.kept = append([]v1alpha1.Event(nil), l.kept[len(l.kept)-keptEvents:]...)
	}
	for follower := range l.followers {
		select {
		case follower <- event:
		default:
			l.remove(follower)
		}
	}
}

// remove cuts a follower off; its channel is closed once. The caller holds the lock.
func (l *eventLog) remove(follower chan v1alpha1.Event) {
	if _, there := l.followers[follower]; there {
		delete(l.followers, follower)
		close(follower)
	}
}

// follow gives the events after an ID, as far as they are kept, and then new ones, until ctx ends.
func (l *eventLog) follow(ctx context.Context, after uint64) <-chan v1alpha1.Event {
	follower := make(chan v1alpha1.Event, followerQueue+2*keptEvents)
	l.mu.Lock()
	defer l.mu.Unlock()
	if after > 0 {
		for _, event := range l.kept {
			if event.ID > after {
				follower <- event
			}
		}
	}
	l.followers[follower] = struct{}{}
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.remove(follower)
	})
	return follower
}
