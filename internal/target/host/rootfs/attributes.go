package rootfs

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// Attributes are the permissions and owners of an entry.
type Attributes struct {
	Mode     uint32 // as in Info; links have none
	UID, GID int    // -1 leaves what is there
}

// Chmod sets the permissions of an entry in place. A link has none, and what it leads to is not touched.
func (r *Root) Chmod(name string, mode uint32) error {
	p, err := r.at("change the mode of", name)
	if err != nil {
		return err
	}
	defer p.close()
	return p.chmod(mode)
}

// Chown sets the owners of an entry in place, of a link those of the link itself; -1 leaves what is there. The kernel may take setuid
// and setgid away: set the mode after it.
func (r *Root) Chown(name string, uid, gid int) error {
	p, err := r.at("change the owner of", name)
	if err != nil {
		return err
	}
	defer p.close()
	return p.chown(uid, gid)
}

// chmod never follows: older kernels than 6.6 have no such call, so there the entry is held open and changed by its descriptor.
func (p *place) chmod(mode uint32) error {
	err := try(func() error { return unix.Fchmodat(p.dir, p.name, mode, unix.AT_SYMLINK_NOFOLLOW) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = p.chmodHeld(mode)
	}
	if err != nil {
		return p.explain(err)
	}
	return nil
}

func (p *place) chmodHeld(mode uint32) error {
	fd, err := retry(func() (int, error) { return unix.Openat(p.dir, p.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0) })
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if typeOf(st.Mode) == Link {
		return unix.EOPNOTSUPP
	}
	return try(func() error { return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode) })
}

func (p *place) chown(uid, gid int) error {
	if uid < 0 && gid < 0 {
		return nil
	}
	if err := try(func() error { return unix.Fchownat(p.dir, p.name, uid, gid, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return p.explain(err)
	}
	return nil
}

// dress sets all attributes, in the order in which they stay: changing the owner takes setuid away.
func (p *place) dress(a Attributes) error {
	if err := p.chown(a.UID, a.GID); err != nil {
		return err
	}
	return p.chmod(a.Mode)
}
