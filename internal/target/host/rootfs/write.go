package rootfs

import (
	"crypto/rand"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The names of files that are being made; what a crash leaves of them is swept (see Sweep).
const (
	temporaryPrefix = ".setpoint-"
	temporarySuffix = ".tmp"
)

// IsTemporary says whether a name is that of a file being made.
func IsTemporary(name string) bool {
	return strings.HasPrefix(name, temporaryPrefix) && strings.HasSuffix(name, temporarySuffix)
}

func (p *place) temporary() *place { return p.beside(temporaryPrefix + rand.Text() + temporarySuffix) }

// WriteAtomic puts a file at a path: whoever looks sees what was there before or the whole new file, at any instant and after a power
// cut. The new file is beside the old one, complete and with its attributes, when validate (may be nil) is called with its path on
// the host; its error leaves everything as it was. A link or an empty directory is replaced; a directory with content, a socket, a
// pipe and a device are faults of kind Conflict. It gives what is known of the new file.
func (r *Root) WriteAtomic(name string, content []byte, attributes Attributes, validate func(hostPath string) error) (Info, error) {
	p, err := r.at("write", name)
	if err != nil {
		return Info{}, err
	}
	defer p.close()
	if err := p.replaceable(); err != nil {
		return Info{}, err
	}
	temporary := p.temporary()
	defer temporary.discard()
	if err := temporary.fill(content, attributes); err != nil {
		return Info{}, err
	}
	if err := p.validate(temporary, validate); err != nil {
		return Info{}, err
	}
	if err := p.take(temporary); err != nil {
		return Info{}, err
	}
	if err := p.flush(); err != nil {
		return Info{}, err
	}
	return p.info()
}

// replaceable refuses what cannot be put back, and what is lost when it is replaced.
func (p *place) replaceable() error {
	info, err := p.info()
	if err != nil {
		return err
	}
	switch info.Type {
	case Directory:
		empty, err := p.empty()
		if err != nil || empty {
			return err
		}
		return p.explain(unix.ENOTEMPTY)
	case Socket, Pipe, Device:
		return fault.New(fault.Conflict, p.op, p.path, "there is a "+string(info.Type)).
			WithHint("remove it if nothing uses it, or declare another path")
	}
	return nil
}

// fill makes a new file, complete and safe on the disk. Nobody else can read it before it has its attributes. It is closed again: a
// file that is open for writing cannot be run, and a command may want to.
func (p *place) fill(content []byte, attributes Attributes) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Openat(p.dir, p.name, flags, 0o600) })
	if err != nil {
		return p.explain(err)
	}
	file := os.NewFile(uintptr(fd), p.root.HostPath(p.path))
	err = p.complete(file, content, attributes)
	if errClose := file.Close(); err == nil && errClose != nil {
		err = p.explain(errClose)
	}
	return err
}

func (p *place) complete(file *os.File, content []byte, attributes Attributes) error {
	if _, err := file.Write(content); err != nil {
		return p.explain(err)
	}
	if err := p.dress(attributes); err != nil {
		return err
	}
	return p.sync(file)
}

// validate makes sure that what was looked at is what takes the place: a command that changed the file has spoilt it.
func (p *place) validate(temporary *place, validate func(hostPath string) error) error {
	if validate == nil {
		return nil
	}
	before, err := temporary.info()
	if err != nil {
		return err
	}
	if err := validate(temporary.hostPath()); err != nil {
		return err
	}
	if after, err := temporary.info(); err != nil || after != before {
		return errors.Join(err, fault.New(fault.Invalid, "validate", p.path, "the command changed the file that it was to look at").
			WithHint("name a command that only reads"))
	}
	return nil
}

// hostPath gives the path on the host, in which no link is left: outside of the root it would lead elsewhere.
func (p *place) hostPath() string {
	dir, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(p.dir))
	if err != nil {
		dir = p.root.HostPath(path.Dir(p.path))
	}
	return path.Join(dir, p.name)
}

// take renames an entry to the place, and replaces an empty directory, which the kernel does not do by itself.
func (p *place) take(temporary *place) error {
	rename := func() error {
		return try(func() error { return unix.Renameat(p.dir, temporary.name, p.dir, p.name) })
	}
	err := rename()
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EEXIST) {
		if err = p.unlink(unix.AT_REMOVEDIR); err != nil {
			return p.explain(err)
		}
		err = rename()
	}
	if err != nil {
		return p.explain(err)
	}
	return nil
}

// discard removes what was being made; after take there is nothing any more.
func (p *place) discard() { _ = p.unlink(0) }

func (p *place) unlink(flags int) error {
	return try(func() error { return unix.Unlinkat(p.dir, p.name, flags) })
}
