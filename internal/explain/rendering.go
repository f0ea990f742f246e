package explain

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/render"
)

// The bounds of rendering again.
const (
	maxRenders   = 2000
	defaultLimit = 30 * time.Second
	// quiet is the number of renders between two words of progress.
	quiet = 25
)

// rendering renders a request again and again, without substitution, as that would hide what is written.
type rendering struct {
	renderer render.Renderer
	request  render.Request
	progress func(string)
	until    time.Time
	count    int
	spent    bool // something was left out
}

func newRendering(cfg Config) *rendering {
	limit := cfg.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	r := &rendering{renderer: cfg.Renderer, request: cfg.Request, progress: cfg.Progress, until: time.Now().Add(limit)}
	r.request.How.Substitute = nil
	if r.progress == nil {
		r.progress = func(string) {}
	}
	return r
}

// run renders a changed request. What is wrong with the objects together, such as one that is there twice, does not matter.
func (r *rendering) run(ctx context.Context, request render.Request) ([]*made, error) {
	result, err := r.renderer.Render(ctx, request)
	if err != nil && result.Found == nil {
		return nil, err
	}
	all := make([]*made, len(result.Found))
	for i, found := range result.Found {
		all[i] = flatten(found.Object)
	}
	return all, nil
}

// try renders a changed request to see what changes; nil when that gives an error, or is too much.
func (r *rendering) try(ctx context.Context, what string, request render.Request) []*made {
	if r.over(ctx) {
		return nil
	}
	if r.count++; r.count%quiet == 0 {
		r.progress(fmt.Sprintf("rendering again to see what changes (%d times): %s", r.count, what))
	}
	ctx, cancel := context.WithDeadline(ctx, r.until)
	defer cancel()
	all, err := r.run(ctx, request)
	if ctx.Err() != nil && err != nil {
		r.spent = true
	}
	if err != nil {
		return nil
	}
	return all
}

// over says whether the bounds are reached.
func (r *rendering) over(ctx context.Context) bool {
	if ctx.Err() != nil || r.count >= maxRenders || time.Now().After(r.until) {
		r.spent = true
	}
	return r.spent
}

// memory keeps the random values of the first render, and gives them to all others. Safe for concurrent use.
type memory struct {
	mu   sync.Mutex
	made map[string]string
}

var _ render.Memory = (*memory)(nil)

// Recall implements render.Memory.
func (m *memory) Recall(context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.made), nil
}

// Keep implements render.Memory. Only what is new is kept: what a changed value leaves out is made again by the next render.
func (m *memory) Keep(_ context.Context, made map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made == nil {
		m.made = map[string]string{}
	}
	for key, value := range made {
		if _, known := m.made[key]; !known {
			m.made[key] = value
		}
	}
	return nil
}

// counterpart gives the object of another render of the same that an object is there: the one with its ID; or where all of its kind are
// there still, the one in its place, as it has only got another name. ok is false when it is not there.
func counterpart(object *made, all, others []*made) (other *made, ok bool) {
	id := object.object.ID()
	place, mine := -1, 0
	for _, one := range all {
		if one == object {
			place = mine
		}
		if one.object.ID().GroupKind() == id.GroupKind() {
			mine++
		}
	}
	var kind []*made
	for _, one := range others {
		if one.object.ID() == id {
			return one, true
		}
		if one.object.ID().GroupKind() == id.GroupKind() {
			kind = append(kind, one)
		}
	}
	if len(kind) == mine && place >= 0 {
		return kind[place], true
	}
	return nil, false
}
