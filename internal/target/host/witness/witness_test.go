package witness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wantWho checks who changed a path; "" is nobody known.
func wantWho(t *testing.T, w *Witness, path, want string) {
	t.Helper()
	began := time.Now().Add(-maxAge)
	who, when, ok := w.Who(path)
	if who != want || ok != (want != "") || ok && (when.Before(began) || when.After(time.Now())) {
		t.Errorf("%s: %q %v %t, want %q", path, who, when, ok, want)
	}
}

func TestWhoeverChangesAFileIsNamed(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	for _, test := range []struct{ name, words, path string }{
		{"create", "write D/new", "D/new"},
		{"overwrite", "write D/file", "D/file"},
		{"append", "append D/file", "D/file"},
		{"truncate", "truncate D/file", "D/file"},
		{"remove", "remove D/file", "D/file"},
		{"move away", "rename D/file D/elsewhere", "D/file"},
		{"arrive", "rename D/file D/elsewhere", "D/elsewhere"},
		{"replace", "rename D/sub/file D/file", "D/file"},
		{"hard link", "link D/file D/new", "D/new"},
		{"link", "symlink D/new", "D/new"},
		{"make a directory", "mkdir D/new", "D/new"},
		{"remove a directory", "remove D/sub", "D/sub"},
		{"remove what is in a directory", "remove D/sub", "D/sub/file"},
		{"move a directory", "rename D/sub D/elsewhere", "D/sub/file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := newDir(t)
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, "sub"), 0o777); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "file"))
			put(t, filepath.Join(dir, "sub/file"))
			w.Set([]string{dir, filepath.Join(dir, "sub")})
			in := func(text string) string { return strings.ReplaceAll(text, "D/", dir+"/") }
			wantWho(t, w, in(test.path), "")
			uid := uint32(stranger)
			if strings.Contains(test.words, "link D/file") { // a file of others may be linked to by root only
				uid = uint32(os.Geteuid())
			}
			vim := start(t, "vim", uid)
			vim.do(strings.Fields(in(test.words))...)
			wantWho(t, w, in(test.path), called(t, "vim", uid))
			wantWho(t, w, filepath.Join(dir, "other"), "")
		})
	}
}

func TestAttributes(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	dir := newDir(t)
	sub := filepath.Join(dir, "sub")
	w.Set([]string{dir})
	alice := start(t, "mkdir", stranger)
	alice.do("mkdir", sub)
	alice.do("write", dir+"/file")
	w.Set([]string{dir, sub})
	me := uint32(os.Geteuid())
	fixer := start(t, "chmod-all", me)
	fixer.do("chmod", dir+"/file")
	fixer.do("chmod", sub)
	fixer.do("chmod", dir)
	for _, path := range []string{dir + "/file", sub, dir} {
		wantWho(t, w, path, called(t, "chmod-all", me))
	}
}

func TestTheAgentItselfIsNobody(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	dir := newDir(t)
	file := filepath.Join(dir, "file")
	w.Set([]string{dir})
	put(t, file)
	wantWho(t, w, file, "")
	vim := start(t, "vim", stranger)
	vim.do("write", file)
	wantWho(t, w, file, called(t, "vim", stranger))
	put(t, file) // corrected
	wantWho(t, w, file, "")
	vim.do("append", file)
	wantWho(t, w, file, called(t, "vim", stranger))
}

func TestAProcessThatHasEnded(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	dir := newDir(t)
	w.Set([]string{dir})
	vim := start(t, "vim", stranger)
	w.mu.Lock() // nobody looks meanwhile
	vim.do("write", dir+"/file")
	vim.end()
	w.mu.Unlock()
	wantWho(t, w, dir+"/file", ended.note)
}

func TestAReplacedDirectoryInheritsNothing(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	left := 1 // mark that stays on a directory which was moved away
	if capable(t, unix.CAP_DAC_READ_SEARCH) {
		left = 0
	}
	top := newDir(t)
	dir, old := filepath.Join(top, "dir"), filepath.Join(top, "old")
	alice, bob := start(t, "alice", stranger), start(t, "bob", stranger)
	alice.do("mkdir", dir)
	set := []string{top, dir}
	w.Set(set)
	alice.do("write", dir+"/file")
	alice.do("write", dir+"/kept")
	wantWho(t, w, dir+"/file", called(t, "alice", stranger))

	bob.do("rename", dir, old)
	alice.do("append", old+"/file") // it is elsewhere now
	wantWho(t, w, dir+"/file", called(t, "bob", stranger))
	bob.do("mkdir", dir)
	wantWho(t, w, dir+"/kept", called(t, "bob", stranger))
	wantMarks(t, w, 2)
	w.Set(set)
	wantMarks(t, w, 2+left) // the old one has none any more
	wantWho(t, w, dir+"/kept", called(t, "bob", stranger))
	alice.do("write", dir+"/file")
	wantWho(t, w, dir+"/file", called(t, "alice", stranger))
	bob.do("append", old+"/file")
	wantWho(t, w, dir+"/file", called(t, "alice", stranger))

	bob.do("remove", dir)
	w.Set(set) // it is not there, and found when it is
	wantWho(t, w, dir+"/file", called(t, "bob", stranger))
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	wantWho(t, w, dir+"/file", "")
	w.Set(set)
	wantMarks(t, w, 2+left)
	w.Set(nil)
	wantMarks(t, w, left)
}

