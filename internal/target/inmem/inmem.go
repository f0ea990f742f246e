// Package inmem is a target in memory: a small plant that behaves like a real one, with owners, other writers, slow health and
// faults on demand. Tests and simulations drive it; it passes the same conformance suite as the real ones.
package inmem

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Plant is the system behind any number of Targets. Safe for concurrent use.
type Plant struct {
	mu       sync.Mutex
	objects  map[state.ID]*object
	watchers map[*watcher]struct{}
	fail     func(op diff.Op, id state.ID) error
	newborn  map[state.ID]state.Health
	requests int
	writes   int
}

type object struct {
	content map[string]any
	owner   state.Owner
	by      string // who wrote it last
	health  state.Health
	lost    bool // was there, owned, and has been taken away
}

type watcher struct {
	owner  state.Owner
	notify func(target.Event)
}

// New makes an empty plant.
func New() *Plant {
	return &Plant{objects: map[state.ID]*object{}, watchers: map[*watcher]struct{}{}}
}

// FailWith makes every later step fail for which fail gives an error; nil ends that.
func (p *Plant) FailWith(fail func(op diff.Op, id state.ID) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

// Writes gives the number of changes that were made through Apply.
func (p *Plant) Writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

// Get gives the content of an object, or nil.
func (p *Plant) Get(id state.ID) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.objects[id]; o != nil && !o.lost {
		return state.DeepCopy(o.content).(map[string]any)
	}
	return nil
}

// IDs gives all objects that are there.
func (p *Plant) IDs() []state.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []state.ID
	for id, o := range p.objects {
		if !o.lost {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, state.ID.Compare)
	return ids
}

// Write sets an object as another writer would.
func (p *Plant) Write(id state.ID, content map[string]any, by string) {
	p.disturb(id, func(o *object) { o.content, o.by, o.lost = content, by, false })
}

// Remove deletes an object as another writer would.
func (p *Plant) Remove(id state.ID) { p.disturb(id, func(o *object) { o.lost = true }) }

// SetHealth says how an object is doing from now on.
func (p *Plant) SetHealth(id state.ID, health state.Health) {
	p.disturb(id, func(o *object) { o.health = health })
}

// SetNewHealth says how an object is doing whenever it has been created.
func (p *Plant) SetNewHealth(id state.ID, health state.Health) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.newborn == nil {
		p.newborn = map[state.ID]state.Health{}
	}
	p.newborn[id] = health
}

func (p *Plant) disturb(id state.ID, change func(*object)) {
	p.mu.Lock()
	o := p.objects[id]
	if o == nil {
		o = &object{health: state.Health{Status: state.Healthy}}
		p.objects[id] = o
	}
	change(o)
	if o.lost && o.owner == (state.Owner{}) {
		delete(p.objects, id)
	}
	told := p.watching(o.owner)
	p.mu.Unlock()
	for _, notify := range told {
		notify(target.Event{IDs: []state.ID{id}})
	}
}

func (p *Plant) watching(owner state.Owner) []func(target.Event) {
	var told []func(target.Event)
	for w := range p.watchers {
		if w.owner == owner {
			told = append(told, w.notify)
		}
	}
	return told
}

var _ target.Target = (*Plant)(nil)

