package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// invariant is something that must hold at certain moments, whatever happens. Each of its functions gives "" when it does.
type invariant struct {
	name string
	// applying is asked when a loop is about to change the target, with all of the steps; stepping with each of them.
	applying func(m *member, steps []plan.Step) string
	stepping func(m *member, step plan.Step) string
	// wrote is asked when an object is changed.
	wrote func(m *member, step plan.Step) string
	// published is asked for every status.
	published func(m *member, update loop.Update) string
	// kept is asked when an attempt is in the store.
	kept func(m *member, attempt v1alpha1.Attempt) string
	// enforced is asked when another desired state is in force.
	enforced func(m *member, desired state.Digest) string
	// gaveUp is asked when the desired state in force has failed.
	gaveUp func(m *member, failed loop.Quarantined) string
	// ended is asked when a loop is no more: because its Sync is gone, or because its agent is.
	ended func(m *member, gone bool) string
}

// invariants are all of them; see also converges (world.settle) and those of its end (end.go).
var invariants = []invariant{
	{name: "never touches what it does not own", stepping: onlyItsOwn, wrote: nobodyElses},
	{name: "only applies what a revision declares", stepping: onlyRevisions},
	{name: "keeps to its back-off", stepping: backedOff},
	{name: "every write is in the history", wrote: recordOpen, kept: recordComplete, ended: recordSurvives},
	{name: "deletes only after everything is applied", applying: deletesLast},
	{name: "an empty revision deletes nothing", stepping: emptyDeletesNothing},
	{name: "keeps what is not to be pruned", stepping: keepsUnpruned},
	{name: "a suspended Sync changes nothing", stepping: suspendedIsStill},
	{name: "a broken declaration changes nothing", stepping: brokenIsStill},
	{name: "waits for what it depends on", stepping: dependenciesFirst},
	{name: "keeps the order of waves and hooks", stepping: inOrder},
	{name: "deletes after hooks", stepping: deletesAfterHooks},
	{name: "hooks run once", wrote: hooksOnce},
	{name: "failed hooks run again for a person", gaveUp: triesHooksAgain},
	{name: "only reports drift when told so", stepping: reportsOnly},
	{name: "says InSync only when it is", published: inSyncIsTrue},
	{name: "leaves nothing behind", ended: nothingLeft},
	{name: "bounded writes per object and hour", wrote: boundedWrites},
	{name: "does not fight", stepping: fightsEnd},
	{name: "a restart ends no fight", stepping: fightsGoOn},
	{name: "an approval counts for its plan alone", kept: approvalIsExact},
	{name: "a held plan changes nothing", stepping: heldIsStill},
	{name: "rolls back once", kept: rollsBackOnce},
	{name: "what has failed stays in quarantine", enforced: staysQuarantined},
	{name: "goes back to what was in order last", enforced: goesBackRight},
	{name: "an approval counts once", kept: approvedOnce},
	{name: "what is new passes the guards first", stepping: judgedFirst},
	{name: "repairs nothing while repairs are held", applying: repairsInTime},
}

// violation is an invariant that did not hold.
type violation struct {
	invariant string
	text      string
	stack     string
}

// violate ends the simulation.
func (w *world) violate(m *member, name, text string) {
	if m != nil {
		text = m.name + " " + text
	}
	w.violated = &violation{invariant: name, text: text}
	panic(halt{})
}

// check asks every invariant.
func (w *world) check(m *member, why func(invariant) string) {
	for _, i := range invariants {
		if text := why(i); text != "" {
			w.violate(m, i.name, text)
		}
	}
}

func ask[T any](question func(*member, T) string, m *member, about T) string {
	if question == nil {
		return ""
	}
	return question(m, about)
}

// onlyItsOwn: what carried an error when it was compared (it belongs to another, it is invalid) is left alone.
func onlyItsOwn(m *member, step plan.Step) string {
	if entry, known := m.view().entries[step.ID]; known && entry.Err != nil {
		return fmt.Sprintf("wants to %s %s, which was refused: %v", step.Op, step.ID.Name, entry.Err)
	}
	return ""
}

