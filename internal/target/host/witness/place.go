package witness

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A directory that is open names itself: its key is what the kernel puts into events, byte by byte, which is the file system's id and the
// directory's file handle. It stays the same when the directory is renamed, and is not given to another while the directory exists.
type directory struct {
	fd  int // opened with O_PATH: enough to name it, and no reading
	key string
}

const (
	fsidSize   = 8            // bytes of a file system's id
	headerSize = fsidSize + 8 // bytes of a key before the handle itself: the id, the handle's size and its type
	// handleOnly asks for a handle that need not open the directory again (Linux 6.6), for file systems that have no other.
	handleOnly = 0x200
)

// enter opens the directory at a path. It must be left.
func enter(dir string) (directory, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return directory{}, err
	}
	key, err := keyOf(fd)
	if err != nil {
		_ = unix.Close(fd)
		return directory{}, err
	}
	return directory{fd: fd, key: key}, nil
}

func (d directory) leave() { _ = unix.Close(d.fd) }

func keyOf(fd int) (string, error) {
	var system unix.Statfs_t
	if err := unix.Fstatfs(fd, &system); err != nil {
		return "", err
	}
	handle, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EOPNOTSUPP) {
		handle, _, err = unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH|handleOnly)
	}
	if err != nil {
		return "", err
	}
	key := make([]byte, 0, headerSize+handle.Size())
	for _, part := range system.Fsid.Val {
		key = binary.NativeEndian.AppendUint32(key, uint32(part))
	}
	key = binary.NativeEndian.AppendUint32(key, uint32(handle.Size()))
	key = binary.NativeEndian.AppendUint32(key, uint32(handle.Type()))
	return string(append(key, handle.Bytes()...)), nil
}

// keyAt gives the key of the directory at a path, "" when there is none, and whether anything is there at all.
func keyAt(dir string) (key string, there bool) {
	d, err := enter(dir)
	if err != nil {
		return "", !errors.Is(err, fs.ErrNotExist)
	}
	d.leave()
	return d.key, true
}

// reenter opens a directory by its key, wherever it is now. near is a path where it once was: the file system is looked for there.
func reenter(key, near string) (fd int, err error) {
	top, err := sameSystem(key[:fsidSize], near)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(top) }()
	handle := unix.NewFileHandle(int32(binary.NativeEndian.Uint32([]byte(key[fsidSize+4:headerSize]))), []byte(key[headerSize:]))
	return unix.OpenByHandleAt(top, handle, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
}

// sameSystem opens the nearest directory above a path that is on the file system with this id.
func sameSystem(id, near string) (fd int, err error) {
	for near != filepath.Dir(near) {
		near = filepath.Dir(near)
		d, err := enter(near)
		if err != nil {
			continue
		}
		d.leave()
		if d.key[:fsidSize] == id {
			return unix.Open(near, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
	}
	return 0, unix.ENOENT
}
