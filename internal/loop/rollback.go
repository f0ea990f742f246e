package loop

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Good is a desired state that was healthy as a whole.
type Good struct {
	Digest   state.Digest   `json:"digest"`
	Revision state.Revision `json:"revision"`
	Since    time.Time      `json:"since"`
}

// Quarantined is a desired state that failed. It is not tried again by itself before its cause has gone: a revision that declares the
// same is as bad.
type Quarantined struct {
	Digest   state.Digest   `json:"digest"`
	Revision state.Revision `json:"revision"`
	Reason   string         `json:"reason"`
	Message  string         `json:"message"`
	Since    time.Time      `json:"since"`
	By       string         `json:"by,omitempty"` // the person who went back from it
	// Refused are the objects that the target refused; when it would accept them, it is tried again.
	Refused []state.ID `json:"refused,omitempty"`
	// Until are the dependencies that were not healthy; when they all are, it is tried again.
	Until []state.ID `json:"until,omitempty"`
}

// Shelf keeps desired states that were healthy, so that a Sync can go back to them when its source cannot be reached. Safe for
// concurrent use.
type Shelf interface {
	Put(ctx context.Context, sync string, digest state.Digest, set state.Set) error
	// Get gives a fault of kind NotFound for one that is not kept.
	Get(ctx context.Context, sync string, digest state.Digest) (state.Set, error)
	// Drop forgets one; a missing one is no error.
	Drop(ctx context.Context, sync string, digest state.Digest) error
}

const (
	// keptGood is the number of healthy desired states of a Sync that can be gone back to.
	keptGood = 10
	// keptBad is the number of desired states that are remembered as bad.
	keptBad = 20
	// shelfDeadline bounds one use of the shelf.
	shelfDeadline = 10 * time.Second
	// maxRefused bounds the objects that a quarantine names.
	maxRefused = 50
)

// ownDeletion stands, where the digest of what is in force is remembered, for the Sync's own end, which the guards have let through.
const ownDeletion state.Digest = "deletion"

// past is what a loop remembers of desired states.
type past struct {
	good     []Good        // the newest first
	bad      []Quarantined // the newest first
	allowed  state.Digest  // the one that was put in force last
	approved time.Time     // of the approval that was used last
	// backAt is when an earlier desired state that could not be read is asked for again, and tries how often it was.
	backAt time.Time
	tries  int
	// retried counts, by digest, how often one was tried again because the target seemed to accept it.
	retried map[state.Digest]int
}

func (p *past) quarantined(digest state.Digest) *Quarantined {
	for i := range p.bad {
		if p.bad[i].Digest == digest {
			return &p.bad[i]
		}
	}
	return nil
}

func (p *past) release(digest state.Digest) {
	p.bad = slices.DeleteFunc(p.bad, func(q Quarantined) bool { return q.Digest == digest })
}

func (p *past) condemn(q Quarantined) {
	p.release(q.Digest)
	p.bad = append([]Quarantined{q}, p.bad...)
	p.bad = p.bad[:min(len(p.bad), keptBad)]
}

// inForce gives the healthy desired state that was in force last; nil when none is known.
func (p *past) inForce() *Good {
	for i := range p.good {
		if p.good[i].Digest == p.allowed {
			good := p.good[i]
			return &good
		}
	}
	return nil
}

// best gives the desired state that was healthy last, and that nobody has left since; nil when there is none.
func (p *past) best() *Good {
	for i := range p.good {
		if p.quarantined(p.good[i].Digest) == nil {
			return &p.good[i]
		}
	}
	return nil
}

// used says whether an approval has been used before: it counts once.
func (p *past) used(approval v1alpha1.Approval) bool { return !approval.Time.After(p.approved) }

func (p *past) proven(digest state.Digest) bool {
	return slices.ContainsFunc(p.good, func(g Good) bool { return g.Digest == digest })
}

// giveUp quarantines the desired state in force.
func (l *Loop) giveUp(decision Decision, facts Facts) {
	q := Quarantined{
		Digest: l.desired.digest, Revision: l.desired.revision, Reason: decision.Reason, Message: decision.Message, Since: l.cfg.Now(),
	}
	var refused []state.ID
	for _, entry := range facts.Plan.Errors {
		if fault.KindOf(entry.Err) != fault.Transient && !entry.Health.Final && len(refused) < maxRefused {
			refused = append(refused, entry.ID)
		}
	}
	q.Refused = l.stillRefused(refused)
	for _, need := range slices.Concat(facts.Needs, facts.Checks) {
		if !need.Health.Ready() {
			q.Until = append(q.Until, need.ID)
		}
	}
	l.past.condemn(q)
	l.failHooks(decision.Message)
	l.keep = true
}