// nobodyElses: the plant itself says whose an object is.
func nobodyElses(m *member, step plan.Step) string {
	if owner, owned := m.world.plant.owners[step.ID]; owned && owner != m.owner() {
		return fmt.Sprintf("does %s %s of %s", step.Op, step.ID.Name, owner)
	}
	return ""
}

// onlyRevisions: every object that is applied is one that the revision named with it declares.
func onlyRevisions(m *member, step plan.Step) string {
	if step.Want == nil {
		return ""
	}
	set, err := m.world.feed.objects(step.Revision.ID, m.plot.path)
	object := set.Get(step.ID)
	if object != nil && isHook(object) {
		object = object.WithAnnotation(v1alpha1.AnnotationHookRun, step.Want.Annotation(v1alpha1.AnnotationHookRun))
	}
	if err != nil || object == nil || object.Digest() != step.Want.Digest() {
		return fmt.Sprintf("applies a %s that revision %s does not declare (%v)", step.ID.Name, step.Revision.Message, err)
	}
	return ""
}

func backedOff(m *member, step plan.Step) string {
	failed := m.known.failing[step.ID]
	if now := m.world.wall(); failed.digest == digestOf(step) && now.Before(failed.earliest(m.declared.backoff)) {
		return fmt.Sprintf("tries to %s %s again %s after %d failures", step.Op, step.ID.Name, now.Sub(failed.at), failed.count)
	}
	return ""
}

// deletesLast: nothing is deleted while something declared is not applied or cannot be, unless the Sync itself goes.
func deletesLast(m *member, steps []plan.Step) string {
	deletes := func(step plan.Step) bool { return step.Op == diff.Delete && !m.cleans(step) }
	if !slices.ContainsFunc(steps, deletes) || m.known.looked.deleting {
		return ""
	}
	left := m.differing()
	switch {
	case slices.ContainsFunc(steps, func(step plan.Step) bool { return !deletes(step) && !m.cleans(step) && !m.fails(step) }):
		return "deletes together with other changes"
	case m.view().unknown:
		return "deletes while another target could not be compared"
	case len(left) > 0 && !m.known.looked.report: // drift that is only reported holds nothing back
		return fmt.Sprintf("deletes while %v are not as declared", left)
	}
	return ""
}

func emptyDeletesNothing(m *member, step plan.Step) string {
	meant := m.epoch.judged.allowEmpty || m.epoch.approved || m.epoch.back // what was in order before may have been nothing
	if step.Op == diff.Delete && m.loop.Want().Len() == 0 && !meant && !m.known.looked.deleting && !m.cleans(step) {
		return "deletes " + step.ID.Name + " because nothing is declared"
	}
	return ""
}

func keepsUnpruned(m *member, step plan.Step) string {
	if step.Op == diff.Delete && !m.known.looked.prune && !m.known.looked.deleting && !m.cleans(step) {
		return "deletes " + step.ID.Name
	}
	return ""
}

func suspendedIsStill(m *member, step plan.Step) string {
	d := m.known.looked
	if d.suspend && (!d.deleting || d.byPerson) {
		return fmt.Sprintf("wants to %s %s", step.Op, step.ID.Name)
	}
	return ""
}

func brokenIsStill(m *member, step plan.Step) string {
	if d := m.known.looked; (d.broken || d.cycle && len(d.needs) > 0) && !d.deleting {
		return fmt.Sprintf("wants to %s %s", step.Op, step.ID.Name)
	}
	return ""
}

func dependenciesFirst(m *member, step plan.Step) string {
	if m.known.blocked && !m.known.looked.deleting && !m.known.repairs(step) && !m.cleans(step) && !m.fails(step) {
		return fmt.Sprintf("wants to %s %s before what it depends on is healthy", step.Op, step.ID.Name)
	}
	return ""
}

func waveOf(object *state.Object) int {
	wave, _ := strconv.Atoi(object.Annotation(v1alpha1.AnnotationWave))
	return wave
}

