package packed

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// indexed is a file that can be read at any place.
type indexed interface {
	io.ReaderAt
	Size() int64
}

// zip reads a zip file, whose index is at its end.
func (u unpacking) zip(archive io.Reader, from *watched) error {
	if there, ok := archive.(indexed); ok {
		return u.zipFile(there, there.Size())
	}
	file, err := u.into.store.Temp()
	if err != nil {
		return err
	}
	defer func() {
		_ = os.Remove(file.Name()) // what cannot be removed now goes with the next Open
		_ = file.Close()
	}()
	size, err := io.Copy(file, fetch.Bounded(from, u.into.budget.stream(), "the archive"))
	if err != nil {
		if _, known := errors.AsType[*fault.Error](err); !known && from.err == nil {
			return diskFault("write to", err)
		}
		return err
	}
	return u.zipFile(file, size)
}

func (u unpacking) zipFile(file io.ReaderAt, size int64) error {
	index := &budgeted{ReaderAt: file, left: zipIndex(u.into.budget.limits.Files), files: u.into.budget.limits.Files}
	entries, err := zip.NewReader(index, size)
	if index.err != nil {
		return index.err
	}
	if err != nil {
		return err
	}
	index.left = math.MaxInt64 // contents have bounds of their own
	for _, entry := range entries.File {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		if err := u.zipEntry(entry); err != nil {
			return err
		}
	}
	return nil
}

// zipIndex is how many bytes are read to find out what a zip file holds. Its index is read as a whole, and counts of entries may lie.
func zipIndex(files int) int64 { return 128*int64(files) + 256<<10 }

// budgeted is a file of which only so much is read.
type budgeted struct {
	io.ReaderAt

	left  int64
	files int
	err   error
}

func (b *budgeted) ReadAt(p []byte, at int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		b.err = beyond(fmt.Sprintf("its index is longer than one of %d files, which is the limit", b.files))
		return 0, b.err
	}
	return b.ReaderAt.ReadAt(p, at)
}

func (u unpacking) zipEntry(entry *zip.File) error {
	name, err := u.place(entry.Name)
	if err != nil || name == "" {
		return err
	}
	mode := entry.Mode()
	switch {
	case mode.IsDir(), strings.HasSuffix(entry.Name, "/"):
		return u.into.dir(name)
	case entry.Flags&1 != 0:
		return refuse(name, "it is encrypted")
	case entry.UncompressedSize64 > math.MaxInt64:
		return refuse(name, "it says that it has a size that no file has")
	case mode.Type() == fs.ModeSymlink:
		target, err := u.zipLink(name, entry)
		if err != nil {
			return err
		}
		return u.into.Link(name, target)
	}
	content, err := entry.Open()
	if err != nil {
		return refuse(name, "its content cannot be read: "+err.Error())
	}
	defer func() { _ = content.Close() }() // nothing is written to it
	return u.into.File(name, mode, int64(entry.UncompressedSize64), content)
}

func (u unpacking) zipLink(name string, entry *zip.File) (string, error) {
	content, err := entry.Open()
	if err != nil {
		return "", refuse(name, "its target cannot be read: "+err.Error())
	}
	defer func() { _ = content.Close() }() // nothing is written to it
	target, err := io.ReadAll(io.LimitReader(content, maxPath+1))
	if err != nil {
		return "", unreadable(name, err)
	}
	return string(target), nil
}
