package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// What cannot be done is said when it is compared, with what to do next; trying it all the same changes nothing.
func TestErrorsOfEntries(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		there func(h *host)
		want  *state.Object
		op    diff.Op
		kind  fault.Kind
	}{
		{"no directory", func(*host) {}, file("it", "/none/it", "x"), diff.Create, fault.NotFound},
		{"no directory for a link", func(*host) {}, link("it", "/none/it", "x"), diff.Create, fault.NotFound},
		{"the parent is a file", func(h *host) { h.write("a", "x") }, file("it", "/a/it", "x"), diff.Create, fault.Conflict},
		{"a directory below a file", func(h *host) { h.write("a", "x") }, directory("it", "/a/b/c"), diff.Create, fault.Conflict},
		{"a directory with content", func(h *host) { h.write("it/x", "x") }, file("it", "/it", "x"), diff.Update, fault.Conflict},
		{"a link over a directory with content", func(h *host) { h.write("it/x", "x") }, link("it", "/it", "x"), diff.Update, fault.Conflict},
		{"a pipe", func(h *host) { h.must(syscall.Mkfifo(h.path("it"), 0o600)) }, file("it", "/it", "x"), diff.Update, fault.Conflict},
		{"a pipe for a directory", func(h *host) { h.must(syscall.Mkfifo(h.path("it"), 0o600)) }, directory("it", "/it"), diff.Update, fault.Conflict},
		{"an unknown user", func(*host) {}, object("File", "it", spec{"path": "/it", "owner": "no-such-user"}), diff.Create, fault.NotFound},
		{"an unknown group", func(*host) {}, object("Link", "it", spec{"path": "/it", "target": "x", "group": "no-such-group"}), diff.Create, fault.NotFound},
		{"links in a circle", func(h *host) {
			h.must(os.Symlink("b", h.path("a")))
			h.must(os.Symlink("a", h.path("b")))
		}, file("it", "/a/it", "x"), diff.Create, fault.Invalid},
		{"a link that leads outside", func(h *host) { h.must(os.Symlink(outside, h.path("a"))) }, file("it", "/a/precious", "x"), diff.Create, fault.NotFound},
		{"a path that goes up", func(*host) {}, file("it", "/../it", "x"), diff.Create, fault.Invalid},
		{"no mode", func(*host) {}, object("File", "it", spec{"path": "/it", "mode": "rw"}), diff.Create, fault.Invalid},
		{"a long name", func(*host) {}, file("it", "/"+strings.Repeat("n", 300), "x"), diff.Create, fault.Invalid},
		{"no base64", func(*host) {}, object("File", "it", spec{"path": "/it", "contentBase64": "§"}), diff.Create, fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			c.there(h)
			entry := h.compare(c.want)
			if entry.Op != c.op || fault.KindOf(entry.Err) != c.kind || fault.HintOf(entry.Err) == "" || entry.Health.Ready() {
				t.Errorf("%s %v, %s, hint %q, %+v", entry.Op, entry.Err, fault.KindOf(entry.Err), fault.HintOf(entry.Err), entry.Health)
			}
			before := entries(h)
			result := h.apply(c.op, c.want)
			if fault.KindOf(result.Err) != c.kind || result.Changed || len(h.journal.All()) > 0 || entries(h) != before {
				t.Errorf("applied: %+v; %s was there, %s is", result, before, entries(h))
			}
		})
	}
	if content, err := os.ReadFile(filepath.Join(outside, "precious")); err != nil || string(content) != "precious" {
		t.Error("something outside of the root was changed")
	}
}

// entries gives the names in the root, also of what cannot be read.
func entries(h *host) string {
	list, err := os.ReadDir(h.dir)
	h.must(err)
	names := make([]string, len(list))
	for i, entry := range list {
		names[i] = entry.Name()
	}
	return strings.Join(names, " ")
}

// A directory that is declared will be there: what is in it is no error before.
func TestDeclaredDirectoryIsNotMissed(t *testing.T) {
	h := newHost(t)
	conf, it := directory("conf", "/conf"), file("it", "/conf/it", "x")
	h.compare(conf)
	if entry := h.compare(it); entry.Op != diff.Create || entry.Err != nil {
		t.Errorf("%+v", entry)
	}
	h.put(conf)
	h.put(it)
}

// Only root gives files away; whoever is not is told so, and nothing is changed.
func TestOwners(t *testing.T) {
	h := newHost(t)
	h.write("it", "old")
	it := object("File", "it", spec{"path": "/it", "content": "new", "owner": "12345", "group": "12346", "mode": "6755"})
	entry := h.compare(it)
	if entry.Err != nil || entry.Op != diff.Update || len(entry.Fields) != 4 {
		t.Fatalf("%+v", entry)
	}
	result := h.apply(entry.Op, it)
	if os.Getuid() != 0 {
		if fault.KindOf(result.Err) != fault.Denied || fault.HintOf(result.Err) == "" || h.content("it") != "old" || len(h.journal.All()) > 0 {
			t.Errorf("%+v", result)
		}
		return
	}
	h.must(result.Err)
	h.equal(it)
	h.must(os.Chown(h.path("it"), 1, 1)) // takes setuid away, too
	h.put(it)
	to := object("Link", "to", spec{"path": "/to", "target": "it", "owner": "54321"})
	h.put(to)
	h.must(os.Lchown(h.path("to"), 1, 1))
	h.put(to)
	h.equal(it)
}

// A directory that the agent may not write: an ordinary user is refused, and what is in it stays as it is; root is not.
func TestReadOnlyDirectory(t *testing.T) {
	h := newHost(t)
	h.write("shut/it", "old")
	h.must(os.Chmod(h.path("shut"), 0o500))
	t.Cleanup(func() { h.must(os.Chmod(h.path("shut"), 0o700)) })
	it := file("it", "/shut/it", "new")
	result := h.apply(diff.Update, it)
	if os.Getuid() == 0 {
		h.must(result.Err)
		h.equal(it)
		return
	}
	if fault.KindOf(result.Err) != fault.Denied || fault.HintOf(result.Err) == "" || h.content("shut/it") != "old" || len(h.journal.All()) > 0 {
		t.Errorf("%+v", result)
	}
}

// A full disk: the old files stay as they are, the others go on, and it converges when there is room.
func TestFullDisk(t *testing.T) {
	h := newHost(t)
	h.must(os.Mkdir(h.path("small"), 0o755))
	big := file("big", "/small/big", strings.Repeat("x", 128<<10))
	if err := unix.Mount("tmpfs", h.path("small"), "tmpfs", 0, "size=64k"); err != nil {
		h.put(big) // whoever cannot mount one has room
		return
	}
	t.Cleanup(func() { _ = unix.Unmount(h.path("small"), unix.MNT_DETACH) })
	h.write("small/big", "old")
	result := h.apply(diff.Update, big)
	if fault.KindOf(result.Err) != fault.Transient || fault.HintOf(result.Err) == "" || h.content("small/big") != "old" || len(h.journal.All()) > 0 {
		t.Errorf("%+v", result)
	}
	h.put(file("little", "/small/little", "x"))
	h.must(unix.Mount("tmpfs", h.path("small"), "tmpfs", unix.MS_REMOUNT, "size=1m"))
	h.put(big)
}
