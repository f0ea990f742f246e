package rootfs

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Read reads a regular file of at most limit bytes, and says what it was when it was opened. Links are not followed. A file that is
// missing is a fault of kind NotFound; a longer one, or something else than a file, one of kind Invalid.
func (r *Root) Read(name string, limit int64) ([]byte, Info, error) {
	p, err := r.at("read", name)
	if err != nil {
		return nil, Info{}, err
	}
	defer p.close()
	file, err := p.openFile(readable)
	if err != nil {
		return nil, Info{}, err
	}
	defer file.Close()
	return p.read(file, limit)
}

// ReadFollowing is Read for a path whose last part may be a link, as the files of secrets often are. The link stays inside the root.
func (r *Root) ReadFollowing(name string, limit int64) ([]byte, error) {
	if err := check("read", name); err != nil {
		return nil, err
	}
	how := unix.OpenHow{Flags: readable | unix.O_CLOEXEC | unix.O_NOCTTY, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := retry(func() (int, error) { return unix.Openat2(r.fd, name, &how) })
	if err != nil {
		return nil, explain("read", name, err)
	}
	file := os.NewFile(uintptr(fd), r.HostPath(name))
	defer file.Close()
	content, _, err := (&place{root: r, op: "read", path: name, dir: unix.AT_FDCWD}).read(file, limit)
	return content, err
}

// readable opens for reading. Opening a pipe would wait for a writer; O_NONBLOCK does not, and means nothing for files.
const readable = unix.O_RDONLY | unix.O_NONBLOCK

func (p *place) read(file *os.File, limit int64) ([]byte, Info, error) {
	info, err := p.infoOfOpen(file)
	if err != nil {
		return nil, Info{}, err
	}
	if info.Type != File {
		return nil, info, fault.New(fault.Invalid, p.op, p.path, "it is a "+string(info.Type)+", and no file")
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, info, p.explain(err)
	}
	if int64(len(content)) > limit {
		return nil, info, fault.New(fault.Invalid, p.op, p.path, "it is longer than "+strconv.FormatInt(limit, 10)+" bytes")
	}
	return content, info, nil
}

// ReadDir gives the names in a directory, sorted, at most limit of them; more is a fault of kind Invalid. A link to a directory is
// none.
func (r *Root) ReadDir(name string, limit int) ([]string, error) {
	if name == "/" {
		fd, err := r.open("/")
		if err != nil {
			return nil, explain("list", name, err)
		}
		defer func() { _ = unix.Close(fd) }()
		return (&place{root: r, op: "list", path: name, dir: fd, name: "."}).list(limit)
	}
	p, err := r.at("list", name)
	if err != nil {
		return nil, err
	}
	defer p.close()
	return p.list(limit)
}

func (p *place) list(limit int) ([]string, error) {
	dir, err := p.openFile(unix.O_RDONLY | unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, p.explain(err)
	}
	if len(names) > limit {
		return nil, fault.New(fault.Invalid, p.op, p.path, "it has more than "+strconv.Itoa(limit)+" entries")
	}
	slices.Sort(names)
	return names, nil
}

// Full says whether a directory has entries.
func (r *Root) Full(name string) (bool, error) {
	p, err := r.at("list", name)
	if err != nil {
		return false, err
	}
	defer p.close()
	empty, err := p.empty()
	return err == nil && !empty, err
}

// empty says whether a directory has no entries.
func (p *place) empty() (bool, error) {
	dir, err := p.openFile(unix.O_RDONLY | unix.O_DIRECTORY)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, p.explain(err)
	}
	return len(names) == 0, nil
}

// openFile opens the entry itself, never what a link leads to.
func (p *place) openFile(flags int) (*os.File, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	})
	if err != nil {
		return nil, p.explain(err)
	}
	return os.NewFile(uintptr(fd), p.root.HostPath(p.path)), nil
}

func (p *place) infoOfOpen(file *os.File) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return Info{}, p.explain(err)
	}
	return infoOf(&st), nil
}
