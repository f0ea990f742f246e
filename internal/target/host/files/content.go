package files

import (
	"encoding/base64"
	"maps"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// content makes what a file is to hold. Fixed content is the same whenever it is made.
func (d *Driver) content(s *v1alpha1.FileSpec) (content []byte, fixed bool, err error) {
	switch {
	case s.ContentFrom != nil:
		content, err := d.contentFrom(s.Path, s.ContentFrom)
		return content, false, err
	case s.Template != nil:
		content, err := d.fromTemplate(s.Path, s.Template)
		return content, len(s.Template.Secrets) == 0, err
	case s.ContentBase64 != "":
		content, err := base64.StdEncoding.DecodeString(s.ContentBase64)
		return content, true, fault.Wrap(fault.Invalid, "decode contentBase64 of", s.Path, err)
	}
	return []byte(s.Content), true, nil
}

func (d *Driver) contentFrom(path string, from *v1alpha1.ContentFrom) ([]byte, error) {
	if from.Secret == nil {
		return nil, unresolved(path, from.File)
	}
	value, err := d.secret(*from.Secret)
	if err != nil {
		return nil, of("read the secret content of", path, err)
	}
	return value, nil
}

func (d *Driver) fromTemplate(path string, t *v1alpha1.Template) ([]byte, error) {
	if t.File != "" {
		return nil, unresolved(path, t.File)
	}
	secrets := make(map[string]string, len(t.Secrets))
	for _, name := range slices.Sorted(maps.Keys(t.Secrets)) {
		value, err := d.secret(t.Secrets[name])
		if err != nil {
			return nil, of("read the secret "+name+" of", path, err)
		}
		secrets[name] = string(value)
	}
	content, err := execute(t.Text, input{Values: t.Values, Secrets: secrets, Host: d.cfg.Host})
	if err != nil {
		return nil, of("make the content of", path, err)
	}
	return content, nil
}

// unresolved is a reference into the source that nobody has put the file in place of: a bug of the renderer.
func unresolved(path, file string) error {
	return fault.New(fault.Internal, "read the content of", path, "the file "+file+" of the source was not read when it was rendered")
}

// of says what an error is about; its kind and hint stay.
func of(op, item string, err error) error { return &fault.Error{Op: op, Item: item, Err: err} }
