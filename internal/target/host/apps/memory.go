package apps

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// memory is what is remembered of an app in its journal record. With what the supervisor says it is everything that decisions need,
// so that an agent that is killed and started again goes on where it was. It is sealed on the disk, as it may hold secrets.
type memory struct {
	// Declaration is the object that was taken on last, for differences of fields.
	Declaration json.RawMessage `json:"declaration,omitempty"`
	Policy      policy          `json:"policy"`
	Releases    []*release      `json:"releases,omitempty"` // by number, ascending
	// Last is the number that was given last: numbers are never used again.
	Last     int `json:"last,omitempty"`
	Wanted   int `json:"wanted,omitempty"`   // the release that the declaration asks for
	Active   int `json:"active,omitempty"`   // the one that serves
	Previous int `json:"previous,omitempty"` // the one that served before it
	// Rollback is the release that a person has gone back to, 0 for none. Since when: RolledBackAt.
	Rollback     int       `json:"rollback,omitempty"`
	RolledBackAt time.Time `json:"rolledBackAt,omitzero"`
	Take         *takeover `json:"take,omitempty"` // nil: no release is taking over
	UID          *uint32   `json:"uid,omitempty"`  // chosen for the app; nil for the agent's or a declared one
	Removing     bool      `json:"removing,omitempty"`
}

// policy is the part of a declaration that is in no release: it holds at once, for whatever runs.
type policy struct {
	Replicas map[string]int         `json:"replicas,omitempty"` // by process type; 1 where nothing is said
	Listen   string                 `json:"listen,omitempty"`   // address of expose, "" for none
	Exposed  string                 `json:"exposed,omitempty"`  // process type behind it; "" for web, or the only one
	Protocol string                 `json:"protocol,omitempty"`
	Release  v1alpha1.ReleasePolicy `json:"release"`
	Needs    []v1alpha1.Need        `json:"needs,omitempty"`
	LogSize  int64                  `json:"logSize,omitempty"`
	LogFiles int                    `json:"logFiles,omitempty"`
}

// takeover is a release on its way to become the active one.
type takeover struct {
	Release int       `json:"release"`
	Stage   stage     `json:"stage"`
	Since   time.Time `json:"since"` // of the stage
}

// stage is a step of a take-over.
type stage string

// The stages, in order.
const (
	stageUnpack stage = "unpack" // its files are brought
	stagePre    stage = "pre"    // its command before the switch runs
	stageStart  stage = "start"  // its processes start beside the old ones
	stageSwap   stage = "swap"   // those with ports of their own replace the old ones
)

// release is one release. What it is made of never changes; State, Slots and Gone tell its story.
type release struct {
	Number   int                         `json:"number"`
	Build    string                      `json:"build"`
	Config   string                      `json:"config"`
	State    string                      `json:"state"`
	Reason   string                      `json:"reason,omitempty"`
	Message  string                      `json:"message,omitempty"`
	Created  time.Time                   `json:"created"`
	Revision state.Revision              `json:"revision,omitzero"`
	Print    blueprint                   `json:"print"`
	Secrets  []string                    `json:"secrets,omitempty"` // values that its declaration holds and that are secret
	Types    map[string]v1alpha1.Process `json:"types,omitempty"`   // with the commands of the Procfile; nil until it is unpacked
	Hook     []string                    `json:"hook,omitempty"`    // the Procfile's own command before the switch
	Pre      preState                    `json:"pre,omitempty"`
	PreSaid  string                      `json:"preSaid,omitempty"`
	Gone     bool                        `json:"gone,omitempty"` // its files are deleted, or about to be
	Slots    map[string]*slot            `json:"slots,omitempty"`
}

// preState says whether the command before the switch has run.
type preState string

// The words of preState; "" before it was asked for.
const (
	preAsked  preState = "asked" // about to be started, or running
	preDone   preState = "done"
	preFailed preState = "failed" // release.PreSaid says how
)

