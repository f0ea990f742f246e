package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestTheFormOfALine(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, in(dir, "web"), 0, 0)
	write(t, w, at(1500, "web.1", "hello  world "))
	content, err := os.ReadFile(in(dir, "web", "00000001.log"))
	if want := "2026-11-24T06:00:01.500000000Z shop/web.1 v3 stdout hello  world \n"; err != nil || string(content) != want {
		t.Errorf("%q %v, want %q", content, err, want)
	}
	if lines := read(t, dir, v1alpha1.LogQuery{}); len(lines) != 1 || lines[0] != at(1500, "web.1", "hello  world ") {
		t.Errorf("%v, want the line that was written", lines)
	}
	for name, want := range map[string]os.FileMode{"web": 0o700, "web/00000001.log": 0o600} {
		if info, err := os.Stat(in(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestTextsOfAllKinds(t *testing.T) {
	long := strings.Repeat("ä", MaxText) // twice as many bytes
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{""}},
		{"spaces", "  a  b  ", []string{"  a  b  "}},
		{"not UTF-8", "a\xff\xfeb\xc3", []string{"a�b�"}},
		{"several lines", "a\n\nb\n", []string{"a", "", "b"}},
		{"NUL and control characters", "a\x00\r\tb", []string{"a\x00\r\tb"}},
		{"long", "x" + long, []string{"x" + long[:MaxText-2], long[:MaxText], "ä"}},
		{"like a line", "2026-11-24T06:00:01.500000000Z shop/web.1 v3 stdout x", []string{"2026-11-24T06:00:01.500000000Z shop/web.1 v3 stdout x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, newWriter(t, in(dir, "web"), 0, 0), at(0, "web.1", test.text))
			got := texts(read(t, dir, v1alpha1.LogQuery{}))
			if !slices.Equal(got, test.want) {
				t.Errorf("%d lines %.80q, want %d lines %.80q", len(got), got, len(test.want), test.want)
			}
			if tail := Tail(in(dir, "web"), "web.1", 3, 10); !slices.Equal(tail, test.want) {
				t.Errorf("tail: %d lines %.80q", len(tail), tail)
			}
		})
	}
}

func TestRotationBoundsAll(t *testing.T) {
	dir := t.TempDir()
	const size, files = MinSize, 3
	w := newWriter(t, in(dir, "web"), size, files)
	for i := range 2000 {
		write(t, w, at(i, "web.1", numbered(i)+strings.Repeat("x", i%300)))
		if sum, n := bytesIn(t, in(dir, "web")); sum > size*(files+1) || n > files+1 {
			t.Fatalf("%d bytes in %d files, want at most %d in %d", sum, n, size*(files+1), files+1)
		}
	}
	lines := read(t, dir, v1alpha1.LogQuery{})
	for i, line := range lines {
		if want := numbered(2000 - len(lines) + i); !strings.HasPrefix(line.Text, want) {
			t.Fatalf("line %d of %d: %.20q, want %q", i, len(lines), line.Text, want)
		}
	}
	if len(lines) < 50 {
		t.Errorf("%d lines are kept, want more", len(lines))
	}
	// Smaller bounds hold at once, where they can: a file is not shortened.
	if err := w.Limit(size, 0); err != nil {
		t.Fatal(err)
	}
	if _, n := bytesIn(t, in(dir, "web")); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
	if err := w.Limit(1, 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v, want Invalid", err)
	}
}

func TestManyLinesAtOnce(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, in(dir, "web"), MinSize, 100)
	var lines []v1alpha1.LogLine
	for i := range 1000 {
		lines = append(lines, at(i, "web.1", numbered(i)))
	}
	if err := w.WriteAll(lines); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, v1alpha1.LogQuery{}); !slices.Equal(got, lines) {
		t.Errorf("%d lines, want those that were written", len(got))
	}
}

func TestATornLine(t *testing.T) {
	for _, torn := range []string{"2026-11-24T06:00:00.0000", "2026-11-24T06:00:00.000000000Z shop/web.1", "\x00\x00\x00", strings.Repeat("x", 3*maxLine)} {
		dir := t.TempDir()
		w := newWriter(t, in(dir, "web"), 0, 3)
		write(t, w, at(0, "web.1", "before"))
		_ = w.Close()
		appendTo(t, in(dir, "web", "00000001.log"), torn)
		if got := texts(read(t, dir, v1alpha1.LogQuery{})); !slices.Equal(got, []string{"before"}) {
			t.Errorf("%.40q: %.80q, want the whole line only", torn, got)
		}
		write(t, newWriter(t, in(dir, "web"), 0, 3), at(1, "web.1", "after"))
		for _, query := range []v1alpha1.LogQuery{{}, {Tail: 2}, {Tail: 100}} {
			if got := texts(read(t, dir, query)); !slices.Equal(got, []string{"before", "after"}) {
				t.Errorf("%.40q: %.80q, want the whole lines", torn, got)
			}
		}
	}
}

func TestNamesThatCannotBeFoundAgain(t *testing.T) {
	w := newWriter(t, t.TempDir(), 0, 0)
	for _, line := range []v1alpha1.LogLine{
		{Process: "", Stream: "stdout"}, {Process: "web.1"}, {Process: "web 1", Stream: "stdout"}, {App: "a/b", Process: "web.1", Stream: "stdout"},
		{App: strings.Repeat("x", maxNames), Process: "web.1", Stream: "stdout"}, {Process: "web\n1", Stream: "stdout"},
	} {
		if err := w.Write(line); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v: %v, want Invalid", line, err)
		}
	}
	if err := w.WriteAll(nil); err != nil {
		t.Error(err)
	}
}

