package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
	"github.com/setpoint-dev/setpoint/internal/target/host/watch"
)

// patience bounds every wait; it is no measure of speed.
const patience = 30 * time.Second

type harness struct {
	t       *testing.T
	dir     string
	watcher *watch.Watcher

	mu    sync.Mutex
	heard map[string]int // "" for all
	news  chan struct{}
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, dir: t.TempDir(), heard: map[string]int{}, news: make(chan struct{}, 1)}
	root, err := rootfs.Open(h.dir)
	h.must(err)
	h.watcher, err = watch.New(root, slog.New(slog.DiscardHandler))
	h.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() {
		if err := h.watcher.Follow(ctx, h.hear); err != nil {
			t.Errorf("Follow: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		following.Wait()
		h.must(h.watcher.Close())
		_ = root.Close()
	})
	h.await("")
	return h
}

func (h *harness) hear(all bool, keys ...string) {
	h.mu.Lock()
	for _, key := range keys {
		h.heard[key]++
	}
	if all {
		h.heard[""]++
	}
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) path(name string) string { return filepath.Join(h.dir, name) }

// await waits until a key was told of, and forgets everything that was heard until then.
func (h *harness) await(key string) {
	h.t.Helper()
	deadline := time.After(patience)
	for {
		h.mu.Lock()
		_, told := h.heard[key]
		if told {
			h.heard = map[string]int{}
		}
		h.mu.Unlock()
		if told {
			return
		}
		select {
		case <-h.news:
		case <-deadline:
			h.t.Fatalf("nothing is heard of %q", key)
		}
	}
}

// settle waits until what was done before is heard: a sentinel that is changed after it is heard after it.
func (h *harness) settle() {
	h.t.Helper()
	h.must(h.watcher.Set("sentinel", "/sentinel"))
	h.must(os.WriteFile(h.path("sentinel"), []byte(time.Now().String()), 0o600))
	h.await("sentinel")
}

func (h *harness) write(name, content string) {
	h.must(os.WriteFile(h.path(name), []byte(content), 0o600))
}

func TestWhatIsHeard(t *testing.T) {
	changes := []struct {
		name   string
		change func(h *harness)
	}{
		{"a write", func(h *harness) { h.write("a/b/file", "new") }},
		{"a write that is not closed", func(h *harness) {
			file, err := os.OpenFile(h.path("a/b/file"), os.O_WRONLY, 0)
			h.must(err)
			h.t.Cleanup(func() { _ = file.Close() })
			_, err = file.WriteString("new")
			h.must(err)
		}},
		{"truncation", func(h *harness) { h.must(os.Truncate(h.path("a/b/file"), 0)) }},
		{"chmod", func(h *harness) { h.must(os.Chmod(h.path("a/b/file"), 0o640)) }},
		{"chown", func(h *harness) { h.must(os.Chown(h.path("a/b/file"), os.Getuid(), os.Getgid())) }},
		{"deletion", func(h *harness) { h.must(os.Remove(h.path("a/b/file"))) }},
		{"a file renamed over it", func(h *harness) {
			h.write("a/other", "new")
			h.must(os.Rename(h.path("a/other"), h.path("a/b/file")))
		}},
		{"renamed away", func(h *harness) { h.must(os.Rename(h.path("a/b/file"), h.path("a/other"))) }},
		{"its directory deleted", func(h *harness) { h.must(os.RemoveAll(h.path("a/b"))) }},
		{"its directory renamed", func(h *harness) { h.must(os.Rename(h.path("a/b"), h.path("a/c"))) }},
		{"an ancestor renamed", func(h *harness) { h.must(os.Rename(h.path("a"), h.path("c"))) }},
		{"an ancestor replaced by a link", func(h *harness) {
			h.must(os.Rename(h.path("a"), h.path("c")))
			h.must(os.Symlink("c", h.path("a")))
		}},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t)
			h.must(os.MkdirAll(h.path("a/b"), 0o700))
			h.write("a/b/file", "old")
			h.write("a/b/neighbour", "old")
			h.must(h.watcher.Set("key", "/a/b/file"))
			h.settle()
			c.change(h)
			h.await("key")
			// And it is watched still, wherever the path leads now.
			h.settle()
			h.must(os.MkdirAll(h.path("a/b"), 0o700))
			h.write("a/b/file", "again")
			h.await("key")
		})
	}
}

func TestNeighboursAreNotHeard(t *testing.T) {
	h := newHarness(t)
	h.must(os.MkdirAll(h.path("a/b"), 0o700))
	h.must(h.watcher.Set("key", "/a/b/file"))
	h.must(h.watcher.Set("entries", "/a/b/"))
	h.settle()
	h.write("a/b/neighbour", "x")
	h.write("a/other", "x")
	h.await("entries")
	h.settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.heard["key"] > 0 {
		t.Error("a change of a neighbour is told")
	}
}

func TestThroughLinks(t *testing.T) {
	h := newHarness(t)
	h.must(os.MkdirAll(h.path("releases/1/conf"), 0o700))
	h.must(os.MkdirAll(h.path("releases/2/conf"), 0o700))
	h.must(os.Symlink("/releases/1", h.path("current")))
	h.must(h.watcher.Set("key", "/current/conf/file"))
	h.settle()
	h.write("releases/1/conf/file", "x")
	h.await("key")
	h.settle()
	h.must(os.Symlink("releases/2", h.path("next")))
	h.must(os.Rename(h.path("next"), h.path("current")))
	h.await("key")
	h.settle()
	h.write("releases/2/conf/file", "x")
	h.await("key")
}

