package files

import (
	"path"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// announced is how long a path counts as declared after its object was compared, when nothing was done about it yet. It has to outlast
// the time between comparing and applying, and ends by itself because nobody tells of a declaration that went before it was applied.
const announced = 2 * time.Minute

// claims knows which path is whose: for good, by the journal, or announced by a comparison. Safe for concurrent use.
type claims struct {
	mu      sync.Mutex
	byPath  map[string]claim
	below   map[string]int // directory: claims anywhere below it
	leaving map[state.ID]bool
	tidied  time.Time
}

type claim struct {
	id    state.ID
	owner unique.Handle[state.Owner]
	until *time.Time // nil: the journal says it
}

func newClaims() *claims {
	return &claims{byPath: map[string]claim{}, below: map[string]int{}, leaving: map[state.ID]bool{}}
}

// announce claims a path for an object that is compared. Another one's claim is a fault of kind Conflict; but an object that is not
// declared any more gives its paths to another one of its owner, as when a declaration is renamed.
func (c *claims) announce(id state.ID, owner state.Owner, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.tidy(now)
	delete(c.leaving, id)
	held, taken := c.byPath[name]
	switch {
	case taken && held.id == id:
		if held.until != nil {
			*held.until = now.Add(announced)
		}
		return nil
	case taken && !c.yields(held, owner, now):
		return conflict(held, owner, name)
	case !taken:
		c.set(name, claim{id, unique.Make(owner), new(now.Add(announced))})
	}
	return nil
}

// take claims a path for good, and gives the object that had it until now, if there is one.
func (c *claims) take(id state.ID, owner state.Owner, name string) (from state.ID, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, taken := c.byPath[name]
	if taken && held.id != id {
		if !c.yields(held, owner, time.Now()) {
			return state.ID{}, conflict(held, owner, name)
		}
		if held.until == nil {
			from = held.id
		}
	}
	c.set(name, claim{id: id, owner: unique.Make(owner)})
	return from, nil
}

// yields says whether a claim gives way.
func (c *claims) yields(held claim, owner state.Owner, now time.Time) bool {
	if held.until != nil {
		return now.After(*held.until)
	}
	return c.leaving[held.id] && held.owner.Value() == owner
}

func conflict(held claim, owner state.Owner, name string) error {
	who := held.id.String()
	if holder := held.owner.Value(); holder != owner {
		who += " of " + holder.String()
	}
	return fault.New(fault.Conflict, "claim", name, "it is declared by "+who+" already").WithHint("keep one of the two declarations")
}

// hold is take for what the journal says.
func (c *claims) hold(id state.ID, owner state.Owner, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(name, claim{id: id, owner: unique.Make(owner)})
}

// leave notes that an object is owned and not declared any more.
func (c *claims) leave(id state.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving[id] = true
}

// release gives up an object's claim on a path; what another one claims stays.
func (c *claims) release(id state.ID, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, taken := c.byPath[name]; taken && held.id == id {
		c.unset(name)
	}
}

// forget drops what is known of an object that is gone.
func (c *claims) forget(id state.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.leaving, id)
}

// declares says whether an object of a kind claims a path.
func (c *claims) declares(kind, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, taken := c.byPath[name]
	return taken && held.id.Kind == kind
}

// leavingBelow says whether something below a directory is owned and will be removed.
func (c *claims) leavingBelow(dir string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.below[dir] == 0 {
		return false
	}
	for name, held := range c.byPath {
		if c.leaving[held.id] && within(dir, name) {
			return true
		}
	}
	return false
}

// unclaimed gives those names in a directory that no claim is at or below.
func (c *claims) unclaimed(dir string, names []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tidy(time.Now())
	return slices.DeleteFunc(names, func(name string) bool {
		entry := path.Join(dir, name)
		_, taken := c.byPath[entry]
		return taken || c.below[entry] > 0
	})
}

func (c *claims) set(name string, to claim) {
	if _, taken := c.byPath[name]; !taken {
		c.count(name, 1)
	}
	c.byPath[name] = to
}

func (c *claims) unset(name string) {
	delete(c.byPath, name)
	c.count(name, -1)
}

func (c *claims) count(name string, by int) {
	for dir := path.Dir(name); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if c.below[dir] += by; c.below[dir] == 0 {
			delete(c.below, dir)
		}
	}
}

// tidy drops announcements that nothing came of.
func (c *claims) tidy(now time.Time) {
	if now.Before(c.tidied.Add(announced)) {
		return
	}
	c.tidied = now
	for name, held := range c.byPath {
		if held.until != nil && now.After(*held.until) {
			c.unset(name)
		}
	}
}
