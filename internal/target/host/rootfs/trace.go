package rootfs

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links the kernel follows in one path, too (path_resolution(7)).
const maxLinks = 40

// Trace is the way to a directory: what has to be looked at to notice that the path leads elsewhere.
type Trace struct {
	// Directories that were gone through, without links in their paths, from "/" on. The last one is what the path leads to, or the
	// deepest that is there.
	Directories []string
	// Steps are the entries of those that decide where the path leads: directories, links, and the one that is missing.
	Steps []string
	// Complete says that the directory is there: it is the last of Directories.
	Complete bool
}

// Trace follows a path to a directory as the kernel would, and remembers the way. It is for watching: what is read or changed is
// always resolved by the kernel.
func (r *Root) Trace(dir string) (Trace, error) {
	trace, current, rest, links := Trace{Directories: []string{"/"}}, "/", parts(dir), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			current = path.Dir(current)
			continue
		}
		step := path.Join(current, name)
		info, err := r.Stat(step)
		if err != nil {
			return trace, err
		}
		trace.Steps = append(trace.Steps, step)
		switch info.Type {
		case Directory:
			current = step
			trace.Directories = append(trace.Directories, current)
		case Link:
			if links++; links > maxLinks {
				return trace, explain("follow", dir, unix.ELOOP)
			}
			rest = append(parts(info.Target), rest...)
			if strings.HasPrefix(info.Target, "/") {
				current = "/"
			}
		default:
			return trace, nil
		}
	}
	trace.Complete = true
	if trace.Directories[len(trace.Directories)-1] != current { // it ended with ".."
		trace.Directories = append(trace.Directories, current)
	}
	return trace, nil
}

// parts gives the names of a path that mean something.
func parts(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." })
}
