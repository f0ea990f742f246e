package rootfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

func open(t *testing.T) (*rootfs.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

// own are the attributes of what the test itself makes.
func own(mode uint32) rootfs.Attributes {
	return rootfs.Attributes{Mode: mode, UID: os.Getuid(), GID: os.Getgid()}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contentOf(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	must(t, err)
	return string(content)
}

// noLeftOvers fails when something that was being made is still in a directory.
func noLeftOvers(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, entry := range entries {
		if rootfs.IsTemporary(entry.Name()) {
			t.Errorf("%s was left over", entry.Name())
		}
	}
}

func TestWriteAtomic(t *testing.T) {
	root, dir := open(t)
	file := filepath.Join(dir, "app.conf")
	for _, before := range []struct {
		name  string
		there func()
	}{
		{"nothing", func() {}},
		{"a file", func() { must(t, os.WriteFile(file, []byte("old"), 0o600)) }},
		{"a link", func() { must(t, os.Symlink("/etc/passwd", file)) }},
		{"a link that leads nowhere", func() { must(t, os.Symlink("nowhere", file)) }},
		{"an empty directory", func() { must(t, os.Mkdir(file, 0o700)) }},
	} {
		t.Run(before.name, func(t *testing.T) {
			must(t, os.RemoveAll(file))
			before.there()
			info, err := root.WriteAtomic("/app.conf", []byte("new"), own(0o4640), nil)
			must(t, err)
			if contentOf(t, file) != "new" || info.Type != rootfs.File || info.Mode != 0o4640 || info.Size != 3 {
				t.Errorf("%q, %+v", contentOf(t, file), info)
			}
			if again, err := root.Stat("/app.conf"); err != nil || again != info {
				t.Errorf("looked at again: %+v, %v", again, err)
			}
			noLeftOvers(t, dir)
		})
	}
}

func TestWriteAtomicLeavesTheOldFile(t *testing.T) {
	root, dir := open(t)
	file := filepath.Join(dir, "app.conf")
	must(t, os.WriteFile(file, []byte("old"), 0o600))
	refused := errors.New("refused")
	for _, attempt := range []struct {
		name     string
		validate func(string) error
		want     func(error) bool
	}{
		{"validate refuses", func(string) error { return refused }, func(err error) bool { return errors.Is(err, refused) }},
		{"validate changes the file", func(name string) error { return os.WriteFile(name, []byte("other"), 0o600) },
			func(err error) bool { return fault.KindOf(err) == fault.Invalid }},
	} {
		t.Run(attempt.name, func(t *testing.T) {
			seen := ""
			_, err := root.WriteAtomic("/app.conf", []byte("new"), own(0o640), func(name string) error {
				seen = contentOf(t, name)
				if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
					t.Errorf("the new file is %v, %v", info, err)
				}
				return attempt.validate(name)
			})
			if !attempt.want(err) || seen != "new" || contentOf(t, file) != "old" {
				t.Errorf("%v; it saw %q, and %q is there", err, seen, contentOf(t, file))
			}
			noLeftOvers(t, dir)
		})
	}
}

func TestRefusals(t *testing.T) {
	root, dir := open(t)
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.MkdirAll(filepath.Join(dir, "full", "inside"), 0o700))
	must(t, os.Symlink("b", filepath.Join(dir, "a")))
	must(t, os.Symlink("a", filepath.Join(dir, "b")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	write := func(name string) error {
		_, err := root.WriteAtomic(name, []byte("new"), own(0o600), nil)
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"no directory", write("/missing/file"), fault.NotFound},
		{"the parent is a file", write("/file/child"), fault.Conflict},
		{"a directory with content", write("/full"), fault.Conflict},
		{"a pipe", write("/pipe"), fault.Conflict},
		{"links in a circle", write("/a/file"), fault.Invalid},
		{"a long name", write("/" + strings.Repeat("n", 300)), fault.Invalid},
		{"the root itself", write("/"), fault.Invalid},
		{"not absolute", write("file"), fault.Invalid},
		{"going up", write("/../file"), fault.Invalid},
		{"NUL", write("/a\x00b"), fault.Invalid},
		{"link over a directory with content", root.Symlink("/full", "x", own(0)), fault.Conflict},
		{"directory over a pipe", func() error { _, err := root.Mkdir("/pipe", own(0o700)); return err }(), fault.Conflict},
		{"remove a directory with content", func() error { _, err := root.Remove("/full"); return err }(), fault.Conflict},
		{"read a directory", func() error { _, _, err := root.Read("/full", 10); return err }(), fault.Invalid},
		{"read a pipe", func() error { _, _, err := root.Read("/pipe", 10); return err }(), fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if fault.KindOf(c.err) != c.want || c.want != fault.Invalid && fault.HintOf(c.err) == "" {
				t.Errorf("%v is %s with the hint %q, want %s and a hint", c.err, fault.KindOf(c.err), fault.HintOf(c.err), c.want)
			}
		})
	}
	if !rootfs.IsNoParent(write("/missing/file")) || rootfs.IsNoParent(write("/file/child")) {
		t.Error("a missing directory is not told from other refusals")
	}
	if _, err := os.Stat(filepath.Join(dir, "full", "inside")); err != nil {
		t.Errorf("what was in a directory is gone: %v", err)
	}
	noLeftOvers(t, dir)
}

