package packed

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

const (
	maxPath  = 4 << 10  // bytes of one path, and of a link's target
	maxNames = 32 << 20 // bytes of all paths and targets
	maxDepth = 128      // directories below each other
)

// budget is what an artifact may still hold.
type budget struct {
	limits source.Limits
	files  int
	dirs   int
	bytes  int64
	names  int64
}

func newBudget(limits source.Limits) budget {
	if limits == (source.Limits{}) {
		limits = source.DefaultLimits
	}
	return budget{limits: limits}
}

// take counts a file or link, before anything of it is read.
func (b *budget) take(name string, size int64) error {
	b.files++
	b.bytes += size
	b.names += int64(len(name))
	switch {
	case size < 0:
		return refuse(name, "it says that it has a size that no file has")
	case size > b.limits.FileSize:
		return beyond(fmt.Sprintf("%s has %d bytes, and %d is the limit for one file", name, size, b.limits.FileSize))
	case b.files > b.limits.Files:
		return beyond(fmt.Sprintf("it holds %d files or more, and %d is the limit", b.files, b.limits.Files))
	case b.bytes > b.limits.Bytes:
		return beyond(fmt.Sprintf("its files have %d bytes together or more, and %d is the limit", b.bytes, b.limits.Bytes))
	case b.names > maxNames:
		return beyond(fmt.Sprintf("the names of its files are longer together than %d bytes", maxNames))
	}
	return nil
}

// takeDir counts a directory. There is no sense in more of them than there may be files.
func (b *budget) takeDir(name string) error {
	b.dirs++
	b.names += int64(len(name))
	switch {
	case b.dirs > b.limits.Files:
		return beyond(fmt.Sprintf("it holds %d directories or more, and %d is the limit", b.dirs, b.limits.Files))
	case b.names > maxNames:
		return beyond(fmt.Sprintf("the names of its files are longer together than %d bytes", maxNames))
	}
	return nil
}

// stream bounds what an archive may have beside its files' content: headers, padding, and what is left out of it.
func (b *budget) stream() int64 { return b.limits.Bytes + 4<<10*(int64(b.limits.Files)+1<<10) }

// checkPath refuses a path that could mean anything but one place inside of the tree.
func checkPath(name string) error {
	switch {
	case path.IsAbs(name):
		return refuse(name, "its path is absolute")
	case !fs.ValidPath(name) || name == ".":
		return refuse(name, "it is not a path inside of the source")
	case len(name) > maxPath:
		return refuse(name[:100]+"…", fmt.Sprintf("its path is longer than %d bytes", maxPath))
	case strings.Count(name, "/") > maxDepth:
		return refuse(path.Base(name), fmt.Sprintf("it lies deeper than %d directories", maxDepth))
	case strings.ContainsFunc(name, unicode.IsControl):
		return refuse(fmt.Sprintf("%q", name), "its path holds control characters")
	}
	return nil
}

// checkLink refuses a link that leads outside as it is written. That none does through other links is seen to when one is followed.
func checkLink(name, target string) error {
	led := path.Join(path.Dir(name), target)
	switch {
	case target == "" || len(target) > maxPath || strings.ContainsFunc(target, unicode.IsControl):
		return refuse(name, "its target is not a path")
	case path.IsAbs(target) || led == ".." || strings.HasPrefix(led, "../"):
		return (fault.New(fault.Invalid, "take", name, "the link leads outside of the source, to "+target)).
			WithHint("point the link inside of the source, or remove it")
	}
	return nil
}

func refuse(name, cause string) error {
	return fault.New(fault.Invalid, "take", name, cause).WithHint("leave it out of what is published; nothing of this revision is applied")
}

func beyond(cause string) error {
	return fault.New(fault.Invalid, "take", "", cause).
		WithHint("keep what is not configuration elsewhere; the revision before stays in force")
}

// ArchiveBytes is how long an archive may be, as it is and unpacked, whose files are within limits.
func ArchiveBytes(limits source.Limits) int64 {
	b := newBudget(limits)
	return b.stream()
}
