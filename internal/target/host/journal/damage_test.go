package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// written makes a journal of a, b and c, one write each, and gives its directory and lines.
func written(t *testing.T) (dir string, lines [][]byte) {
	t.Helper()
	dir = t.TempDir()
	j := mustOpen(t, dir)
	for _, name := range []string{"a", "b", "c"} {
		put(t, j, typical(name, 1))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	lines = slices.Collect(bytes.Lines(text))
	if len(lines) != 4 {
		t.Fatalf("%d lines, want the format and one for each write", len(lines))
	}
	return dir, lines
}

func write(t *testing.T, dir, name string, lines ...[]byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), bytes.Join(lines, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func names(j *Journal) string {
	var found []string
	for _, record := range j.All() {
		found = append(found, record.ID.Name)
		if record.Keep {
			found = append(found, "kept")
		}
	}
	return strings.Join(found, " ")
}

// Wherever a crash cuts the last line short, and whatever it leaves of it, what was acknowledged before is there, and writing goes on.
func TestTornLastLine(t *testing.T) {
	dir, lines := written(t)
	last := lines[3]
	zeros, flipped := slices.Clone(last), slices.Clone(last)
	clear(zeros[len(zeros)/2:])
	flipped[len(flipped)/2] ^= 1
	torn := [][]byte{zeros, flipped, make([]byte, 5000), []byte("\n")}
	for n := 1; n < len(last); n += 7 {
		torn = append(torn, last[:n])
	}
	torn = append(torn, last[:len(last)-1])
	for i, end := range torn {
		write(t, dir, logName, append(slices.Clone(lines[:3]), end)...)
		beside, err := OpenReadOnly(dir, locked)
		if err != nil || names(beside) != "a b" {
			t.Fatalf("%d: %v; a reader wants a and b", i, err)
		}
		j := mustOpen(t, dir)
		if got := names(j); got != "a b" {
			t.Errorf("%d: %s, want a and b", i, got)
		}
		if aside, err := os.ReadFile(filepath.Join(dir, logName+tornSuffix)); err != nil || !bytes.Equal(aside, end) {
			t.Errorf("%d: no copy of what was cut off: %v", i, err)
		}
		put(t, j, typical("d", 1))
		j = reopen(t, j)
		if got := names(j); got != "a b d" {
			t.Errorf("%d: %s after writing on, want a, b and d", i, got)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Damage in the middle is never passed over by itself: what the lost line said might be that something is owned, or no longer.
func TestDamageInTheMiddle(t *testing.T) {
	for line := range 3 {
		for name, damage := range map[string]func([]byte) []byte{
			"a flipped bit":  func(text []byte) []byte { text[len(text)-5] ^= 4; return text },
			"a lost newline": func(text []byte) []byte { return text[:len(text)-1] },
			"zeros":          func(text []byte) []byte { clear(text[:len(text)-1]); return text },
			"a line too few": func(text []byte) []byte { return text[:len(text)/2] },
			"garbage":        func([]byte) []byte { return []byte("\n") },
		} {
			t.Run(fmt.Sprintf("%s in line %d", name, line+1), func(t *testing.T) {
				dir, lines := written(t)
				lines[line] = damage(lines[line])
				write(t, dir, logName, append(lines, lines[3])...)
				_, err := Open(dir, locked)
				if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), damagedName) {
					t.Fatalf("%v (hint %q), want it refused with a way out", err, fault.HintOf(err))
				}
				if again, _ := OpenReadOnly(dir, locked); again != nil {
					t.Error("a reader takes it for whole")
				}
				if now, err := os.ReadFile(filepath.Join(dir, logName)); err != nil || !bytes.Equal(now, bytes.Join(append(lines, lines[3]), nil)) {
					t.Errorf("the damaged file was changed: %v", err)
				}
				salvaged(t, dir, line)
			})
		}
	}
}

// salvaged follows the hint.
func salvaged(t *testing.T, dir string, damaged int) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, logName), filepath.Join(dir, damagedName)); err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, dir)
	got := names(j)
	wants := [][]string{{"a b c", "b c"}, {"b c", "c"}, {"a kept c", "a kept"}}[damaged] // a lost newline takes the next line too
	if !slices.Contains(wants, got) {
		t.Errorf("salvaged %q, want one of %q", got, wants)
	}
	j = reopen(t, j)
	if names(j) != got {
		t.Errorf("salvaged %q, and after opening again %q", got, names(j))
	}
	if _, err := os.Stat(filepath.Join(dir, damagedName)); err != nil {
		t.Errorf("the damaged file is not kept: %v", err)
	}
}

