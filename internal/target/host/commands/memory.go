package commands

import (
	"context"
	"encoding/json"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// memory is what is remembered of a command in its journal record. It is written before anything is started, so that an agent that is
// killed at any instant and started again goes on where it was, and nothing runs twice. It is sealed on the disk, as it may
// hold secrets.
type memory struct {
	// Declaration is the object that was taken on last.
	Declaration json.RawMessage `json:"declaration,omitempty"`
	// Secret: it was declared with secrets, which its output may have in it.
	Secret bool `json:"secret,omitempty"`
	// Run counts the contents that were taken on, Launch the attempts to start one: a process is never named as another was.
	Run    int       `json:"run"`
	Launch int       `json:"launch"`
	Asked  time.Time `json:"asked,omitzero"` // when the run was taken on
	// NotBefore the process is started: an attempt that could not be made is made again.
	NotBefore time.Time `json:"notBefore,omitzero"`
	Started   bool      `json:"started,omitempty"` // the process was seen: it is never started again
	Late      bool      `json:"late,omitempty"`    // its time is up, and it is being ended
	Outcome   *outcome  `json:"outcome,omitempty"` // nil before the end
	// Settled: nothing is left to be done, and the supervisor knows nothing more of it.
	Settled  bool `json:"settled,omitempty"`
	Removing bool `json:"removing,omitempty"`
}

// outcome is how a run ended.
type outcome struct {
	Succeeded bool   `json:"succeeded,omitempty"`
	Reason    string `json:"reason"` // in CamelCase
	Message   string `json:"message,omitempty"`
}

func recall(record journal.Record) (memory, error) {
	var m memory
	if len(record.Data) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(record.Data, &m); err != nil {
		return m, fault.Wrap(fault.Internal, "read the journal of", record.ID.String(), err)
	}
	return m, nil
}

func (m memory) encode() json.RawMessage {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err) // cannot be: it holds nothing but plain data
	}
	return data
}

// object gives the declaration that was taken on last.
func (m memory) object() (*state.Object, error) {
	return state.DecodeObject(m.Declaration, state.Origin{})
}

// spec gives what that declaration says.
func (m memory) spec() (v1alpha1.CommandSpec, error) {
	object, err := m.object()
	if err != nil {
		return v1alpha1.CommandSpec{}, fault.Wrap(fault.Internal, "read", "the declaration", err)
	}
	command, err := v1alpha1.DecodeCommand(object)
	if err != nil {
		return v1alpha1.CommandSpec{}, err
	}
	return command.Spec, nil
}

// The names of a command's processes. No App has a dot in its name, so that none is taken for one of an App's.
const (
	appPrefix   = "command."
	processType = "run"
)

// process names the process of the present run.
func (m memory) process(name string) supervise.ProcessID {
	return supervise.ProcessID{App: appPrefix + name, Release: m.Run, Type: processType, Index: 1, Launch: m.Launch}
}

// update changes the record of a command and writes it when it has changed: it is safe from a crash when update returns. Nobody else
// changes it meanwhile. owned is false when there is no record.
func (d *Driver) update(ctx context.Context, name string, change func(record *journal.Record, m *memory) error) (owned bool, err error) {
	d.memory.Lock()
	defer d.memory.Unlock()
	record, owned := d.cfg.Journal.Get(idOf(name))
	if !owned {
		return false, nil
	}
	m, err := recall(record)
	if err != nil {
		return true, err
	}
	before := string(m.encode())
	if err := change(&record, &m); err != nil {
		return true, err
	}
	record.Data = m.encode()
	if string(record.Data) == before {
		return true, nil
	}
	if err := d.cfg.Journal.Put(ctx, record); err != nil {
		return true, err
	}
	d.changed(name)
	return true, nil
}
