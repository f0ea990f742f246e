package files

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// maxEntries bounds the entries of a directory that is purged.
const maxEntries = 100_000

// actual is what is at a path.
type actual struct {
	info      rootfs.Info
	sum       sum      // of a file's content, where it can be equal to what is declared: where its length is
	full      bool     // a directory that has content
	unmanaged []string // entries of a directory that nobody declares, where it purges
}

// look sees what is at the path of a declaration. It reads no more than it has to.
func (d *Driver) look(c declaration) (actual, error) {
	info, err := d.cfg.Root.Stat(c.path)
	if err != nil {
		return actual{}, err
	}
	seen := actual{info: info}
	switch {
	case info.Type == rootfs.File && c.kind == rootfs.File && info.Size == c.size:
		return d.lookInto(c.path, info)
	case info.Type == rootfs.Directory && c.kind != rootfs.Directory:
		seen.full, err = d.cfg.Root.Full(c.path)
	case info.Type == rootfs.Directory && c.purge:
		seen.unmanaged, err = d.unmanaged(c.path)
	}
	return seen, err
}

// lookInto finds the hash of a file, by reading it only when it is not the file that was read before.
func (d *Driver) lookInto(path string, info rootfs.Info) (actual, error) {
	if hash, ok := d.seen.get(path, info); ok {
		return actual{info: info, sum: hash}, nil
	}
	now := time.Now()
	content, opened, err := d.cfg.Root.Read(path, info.Size)
	switch {
	case fault.KindOf(err) == fault.Invalid || fault.KindOf(err) == fault.NotFound:
		return actual{info: info}, nil // it has just become something else: as good as different
	case err != nil:
		return actual{}, err
	}
	hash := sum(sha256.Sum256(content))
	if opened.Settled(now) { // else it may have changed without a trace
		d.seen.set(path, sight{stampOf(opened), hash})
	}
	return actual{info: opened, sum: hash}, nil
}

// seen remembers the hashes of files that were read.
type seen struct {
	mu     sync.RWMutex
	byPath map[string]sight
}

// sight is a file as it was when it was read.
type sight struct {
	stamp stamp
	sum   sum
}

// stamp is what of a file's Info is another whenever its content may be.
type stamp struct {
	device, inode           uint64
	size, modified, changed int64
}

func stampOf(info rootfs.Info) stamp {
	return stamp{device: info.Device, inode: info.Inode, size: info.Size, modified: info.Modified, changed: info.Changed}
}

func (s *seen) get(path string, info rootfs.Info) (sum, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.byPath[path]
	return found.sum, ok && found.stamp == stampOf(info)
}

func (s *seen) set(path string, sight sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byPath) >= maxKnown {
		clear(s.byPath)
	}
	s.byPath[path] = sight
}

func (s *seen) forget(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byPath, path)
}

// unmanaged gives the entries of a directory that no declaration is at or below.
func (d *Driver) unmanaged(dir string) ([]string, error) {
	names, err := d.cfg.Root.ReadDir(dir, maxEntries)
	if err != nil {
		return nil, err
	}
	return d.claims.unclaimed(dir, names), nil
}

// lookNow is look for a path of which nothing is declared any more.
func (d *Driver) lookNow(ctx context.Context, path string) (rootfs.Info, error) {
	if err := ctx.Err(); err != nil {
		return rootfs.Info{}, err
	}
	info, err := d.cfg.Root.Stat(path)
	if rootfs.IsNoParent(err) {
		return rootfs.Info{}, nil
	}
	return info, err
}