// A link in the middle of a path leads where it would in a chroot, and nothing outside of the root is ever touched.
func TestConfinement(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "precious"), []byte("precious"), 0o600))
	root, dir := open(t)
	must(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o700))
	must(t, os.Symlink(outside, filepath.Join(dir, "absolute")))
	must(t, os.Symlink("../../../../../../../../../../.."+outside, filepath.Join(dir, "etc", "relative")))
	must(t, os.Symlink("/etc", filepath.Join(dir, "link")))
	must(t, os.Symlink(filepath.Join(outside, "precious"), filepath.Join(dir, "etc", "last")))
	must(t, os.Symlink("/proc/self/cwd", filepath.Join(dir, "magic")))

	for _, name := range []string{"/absolute/precious", "/etc/relative/precious", "/magic/precious"} {
		if _, err := root.WriteAtomic(name, []byte("new"), own(0o600), nil); err == nil {
			t.Errorf("%s was written", name)
		}
		if _, err := root.Remove(name); err != nil {
			t.Errorf("removing %s, which is not there: %v", name, err)
		}
		must(t, root.RemoveAll(name))
	}
	if _, err := root.ReadFollowing("/etc/last", 100); fault.KindOf(err) != fault.NotFound {
		t.Errorf("reading through a link that leads outside: %v", err)
	}
	_ = root.Chmod("/etc/last", 0o644) // which a link does not have
	must(t, root.RemoveAll("/absolute"))
	must(t, root.RemoveAll("/etc"))
	if _, err := root.Mkdir("/etc", own(0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := root.WriteAtomic("/link/app.conf", []byte("new"), own(0o600), nil); err != nil {
		t.Fatal(err)
	}
	if contentOf(t, filepath.Join(dir, "etc", "app.conf")) != "new" {
		t.Error("a link inside of the root does not lead there")
	}
	info, err := os.Stat(filepath.Join(outside, "precious"))
	must(t, err)
	if contentOf(t, filepath.Join(outside, "precious")) != "precious" || info.Mode().Perm() != 0o600 {
		t.Error("something outside of the root was changed")
	}
}

// While somebody swaps a directory and a link that leads outside, nothing ever gets outside.
func TestConfinementInARace(t *testing.T) {
	outside := t.TempDir()
	root, dir := open(t)
	swap := filepath.Join(dir, "swap")
	must(t, os.Mkdir(swap, 0o700))
	must(t, os.Symlink(outside, filepath.Join(dir, "trap")))
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Rename(swap, swap+".away")
				_ = os.Symlink(outside, swap)
				_ = os.Remove(swap)
				_ = os.Rename(swap+".away", swap)
			}
		}
	})
	for range 2000 {
		_, _ = root.WriteAtomic("/swap/file", []byte("new"), own(0o600), nil)
		_ = root.RemoveAll("/swap/file")
	}
	close(stop)
	swapping.Wait()
	entries, err := os.ReadDir(outside)
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("%v got outside", entries)
	}
}

func TestLinksAndDirectories(t *testing.T) {
	root, dir := open(t)
	for _, before := range []func(string) error{
		func(string) error { return nil },
		func(name string) error { return os.WriteFile(name, nil, 0o600) },
		func(name string) error { return os.Symlink("x", name) },
	} {
		must(t, os.RemoveAll(filepath.Join(dir, "it")))
		must(t, before(filepath.Join(dir, "it")))
		must(t, root.Symlink("/it", "some/where", own(0)))
		if info, err := root.Stat("/it"); err != nil || info.Type != rootfs.Link || info.Target != "some/where" {
			t.Errorf("link: %+v, %v", info, err)
		}
		if _, err := root.Mkdir("/it", own(0o2750)); err != nil {
			t.Fatal(err)
		}
		if info, err := root.Stat("/it"); err != nil || info.Type != rootfs.Directory || info.Mode != 0o2750 {
			t.Errorf("directory: %+v, %v", info, err)
		}
	}
	above, err := root.Mkdir("/a/b/c", own(0o711))
	must(t, err)
	if strings.Join(above, " ") != "/a /a/b" {
		t.Errorf("made above: %v", above)
	}
	if info, err := root.Stat("/a/b"); err != nil || info.Mode != 0o711 {
		t.Errorf("a directory above: %+v, %v", info, err)
	}
	noLeftOvers(t, dir)
}