// reportsOnly: drift is left as it is when it is only to be reported. What was in force in this life is known to have been so.
func reportsOnly(m *member, step plan.Step) string {
	entry := m.view().entries[step.ID]
	if !m.known.looked.report || m.known.looked.deleting || entry.Want == nil || isHook(entry.Want) ||
		m.cleans(step) || m.known.inForce[step.ID] != digestOf(step) {
		return ""
	}
	return fmt.Sprintf("corrects %s", step.ID.Name)
}

func inSyncIsTrue(m *member, update loop.Update) string {
	if update.Status.State != string(loop.InSync) || !update.Resting {
		return ""
	}
	if left := m.differing(); len(left) > 0 || m.view().unknown {
		return fmt.Sprintf("is said to be InSync while %v differ", left)
	}
	if d := m.known.looked; d.checks && !m.known.ready[probe] {
		return "is said to be InSync while what is checked beside it is not healthy"
	}
	for id, entry := range m.view().entries {
		if isHook(entry.Want) {
			if placeOf(entry.Want).part != failPart && !m.epoch.done(entry.Want) {
				return fmt.Sprintf("is said to be InSync while hook %s has not succeeded", id.Name)
			}
			continue
		}
		if entry.Want != nil && !entry.Health.Ready() {
			return fmt.Sprintf("is said to be InSync while %s is %s", id.Name, entry.Health.Status)
		}
		if entry.Want == nil && m.known.looked.prune {
			return fmt.Sprintf("is said to be InSync while %s is to be deleted", id.Name)
		}
	}
	return ""
}

// nothingLeft: a Sync is gone only when it owns nothing any more, unless that is meant.
func nothingLeft(m *member, gone bool) string {
	if !gone || m.declared.orphan {
		return ""
	}
	for id, owner := range m.world.plant.owners {
		if owner == m.owner() && m.world.plant.Get(id) != nil {
			return "is gone and still owns " + id.Name
		}
	}
	return ""
}

// boundedWrites: however often others change an object, it is written a bounded number of times within any hour of one life of the
// agent, unless a person asks for more.
func boundedWrites(m *member, step plan.Step) string {
	now := m.world.wall()
	recent := slices.DeleteFunc(m.known.written[step.ID], func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	m.known.written[step.ID] = append(recent, now)
	if len(recent) >= manyWrites && m.known.disturbed(step) && now.Sub(recent[len(recent)-1]) < time.Minute {
		return fmt.Sprintf("repairs %s within a minute, after %d writes within an hour", step.ID.Name, len(recent))
	}
	if len(recent)+1 > loop.MaxWritesPerHour {
		return fmt.Sprintf("writes %s for the %dth time within an hour", step.ID.Name, len(recent)+1)
	}
	return ""
}

// approvalIsExact: what let a change through named a plan that was shown as held, digest by digest.
func approvalIsExact(m *member, attempt v1alpha1.Attempt) string {
	if attempt.Approval != nil && !m.shown[attempt.Approval.Digest] {
		return fmt.Sprintf("takes an approval of %q, which is no plan of its", attempt.Approval.Digest)
	}
	return ""
}

// heldIsStill: while a plan is held, nothing of its revision is done that is not the repair of what was in force.
func heldIsStill(m *member, step plan.Step) string {
	if held := m.status.Plan; held != nil && step.Revision.ID == held.Revision.ID && !m.known.repairs(step) {
		return fmt.Sprintf("wants to %s %s of plan %s, which is held", step.Op, step.ID.Name, held.Digest)
	}
	return ""
}

// rollsBackOnce: one bad revision is left once, and not again and again; a person may ask for another try.
func rollsBackOnce(m *member, attempt v1alpha1.Attempt) string {
	// One that a crash cut short is finished by the next life, which is no second time.
	if attempt.RolledBackFrom == nil || attempt.Trigger == "request" || attempt.Finished.IsZero() || attempt.Outcome == "Interrupted" {
		return ""
	}
	m.rolledBack[attempt.RolledBackFrom.ID+attempt.ID] = true
	times := 0
	for key := range m.rolledBack {
		if key[:len(attempt.RolledBackFrom.ID)] == attempt.RolledBackFrom.ID {
			times++
		}
	}
	if times > 1+m.asked {
		return fmt.Sprintf("rolls back from %s for the %dth time", attempt.RolledBackFrom.Message, times)
	}
	return ""
}