// slot is one place in the formation, as "web.1", with the process that holds it.
type slot struct {
	Launch  int       `json:"launch"`            // the number of the last start; 0 before the first
	Over    int       `json:"over,omitempty"`    // the last launch that has exited
	Crashed int       `json:"crashed,omitempty"` // the last launch that went wrong: it ended unasked, or was unhealthy and replaced
	Crashes int       `json:"crashes,omitempty"` // so many in a row
	Ended   time.Time `json:"ended,omitzero"`    // the last of them
	How     string    `json:"how,omitempty"`     // "exited with code 2"
	Output  []string  `json:"output,omitempty"`  // the last lines
}

const maxReleases = 100 // records that are kept, beside those that are needed

func recall(record journal.Record) (*memory, error) {
	m := &memory{}
	if len(record.Data) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(record.Data, m); err != nil {
		return nil, fault.Wrap(fault.Internal, "read the journal of", record.ID.String(), err)
	}
	return m, nil
}

func (m *memory) encode() json.RawMessage {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err) // cannot be: it holds nothing but plain data
	}
	return data
}

// clone gives a memory that shares nothing with m.
func (m *memory) clone() *memory {
	copied := &memory{}
	if err := json.Unmarshal(m.encode(), copied); err != nil {
		panic(err) // cannot be: encode wrote it
	}
	return copied
}

// release gives the release with a number, or nil.
func (m *memory) release(number int) *release {
	for _, r := range m.Releases {
		if r.Number == number {
			return r
		}
	}
	return nil
}

// goal is the release that should serve: what a person has gone back to, else what the declaration asks for.
func (m *memory) goal() int {
	if m.Rollback != 0 {
		return m.Rollback
	}
	return m.Wanted
}

// add makes a new release.
func (m *memory) add(r release) *release {
	m.Last++
	r.Number, r.State = m.Last, v1alpha1.ReleasePending
	m.Releases = append(m.Releases, &r)
	for len(m.Releases) > maxReleases && m.Releases[0].Gone {
		m.Releases = m.Releases[1:]
	}
	return &r
}

// needed says whether the files of a release have to stay whatever their number.
func (m *memory) needed(number int) bool {
	return number == m.Active || number == m.Previous || number == m.goal() || number == m.Wanted ||
		m.Take != nil && m.Take.Release == number
}

// expire marks the releases whose files can go: those that failed, and all but the last few.
func (m *memory) expire() {
	kept := 0
	for _, r := range slices.Backward(m.Releases) {
		failed := r.State == v1alpha1.ReleaseFailed
		switch {
		case r.Gone:
		case failed && r.Number != m.Active && r.Number != m.Previous:
			r.Gone = true
		case m.needed(r.Number) || kept < max(m.Policy.Release.Keep, 1):
			kept++
		default:
			r.Gone = true
		}
	}
}

// replicas gives how many processes of a type run in a release.
func (m *memory) replicas(kind string) int {
	if n, said := m.Policy.Replicas[kind]; said {
		return n
	}
	return 1
}

// exposed gives the process type behind the app's address in a release, or "".
func (m *memory) exposed(r *release) string {
	if m.Policy.Listen == "" {
		return ""
	}
	expose := v1alpha1.Expose{Process: m.Policy.Exposed}
	return expose.Choose(slices.Sorted(maps.Keys(r.Types)))
}

// pre gives the command that runs before the switch to a release: the declaration's, else the Procfile's.
func (m *memory) pre(r *release) []string {
	if len(m.Policy.Release.Pre) > 0 {
		return m.Policy.Release.Pre
	}
	return r.Hook
}

func (r *release) slot(name string) *slot {
	if r.Slots == nil {
		r.Slots = map[string]*slot{}
	}
	if r.Slots[name] == nil {
		r.Slots[name] = &slot{}
	}
	return r.Slots[name]
}

func itoa(n int) string { return strconv.Itoa(n) }

// number reads what itoa wrote; 0 for anything else.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || itoa(n) != text {
		return 0
	}
	return n
}