// Compare implements target.Target.
func (p *Plant) Compare(ctx context.Context, query target.Query) (diff.Report, error) {
	if err := ctx.Err(); err != nil {
		return diff.Report{}, fault.Wrap(fault.Transient, "compare", query.Owner.String(), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	var report diff.Report
	asked := func(id state.ID) bool { return query.Only == nil || slices.Contains(query.Only, id) }
	for want := range query.Want.All() {
		if asked(want.ID()) {
			report.Entries = append(report.Entries, p.entry(query, want))
		}
	}
	for id, o := range p.objects {
		if o.owner == query.Owner && !o.lost && !query.Want.Has(id) && asked(id) {
			report.Entries = append(report.Entries, diff.Entry{ID: id, Op: diff.Delete, Health: o.health})
		}
	}
	slices.SortFunc(report.Entries, func(a, b diff.Entry) int { return a.ID.Compare(b.ID) })
	return report, nil
}

func (p *Plant) entry(query target.Query, want *state.Object) diff.Entry {
	owner := query.Owner
	entry := diff.Entry{ID: want.ID(), Op: diff.None, Want: want}
	o := p.objects[entry.ID]
	switch {
	case o == nil:
		entry.Op, entry.Health = diff.Create, state.Health{Status: state.Missing}
	case o.owner != owner && o.owner != (state.Owner{}):
		entry.Op, entry.Health = diff.Update, o.health
		entry.Err = fault.New(fault.Conflict, "claim", entry.ID.String(), "it belongs to "+o.owner.String()+", not to "+owner.String())
	case o.lost:
		entry.Op, entry.Lost, entry.Health = diff.Create, true, state.Health{Status: state.Missing}
	default:
		entry.Health = o.health
		entry.Fields = fields(want, o)
		if len(entry.Fields) > 0 || o.owner != owner {
			entry.Op = diff.Update
		}
	}
	if o != nil && !o.lost && query.Assess != nil {
		content := func() map[string]any { return state.DeepCopy(o.content).(map[string]any) }
		if health, ok := query.Assess(entry.ID, content); ok {
			entry.Health = health
		}
	}
	return entry
}

// fields compares the top-level fields, which is all that this plant knows.
func fields(want *state.Object, o *object) []diff.Field {
	var found []diff.Field
	marks := diff.MarksOf(want)
	for key, value := range want.Content() {
		if !reflect.DeepEqual(value, o.content[key]) {
			field := diff.Field{Path: "/" + key, Old: text(o.content[key]), New: text(value), By: o.by}
			if marks.Touch(diff.Path{{Name: key}}) {
				field.Old, field.New = `"redacted"`, `"redacted"`
			}
			found = append(found, field)
		}
	}
	slices.SortFunc(found, func(a, b diff.Field) int { return slices.Compare([]byte(a.Path), []byte(b.Path)) })
	return found
}

func text(value any) string {
	if value == nil {
		return ""
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(data)
}

// Apply implements target.Target.
func (p *Plant) Apply(ctx context.Context, owner state.Owner, steps []plan.Step, report func(target.Result)) error {
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Transient, "apply", owner.String(), err)
		}
		result, told := p.step(owner, step)
		report(result)
		for _, notify := range told {
			notify(target.Event{IDs: []state.ID{step.ID}})
		}
	}
	return nil
}

func (p *Plant) step(owner state.Owner, step plan.Step) (target.Result, []func(target.Event)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	result := target.Result{ID: step.ID, Op: step.Op}
	if p.fail != nil {
		if result.Err = p.fail(step.Op, step.ID); result.Err != nil {
			return result, nil
		}
	}
	o := p.objects[step.ID]
	if o != nil && o.owner != owner && o.owner != (state.Owner{}) {
		result.Err = fault.New(fault.Conflict, string(step.Op), step.ID.String(), "it belongs to "+o.owner.String())
		return result, nil
	}
	if step.Op == diff.Delete {
		result.Changed = o != nil
		delete(p.objects, step.ID)
	} else {
		if o == nil {
			o = &object{health: p.born(step.ID)}
			p.objects[step.ID] = o
		}
		result.Adopted = o.owner == (state.Owner{}) && o.content != nil
		if result.Adopted && o.by != "" {
			result.TookOver = []string{o.by}
		}
		o.content, o.owner, o.by, o.lost = step.Want.Content(), owner, "setpoint", false
		result.Changed, result.Health = true, o.health
	}
	p.writes++
	return result, p.watching(owner)
}

func (p *Plant) born(id state.ID) state.Health {
	if health, ok := p.newborn[id]; ok {
		return health
	}
	return state.Health{Status: state.Healthy}
}

// Read implements target.Reader.
func (p *Plant) Read(_ context.Context, id state.ID) (*state.Object, error) {
	content := p.Get(id)
	if content == nil {
		return nil, nil //nolint:nilnil // that nothing is there is an answer
	}
	return state.NewObject(content, state.Origin{}), nil
}

// Watch implements target.Target.
func (p *Plant) Watch(ctx context.Context, owner state.Owner, notify func(target.Event)) error {
	w := &watcher{owner: owner, notify: notify}
	p.mu.Lock()
	p.watchers[w] = struct{}{}
	p.mu.Unlock()
	notify(target.Event{})
	<-ctx.Done()
	p.mu.Lock()
	delete(p.watchers, w)
	p.mu.Unlock()
	return nil
}

// Owned implements target.Target.
func (p *Plant) Owned(_ context.Context, owner state.Owner) ([]state.ID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []state.ID
	for id, o := range p.objects {
		if o.owner == owner && !o.lost {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, state.ID.Compare)
	return ids, nil
}