// What is missing is watched by what is there of its path, level by level.
func TestAppearsLater(t *testing.T) {
	h := newHarness(t)
	h.must(h.watcher.Set("key", "/a/b/c/file"))
	for _, dir := range []string{"a", "a/b", "a/b/c"} {
		h.settle()
		h.must(os.Mkdir(h.path(dir), 0o700))
		h.await("key")
	}
	h.settle()
	h.write("a/b/c/file", "x")
	h.await("key")
	h.must(os.RemoveAll(h.path("a")))
	h.await("key")
	h.settle()
	h.must(os.MkdirAll(h.path("a/b/c"), 0o700)) // all at once
	h.await("key")
	h.settle()
	h.write("a/b/c/file", "y")
	h.await("key")
}

// A directory that is renamed may be watched under both names: neither takes the watch from the other.
func TestRenamedUnderTwoNames(t *testing.T) {
	for range 20 {
		h := newHarness(t)
		h.must(os.MkdirAll(h.path("a/b"), 0o700))
		h.must(h.watcher.Set("old", "/a/b/file"))
		h.must(h.watcher.Set("new", "/c/b/file"))
		h.must(h.watcher.Set("below", "/c/b/d/file"))
		for range 3 {
			h.settle()
			h.must(os.Rename(h.path("a"), h.path("c")))
			h.must(os.Symlink("c", h.path("a")))
			h.await("new")
			h.settle()
			h.write("c/b/file", "x")
			h.await("old")
			h.settle()
			h.write("a/b/file", "y")
			h.await("new")
			h.settle()
			h.must(os.Remove(h.path("a")))
			h.must(os.Rename(h.path("c"), h.path("a")))
			h.await("old")
			h.settle()
			h.write("a/b/file", "z")
			h.await("old")
		}
	}
}

func TestSetAndRemove(t *testing.T) {
	h := newHarness(t)
	h.must(os.MkdirAll(h.path("a"), 0o700))
	h.must(os.MkdirAll(h.path("b"), 0o700))
	h.must(h.watcher.Set("key", "/a/file", "/b/file"))
	h.must(h.watcher.Set("key", "/b/file"))
	h.settle()
	h.write("a/file", "x")
	h.settle()
	h.mu.Lock()
	if h.heard["key"] > 0 {
		t.Error("a path that is not watched any more is told")
	}
	h.mu.Unlock()
	h.write("b/file", "x")
	h.await("key")
	h.must(h.watcher.Set("other", "/b/file", "/b/file", "/c/"))
	h.watcher.Remove("key")
	if dirs := slices.Sorted(slices.Values(h.watcher.Directories())); !slices.Equal(dirs, []string{"/", "/b", "/c"}) {
		t.Errorf("watched in %q, want in the root, /b and /c", dirs) // the root has the sentinel
	}
	h.write("b/file", "z")
	h.await("other")
	h.watcher.Remove("other")
	h.settle()
	h.write("b/file", "y")
	h.settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.heard["key"] > 0 {
		t.Error("a key that was removed is told")
	}
}

// Ten thousand paths in ten directories cost about a dozen watches, and none when they are gone.
func TestWatchesAreShared(t *testing.T) {
	h := newHarness(t)
	for dir := range 10 {
		h.must(os.MkdirAll(h.path(fmt.Sprintf("etc/d%d", dir)), 0o700))
	}
	for i := range 10_000 {
		h.must(h.watcher.Set(fmt.Sprint(i), fmt.Sprintf("/etc/d%d/file%d", i%10, i)))
	}
	if n := h.watcher.Watches(); n != 12 {
		t.Errorf("%d watches, want 12: the root, etc, and ten directories", n)
	}
	h.settle()
	h.write("etc/d3/file4713", "x")
	h.await("4713")
	for i := range 10_000 {
		h.watcher.Remove(fmt.Sprint(i))
	}
	h.watcher.Remove("sentinel")
	if n := h.watcher.Watches(); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}

// More events than the kernel keeps, or the watcher: everything is told to be looked at again, and nothing is lost.
func TestFlood(t *testing.T) {
	h := newHarness(t)
	h.must(os.MkdirAll(h.path("a"), 0o700))
	h.must(h.watcher.Set("key", "/a/"))
	h.settle()
	for i := range 30_000 {
		name := h.path("a/file" + fmt.Sprint(i%15_000))
		file, err := os.Create(name)
		h.must(err)
		h.must(file.Close())
	}
	h.write("a/last", "x")
	h.await("key")
	h.settle()
	h.write("a/file1", "y")
	h.await("key")
}

func TestManyAtOnce(t *testing.T) {
	h := newHarness(t)
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for i := range 50 {
				dir := fmt.Sprintf("w%d/%d", worker%3, i%5)
				if err := os.MkdirAll(h.path(dir), 0o700); err != nil {
					continue // somebody removes it at this moment
				}
				key := fmt.Sprint(worker)
				_ = h.watcher.Set(key, "/"+dir+"/file")
				_ = os.WriteFile(h.path(dir+"/file"), []byte("x"), 0o600)
				if i%7 == 0 {
					_ = os.RemoveAll(h.path(fmt.Sprintf("w%d", worker%3)))
				}
			}
		})
	}
	workers.Wait()
	h.must(os.MkdirAll(h.path("w0/0"), 0o700))
	h.must(h.watcher.Set("key", "/w0/0/file"))
	h.settle()
	h.write("w0/0/file", "x")
	h.await("key")
}

func TestOutOfWatchesIsExplained(t *testing.T) {
	for setting, err := range watch.Exhausted() {
		if fault.KindOf(err) != fault.Transient || !strings.Contains(fault.HintOf(err), setting) {
			t.Errorf("%v: the hint %q does not name %s", err, fault.HintOf(err), setting)
		}
	}
}