// A directory that was there for long before it is set may have been changed by anybody.
func TestWhatWasNotSeenIsNotSaid(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	top := newDir(t)
	dir := filepath.Join(top, "dir")
	w.Set([]string{top})
	start(t, "alice", stranger).do("mkdir", dir)
	wantWho(t, w, dir, called(t, "alice", stranger))
	wantWho(t, w, dir+"/file", "")
	w.Set([]string{top, dir})
	wantWho(t, w, dir+"/file", called(t, "alice", stranger))
	key, _ := keyAt(dir)
	w.places[key].since = time.Now().Add(settling + time.Second)
	wantWho(t, w, dir+"/file", "")
}

func TestOnlyWhatIsSetIsSeen(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	dir, other := newDir(t), newDir(t)
	vim := start(t, "vim", stranger)
	w.Set([]string{dir, other, filepath.Join(dir, "missing"), filepath.Join(dir, "missing/below"), "/proc/self"})
	wantMarks(t, w, 2)
	vim.do("write", dir+"/file")
	vim.do("write", other+"/file")
	w.Set([]string{other})
	wantMarks(t, w, 1)
	vim.do("append", dir+"/file")
	wantWho(t, w, dir+"/file", "")
	wantWho(t, w, other+"/file", called(t, "vim", stranger))
	w.Set([]string{dir, other})
	wantWho(t, w, dir+"/file", "") // it may have been changed by others meanwhile
}

// wantMarks checks what the kernel says of the group.
func wantMarks(t *testing.T, w *Witness, want int) {
	t.Helper()
	var info []byte
	var err error
	if closed := w.raw.Control(func(fd uintptr) { info, err = os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd)) }); closed != nil || err != nil {
		t.Fatal(closed, err)
	}
	if got := bytes.Count(info, []byte("fanotify ino:")); got != want {
		t.Errorf("%d marks, want %d:\n%s", got, want, info)
	}
}

func TestAnOverflowForgetsEverything(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	limit := 16384 // of kernels that have no setting
	if content, err := os.ReadFile("/proc/sys/fs/fanotify/max_queued_events"); err == nil {
		if limit, err = strconv.Atoi(strings.TrimSpace(string(content))); err != nil {
			t.Fatal(err)
		}
	}
	dir, other := newDir(t), newDir(t)
	w.Set([]string{dir, other})
	vim, flood := start(t, "vim", stranger), start(t, "flood", stranger)
	vim.do("write", other+"/file")
	wantWho(t, w, other+"/file", called(t, "vim", stranger))
	w.mu.Lock()
	flood.do("write", dir+"/1")
	flood.do("wander", dir, strconv.Itoa(limit+1)) // each name is one event at least
	w.mu.Unlock()
	wantWho(t, w, other+"/file", "")
	wantWho(t, w, dir+"/1", "")
	vim.do("append", other+"/file")
	wantWho(t, w, other+"/file", called(t, "vim", stranger))
}

func TestDescriptorsAreGivenBack(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	dir := newDir(t)
	w.Set([]string{dir})
	vim := start(t, "vim", stranger)
	vim.do("write", dir+"/1")
	wantWho(t, w, dir+"/1", called(t, "vim", stranger))
	descriptors := func() (open []string) {
		w.mu.Lock() // nobody looks meanwhile
		defer w.mu.Unlock()
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			to, _ := os.Readlink("/proc/self/fd/" + entry.Name()) // the one that reads them is gone
			open = append(open, entry.Name()+" "+to)
		}
		return open
	}
	before := descriptors()
	vim.do("wander", dir, "3000")
	w.Set([]string{dir, "/proc", newDir(t), dir + "/missing"})
	wantWho(t, w, dir+"/3000", called(t, "vim", stranger))
	if after := descriptors(); len(after) > len(before) {
		t.Errorf("%d descriptors, there were %d:\n%q\n%q", len(after), len(before), after, before)
	}
}

func TestClose(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	dir := newDir(t)
	w.Set([]string{dir})
	vim := start(t, "vim", stranger)
	vim.do("write", dir+"/file")
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-w.ended:
	default:
		t.Error("it still listens")
	}
	w.Set([]string{dir})
	wantWho(t, w, dir+"/file", "")
}

func TestNobodyMayWitness(t *testing.T) {
	if !allowed(t) {
		if err := openDenied(); err != nil {
			t.Error(err)
		}
		return
	}
	if os.Geteuid() != 0 { // with the capability alone, it cannot become somebody else
		open(t)
		return
	}
	start(t, "nobody", stranger).do("open", "it")
}

func TestManyAtOnce(t *testing.T) {
	w, ok := open(t)
	if !ok {
		return
	}
	dir := newDir(t)
	vim := start(t, "vim", stranger)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			w.Set([]string{dir, "/proc"}[:1+i%2])
			w.Who(dir + "/file")
		}
	}()
	for range 100 {
		vim.do("write", dir+"/file")
		w.Who(dir + "/file")
	}
	<-done
	vim.do("write", dir+"/file")
	wantWho(t, w, dir+"/file", called(t, "vim", stranger))
}
