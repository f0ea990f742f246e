package rootfs

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Type is what an entry of a directory is. The words are for people too.
type Type string

// The types; the zero value is nothing at all.
const (
	Nothing   Type = ""
	File      Type = "file"
	Directory Type = "directory"
	Link      Type = "link"
	Socket    Type = "socket"
	Pipe      Type = "pipe"
	Device    Type = "device"
)

// Info is what is known of an entry without reading it. Two equal Infos of a path mean that nothing has changed between them, except
// within one tick of the file system's clock: see Settled.
type Info struct {
	Type     Type
	Mode     uint32 // permissions, with setuid, setgid and sticky
	UID, GID int
	Size     int64  // bytes
	Target   string // of a link
	Device   uint64
	Inode    uint64
	Modified int64 // nanoseconds since 1970
	Changed  int64 // the same; nobody can set it
}

// tick is more than the time between two updates of the clock that file systems take their times from.
const tick = 50 * time.Millisecond

// Settled says whether every change after the moment at which something was looked at shows in its Info: changes within one tick of
// the clock do not.
func (i Info) Settled(looked time.Time) bool { return i.Changed < looked.Add(-tick).UnixNano() }

// Stat looks at an entry, and not at what a link leads to. An entry that is missing is Nothing and no error; a missing directory is a
// fault of kind NotFound (see IsNoParent).
func (r *Root) Stat(name string) (Info, error) {
	if name == "/" {
		return r.statRoot()
	}
	p, err := r.at("look at", name)
	if err != nil {
		return Info{}, err
	}
	defer p.close()
	return p.info()
}

func (r *Root) statRoot() (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(r.fd, &st); err != nil {
		return Info{}, explain("look at", "/", err)
	}
	return infoOf(&st), nil
}

func (p *place) info() (Info, error) {
	var st unix.Stat_t
	err := try(func() error { return unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	switch {
	case errors.Is(err, unix.ENOENT):
		return Info{}, nil
	case err != nil:
		return Info{}, p.explain(err)
	}
	info := infoOf(&st)
	if info.Type == Link {
		info.Target, err = p.readlink()
	}
	return info, err
}

func (p *place) readlink() (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := retry(func() (int, error) { return unix.Readlinkat(p.dir, p.name, buffer) })
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL): // it went, or became something else: as good as the next look
		return "", nil
	case err != nil:
		return "", p.explain(err)
	}
	return string(buffer[:n]), nil
}

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Type: typeOf(st.Mode), Mode: st.Mode & 0o7777, UID: int(st.Uid), GID: int(st.Gid), Size: st.Size,
		Device: st.Dev, Inode: st.Ino, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(),
	}
}

func typeOf(mode uint32) Type {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return File
	case unix.S_IFDIR:
		return Directory
	case unix.S_IFLNK:
		return Link
	case unix.S_IFSOCK:
		return Socket
	case unix.S_IFIFO:
		return Pipe
	}
	return Device
}
