package agent

import (
	"context"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
)

// maxValues bounds a file of values.
const maxValues = 4 << 20

// valueFile is a file of values of this machine, in plaintext.
type valueFile struct {
	name string
	data []byte
}

// readValues reads the files of values, a later one over an earlier one, into how the folder is rendered. Encrypted ones are decrypted with
// the keys that open the documents of the folder, and what was encrypted in them is as secret as theirs.
func (l *local) readValues(ctx context.Context) error {
	if len(l.cfg.Values) == 0 {
		return nil
	}
	merged := map[string]any{}
	decrypter := sops.New(l.keys)
	for _, name := range l.cfg.Values {
		data, err := readValueFile(name)
		if err != nil {
			return err
		}
		text, secrets, err := decrypter.Open(ctx, name, data)
		if err != nil {
			return err
		}
		values := map[string]any{}
		if err := yaml.Unmarshal(text, &values); err != nil {
			return fault.Wrap(fault.Invalid, "read", name, diff.NewScrubber(secrets).Error(err))
		}
		merge(merged, values)
		l.keys.Known = append(l.keys.Known, secrets...)
		l.values = append(l.values, valueFile{name: name, data: text})
	}
	helm := v1alpha1.Helm{}
	if l.cfg.How.Helm != nil {
		helm = *l.cfg.How.Helm
	}
	helm.Values, l.cfg.How.Helm = merged, &helm
	return nil
}

func readValueFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil || info.Size() > maxValues {
		return nil, fault.New(fault.NotFound, "read", name, "it is not there, or longer than 4 MiB").WithHint("look at --values")
	}
	data, err := os.ReadFile(name)
	return data, fault.Wrap(fault.Denied, "read", name, err)
}

// merge puts values over others, mapping by mapping.
func merge(into, over map[string]any) {
	for key, value := range over {
		have, both := into[key].(map[string]any)
		if more, ok := value.(map[string]any); ok && both {
			merge(have, more)
			continue
		}
		into[key] = value
	}
}