// stillRefused gives those of some objects of which the target says by itself, when it is asked, that it would refuse them. Only of
// these can it be seen without trying that it would not any more.
func (l *Loop) stillRefused(ids []state.ID) []state.ID {
	if len(ids) == 0 {
		return nil
	}
	query := l.query()
	query.Only, query.Exact = ids, true
	report, err := l.compareNow(query)
	if err != nil {
		return nil
	}
	var refused []state.ID
	for _, entry := range report.Entries {
		byTarget := entry.Err != nil && fault.KindOf(entry.Err) != fault.Transient
		if byTarget || l.in.Terms.Refuses(entry.ID) != nil {
			refused = append(refused, entry.ID)
		}
	}
	return refused
}

// recovered releases desired states from quarantine whose dependencies are all healthy now.
func (l *Loop) recovered(needs []Need) {
	ready := map[state.ID]bool{}
	for _, need := range needs {
		ready[need.ID] = need.Health.Ready()
	}
	for _, q := range slices.Clone(l.past.bad) {
		if len(q.Until) > 0 && !slices.ContainsFunc(q.Until, func(id state.ID) bool { return !ready[id] }) {
			l.past.release(q.Digest)
			l.keep = true
			if c := l.desired.candidate; c != nil && c.digest == q.Digest {
				c.judged = false
			} else if l.desired.known && l.desired.digest == q.Digest { // it is in force still: it has all of its time again
				l.actual.began, l.actual.changedAt = time.Time{}, l.cfg.Now()
			}
		}
	}
}

// back gives what to go back to from the desired state in force; nil when there is nothing else.
func (l *Loop) back() *Good {
	to := l.past.best()
	if !l.in.Rollback || l.cfg.Shelf == nil || to == nil || to.Digest == l.desired.digest {
		return nil
	}
	if to.Digest == emptyDigest && !l.in.Terms.AllowEmpty {
		return nil // going back would delete everything, which somebody has approved once, for another time
	}
	for _, need := range l.needs() {
		if !need.Health.Ready() {
			return nil // an earlier revision would be as ill
		}
	}
	return to
}

// goBack puts an earlier desired state in force.
func (l *Loop) goBack() {
	to := l.backTo
	if to == nil {
		to = l.back()
	}
	l.backTo = nil
	if to == nil {
		return
	}
	ctx, cancel := context.WithTimeout(l.cfg.Context, shelfDeadline)
	defer cancel()
	set, err := l.cfg.Shelf.Get(ctx, l.cfg.Owner.Sync, to.Digest)
	if fault.KindOf(err) == fault.Transient { // it is there, and cannot be had now
		l.past.tries++
		l.past.backAt = l.cfg.Now().Add(l.in.Backoff.After(l.past.tries, l.cfg.Random))
		l.backTo = to
		return
	}
	l.past.tries, l.past.backAt = 0, time.Time{}
	if err != nil { // nothing to go back to: what failed stays in force, or, where nothing is, out of it
		l.cfg.Log.Error("cannot go back", "sync", l.cfg.Owner.Sync, "revision", to.Revision.Short(), "error", err)
		l.past.good = slices.DeleteFunc(l.past.good, func(g Good) bool { return g.Digest == to.Digest })
		return
	}
	left := l.desired.declared
	if c := l.desired.candidate; c != nil && !l.desired.known {
		left = c.declared
	}
	if q := l.past.quarantined(left.digest); q != nil && l.desired.known { // else it was left before a restart
		l.close(unhealthy, q.Reason, q.Message)
		l.attempt.leaves = &left.revision
	}
	if l.desired.known && l.desired.candidate == nil {
		l.desired.candidate = &candidate{declared: left.anew()} // the newest is what was left
		l.probeLater()
	}
	marked, hooks := newHooks(set, to.Digest)
	hooks.skip() // they ran when it was put in force
	l.enforce(&declared{set: marked, digest: to.Digest, revision: to.Revision, hooks: hooks}, nil)
}