func TestDirectoriesThatCannotBeHad(t *testing.T) {
	file := in(t.TempDir(), "file")
	appendTo(t, file, "x")
	if _, err := OpenWriter(WriterOptions{Dir: in(file, "web")}); err == nil {
		t.Error("a file is a directory")
	}
	if _, err := OpenWriter(WriterOptions{Dir: t.TempDir(), Size: 1}); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("%v, want Invalid with a hint", err)
	}
	dir := t.TempDir()
	if err := os.Symlink(file, in(dir, "00000002.log")); err != nil {
		t.Fatal(err)
	}
	w := newWriter(t, dir, 0, 1)
	write(t, w, at(0, "web.1", "x"))
	if content, err := os.ReadFile(file); err != nil || string(content) != "x" {
		t.Errorf("%q %v: a link was followed", content, err)
	}
}

// narrow is a disk with room for so many bytes.
type narrow struct {
	io.WriteCloser
	room int
}

func (d *narrow) Write(b []byte) (int, error) {
	n, err := d.WriteCloser.Write(b[:min(len(b), d.room)])
	d.room -= n
	if err == nil && n < len(b) {
		err = &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return n, err
}

func TestAFullDiskDropsLinesAndSaysSo(t *testing.T) {
	length := len(appendLine(nil, at(0, "web.1", "line"), "line"))
	for _, room := range []int{0, 1, length - 1, length, length + 10, 2*length + 40} {
		dir := t.TempDir()
		w := newWriter(t, in(dir, "web"), 0, 3)
		disk := &narrow{WriteCloser: w.file, room: room}
		w.file = disk
		var first string
		failed := 0
		for i := range 10 {
			err := w.Write(at(i, "web.1", "line"))
			if err == nil {
				continue
			}
			if failed++; first == "" {
				first = err.Error()
			}
			if fault.KindOf(err) != fault.Transient || !errors.Is(err, syscall.ENOSPC) || fault.HintOf(err) == "" || err.Error() != first {
				t.Errorf("%v, want the same Transient fault each time", err)
			}
		}
		dropped := w.Dropped()
		disk.room = 1 << 20
		write(t, w, at(11, "web.1", "after"))
		got := texts(read(t, dir, v1alpha1.LogQuery{}))
		whole := len(slices.DeleteFunc(slices.Clone(got), func(text string) bool { return text != "line" }))
		if failed == 0 || whole+dropped != 10 || w.Dropped() != 0 {
			t.Errorf("room for %d bytes: %d lines and %d dropped, want 10 in all", room, whole, dropped)
		}
		if confession := got[len(got)-2]; !strings.Contains(confession, fmt.Sprintf(" %d lines are missing", dropped)) || got[len(got)-1] != "after" {
			t.Errorf("room for %d bytes: %q, want a line that says %d are missing", room, got, dropped)
		}
	}
}

// TestAFullFileSystem uses a small file system of its own where the system allows it, and /dev/full, which is always full, elsewhere.
func TestAFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	own := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).Run() == nil
	w := newWriter(t, in(dir, "web"), 16<<10, 10)
	if own {
		t.Cleanup(func() { _ = w.Close(); _ = exec.Command("umount", dir).Run() })
	} else {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.file = full
	}
	failed := 0
	for i := range 2000 {
		if err := w.Write(at(i, "web.1", numbered(i))); err != nil {
			failed++
			if fault.KindOf(err) != fault.Transient || !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%v, want a full disk", err)
			}
		}
	}
	if failed == 0 || w.Dropped() != failed {
		t.Fatalf("%d lines failed, %d dropped", failed, w.Dropped())
	}
	if own {
		if err := os.Remove(fileName(in(dir, "web"), 1)); err != nil {
			t.Fatal(err)
		}
	} else if err := w.openLast(); err != nil {
		t.Fatal(err)
	}
	write(t, w, at(3000, "web.1", "after"))
	got := texts(read(t, dir, v1alpha1.LogQuery{Tail: 2}))
	if len(got) != 2 || !strings.Contains(got[0], "lines are missing") || got[1] != "after" {
		t.Errorf("%q, want a line that says what is missing", got)
	}
}

func TestWritersAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	var writing sync.WaitGroup
	for _, kind := range []string{"web", "worker"} {
		w := newWriter(t, in(dir, kind), 64<<10, 100)
		for _, process := range []string{kind + ".1", kind + ".2"} {
			writing.Go(func() {
				for i := range 1000 {
					if err := w.Write(at(i, process, numbered(i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	writing.Wait()
	for _, process := range []string{"web.1", "web.2", "worker.1", "worker.2"} {
		got := texts(read(t, dir, v1alpha1.LogQuery{Process: process}))
		for i, text := range got {
			if text != numbered(i) {
				t.Fatalf("%s: line %d is %q", process, i, text)
			}
		}
		if len(got) != 1000 {
			t.Errorf("%s: %d lines", process, len(got))
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add(appendLine(nil, at(0, "web.1", "x"), "x"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if parsed, ok := parseLine(line); ok && (parsed.Process == "" || !utf8.ValidString(parsed.Text)) {
			t.Errorf("%q gives %v", line, parsed)
		}
	})
}
