package agent

import (
	"maps"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// graph knows who waits for whom among the Syncs. It is made anew when a declaration has changed.
type graph struct {
	stale  bool
	edges  map[string][]string    // a Sync to what must be healthy before it can be: its dependencies and its children
	cycles map[[2]string][]string // the way back to a Sync along one of its dependencies
	waits  map[state.ID][]*member // an object to the Syncs that depend on it, or check it
	// told is what the Syncs last said of the objects that others wait for; it outlives the graph. No entry: nothing was said.
	told map[saying]state.Health
}

// saying is one Sync's word about one object.
type saying struct {
	sync string
	id   state.ID
}

// needs gives the health of what a Sync depends on.
func (a *Agent) needs(name string, references []v1alpha1.Reference) []loop.Need {
	var needs []loop.Need
	for _, ref := range references {
		needs = append(needs, a.need(name, ref, false))
	}
	return needs
}

// need gives the health of one object that a Sync depends on, or checks.
func (a *Agent) need(name string, ref v1alpha1.Reference, checking bool) loop.Need {
	need := loop.Need{ID: idOf(ref)}
	switch need.ID {
	case self.SyncID(ref.Name):
		need.Cycle = a.cycle(name, ref.Name)
		need.Health = a.syncHealth(ref.Name)
	case self.SourceID(ref.Name):
		need.Health = a.sourceHealth(ref.Name)
	case self.PolicyID(ref.Name):
		need.Health = a.policyHealth(ref.Name)
	default:
		need.Health = a.objectHealth(name, need.ID, checking)
	}
	return need
}

func idOf(ref v1alpha1.Reference) state.ID {
	return state.ID{Group: ref.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
}

// cycle gives the way from a Sync over one of its dependencies back to itself, or nil.
func (a *Agent) cycle(name, dependency string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.survey()
	key := [2]string{name, dependency}
	if way, known := a.graph.cycles[key]; known {
		return way
	}
	var way []string
	if line := a.lineage(name); slices.Contains(line, dependency) {
		way = append([]string{name, dependency}, line[:slices.Index(line, dependency)]...) // a parent waits for its children
		slices.Reverse(way[2:])
		way = append(way, name)
	} else if way = a.graph.way(dependency, name); way != nil {
		way = append([]string{name}, way...)
	}
	a.graph.cycles[key] = way
	return way
}

// survey makes the graph anew when it is stale. The caller holds the lock.
func (a *Agent) survey() {
	if !a.graph.stale && a.graph.edges != nil {
		return
	}
	a.graph = graph{
		edges: map[string][]string{}, cycles: map[[2]string][]string{}, waits: map[state.ID][]*member{}, told: a.graph.told,
	}
	for name, m := range a.members {
		if m.parent != "" {
			a.graph.edges[m.parent] = append(a.graph.edges[m.parent], name)
		}
		for _, ref := range slices.Concat(m.needs, checkedObjects(m.health)) {
			id := idOf(ref)
			a.graph.waits[id] = append(a.graph.waits[id], m)
			// Who depends on an ancestor is wrong by itself, and must not make others look so.
			if id == self.SyncID(id.Name) && !slices.Contains(a.lineage(name), id.Name) {
				a.graph.edges[name] = append(a.graph.edges[name], id.Name)
			}
		}
	}
	for _, next := range a.graph.edges {
		slices.Sort(next)
	}
	if a.graph.told == nil {
		a.graph.told = map[saying]state.Health{}
	}
	maps.DeleteFunc(a.graph.told, func(said saying, _ state.Health) bool { return a.graph.waits[said.id] == nil })
}

// lineage gives a Sync's ancestors, the nearest first. The caller holds the lock.
func (a *Agent) lineage(name string) []string {
	var line []string
	for m := a.members[name]; m != nil && m.parent != "" && len(line) < maxDepth; m = a.members[m.parent] {
		line = append(line, m.parent)
	}
	return line
}

// way finds the shortest way between two Syncs, breadth first.
func (g *graph) way(from, to string) []string {
	came := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			var way []string
			for ; at != ""; at = came[at] {
				way = append(way, at)
			}
			slices.Reverse(way)
			return way
		}
		for _, next := range g.edges[at] {
			if _, seen := came[next]; !seen {
				came[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// dependants gives the members that wait for something whose health has moved with a Sync's news: the Sync itself, when moved says so, its
// source, or one of its objects, when it says something else of that than it said last. Whoever waits for anything else is left alone.
func (a *Agent) dependants(m *member, moved bool) []*member {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.members[m.name] != m {
		return nil // it is gone, and says nothing any more
	}
	a.survey()
	found := map[*member]bool{}
	for id, waiting := range a.graph.waits {
		if id == self.SyncID(m.name) && moved || id != self.SyncID(id.Name) && a.graph.news(m, id) {
			for _, one := range waiting {
				found[one] = true
			}
		}
	}
	return slices.Collect(maps.Keys(found))
}

// news says whether a Sync says something else of an object than it said last, and takes note of it. The caller holds the lock.
func (g *graph) news(m *member, id state.ID) bool {
	var now state.Health
	if id == self.SourceID(id.Name) {
		now, _ = m.sourceHealth(id.Name)
	} else {
		now, _ = m.loop.Health(id)
	}
	said := saying{m.name, id}
	if now == g.told[said] {
		return false
	}
	g.told[said] = now
	if now == (state.Health{}) {
		delete(g.told, said)
	}
	return true
}

// bereaved gives the members that waited for a Sync that is gone, or for what it said of its objects. The caller holds the lock.
func (a *Agent) bereaved(name string) []*member {
	a.survey()
	left := slices.Clone(a.graph.waits[self.SyncID(name)])
	for said := range a.graph.told {
		if said.sync == name {
			left = append(left, a.graph.waits[said.id]...)
			delete(a.graph.told, said)
		}
	}
	return left
}

// syncHealth is the health of a Sync as an object.
func (a *Agent) syncHealth(name string) state.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.members[name]
	if m == nil {
		return state.Health{Status: state.Missing, Reason: "NotDeclared", Message: "there is no such Sync"}
	}
	return a.healthOf(m, m.loop.Status())
}

// healthOf turns a Sync's state into health. A Sync that has not looked at the newest revision yet is on its way, so that
// whoever waits for it does not go ahead on yesterday's word. The caller holds the lock.
func (a *Agent) healthOf(m *member, status v1alpha1.SyncStatus) state.Health {
	health := state.Health{Reason: status.State, Message: status.Message}
	switch loop.State(status.State) {
	case loop.InSync, loop.Drifted:
		health.Status = state.Healthy
		if m.latest != nil {
			if latest := m.latest(); latest.Artifact != nil && latest.Artifact.Revision().ID != status.Revision.ID {
				return state.Health{Status: state.Progressing, Reason: "NewRevision", Message: "has not looked at the newest revision yet"}
			}
		}
	case loop.Suspended:
		health.Status = state.Suspended
	case loop.Failed, loop.RolledBack:
		health.Status = state.Degraded
	case loop.Held: // it waits for a person or a time, which is no failure of whoever waits for it
		health.Status = state.Progressing
	case loop.Settling:
		if status.Reason == loop.DependencyUnhealthy {
			// What that is, its own status tells: said here again, every word of it would wake the whole chain.
			health.Status, health.Reason, health.Message = state.Degraded, status.Reason, "what it depends on is not healthy"
			break
		}
		health.Status, health.Message = state.Progressing, "on its way"
	default:
		// What it waits for changes all the time, and its own status tells it.
		health.Status, health.Message = state.Progressing, "on its way"
	}
	return health
}

// sourceHealth is the health of a Source as an object: that of the feed of any Sync that uses it.
func (a *Agent) sourceHealth(name string) state.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.members {
		if health, uses := m.sourceHealth(name); uses {
			return health
		}
	}
	return state.Health{Status: state.Healthy}
}

// sourceHealth is the health of a Source as a Sync that uses it sees it; false when it does not. The caller holds the agent's lock.
func (m *member) sourceHealth(name string) (state.Health, bool) {
	for _, one := range m.feeds {
		if one.shared != name {
			continue
		}
		latest := one.feed.Latest()
		switch {
		case latest.Err != nil:
			return state.Health{Status: state.Degraded, Reason: sourceReason(latest.Err), Message: latest.Err.Error()}, true
		case latest.Artifact == nil:
			return state.Health{Status: state.Progressing, Reason: "Fetching", Message: "waiting for its first revision"}, true
		}
		return state.Health{Status: state.Healthy}, true
	}
	return state.Health{}, false
}

// uses says whether a Sync names a Source, or inherits one. The caller holds the agent's lock.
func (m *member) uses(shared string) bool { return slices.Contains(m.sources, shared) }

// policyHealth is the health of a Policy as an object: it is there or not.
func (a *Agent) policyHealth(name string) state.Health {
	if declared, ok := a.registry.Get(self.PolicyID(name)); !ok || declared.Deleting {
		return state.Health{Status: state.Missing, Reason: "NotDeclared", Message: "there is no such Policy"}
	}
	return state.Health{Status: state.Healthy}
}
