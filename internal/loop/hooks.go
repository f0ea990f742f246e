package loop

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// hooks are the objects of a desired state that run once, and how they are doing. Which run one belongs to is written on the object
// itself, so that a loop that was killed after it had created one knows that it did.
type hooks struct {
	of       map[state.ID]plan.Hook
	rendered state.Set // as it was rendered, without the marks; empty when there are no hooks
	run      hookRun
	cleanup  map[state.ID]bool // what is over, and to be deleted by its policy
	// lingering are those whose time was over and that are still there: nothing is put back beside a migration that still runs.
	lingering map[state.ID]bool
	lookAt    time.Time // when the lingering ones are looked at again: that something has gone makes no event of every target
}

// hookRun is what is remembered of one run across restarts.
type hookRun struct {
	Digest  state.Digest          `json:"digest"`           // of the desired state
	Serial  int                   `json:"serial,omitempty"` // of the hooks that run again and again
	Records map[string]hookRecord `json:"records,omitempty"`
	// Tries counts, by hook, how often it was to run again because what it belongs to was tried again: each run has its own mark, or
	// the object of the last one would tell that this one has ended. It is replaced, never changed.
	Tries map[string]int `json:"tries,omitempty"`
	// Repairing says that those have run again for a repair which is not done yet: once is enough for it.
	Repairing bool `json:"repairing,omitempty"`
	// Failed is why the desired state was given up; its fail hooks run then.
	Failed string `json:"failed,omitempty"`
}

// hookRecord is one hook's.
type hookRecord struct {
	Started time.Time `json:"started"`
	Seen    bool      `json:"seen,omitempty"`  // its object has been there
	Ended   string    `json:"ended,omitempty"` // "Succeeded" or "Failed"
	Message string    `json:"message,omitempty"`
	Cleaned bool      `json:"cleaned,omitempty"`
	Expired bool      `json:"expired,omitempty"` // its time was over before it had ended
}

// The reasons of hooks' health.
const (
	hookSucceeded = "HookSucceeded"
	hookFailed    = "HookFailed"
)

// newHooks finds the hooks of a rendered set and marks them with their run. Those that are never to run are left out.
func newHooks(rendered state.Set, digest state.Digest) (state.Set, hooks) {
	h := hooks{}
	for object := range rendered.All() {
		if hook, ok := plan.HookOf(object); ok {
			if h.of == nil {
				h.of = map[state.ID]plan.Hook{}
			}
			h.of[object.ID()] = hook
		}
	}
	if h.of == nil {
		return rendered, h
	}
	h.rendered = rendered
	h.run = hookRun{Digest: digest, Records: map[string]hookRecord{}}
	return h.marked(), h
}

// marked gives the set with the run written on each hook.
func (h *hooks) marked() state.Set {
	objects := make([]*state.Object, 0, h.rendered.Len())
	for object := range h.rendered.All() {
		hook, ok := h.of[object.ID()]
		switch {
		case ok && hook.Phase == plan.HookSkip:
			continue
		case ok:
			object = object.WithAnnotation(v1alpha1.AnnotationHookRun, h.mark(object.ID(), hook))
		}
		objects = append(objects, object)
	}
	set, _ := state.NewSet(objects)
	return set
}

func (h *hooks) mark(id state.ID, hook plan.Hook) string {
	mark := h.run.Digest.Short()
	if tries := h.run.Tries[id.Key()]; tries > 0 {
		mark += "-" + strconv.Itoa(tries)
	}
	if hook.Always && h.run.Serial > 0 {
		mark += "." + strconv.Itoa(h.run.Serial)
	}
	return mark
}

// plain gives a set without the marks.
func (h *hooks) plain(set state.Set) state.Set {
	if h.of == nil {
		return set
	}
	return h.rendered
}

// skip takes all hooks but those of failure for done: an earlier desired state comes back, and its hooks ran when it came first.
func (h *hooks) skip() {
	for id, hook := range h.of {
		if hook.Phase != plan.HookFail {
			h.run.Records[id.Key()] = hookRecord{Ended: "Succeeded", Cleaned: true}
		}
	}
}

// resume takes over what was remembered before a restart, if it is of the same run.
func (h *hooks) resume(before hookRun) bool {
	if h.of == nil || before.Digest != h.run.Digest {
		return false
	}
	h.run = before
	h.run.Records = maps.Clone(before.Records)
	if h.run.Records == nil {
		h.run.Records = map[string]hookRecord{}
	}
	return true
}

