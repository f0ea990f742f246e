package files

import (
	"context"
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// maxRead bounds the content that Read gives: as much as a declaration may have.
const maxRead = 4 << 20

// Read gives what is at the path of an object that a record tells of, as its declaration would have it: path, mode, and content or
// destination. Nil without error when something of another type is there, or nothing, or a file too large to be declared.
func (d *Driver) Read(ctx context.Context, record journal.Record) (*state.Object, error) {
	path := recall(record).Path
	if path == "" {
		return nil, nil //nolint:nilnil // that nothing is there is an answer
	}
	info, err := d.lookNow(ctx, path)
	if err != nil {
		return nil, err
	}
	spec := map[string]any{"path": path, "mode": fmt.Sprintf("%04o", info.Mode)}
	switch {
	case record.ID.Kind == v1alpha1.KindFile && info.Type == rootfs.File && info.Size <= maxRead:
		content, _, err := d.cfg.Root.Read(path, maxRead)
		switch {
		case fault.KindOf(err) == fault.Invalid || fault.KindOf(err) == fault.NotFound:
			return nil, nil //nolint:nilnil // it has just become something else
		case err != nil:
			return nil, err
		case utf8.Valid(content):
			spec["content"] = string(content)
		default:
			spec["contentBase64"] = base64.StdEncoding.EncodeToString(content)
		}
	case record.ID.Kind == v1alpha1.KindDirectory && info.Type == rootfs.Directory:
	case record.ID.Kind == v1alpha1.KindLink && info.Type == rootfs.Link:
		delete(spec, "mode")
		spec["target"] = info.Target
	default:
		return nil, nil //nolint:nilnil // see above
	}
	return state.NewObject(map[string]any{
		"apiVersion": v1alpha1.APIVersionHost, "kind": record.ID.Kind, "metadata": map[string]any{"name": record.ID.Name}, "spec": spec,
	}, state.Origin{}), nil
}
