package commands

import (
	"context"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// Compare gives the entry of a wanted command. The record is the zero value when nothing was ever done about it.
func (d *Driver) Compare(_ context.Context, _ state.Owner, want *state.Object, record journal.Record) diff.Entry {
	entry := diff.Entry{
		ID: want.ID(), Op: diff.None, Want: want, Drift: want.Annotation(v1alpha1.AnnotationDrift),
		Health: state.Health{Status: state.Missing},
	}
	entry.Err = d.check(want)
	m, err := recall(record)
	switch {
	case err != nil:
		entry.Op, entry.Err = diff.Update, err
	case record.ID.Name == "":
		entry.Op = diff.Create
	case m.Removing:
		entry.Op, entry.Terminating, entry.Health = diff.Create, true, d.health(want.ID().Name, m)
	case record.Declared != want.Digest():
		entry.Op, entry.Fields, entry.Health = diff.Update, d.changes(m, want), d.health(want.ID().Name, m)
	default:
		entry.Health = d.health(want.ID().Name, m)
		if entry.Err != nil {
			entry.Op = diff.Update
		}
	}
	return entry
}

// Owned gives the entry of a command that is owned and not wanted any more.
func (d *Driver) Owned(_ context.Context, record journal.Record) diff.Entry {
	entry := diff.Entry{ID: record.ID, Op: diff.Delete, Keep: record.Keep, Wave: record.Wave}
	m, err := recall(record)
	if err != nil {
		entry.Err = err
		return entry
	}
	entry.Terminating, entry.Health = m.Removing, d.health(record.ID.Name, m)
	return entry
}

// check says why a declaration cannot be carried out.
func (d *Driver) check(want *state.Object) error {
	command, err := v1alpha1.DecodeCommand(want)
	if err != nil {
		return err
	}
	_, err = d.account(command.Spec.User)
	return err
}

// health says how a command is doing, by what is remembered: the supervisor is asked by whoever carries it on.
func (d *Driver) health(name string, m memory) state.Health {
	progressing := state.Health{Status: state.Progressing}
	switch problem := d.problem(name); {
	case m.Removing:
		progressing.Reason, progressing.Message = reasonStopping, "it is being removed"
	case m.Outcome != nil && m.Outcome.Succeeded:
		return state.Health{Status: state.Healthy, Reason: m.Outcome.Reason}
	case m.Outcome != nil:
		return state.Health{Status: state.Degraded, Reason: m.Outcome.Reason, Message: m.Outcome.Message, Final: true}
	case problem != nil:
		progressing.Reason, progressing.Message = reasonWaiting, problem.Error()
	case m.Late:
		progressing.Reason, progressing.Message = reasonStopping, "its time is up"
	case m.Started:
		progressing.Reason, progressing.Message = reasonRunning, "it runs"
	default:
		progressing.Reason, progressing.Message = reasonStarting, "it is about to start"
	}
	return progressing
}

// changes gives the fields that a new declaration changes: those that differ, and those that it does not have any more.
func (d *Driver) changes(m memory, want *state.Object) []diff.Field {
	old := map[string]any{}
	if last, err := m.object(); err == nil {
		old = last.Content()
	}
	now, opts := want.Content(), diff.Options{Redact: d.cfg.Redact, Marks: diff.MarksOf(want)}
	fields := diff.Compare(now, old, opts)
	for _, field := range diff.Compare(old, now, opts) {
		if field.Old == "" { // only the old one has it
			fields = append(fields, diff.Field{Path: field.Path, Old: field.New})
		}
	}
	slices.SortStableFunc(fields, func(a, b diff.Field) int { return strings.Compare(a.Path, b.Path) })
	return fields
}
