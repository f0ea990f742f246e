package rootfs

import (
	"errors"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// Symlink puts a link at a path, atomically, with the same rules as WriteAtomic. The mode of attributes means nothing.
func (r *Root) Symlink(name, target string, attributes Attributes) error {
	p, err := r.at("write the link", name)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.replaceable(); err != nil {
		return err
	}
	temporary := p.temporary()
	if err := try(func() error { return unix.Symlinkat(target, p.dir, temporary.name) }); err != nil {
		return p.explain(err)
	}
	defer temporary.discard()
	if err := temporary.chown(attributes.UID, attributes.GID); err != nil {
		return err
	}
	if err := p.take(temporary); err != nil {
		return err
	}
	return p.flush()
}

// Mkdir makes a directory with its attributes, and those above it that are missing like it; it gives their paths, from the top. A
// file or link at the path is replaced; a directory that is there gets the attributes.
func (r *Root) Mkdir(name string, attributes Attributes) (above []string, err error) {
	missing, err := r.Missing(name)
	if err != nil {
		return nil, err
	}
	for _, dir := range append(missing, name) {
		if err := r.mkdir(dir, attributes); err != nil {
			return above, err
		}
		if dir != name {
			above = append(above, dir)
		}
	}
	return above, nil
}

// Missing gives the directories above a path that are not there, from the top.
func (r *Root) Missing(name string) ([]string, error) {
	var missing []string
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		info, err := r.Stat(dir)
		if err != nil && !IsNoParent(err) {
			return nil, err
		}
		if err == nil && info.Type != Nothing {
			break
		}
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	return missing, nil
}

func (r *Root) mkdir(name string, attributes Attributes) error {
	p, err := r.at("make the directory", name)
	if err != nil {
		return err
	}
	defer p.close()
	info, err := p.info()
	if err != nil {
		return err
	}
	if info.Type == Directory {
		return p.dress(attributes)
	}
	if err := p.replaceable(); err != nil {
		return err
	}
	return p.makeDir(info, attributes)
}

// makeDir makes the directory beside, so that it is never seen with other attributes than its own. A directory cannot take the
// place of a file in one step: the file goes right before.
func (p *place) makeDir(before Info, attributes Attributes) error {
	temporary := p.temporary()
	if err := try(func() error { return unix.Mkdirat(p.dir, temporary.name, 0o700) }); err != nil {
		return p.explain(err)
	}
	defer func() { _ = temporary.unlink(unix.AT_REMOVEDIR) }()
	if err := temporary.dress(attributes); err != nil {
		return err
	}
	if before.Type != Nothing {
		if err := p.unlink(0); err != nil && !errors.Is(err, unix.ENOENT) {
			return p.explain(err)
		}
	}
	if err := try(func() error { return unix.Renameat(p.dir, temporary.name, p.dir, p.name) }); err != nil {
		return p.explain(err)
	}
	return p.flush()
}
