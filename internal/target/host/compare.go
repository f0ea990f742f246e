package host

import (
	"context"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

const group = v1alpha1.GroupHost

// Compare implements target.Target.
func (h *Host) Compare(ctx context.Context, query target.Query) (diff.Report, error) {
	asked := h.asked(query)
	entries := make([]diff.Entry, len(asked))
	// What others lie in comes first: only then is it known that a directory which is missing is going to be made.
	for _, ways := range []bool{true, false} {
		inParallel(len(asked), readers, func(i int) {
			if leads(asked[i].id) == ways {
				entries[i] = h.compare(ctx, query, asked[i])
			}
		})
	}
	if err := ctx.Err(); err != nil {
		return diff.Report{}, fault.Wrap(fault.Transient, "compare", query.Owner.String(), err)
	}
	// What has been deleted meanwhile, by another comparison's steps, is no entry.
	entries = slices.DeleteFunc(entries, func(entry diff.Entry) bool { return entry.ID == state.ID{} })
	if !h.readOnly {
		h.audience.care(query.Owner, h.unrecorded(query.Owner, asked), query.Only)
		h.missed(query.Owner, asked)
	}
	return diff.Report{Entries: entries}, nil
}

// leads says whether others may lie in an object, or be reached through it.
func leads(id state.ID) bool {
	return id.Kind == v1alpha1.KindDirectory || id.Kind == v1alpha1.KindLink
}

// asked gives the objects that a query is about, in the order of their IDs. It costs no more than what is asked for.
func (h *Host) asked(query target.Query) []subject {
	var list []subject
	if query.Only == nil {
		list = make([]subject, 0, query.Want.Len())
		for want := range query.Want.All() {
			list = append(list, subject{id: want.ID(), want: want})
		}
		for _, record := range h.journal.Surplus(query.Owner, query.Want.Has) {
			list = append(list, subject{id: record.ID})
		}
	}
	for _, id := range query.Only {
		want := query.Want.Get(id)
		record, known := h.journal.Get(id)
		if want != nil || known && record.Owner == query.Owner {
			list = append(list, subject{id: id, want: want})
		}
	}
	slices.SortFunc(list, func(a, b subject) int { return a.id.Compare(b.id) })
	return slices.CompactFunc(list, func(a, b subject) bool { return a.id == b.id })
}

// compare gives the entry of one object; none (no ID) of an object that has gone, or when ctx has ended.
func (h *Host) compare(ctx context.Context, query target.Query, s subject) diff.Entry {
	release, err := h.locks.take(ctx, s.id)
	if err != nil {
		return diff.Entry{}
	}
	defer release()
	s.record, _ = h.journal.Get(s.id)
	var entry diff.Entry
	switch mine := s.record.Owner == query.Owner; {
	case s.want != nil:
		entry = h.wanted(ctx, query, s)
		entry.ID, entry.Want, entry.Drift = s.id, s.want, s.want.Annotation(v1alpha1.AnnotationDrift)
		entry.Health = h.assess(query, entry)
		entry.Hide()
	case mine:
		entry = h.surplus(ctx, s.record)
		entry.ID, entry.Want, entry.Wave, entry.Keep = s.id, nil, s.record.Wave, s.record.Keep
	}
	return entry
}

func (h *Host) wanted(ctx context.Context, query target.Query, s subject) diff.Entry {
	driver, err := h.driverOf(s.id)
	switch {
	case err != nil:
		return diff.Entry{Op: diff.Create, Err: err, Health: state.Health{Status: state.Missing}}
	case isOthers(s.record, query.Owner):
		return diff.Entry{Op: diff.Update, Err: belongsTo(s.record, query.Owner), Health: state.Health{Status: state.Unknown}}
	}
	entry := driver.Compare(ctx, query.Owner, s.want, s.record)
	// An object that was not carried out yet has to be, whichever of its fields are left to others.
	if ignore(query.Ignore, s.id, &entry) && s.record.Declared != "" {
		entry.Op = diff.None
	}
	return entry
}

func (h *Host) surplus(ctx context.Context, record journal.Record) diff.Entry {
	driver, err := h.driverOf(record.ID)
	if err != nil {
		return diff.Entry{Op: diff.Delete, Err: err, Health: state.Health{Status: state.Unknown}}
	}
	return driver.Owned(ctx, record)
}

// unrecorded gives the objects of which no record says that their events are for the owner, or will not soon: those that it wants and does
// not have, and those that it has and is about to lose.
func (h *Host) unrecorded(owner state.Owner, asked []subject) map[state.ID]struct{} {
	found := map[state.ID]struct{}{}
	for _, s := range asked {
		if record, known := h.journal.Get(s.id); s.want == nil || !known || record.Owner != owner {
			found[s.id] = struct{}{}
		}
	}
	return found
}

// missed tells of what has gone while it was being compared, before anything said that its events are for the owner.
func (h *Host) missed(owner state.Owner, asked []subject) {
	var gone []state.ID
	for _, s := range asked {
		if _, known := h.journal.Get(s.id); s.want == nil && !known {
			gone = append(gone, s.id)
		}
	}
	if len(gone) > 0 {
		h.audience.tell(map[state.Owner][]state.ID{owner: gone}, nil)
	}
}

// isOthers says whether an object is recorded as another owner's.
func isOthers(record journal.Record, owner state.Owner) bool {
	return record.Owner != owner && record.Owner != state.Owner{}
}
