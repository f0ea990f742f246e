package files

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// act makes what is there as it is declared, and changes nothing that is so already.
func (t *task) act(ctx context.Context) error {
	switch t.c.kind {
	case rootfs.Directory:
		return t.actDirectory()
	case rootfs.Link:
		return t.actLink()
	}
	return t.actFile(ctx)
}

// renews says whether a new file or link takes the place of what is there.
func (t *task) renews() bool {
	return t.differs.replaces() || !t.othersBody && ownedByOther(t.c, t.attributes, t.have, t.d.uid)
}

func (t *task) actFile(ctx context.Context) error {
	if !t.renews() {
		return t.dress()
	}
	var validate func(hostPath string) error
	if len(t.c.command) > 0 {
		validate = func(hostPath string) error { return t.validate(ctx, hostPath) }
	}
	_, err := t.d.cfg.Root.WriteAtomic(t.c.path, t.content, t.attributes, validate)
	return err
}

func (t *task) actLink() error {
	if !t.renews() {
		return t.dress()
	}
	return t.d.cfg.Root.Symlink(t.c.path, t.c.target, t.attributes)
}

func (t *task) actDirectory() error {
	if t.differs.replaces() {
		_, err := t.d.cfg.Root.Mkdir(t.c.path, t.attributes)
		return err
	}
	if err := t.dress(); err != nil {
		return err
	}
	return t.d.purge(t.c.path, t.have.unmanaged)
}

// dress changes mode and owners in place. Changing the owner may take setuid and setgid away, so the mode comes after it.
func (t *task) dress() error {
	const specials = 0o6000
	owners := t.differs.uid || t.differs.gid
	if owners {
		uid, gid := -1, -1
		if t.differs.uid {
			uid = t.attributes.UID
		}
		if t.differs.gid {
			gid = t.attributes.GID
		}
		if err := t.d.cfg.Root.Chown(t.c.path, uid, gid); err != nil {
			return err
		}
	}
	if t.differs.mode || owners && t.c.kind != rootfs.Link && t.attributes.Mode&specials != 0 {
		return t.d.cfg.Root.Chmod(t.c.path, t.attributes.Mode)
	}
	return nil
}
