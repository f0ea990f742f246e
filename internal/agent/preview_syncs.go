package agent

import (
	"regexp"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// Known is what a running agent has now. Without it a preview cannot tell of Syncs and Sources that would be changed or removed.
type Known struct {
	Name     string // the agent's
	HostRoot string // the agent's, likewise Data
	Data     string
	Declared map[state.ID]KnownDeclaration
	// Objects gives what a Sync owns.
	Objects func(sync string) ([]state.ID, error)
}

// KnownDeclaration is a Sync or a Source that an agent has, and the Sync that declares it.
type KnownDeclaration struct {
	Object *state.Object
	Parent string
}

// inAgent compares the Syncs and Sources that one Sync declares with those that the agent has of it.
func (p *preview) inAgent(one previewing) []v1alpha1.Change {
	if p.cfg.Known == nil {
		return nil
	}
	changes := []v1alpha1.Change{}
	for object := range one.objects.All() {
		id := object.ID()
		if !isSelf(id) {
			continue
		}
		known, ok := p.cfg.Known.Declared[id]
		entry := diff.Entry{ID: id, Op: diff.Create, Want: object}
		if ok {
			entry.Op = diff.Update
			entry.Fields = diff.Compare(object.Content(), known.Object.Content(), diff.Options{Marks: diff.MarksOf(object)})
			for _, gone := range diff.Compare(known.Object.Content(), object.Content(), diff.Options{Marks: diff.MarksOf(object)}) {
				if gone.Old == "" { // declared before, and no longer
					entry.Fields = append(entry.Fields, diff.Field{Path: gone.Path, Old: gone.New})
				}
			}
		}
		if !ok || len(entry.Fields) > 0 {
			changes = append(changes, diff.Change(entry, "", 0))
		}
	}
	for _, id := range p.undeclared(one.shown.Sync, one.objects) {
		changes = append(changes, diff.Change(diff.Entry{ID: id, Op: diff.Delete}, "", 0))
	}
	return changes
}

// undeclared gives what the agent has of a Sync that is declared no more.
func (p *preview) undeclared(sync string, objects state.Set) []state.ID {
	var ids []state.ID
	if p.cfg.Known == nil {
		return nil
	}
	for id, known := range p.cfg.Known.Declared {
		if known.Parent == sync && !objects.Has(id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, state.ID.Compare)
	return ids
}

// removed adds the Syncs that would go because they are declared no more, each with all that it owns.
func (p *preview) removed(sync string, objects state.Set) {
	for _, id := range p.undeclared(sync, objects) {
		if id != self.SyncID(id.Name) || p.seen[id.Name] {
			continue
		}
		p.seen[id.Name] = true
		one := previewing{shown: Previewed{Sync: id.Name, Changes: []v1alpha1.Change{}}, gone: true}
		decoded, err := v1alpha1.DecodeSync(p.cfg.Known.Declared[id].Object)
		if err == nil && decoded.Spec.Deletion == v1alpha1.DeletionOrphan {
			continue // what it owns is left in place
		}
		owned, err := p.cfg.Known.Objects(id.Name)
		one.shown.Problems = problems(err)
		for _, object := range owned {
			one.shown.Changes = append(one.shown.Changes, diff.Change(diff.Entry{ID: object, Op: diff.Delete}, "", 0))
		}
		p.todo = append(p.todo, one)
		p.removed(id.Name, state.Set{})
	}
}

func problems(err error) []v1alpha1.Problem {
	var all []v1alpha1.Problem
	for _, part := range fault.Flatten(err) {
		all = append(all, httpapi.Problem(part))
	}
	return all
}

// ignores reads a declaration's rules.
func ignores(declared []v1alpha1.Ignore) []diff.Ignore {
	var rules []diff.Ignore
	for _, ignore := range declared {
		rules = append(rules, diff.Ignore{
			ID:     state.ID{Group: ignore.Group, Kind: ignore.Kind, Namespace: ignore.Namespace, Name: ignore.Name},
			Fields: ignore.Fields,
		})
	}
	return rules
}

var fullCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)

// refsOf reads a revision as people write it: a commit, else a branch or a tag.
func refsOf(revision string) []v1alpha1.GitRef {
	if fullCommit.MatchString(revision) {
		return []v1alpha1.GitRef{{Commit: revision}}
	}
	return []v1alpha1.GitRef{{Branch: revision}, {Tag: revision}}
}
