package agent

import (
	"context"
	"slices"
	"time"

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
	waits  map[state.ID][]*member // an object to the Syncs that depend on it
}

// needs gives the health of what a Sync depends on.
func (a *Agent) needs(name string, references []v1alpha1.Reference) []loop.Need {
	if len(references) == 0 {
		return nil
	}
	var needs []loop.Need
	for _, ref := range references {
		id := state.ID{Group: ref.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
		need := loop.Need{ID: id}
		switch {
		case id == self.SyncID(id.Name):
			need.Cycle = a.cycle(name, id.Name)
			need.Health = a.syncHealth(id.Name)
		case id == self.SourceID(id.Name):
			need.Health = a.sourceHealth(id.Name)
		default:
			need.Health = a.objectHealth(name, id)
		}
		needs = append(needs, need)
	}
	return needs
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
	a.graph = graph{edges: map[string][]string{}, cycles: map[[2]string][]string{}, waits: map[state.ID][]*member{}}
	for name, m := range a.members {
		if m.parent != "" {
			a.graph.edges[m.parent] = append(a.graph.edges[m.parent], name)
		}
		for _, ref := range m.needs {
			id := state.ID{Group: ref.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
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

// dependants gives the members that wait for an object that a Sync may own, and, if the Sync's own health has moved, those that
// wait for the Sync.
func (a *Agent) dependants(name string, moved bool) []*member {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.survey()
	var waiting []*member
	for id, members := range a.graph.waits {
		if (moved && id == self.SyncID(name)) || id.Group != v1alpha1.Group {
			waiting = append(waiting, members...)
		}
	}
	return waiting
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
		if m.feed != nil {
			if latest := m.feed.Latest(); latest.Artifact != nil && latest.Artifact.Revision().ID != status.Revision.ID {
				return state.Health{Status: state.Progressing, Reason: "NewRevision", Message: "has not looked at the newest revision yet"}
			}
		}
	case loop.Suspended:
		health.Status = state.Suspended
	case loop.Failed, loop.Held, loop.RolledBack:
		health.Status = state.Degraded
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
		if m.shared != name || m.feed == nil {
			continue
		}
		latest := m.feed.Latest()
		switch {
		case latest.Err != nil:
			return state.Health{Status: state.Degraded, Reason: "SourceFailed", Message: latest.Err.Error()}
		case latest.Artifact == nil:
			return state.Health{Status: state.Progressing, Reason: "Fetching", Message: "waiting for its first revision"}
		}
		break
	}
	return state.Health{Status: state.Healthy}
}

// strangerPoll is how often an object that no Sync owns is looked at, while somebody waits for it.
const strangerPoll = 5 * time.Second

// objectHealth is the health of an ordinary object: as the Sync that owns it knows it, or as the target says when asked.
func (a *Agent) objectHealth(name string, id state.ID) state.Health {
	a.mu.Lock()
	m := a.members[name]
	var others []*member
	for _, other := range a.members {
		others = append(others, other)
	}
	a.mu.Unlock()
	for _, other := range others {
		if health, ok := other.loop.Health(id); ok {
			return health
		}
	}
	if m == nil {
		return state.Health{Status: state.Unknown}
	}
	ctx, cancel := context.WithTimeout(a.ctx, strangerPoll)
	defer cancel()
	health, err := m.target.Health(ctx, id)
	if err != nil {
		health = state.Health{Status: state.Unknown, Message: err.Error()}
	}
	if !health.Ready() {
		a.lookAgain(m)
	}
	return health
}

// lookAgain wakes a member after a while; one timer, however often it is asked for.
func (a *Agent) lookAgain(m *member) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.look == nil {
		m.look = time.AfterFunc(strangerPoll, m.loop.Poke)
		return
	}
	m.look.Reset(strangerPoll)
}