// failHooks has the hooks run that are there for a failure.
func (l *Loop) failHooks(why string) {
	h := &l.desired.hooks
	if h.of == nil || h.run.Failed != "" {
		return
	}
	h.run.Failed = orElse(why, "it failed")
	for id, hook := range h.of {
		if hook.Phase == plan.HookFail {
			l.actual.touch(id)
		}
	}
}

// observe draws conclusions about hooks from a comparison: which run, which have ended and how.
func (l *Loop) observe(entries []diff.Entry) {
	h := &l.desired.hooks
	now := l.cfg.Now()
	for _, entry := range entries {
		hook, ok := h.of[entry.ID]
		if !ok || entry.Want == nil {
			continue
		}
		key := entry.ID.Key()
		record := h.run.Records[key]
		before := record
		switch {
		case record.Ended != "":
			if entry.Op == diff.Create {
				record.Cleaned = true
			}
		case entry.Op == diff.None && entry.Err == nil && record.Started.IsZero(): // created by a loop that was killed
			record.Started = now
			fallthrough
		case !record.Started.IsZero():
			l.conclude(hook, entry, &record)
		}
		if record != before {
			h.run.Records[key] = record
			l.keep = true
		}
	}
}

// conclude says how a running hook has ended, if it has.
func (l *Loop) conclude(hook plan.Hook, entry diff.Entry, record *hookRecord) {
	deadline := record.Started.Add(l.timeoutOf(hook))
	record.Seen = record.Seen || entry.Op == diff.None
	// Once its own object has been seen, what others change of it makes it no other run.
	own := record.Seen && entry.Op != diff.Create
	switch {
	case own && entry.Health.Ready():
		record.Ended, record.Message = "Succeeded", entry.Health.Message
	case own && entry.Health.Final:
		record.Ended, record.Message = "Failed", orElse(entry.Health.Message, entry.Health.Reason)
	case record.Seen && entry.Op == diff.Create && !entry.Terminating:
		record.Ended, record.Message = "Failed", "it was deleted before its end was seen"
	case !l.cfg.Now().Before(deadline):
		record.Ended, record.Expired = "Failed", true
		record.Message = fmt.Sprintf("it did not end within %s", l.timeoutOf(hook))
		if entry.Health.Message != "" {
			record.Message += ": " + entry.Health.Message
		}
	}
}

func (l *Loop) timeoutOf(hook plan.Hook) time.Duration {
	if hook.Timeout > 0 {
		return hook.Timeout
	}
	return l.in.Spec.Timeout
}

// due turns the entries of hooks into what is to be done about them: one that has not run is to be created, one that runs is waited
// for, one that has ended is as it should be, whatever has become of its object. False: it is not its turn at all.
func (l *Loop) due(entry *diff.Entry) bool {
	h := &l.desired.hooks
	hook, ok := h.of[entry.ID]
	if !ok || entry.Want == nil || l.in.Deleting {
		return true
	}
	delete(h.cleanup, entry.ID)
	delete(h.lingering, entry.ID)
	record := h.run.Records[entry.ID.Key()]
	if hook.Phase == plan.HookFail && h.run.Failed == "" {
		return false
	}
	switch {
	case record.Ended != "":
		l.ended(hook, record, entry)
	case !record.Started.IsZero():
		if entry.Op != diff.None && (entry.Op == diff.Create || entry.Health.Ready()) { // it was applied a moment ago, and is not seen yet
			entry.Health = state.Health{Status: state.Progressing, Reason: "Starting", Message: "is about to run"}
		}
		entry.Op, entry.Fields, entry.Err = diff.None, nil, nil
	default:
		l.memory.inForce[entry.ID] = "" // a run is never the repair of a disturbance
		if entry.Err == nil && entry.Op != diff.Create {
			entry.Op = diff.Replace // what is there belongs to an earlier run
		}
	}
	return true
}

func (l *Loop) ended(hook plan.Hook, record hookRecord, entry *diff.Entry) {
	succeeded := record.Ended == "Succeeded"
	taken := fault.KindOf(entry.Err) == fault.Conflict // it is another's by now
	there := entry.Op != diff.Create && !entry.Terminating && !taken
	if there && !record.Cleaned && (hook.DeleteSucceeded && succeeded || hook.DeleteFailed && !succeeded || record.Expired) {
		if l.desired.hooks.cleanup == nil {
			l.desired.hooks.cleanup = map[state.ID]bool{}
		}
		l.desired.hooks.cleanup[entry.ID] = true
	}
	if record.Expired && (entry.Op != diff.Create || entry.Terminating) && !taken {
		if l.desired.hooks.lingering == nil {
			l.desired.hooks.lingering = map[state.ID]bool{}
		}
		l.desired.hooks.lingering[entry.ID] = true
	}
	entry.Op, entry.Fields, entry.Err = diff.None, nil, nil
	entry.Health = state.Health{Status: state.Healthy, Reason: hookSucceeded, Message: record.Message}
	if !succeeded {
		entry.Health = state.Health{Status: state.Degraded, Reason: hookFailed, Message: record.Message, Final: true}
		if hook.Phase == plan.HookFail { // it changes nothing about the failure, and must not outlast it
			entry.Health.Status, entry.Health.Final = state.Healthy, false
		} else {
			entry.Err = fault.New(fault.Invalid, "run hook", entry.ID.String(), record.Message).
				WithHint("mend what it runs with a new commit, or try it again with `setpoint sync`")
		}
	}
}

