package files_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/files"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
	"github.com/setpoint-dev/setpoint/internal/target/host/watch"
)

// patience bounds every wait; it is no measure of speed.
const patience = 30 * time.Second

var owner = state.Owner{Agent: "agent", Sync: "sync"}

// host is a root directory with a driver on it, and the journal that they share.
type host struct {
	t       testing.TB
	dir     string // stands for /
	data    string // of the journal
	env     map[string]string
	root    *rootfs.Root
	journal *journal.Journal
	watcher *watch.Watcher
	driver  *files.Driver
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), data: t.TempDir(), env: map[string]string{}}
	h.start()
	t.Cleanup(h.stop)
	return h
}

// start makes a driver as an agent that starts does.
func (h *host) start() {
	h.t.Helper()
	var err error
	h.root, err = rootfs.Open(h.dir)
	h.must(err)
	h.journal, err = journal.Open(h.data, journal.Options{})
	h.must(err)
	h.watcher, err = watch.New(h.root, slog.New(slog.DiscardHandler))
	h.must(err)
	h.driver = files.New(files.Config{
		Root: h.root, Journal: h.journal, Watcher: h.watcher, Redactor: diff.Redactor{Key: []byte("0123456789abcdef")},
		Host:   files.Facts{Name: "one", OS: "linux", Arch: "amd64", CPUs: 4},
		Getenv: func(name string) (string, bool) { value, ok := h.env[name]; return value, ok },
	})
}

func (h *host) stop() {
	h.must(h.driver.Close())
	h.must(h.watcher.Close())
	h.must(h.journal.Close())
	h.must(h.root.Close())
}

func (h *host) restart() {
	h.t.Helper()
	h.stop()
	h.start()
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// spec is what is declared below spec.
type spec map[string]any

func object(kind, name string, s spec, annotations ...string) *state.Object {
	metadata := map[string]any{"name": name}
	if len(annotations) > 0 {
		all := map[string]any{}
		for pair := range slices.Chunk(annotations, 2) {
			all[pair[0]] = pair[1]
		}
		metadata["annotations"] = all
	}
	data, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.APIVersionHost, "kind": kind, "metadata": metadata, "spec": map[string]any(s),
	})
	if err != nil {
		panic(err)
	}
	made, err := state.DecodeObject(data, state.Origin{File: "host.yaml"})
	if err != nil {
		panic(err)
	}
	return made
}

func file(name, path, content string) *state.Object {
	return object(v1alpha1.KindFile, name, spec{"path": path, "content": content})
}

func directory(name, path string) *state.Object {
	return object(v1alpha1.KindDirectory, name, spec{"path": path})
}

func link(name, path, target string) *state.Object {
	return object(v1alpha1.KindLink, name, spec{"path": path, "target": target})
}

func (h *host) compare(want *state.Object) diff.Entry {
	h.t.Helper()
	record, _ := h.journal.Get(want.ID())
	return h.driver.Compare(context.Background(), owner, want, record)
}

func (h *host) apply(op diff.Op, want *state.Object) target.Result {
	h.t.Helper()
	return h.driver.Apply(context.Background(), owner, plan.Step{ID: want.ID(), Op: op, Want: want})
}

// put compares and applies an object until nothing differs, and gives the first result.
func (h *host) put(want *state.Object) target.Result {
	h.t.Helper()
	entry := h.compare(want)
	if entry.Err != nil {
		h.t.Fatalf("%s cannot be applied: %v", entry.ID, entry.Err)
	}
	if entry.Op == diff.None {
		h.t.Fatalf("%s is there already", entry.ID)
	}
	result := h.apply(entry.Op, want)
	if result.Err != nil {
		h.t.Fatalf("%s %s: %v", entry.Op, entry.ID, result.Err)
	}
	h.equal(want)
	return result
}

// equal fails unless an object is as it is declared.
func (h *host) equal(want *state.Object) {
	h.t.Helper()
	if entry := h.compare(want); entry.Op != diff.None || entry.Err != nil || len(entry.Fields) > 0 || !entry.Health.Ready() {
		h.t.Fatalf("%s: %s %v %+v %+v, want no difference", entry.ID, entry.Op, entry.Err, entry.Fields, entry.Health)
	}
}

// remove deletes an object as the host does when it is not declared any more.
func (h *host) remove(want *state.Object) target.Result {
	h.t.Helper()
	record, owned := h.journal.Get(want.ID())
	if !owned {
		h.t.Fatalf("%s is not owned", want.ID())
	}
	if entry := h.driver.Owned(context.Background(), record); entry.Op != diff.Delete {
		h.t.Fatalf("%+v", entry)
	}
	result := h.driver.Apply(context.Background(), owner, plan.Step{ID: want.ID(), Op: diff.Delete})
	if result.Err == nil {
		if _, owned := h.journal.Get(want.ID()); owned {
			h.t.Errorf("%s is still owned", want.ID())
		}
	}
	return result
}

// tree gives everything below the root: mode and content, or what else it is.
func (h *host) tree() map[string]string {
	h.t.Helper()
	tree := map[string]string{}
	h.must(filepath.WalkDir(h.dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		path := "/" + filepath.ToSlash(name[min(len(h.dir)+1, len(name)):])
		switch {
		case info.IsDir():
			tree[path] = info.Mode().Perm().String() + " directory"
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(name)
			tree[path] = "link to " + to
			return err
		default:
			content, err := os.ReadFile(name)
			tree[path] = info.Mode().Perm().String() + " " + string(content)
			return err
		}
		return nil
	}))
	delete(tree, "/")
	return tree
}

func (h *host) write(name, content string) {
	h.t.Helper()
	h.must(os.MkdirAll(filepath.Dir(h.path(name)), 0o755))
	h.must(os.WriteFile(h.path(name), []byte(content), 0o644))
	h.must(os.Chmod(h.path(name), 0o644)) // whatever the umask is
}

func (h *host) content(name string) string {
	h.t.Helper()
	content, err := os.ReadFile(h.path(name))
	h.must(err)
	return string(content)
}

func recordOf(h *host, want *state.Object) journal.Record {
	record, _ := h.journal.Get(want.ID())
	return record
}

func step(op diff.Op, want *state.Object) plan.Step {
	return plan.Step{ID: want.ID(), Op: op, Want: want}
}

// await waits until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}