func TestEmptiedOrForeignFilesAreDamage(t *testing.T) {
	for name, content := range map[string]string{"emptied": "", "foreign": "hello\n", "torn first line": "0123"} {
		dir := t.TempDir()
		write(t, dir, logName, []byte(content))
		if _, err := Open(dir, locked); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want it refused: it was never written so", name, err)
		}
	}
	dir := t.TempDir()
	write(t, dir, logName, framed([]byte(`{"format":3}`)))
	if _, err := Open(dir, locked); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer format: %v", err)
	}
}

func TestLeftOversOfACompaction(t *testing.T) {
	dir, _ := written(t)
	write(t, dir, logName+newSuffix, []byte("half of a log"))
	j := mustOpen(t, dir)
	j.turn <- struct{}{}
	j.compact()
	<-j.turn
	if got := names(reopen(t, j)); got != "a b c" {
		t.Errorf("%s, want a, b and c", got)
	}
}

// fullDisk takes so many bytes more, and then writes a part and says that there is no space.
type fullDisk struct {
	logFile
	space    int
	failSync error
	stuck    error // of Truncate
}

func (d *fullDisk) WriteAt(data []byte, offset int64) (int, error) {
	n := min(len(data), d.space)
	d.space -= n
	if _, err := d.logFile.WriteAt(data[:n], offset); err != nil {
		return 0, err
	}
	if n < len(data) {
		return n, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return n, nil
}

func (d *fullDisk) Sync() error {
	if d.failSync != nil {
		err := d.failSync
		d.failSync = nil
		return err
	}
	return d.logFile.Sync()
}

func (d *fullDisk) Truncate(size int64) error {
	if d.stuck != nil {
		return d.stuck
	}
	return d.logFile.Truncate(size)
}

func TestFailedWritesLeaveTheJournalAsItWas(t *testing.T) {
	dir, _ := written(t)
	j := mustOpen(t, dir)
	disk := &fullDisk{logFile: j.disk.file, space: 40}
	j.disk.file = disk
	refused := func(what string) {
		t.Helper()
		err := j.Put(t.Context(), typical("d", 1))
		if fault.KindOf(err) != fault.Transient || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, want it transient, with a hint", what, err)
		}
		if beside, err := OpenReadOnly(dir, locked); err != nil || names(beside) != "a b c" || names(j) != "a b c" {
			t.Errorf("%s: %s in memory, %v; want a, b and c", what, names(j), err)
		}
	}
	refused("half of a line")
	disk.space, disk.failSync = 1<<20, syscall.EIO
	refused("not synced")
	disk.space, disk.stuck = 40, syscall.EIO
	refused("not cut off")
	disk.space = 1 << 20
	refused("still not cut off")
	disk.stuck = nil
	put(t, j, typical("e", 1))
	if got := names(reopen(t, j)); got != "a b c e" {
		t.Errorf("%s, want a, b, c and e", got)
	}
}

// A real disk that is full: a small one in memory as root; a limit of the file's size for an ordinary user.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	limited := func(limit func()) { limit() }
	if os.Getuid() == 0 && syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k") == nil {
		t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	} else {
		limited = withFileLimit(t, 200<<10)
	}
	j := mustOpen(t, dir)
	t.Cleanup(func() { _ = j.Close() }) // before the disk goes
	acknowledged := map[state.ID]bool{}
	var refusal error
	limited(func() {
		for n := 0; n < 10_000 && refusal == nil; n++ {
			record := typical(fmt.Sprint(n), n)
			if refusal = j.Put(t.Context(), record); refusal == nil {
				acknowledged[record.ID] = true
			}
		}
	})
	if fault.KindOf(refusal) != fault.Transient || fault.HintOf(refusal) == "" {
		t.Fatalf("on a full disk: %v, want it transient, with a hint", refusal)
	}
	limited(func() {
		if err := j.Put(t.Context(), typical("one more", 1)); err == nil && os.Getuid() != 0 {
			t.Error("there is space all of a sudden")
		} else if err == nil {
			acknowledged[fileID("one more")] = true // it is shorter
		}
	})
	j = reopen(t, j) // opening needs no space
	if len(j.All()) != len(acknowledged) {
		t.Errorf("%d records, and %d were acknowledged", len(j.All()), len(acknowledged))
	}
	for _, record := range j.All() {
		if !acknowledged[record.ID] {
			t.Errorf("%s was refused, and is there", record.ID)
		}
	}
}

// withFileLimit runs functions with a bound on the size of files, which the kernel answers with EFBIG.
func withFileLimit(t *testing.T, size uint64) func(func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	return func(limited func()) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		limited()
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
}
