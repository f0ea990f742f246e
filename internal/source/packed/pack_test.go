package packed_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// folder writes files into a new directory, in the order given, with a time of their own.
func folder(t *testing.T, at time.Time, mode os.FileMode, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		must(os.MkdirAll(filepath.Dir(name), 0o755))
		must(os.WriteFile(name, []byte(files[i+1]), mode))
		if strings.HasSuffix(name, ".sh") {
			must(os.Chmod(name, mode|0o100))
		}
		must(os.Chtimes(name, at, at))
	}
	must(os.Symlink("b/c.yaml", filepath.Join(dir, "link")))
	return dir
}

func pack(t *testing.T, dir string, limits source.Limits) ([]byte, error) {
	t.Helper()
	var out bytes.Buffer
	err := packed.Pack(t.Context(), &out, os.DirFS(dir), limits)
	return out.Bytes(), err
}

func TestTheSameContentIsPackedToTheSameBytes(t *testing.T) {
	long := strings.Repeat("a very long name/", 12) + "x"
	one := folder(t, time.Unix(1, 0), 0o600, "a", "1", "b/c.yaml", "2", "run.sh", "3", long, "4")
	two := folder(t, time.Unix(1e9, 0), 0o664, long, "4", "run.sh", "3", "b/c.yaml", "2", "a", "1")
	if err := os.Mkdir(filepath.Join(two, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // another owner, where that can be had
		if err := os.Chown(filepath.Join(two, "a"), 1234, 1234); err != nil {
			t.Fatal(err)
		}
	}
	first, err := pack(t, one, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := pack(t, two, source.Limits{})
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%d and %d bytes, %v", len(first), len(second), err)
	}
	w, err := unpack(t, bytes.NewReader(first), packed.TarGz, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	a := commit(t, w, "1")
	content(t, a, "link", "2")
	content(t, a, long, "4")
	if info, err := a.Stat("run.sh"); err != nil || info.Mode() != 0o555 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWhatIsNotPacked(t *testing.T) {
	few := source.Limits{Files: 3, FileSize: 100, Bytes: 150}
	for name, test := range map[string]struct {
		files []string
		link  string
		word  string
	}{
		"many files":   {[]string{"a", "", "b/d", "", "c", ""}, "", "4"},
		"a large file": {[]string{"a", strings.Repeat("x", 101)}, "", "a has 101 bytes"},
		"all together": {[]string{"a", strings.Repeat("x", 80), "b/d", strings.Repeat("x", 80)}, "", "160"},
		"link outside": {nil, "../x", "../x"},
		"a root's":     {nil, "/etc/passwd", "/etc/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, time.Unix(1, 0), 0o600, test.files...)
			if test.link != "" {
				if err := os.Symlink(test.link, filepath.Join(dir, "bad")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := pack(t, dir, few); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.word) {
				t.Errorf("%v of kind %s", err, fault.KindOf(err))
			}
		})
	}
	if _, err := pack(t, filepath.Join(t.TempDir(), "none"), few); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v of kind %s", err, fault.KindOf(err))
	}
}