// hookFacts tells how the hooks are doing.
func (l *Loop) hookFacts(entries []diff.Entry) HookFacts {
	h := &l.desired.hooks
	facts := HookFacts{Again: h.again()}
	if h.of == nil {
		return facts
	}
	for _, entry := range entries {
		hook, ok := h.of[entry.ID]
		record := h.run.Records[entry.ID.Key()]
		pending := hook.Phase == plan.HookFail && h.run.Failed != "" && record.Ended == "" && entry.Err == nil &&
			!l.memory.failing[entry.ID].doubt // what the target refuses is not waited for
		deadline, lingering := record.Started.Add(l.timeoutOf(hook)), l.lingers(entry.ID)
		if !ok || record.Ended != "" && !lingering || record.Started.IsZero() && !pending {
			continue
		}
		facts.Running = append(facts.Running, entry)
		if lingering {
			deadline = deadline.Add(l.in.Spec.Timeout)
			facts.Next = earliest(facts.Next, h.lookAt)
		}
		if !record.Started.IsZero() {
			facts.Next = earliest(facts.Next, deadline)
			if deadline.After(facts.Deadline) {
				facts.Deadline = deadline
			}
		}
	}
	return facts
}

// expire has the hooks looked at whose time is over. On the way out they are nobody's concern any more.
func (l *Loop) expire(now time.Time) {
	if l.in.Deleting {
		return
	}
	if h := &l.desired.hooks; len(h.lingering) > 0 && !now.Before(h.lookAt) {
		h.lookAt = now.Add(lingerPause)
		for id := range h.lingering {
			l.actual.touch(id)
		}
	}
	for id, hook := range l.desired.hooks.of {
		record := l.desired.hooks.run.Records[id.Key()]
		if record.Ended == "" && !record.Started.IsZero() && !now.Before(record.Started.Add(l.timeoutOf(hook))) {
			l.actual.touch(id)
		}
	}
}

// lingerPause is how often it is looked whether a hook that was ended has gone.
const lingerPause = time.Second

// lingers says whether a hook that is over is still there and waited for: not for ever, because something may hold it.
func (l *Loop) lingers(id state.ID) bool {
	h := &l.desired.hooks
	deadline := h.run.Records[id.Key()].Started.Add(l.timeoutOf(h.of[id]))
	return h.lingering[id] && l.cfg.Now().Before(deadline.Add(l.in.Spec.Timeout))
}

// hookSteps gives the steps that hooks need outside the order of the others: those of a failure, and what is over and to be deleted.
func (l *Loop) hookSteps(entries []diff.Entry) []plan.Step {
	h := &l.desired.hooks
	var steps []plan.Step
	for _, id := range slices.SortedFunc(maps.Keys(h.cleanup), state.ID.Compare) {
		steps = append(steps, plan.Step{ID: id, Op: diff.Delete, Revision: l.desired.revision})
	}
	for id := range h.lingering {
		if l.lingers(id) {
			return steps
		}
	}
	for _, entry := range entries {
		if h.of[entry.ID].Phase == plan.HookFail && entry.Op != diff.None && l.memory.errorOf(entry, l.cfg.Now()) == nil {
			steps = append(steps, plan.Step{ID: entry.ID, Op: entry.Op, Want: entry.Want, Revision: l.desired.revision})
		}
	}
	return steps
}

// stepped takes note of a step of a hook.
func (l *Loop) stepped(step plan.Step, failed bool) {
	h := &l.desired.hooks
	if _, ok := h.of[step.ID]; !ok || l.in.Deleting {
		return
	}
	key := step.ID.Key()
	record := h.run.Records[key]
	switch {
	case step.Op == diff.Delete:
		record.Cleaned = true // once is enough: what is left is harmless, and goes before the next run
	case failed:
		return
	default:
		record = hookRecord{Started: l.cfg.Now()}
	}
	h.run.Records[key] = record
	l.keep = true
}
