package host

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

var _ target.Reader = (*Host)(nil)

// reader is a driver of objects that have a content. Apps and commands have none: what of them runs is no declaration.
type reader interface {
	Read(ctx context.Context, record journal.Record) (*state.Object, error)
}

// Read implements target.Reader, for what a journal's record tells of.
func (h *Host) Read(ctx context.Context, id state.ID) (*state.Object, error) {
	record, known := h.journal.Get(id)
	if !known {
		return nil, nil //nolint:nilnil // that nothing is there is an answer
	}
	driver, err := h.driverOf(id)
	if err != nil {
		return nil, err
	}
	if able, can := driver.(reader); can {
		return able.Read(ctx, record)
	}
	return nil, nil //nolint:nilnil // it has no content
}
