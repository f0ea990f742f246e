package files

import (
	"errors"
	"path"
)

// purge removes entries of a directory that nobody declares, with everything in them; one that cannot be removed does not keep the
// others.
func (d *Driver) purge(dir string, names []string) error {
	var errs []error
	for _, name := range d.claims.unclaimed(dir, names) {
		errs = append(errs, d.cfg.Root.RemoveAll(path.Join(dir, name)))
	}
	return errors.Join(errs...)
}