// noteGood remembers that the desired state in force is healthy.
func (l *Loop) noteGood() {
	d := &l.desired
	if l.in.Deleting || !d.known {
		return
	}
	if l.past.quarantined(d.digest) != nil {
		l.past.release(d.digest) // health came later
		l.keep = true
	}
	if len(l.past.good) > 0 && l.past.good[0].Digest == d.digest {
		l.past.good[0].Revision = d.revision
		return
	}
	if l.cfg.Shelf != nil {
		ctx, cancel := context.WithTimeout(l.cfg.Context, shelfDeadline)
		defer cancel()
		if err := l.cfg.Shelf.Put(ctx, l.cfg.Owner.Sync, d.digest, d.hooks.plain(d.set)); err != nil {
			l.cfg.Log.Error("cannot keep a healthy state to go back to", "sync", l.cfg.Owner.Sync, "error", err)
			return
		}
	}
	l.past.good = slices.DeleteFunc(l.past.good, func(g Good) bool { return g.Digest == d.digest })
	l.past.good = append([]Good{{Digest: d.digest, Revision: d.revision, Since: l.cfg.Now()}}, l.past.good...)
	for _, old := range l.past.good[min(len(l.past.good), keptGood):] {
		l.drop(old)
	}
	l.past.good = l.past.good[:min(len(l.past.good), keptGood)]
	l.keep = true
}

func (l *Loop) drop(old Good) {
	if l.cfg.Shelf == nil {
		return
	}
	ctx, cancel := context.WithTimeout(l.cfg.Context, shelfDeadline)
	defer cancel()
	if err := l.cfg.Shelf.Drop(ctx, l.cfg.Owner.Sync, old.Digest); err != nil {
		l.cfg.Log.Warn("cannot drop an old state", "sync", l.cfg.Owner.Sync, "error", err)
	}
}

// RollBack asks, for a person, to go back to an earlier desired state: a revision by a prefix of its ID, or the last healthy one before
// that in force for "". It ends with the next revision that declares something else, or by Request. Errors: NotFound.
func (l *Loop) RollBack(to, by, comment string) (Good, error) {
	seen := l.look()
	var found *Good
	for i := range seen.good {
		good := &seen.good[i]
		if good.Digest == seen.inForce || !strings.HasPrefix(good.Revision.ID, to) {
			continue
		}
		if found != nil && to != "" {
			return Good{}, fault.New(fault.Conflict, "go back", "Sync "+l.cfg.Owner.Sync, "more than one revision begins with "+to).
				WithHint("give more of it; those that can be gone back to: " + listGood(seen.good, seen.inForce))
		}
		if found == nil {
			found = good
		}
	}
	if found == nil {
		message := "there is no other revision that was healthy before"
		if to != "" {
			message = "no revision " + to + " was healthy before, and is not in force now"
		}
		return Good{}, fault.New(fault.NotFound, "go back", "Sync "+l.cfg.Owner.Sync, message).
			WithHint("those that can be gone back to: " + orElse(listGood(seen.good, seen.inForce), "none"))
	}
	l.wake(func(b *inbox) { b.rollback = &rollbackRequest{to: *found, by: by, comment: comment} })
	return *found, nil
}

func listGood(goods []Good, but state.Digest) string {
	var names []string
	for _, good := range goods {
		if good.Digest != but {
			names = append(names, good.Revision.Short())
		}
	}
	return strings.Join(names, ", ")
}

// rollbackRequest is what a person asked for.
type rollbackRequest struct {
	to          Good
	by, comment string
}

// leaveFor carries out a person's word: what is newest is quarantined in the person's name.
func (l *Loop) leaveFor(request rollbackRequest) {
	message := orElse(request.comment, "a person went back to "+request.to.Revision.Short())
	condemn := func(d declared) {
		l.past.condemn(Quarantined{Digest: d.digest, Revision: d.revision, Reason: "Person", Message: message,
			Since: l.cfg.Now(), By: orElse(request.by, "a person")})
	}
	if l.desired.known {
		condemn(l.desired.declared)
	}
	if c := l.desired.candidate; c != nil && !c.deleting {
		condemn(c.declared)
	}
	l.past.release(request.to.Digest)
	l.backTo, l.keep = &request.to, true
	l.attempt.trigger = byRequest
}
