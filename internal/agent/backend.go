package agent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

var _ httpapi.Backend = (*Agent)(nil)

// Syncs implements httpapi.Backend.
func (a *Agent) Syncs() []v1alpha1.SyncStatus {
	a.mu.Lock()
	statuses := make([]v1alpha1.SyncStatus, 0, len(a.members))
	for _, m := range a.members {
		statuses = append(statuses, m.loop.Status())
	}
	a.mu.Unlock()
	causes := a.explain(false)
	for i := range statuses {
		a.complete(&statuses[i])
		statuses[i].RootCause = causes.rootCause(statuses[i].Name)
	}
	slices.SortFunc(statuses, func(x, y v1alpha1.SyncStatus) int { return strings.Compare(x.Name, y.Name) })
	return statuses
}

// member finds a Sync by its name.
func (a *Agent) member(name string) (*member, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.members[name]; m != nil {
		return m, nil
	}
	return nil, fault.New(fault.NotFound, "find", "Sync "+name, "there is none of this name").
		WithHint("see them all with `setpoint status`")
}

// Sync implements httpapi.Backend.
func (a *Agent) Sync(name string) (v1alpha1.SyncDetail, error) {
	m, err := a.member(name)
	if err != nil {
		return v1alpha1.SyncDetail{}, err
	}
	detail := m.loop.Detail()
	a.complete(&detail.SyncStatus)
	detail.RootCause = a.rootCause(name)
	return detail, nil
}

// Attempts implements httpapi.Backend.
func (a *Agent) Attempts(ctx context.Context, query store.AttemptQuery) ([]v1alpha1.Attempt, error) {
	return a.history.Attempts(ctx, query)
}

// Follow implements httpapi.Backend.
func (a *Agent) Follow(ctx context.Context, after uint64) <-chan v1alpha1.Event {
	return a.events.follow(ctx, after)
}

// Request implements httpapi.Backend.
func (a *Agent) Request(name string) error {
	if err := a.Refresh(name); err != nil {
		return err
	}
	m, err := a.member(name)
	if err != nil {
		return err
	}
	m.loop.Request()
	return nil
}

// Refresh implements httpapi.Backend.
func (a *Agent) Refresh(name string) error {
	m, err := a.member(name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	feeds := m.feeds
	a.mu.Unlock()
	refresh(feeds)
	m.outside.refresh()
	return nil
}

// Suspend implements httpapi.Backend.
func (a *Agent) Suspend(ctx context.Context, name string, on bool) error {
	if _, err := a.member(name); err != nil {
		return err
	}
	return a.setOverride(ctx, name, func(o *override) { o.Suspended = on })
}

// Diff implements httpapi.Backend.
func (a *Agent) Diff(ctx context.Context, name, revision string) (v1alpha1.Diff, error) {
	m, err := a.member(name)
	if err != nil {
		return v1alpha1.Diff{}, err
	}
	if plan, changes := m.loop.Held(); plan != nil && revision == "" {
		return v1alpha1.Diff{Changes: changes, Plan: plan}, nil // what would be approved, exactly
	}
	changes, err := a.compareWith(ctx, m, revision)
	return v1alpha1.Diff{Changes: changes}, err
}

// compareWith says what a revision would change.
func (a *Agent) compareWith(ctx context.Context, m *member, revision string) ([]v1alpha1.Change, error) {
	name := m.name
	e := a.resolve(name)
	if e.err != nil {
		return nil, e.err
	}
	artifact, err := a.artifactAt(ctx, m, e, revision)
	if err != nil {
		return nil, err
	}
	result, err := a.renderer.Render(ctx, a.request(name, e, artifact, m.outside))
	if err != nil {
		return nil, err
	}
	in := a.inputs(name, e)
	report, err := m.target.Compare(ctx, target.Query{Owner: a.owner(name), Want: result.Objects, Ignore: in.Ignore, Exact: true})
	if err != nil {
		return nil, err
	}
	for i := range report.Entries {
		if entry := &report.Entries[i]; result.Wrong[entry.ID] != nil && entry.Want != nil {
			entry.Err = result.Wrong[entry.ID]
		}
	}
	return changesOf(report, in.Prune), nil
}

// artifactAt gives a Sync's source at a revision: a commit, branch or tag, or the newest known for "".
func (a *Agent) artifactAt(ctx context.Context, m *member, e effective, revision string) (source.Artifact, error) {
	a.mu.Lock()
	known := m.latest
	a.mu.Unlock()
	if known == nil {
		return nil, fault.New(fault.NotFound, "compare", "Sync "+m.name, "it has no source")
	}
	latest := known()
	if revision == "" || latest.Artifact != nil && latest.Artifact.Revision().ID == revision {
		if latest.Artifact == nil {
			return nil, orFault(latest.Err, fault.New(fault.Transient, "compare", "Sync "+m.name, "no revision has been read yet"))
		}
		return latest.Artifact, nil
	}
	var first error
	for _, at := range sourcesAt(e.source, revision) {
		upstream, err := a.upstreams.of(demand{at, e.verifications(), e.confined})
		if err != nil {
			return nil, err
		}
		artifact, _, err := upstream.Pull(ctx, nil)
		if err == nil {
			return a.withImports(m, artifact)
		}
		first = orFault(first, err)
	}
	return nil, first
}

// changesOf tells what a comparison found, without what is equal and what would be left in place.
func changesOf(report diff.Report, prune bool) []v1alpha1.Change {
	changes := []v1alpha1.Change{}
	for _, entry := range report.Entries {
		kept := entry.Op == diff.Delete && (entry.Keep || !prune)
		if (entry.Op == diff.None && entry.Err == nil) || kept {
			continue
		}
		changes = append(changes, diff.Change(entry, "", 0))
	}
	return changes
}

func orFault(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// Rendered implements httpapi.Backend.
func (a *Agent) Rendered(name string) ([]byte, error) {
	m, err := a.member(name)
	if err != nil {
		return nil, err
	}
	redactor := diff.Redactor{Key: a.clusters.secretKey}
	objects := []any{}
	for object := range m.loop.Want().All() {
		objects = append(objects, redactor.Desired(object))
	}
	return json.Marshal(objects)
}

// Ready implements httpapi.Backend.
func (a *Agent) Ready() error {
	root, err := a.member(self.Root)
	if err != nil {
		return err
	}
	status := root.loop.Status()
	switch loop.State(status.State) {
	case loop.Pending, loop.Rendering:
		return fault.New(fault.Transient, "read", "the root Sync", status.Message)
	case loop.Syncing:
		if status.Looked.IsZero() {
			return fault.New(fault.Transient, "compare", "the root Sync", status.Message)
		}
	}
	return nil
}
