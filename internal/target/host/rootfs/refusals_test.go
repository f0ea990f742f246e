package rootfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// A directory that the agent may not write: an ordinary user is refused, and root writes it.
func TestReadOnlyDirectory(t *testing.T) {
	root, dir := open(t)
	must(t, os.Mkdir(filepath.Join(dir, "shut"), 0o500))
	_, err := root.WriteAtomic("/shut/file", []byte("new"), own(0o600), nil)
	if os.Getuid() == 0 {
		must(t, err)
		return
	}
	if fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

// mounted mounts a small file system, or says that this user cannot.
func mounted(t *testing.T, at string, flags uintptr) bool {
	t.Helper()
	if err := unix.Mount("tmpfs", at, "tmpfs", flags, "size=64k"); err != nil {
		if os.Getuid() == 0 && !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
		return false
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	return true
}

func TestFullDisk(t *testing.T) {
	root, dir := open(t)
	at := filepath.Join(dir, "small")
	must(t, os.Mkdir(at, 0o700))
	content := make([]byte, 128<<10)
	if !mounted(t, at, 0) {
		if _, err := root.WriteAtomic("/small/file", content, own(0o600), nil); err != nil {
			t.Errorf("on a disk with room: %v", err)
		}
		return
	}
	must(t, os.WriteFile(filepath.Join(at, "file"), []byte("old"), 0o600))
	_, err := root.WriteAtomic("/small/file", content, own(0o600), nil)
	if fault.KindOf(err) != fault.Transient || fault.HintOf(err) == "" || contentOf(t, filepath.Join(at, "file")) != "old" {
		t.Errorf("%v, and %q is there", err, contentOf(t, filepath.Join(at, "file")))
	}
	noLeftOvers(t, at)
}

func TestReadOnlyFileSystemAndMountPoints(t *testing.T) {
	root, dir := open(t)
	at := filepath.Join(dir, "tree", "mounted")
	must(t, os.MkdirAll(at, 0o700))
	if !mounted(t, at, unix.MS_RDONLY) {
		must(t, root.RemoveAll("/tree"))
		return
	}
	if _, err := root.WriteAtomic("/tree/mounted/file", nil, own(0o600), nil); fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("a file system mounted for reading: %v", err)
	}
	if err := root.RemoveAll("/tree"); fault.KindOf(err) != fault.Conflict || fault.HintOf(err) == "" {
		t.Errorf("a mount point in a tree to be removed: %v", err)
	}
	if err := root.RemoveAll("/tree/mounted"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a mount point to be removed: %v", err)
	}
}

// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h.
const immutableFlag = 0x10

// An immutable file stays, even for root, and the error says which flag it is.
func TestImmutable(t *testing.T) {
	root, dir := open(t)
	name := filepath.Join(dir, "file")
	must(t, os.WriteFile(name, []byte("old"), 0o600))
	file, err := os.Open(name)
	must(t, err)
	defer file.Close()
	if err := unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, immutableFlag); err != nil {
		if _, err := root.WriteAtomic("/file", nil, own(0o600), nil); err != nil { // whoever cannot set it has no such file
			t.Error(err)
		}
		return
	}
	t.Cleanup(func() {
		again, err := os.Open(name)
		must(t, err)
		defer again.Close()
		must(t, unix.IoctlSetPointerInt(int(again.Fd()), unix.FS_IOC_SETFLAGS, 0))
	})
	_, errWrite := root.WriteAtomic("/file", nil, own(0o600), nil)
	_, errRemove := root.Remove("/file")
	for _, err := range []error{errWrite, root.Chmod("/file", 0o644), root.RemoveAll("/file"), errRemove} {
		if fault.KindOf(err) != fault.Denied || fault.HintOf(err) != "take the flag away with chattr -i -a, or declare another path" {
			t.Errorf("%v, with the hint %q", err, fault.HintOf(err))
		}
	}
	if contentOf(t, name) != "old" {
		t.Error("it was changed")
	}
	noLeftOvers(t, dir)
}

func TestOpen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(name, nil, 0o600))
	for _, wrong := range []string{name, name + "-missing"} {
		if _, err := rootfs.Open(wrong); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s as a root: %v", wrong, err)
		}
	}
	root, err := rootfs.Open("")
	must(t, err)
	defer func() { must(t, root.Close()) }()
	if root.HostPath("/etc") != "/etc" || root.HostPath("/") != "/" {
		t.Errorf("%q, %q", root.HostPath("/etc"), root.HostPath("/"))
	}
	if inside, ok := root.Inside("/etc"); !ok || inside != "/etc" {
		t.Errorf("%q", inside)
	}
}
