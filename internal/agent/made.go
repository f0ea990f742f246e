package agent

import (
	"context"
	"encoding/json"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// made keeps the random values that the chart of a Sync has made, encrypted with the agent's key.
type made struct {
	sync  string
	shelf shelf
}

var _ render.Memory = made{}

// Recall implements render.Memory. Values that cannot be read any more are an error, for others would change what runs.
func (m made) Recall(ctx context.Context) (map[string]string, error) {
	sealed, err := m.shelf.store.Get(ctx, store.Made, m.sync)
	if fault.KindOf(err) == fault.NotFound {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	data, err := m.shelf.box.Open(sealed, m.key())
	if err == nil {
		err = json.Unmarshal(data, &values)
	}
	if err != nil {
		return nil, &fault.Error{Op: "read", Item: "the random values of Sync " + m.sync, Kind: fault.Internal, Err: err,
			Hint: "the agent's secret.key is not the one that they were written with; restore it"}
	}
	return values, nil
}

// Keep implements render.Memory.
func (m made) Keep(ctx context.Context, values map[string]string) error {
	if len(values) == 0 {
		return m.shelf.store.Delete(ctx, store.Made, m.sync)
	}
	data, err := json.Marshal(values)
	if err != nil {
		return fault.Wrap(fault.Internal, "keep", "the random values of Sync "+m.sync, err)
	}
	return m.shelf.store.Put(ctx, store.Made, m.sync, m.shelf.box.Seal(data, m.key()))
}

func (m made) key() string { return "made/" + m.sync }
