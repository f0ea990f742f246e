package agent

import (
	"maps"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// The words of v1alpha1.WhyLink.Relation.
const (
	dependsOn = "depends on"
	owns      = "owns"
	checks    = "checks"
	belongsTo = "belongs to"
)

// maxWhy bounds the way to a root cause. The tree is less deep, but dependencies can be chained at will.
const maxWhy = 64

// Why implements httpapi.ControlBackend: the way from a Sync to what keeps it from being healthy, as far as this agent knows it now.
// Nothing is asked of any target. A Sync that is not declared is NotFound.
func (a *Agent) Why(name string) (v1alpha1.Why, error) {
	if _, err := a.member(name); err != nil {
		return v1alpha1.Why{}, err
	}
	return v1alpha1.Why{Chain: a.explain(true).chain(name)}, nil
}

// rootCause gives the end of the way that begins at a Sync, in a line; "" when the Sync has nothing but itself to blame.
func (a *Agent) rootCause(name string) string { return a.explain(false).rootCause(name) }

// explanation is a look at all Syncs at once, for one or many answers: what it had to search for is kept. Not for concurrent use.
type explanation struct {
	agent   *Agent
	members map[string]*member
	// errors has the error of an object shown with its hint, which costs a walk over the objects of its Sync.
	errors bool
	status func(*member) v1alpha1.SyncStatus
	owners map[state.ID]owned
}

// owned is an object as the Sync that owns it sees it.
type owned struct {
	sync   string // "" when none does
	health state.Health
}

func (a *Agent) explain(errors bool) *explanation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &explanation{
		agent: a, members: maps.Clone(a.members), errors: errors, owners: map[state.ID]owned{},
		status: func(m *member) v1alpha1.SyncStatus { return m.loop.Status() },
	}
}

// rootCause is Agent.rootCause.
func (e *explanation) rootCause(name string) string {
	m := e.members[name]
	if m == nil || e.status(m).Cause == nil {
		return ""
	}
	chain := e.chain(name)
	if len(chain) < 2 {
		return ""
	}
	last := chain[len(chain)-1]
	return last.ID.String() + ": " + orElse(last.Message, orElse(last.Reason, last.State))
}

// clue is a step on the way: an object, and which Sync named it, how, and why.
type clue struct {
	id       state.ID
	from     *member // nil at the beginning
	relation string
	message  string
}

// chain follows the causes from a Sync on until there is no further one, or it comes back to where it was.
func (e *explanation) chain(name string) []v1alpha1.WhyLink {
	var chain []v1alpha1.WhyLink
	seen := map[state.ID]bool{}
	for at := (&clue{id: self.SyncID(name)}); at != nil && !seen[at.id] && len(chain) < maxWhy; {
		seen[at.id] = true
		link, next := e.link(*at)
		link.ID, link.Relation = at.id, at.relation
		chain = append(chain, link)
		at = next
	}
	return chain
}

// link says how an object is doing, and what that goes back to.
func (e *explanation) link(at clue) (v1alpha1.WhyLink, *clue) {
	switch at.id {
	case self.SyncID(at.id.Name):
		return e.syncLink(at)
	case self.SourceID(at.id.Name):
		return linkOf(e.agent.sourceHealth(at.id.Name), at), nil
	case state.ID{Kind: probe.Kind, Name: at.id.Name}:
		return linkOf(e.agent.probeHealth(e.agent.wishes(at.from).health, at.id), at), nil
	}
	return e.objectLink(at)
}

func (e *explanation) syncLink(at clue) (v1alpha1.WhyLink, *clue) {
	m := e.members[at.id.Name]
	if m == nil {
		return e.absentLink(at), nil
	}
	status := e.status(m)
	link := v1alpha1.WhyLink{
		State: status.State, Reason: status.Reason, Message: status.Message, Hint: status.Hint, Since: status.Since,
		Revision: status.Revision.Short(),
	}
	if status.Cause == nil {
		return link, nil
	}
	return link, &clue{id: status.Cause.ID, from: m, relation: e.relation(m, status.Cause.ID), message: status.Cause.Message}
}

// absentLink says how a Sync is doing that is not there. Where another declares it all the same, that one knows why it could not be made.
func (e *explanation) absentLink(at clue) v1alpha1.WhyLink {
	link := linkOf(e.agent.syncHealth(at.id.Name), at)
	parent := e.members[e.owner(at).sync]
	if parent == nil {
		return link
	}
	if cause := e.status(parent).Cause; cause != nil && cause.ID == at.id {
		link.Message = orElse(cause.Message, link.Message)
	}
	if e.errors {
		showError(&link, parent.loop.Detail(), at.id)
	}
	return link
}

// relation says what an object is to the Sync that blames it.
func (e *explanation) relation(m *member, id state.ID) string {
	wishes := e.agent.wishes(m)
	switch {
	case refersTo(wishes.needs, id):
		return dependsOn
	case id.Kind == probe.Kind && id.Group == "", refersTo(checkedObjects(wishes.health), id):
		return checks
	}
	return owns
}

// objectLink says how an ordinary object is doing. One that is not there goes back to the Sync that is to make it, where that is another.
func (e *explanation) objectLink(at clue) (v1alpha1.WhyLink, *clue) {
	owner := e.owner(at)
	link := linkOf(owner.health, at)
	m := e.members[owner.sync]
	if m == nil {
		return link, nil
	}
	if e.errors {
		showError(&link, m.loop.Detail(), at.id)
	}
	if owner.health.Status == state.Missing && m != at.from {
		return link, &clue{id: self.SyncID(m.name), from: m, relation: belongsTo}
	}
	return link, nil
}

// owner finds the Sync that has an object: the one that blames it, or any other; else what was seen last of an object that nobody owns.
func (e *explanation) owner(at clue) owned {
	if at.from != nil {
		if health, has := at.from.loop.Health(at.id); has {
			return owned{at.from.name, health}
		}
	}
	found, known := e.owners[at.id]
	if !known {
		found.sync, found.health = e.agent.ownerOf(at.id, state.Health{})
		e.owners[at.id] = found
	}
	if found.sync == "" && at.from != nil {
		found.health = e.agent.lastSeen(at.from, at.id)
	}
	return found
}

// linkOf makes a link of health. What it goes on about is said by the Sync that blames it, where the object itself has nothing to say.
func linkOf(health state.Health, at clue) v1alpha1.WhyLink {
	link := v1alpha1.WhyLink{State: string(health.Status), Reason: health.Reason, Message: orElse(health.Message, at.message)}
	if link.State == "" {
		link.State = string(state.Unknown)
	}
	if health.Ready() && at.message != "" {
		link.Message = at.message // it is well, and still to blame: what it is declared as was refused
	}
	return link
}

// showError shows why an object could not be made what it is declared as, which its health does not know.
func showError(link *v1alpha1.WhyLink, detail v1alpha1.SyncDetail, id state.ID) {
	for _, item := range detail.Items {
		if item.ID == id && item.Change != nil && item.Change.Error != nil {
			problem := item.Change.Error
			link.Reason, link.Message, link.Hint = problem.Kind, problem.Message, problem.Hint
		}
	}
}

// wishes is what a member's declaration refers to.
type wishes struct {
	needs  []v1alpha1.Reference
	health []v1alpha1.HealthCheck
}

func (a *Agent) wishes(m *member) wishes {
	if m == nil {
		return wishes{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return wishes{m.needs, m.health}
}

// lastSeen is the health of an object that no Sync owns, as a member was told it last.
func (a *Agent) lastSeen(m *member, id state.ID) state.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	return m.strangers[id].health
}