func TestRemoveAll(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600))
	root, dir := open(t)
	must(t, os.MkdirAll(filepath.Join(dir, "tree", "a", "b"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "tree", "a", "file"), nil, 0o400))
	must(t, os.Symlink(outside, filepath.Join(dir, "tree", "a", "link")))
	must(t, root.RemoveAll("/tree"))
	if _, err := os.Lstat(filepath.Join(dir, "tree")); err == nil {
		t.Error("the tree is there still")
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Error("a link was followed")
	}
	must(t, os.MkdirAll(filepath.Join(dir, "deep", strings.Repeat("d/", 100)), 0o700))
	if err := root.RemoveAll("/deep"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a tree that is too deep: %v", err)
	}
}

func TestSweep(t *testing.T) {
	root, dir := open(t)
	for _, name := range []string{".setpoint-abc.tmp", ".setpoint-def.tmp", ".setpoint-abc", "keep.tmp"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "sub", ".setpoint-abc.tmp"), nil, 0o600))
	if swept, err := root.Sweep("/sub"); err != nil || swept != 1 {
		t.Errorf("%d, %v", swept, err)
	}
	if swept, err := root.Sweep("/missing"); err != nil || swept != 0 {
		t.Errorf("%d, %v", swept, err)
	}
	names, err := root.ReadDir("/", 10)
	must(t, err)
	if len(names) != 5 {
		t.Errorf("%v", names)
	}
}

func TestAccounts(t *testing.T) {
	root, dir := open(t)
	if uid, err := root.User("root"); err != nil || uid != 0 {
		t.Errorf("without files of its own the root knows the system's: %d, %v", uid, err)
	}
	if uid, err := root.User("4711"); err != nil || uid != 4711 {
		t.Errorf("a number: %d, %v", uid, err)
	}
	_, err := root.User("no-such-user-here")
	if fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("an unknown user: %v", err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "etc", "passwd"), []byte("# users\napp:x:501:502::/:/bin/false\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "etc", "group"), []byte("apps:x:502:app\n"), 0o644))
	if uid, err := root.User("app"); err != nil || uid != 501 || root.UserName(501) != "app" {
		t.Errorf("a user of the root's own: %d, %v", uid, err)
	}
	if gid, err := root.Group("apps"); err != nil || gid != 502 || root.GroupName(502) != "apps" {
		t.Errorf("a group of the root's own: %d, %v", gid, err)
	}
	if _, err := root.User("root"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the system's users are not those of a root with its own: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "etc", "passwd"), []byte("app:x:777:502::/:/bin/false\n"), 0o644))
	if uid, err := root.User("app"); err != nil || uid != 777 {
		t.Errorf("after a change: %d, %v", uid, err)
	}
}

// As an ordinary user, giving a file away is refused, and leaves nothing behind; as root, it is done.
func TestOwner(t *testing.T) {
	root, dir := open(t)
	_, err := root.WriteAtomic("/file", nil, rootfs.Attributes{Mode: 0o4755, UID: 12345, GID: 12346}, nil)
	if os.Getuid() != 0 {
		if fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
			t.Errorf("%v", err)
		}
		noLeftOvers(t, dir)
		return
	}
	must(t, err)
	if info, err := root.Stat("/file"); err != nil || info.UID != 12345 || info.GID != 12346 || info.Mode != 0o4755 {
		t.Errorf("%+v, %v", info, err)
	}
	must(t, root.Symlink("/link", "file", own(0)))
	must(t, root.Chown("/link", 54321, -1))
	if info, err := root.Stat("/file"); err != nil || info.UID != 12345 {
		t.Errorf("the owner was changed through a link: %+v, %v", info, err)
	}
	if err := root.Chmod("/link", 0o777); err == nil {
		t.Error("the mode of a link was changed")
	}
}

func TestTrace(t *testing.T) {
	root, dir := open(t)
	must(t, os.MkdirAll(filepath.Join(dir, "var", "lib"), 0o700))
	must(t, os.Symlink("/var/./lib/../lib", filepath.Join(dir, "link")))
	must(t, os.Symlink("circle", filepath.Join(dir, "circle")))
	trace, err := root.Trace("/link/app")
	must(t, err)
	if trace.Complete || strings.Join(trace.Steps, " ") != "/link /var /var/lib /var/lib /var/lib/app" ||
		strings.Join(trace.Directories, " ") != "/ /var /var/lib /var/lib" {
		t.Errorf("%+v", trace)
	}
	must(t, os.Mkdir(filepath.Join(dir, "var", "lib", "app"), 0o700))
	if trace, err = root.Trace("/link/app"); err != nil || !trace.Complete || trace.Directories[len(trace.Directories)-1] != "/var/lib/app" {
		t.Errorf("%+v, %v", trace, err)
	}
	if _, err := root.Trace("/circle/x"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a circle: %v", err)
	}
}

func TestManyFlushesAtOnce(t *testing.T) {
	root, dir := open(t)
	var writers sync.WaitGroup
	for i := range 50 {
		writers.Go(func() {
			if _, err := root.WriteAtomic("/file"+string(rune('a'+i)), []byte("x"), own(0o600), nil); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 50 {
		t.Errorf("%d files", len(entries))
	}
}
