package witness

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// childKey tells the test binary that it is somebody who changes files, by the name that is the value.
const childKey = "SETPOINT_TEST_CULPRIT"

func TestMain(m *testing.M) {
	if name := os.Getenv(childKey); name != "" {
		os.Exit(beCulprit(name))
	}
	os.Exit(m.Run())
}

// beCulprit does what it is told, one line after the other, until there are no more.
func beCulprit(name string) int {
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		fmt.Println(err)
		return 1
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := act(strings.Fields(lines.Text())); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("done")
	}
	return 0
}

func act(words []string) error {
	switch path := words[1]; words[0] {
	case "write":
		return os.WriteFile(path, []byte("theirs"), 0o666)
	case "append":
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("more")
		return errors.Join(err, f.Close())
	case "truncate":
		return os.Truncate(path, 0)
	case "chmod":
		return os.Chmod(path, 0o751)
	case "rename":
		return os.Rename(path, words[2])
	case "link":
		return os.Link(path, words[2])
	case "symlink":
		return os.Symlink("nowhere", path)
	case "mkdir":
		return os.Mkdir(path, 0o777)
	case "remove":
		return os.RemoveAll(path)
	case "wander": // has a file go by many names, from 1 on
		n, err := strconv.Atoi(words[2])
		for i := 1; i < n && err == nil; i++ {
			err = os.Rename(filepath.Join(path, strconv.Itoa(i)), filepath.Join(path, strconv.Itoa(i+1)))
		}
		return err
	case "open":
		return openDenied()
	}
	return errors.New("what is " + words[0] + "?")
}

// openDenied fails unless Open is denied.
func openDenied() error {
	w, err := Open(slog.New(slog.DiscardHandler))
	if err == nil {
		return errors.Join(errors.New("it may"), w.Close())
	}
	if fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		return fmt.Errorf("%s %w, hint %q", fault.KindOf(err), err, fault.HintOf(err))
	}
	return nil
}

// someone is a process that changes files.
type someone struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

// start starts someone, with the rights of a user.
func start(t *testing.T, name string, uid uint32) *someone {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe") // as another user, nobody gets at the binary by its path
	cmd.Env, cmd.Stderr = append(os.Environ(), childKey+"="+name), os.Stderr
	if uid != uint32(os.Geteuid()) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	s := &someone{t: t, cmd: cmd, in: in, answers: bufio.NewScanner(out)}
	t.Cleanup(s.end)
	return s
}

// do has it do something, and returns when it has. It stays there afterwards.
func (s *someone) do(words ...string) {
	s.t.Helper()
	if _, err := fmt.Fprintln(s.in, strings.Join(words, " ")); err != nil {
		s.t.Fatal(err)
	}
	if !s.answers.Scan() || s.answers.Text() != "done" {
		s.t.Fatalf("%v: %q %v", words, s.answers.Text(), s.answers.Err())
	}
}

// end ends it, and returns when it is gone.
func (s *someone) end() {
	_ = s.in.Close()
	_ = s.cmd.Wait()
}

// allowed says whether this process may witness: it has CAP_SYS_ADMIN, and not only in a namespace for users.
func allowed(t *testing.T) bool {
	t.Helper()
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(users)), " ") == "0 0 4294967295" && capable(t, unix.CAP_SYS_ADMIN)
}

// capable says whether this process has a capability.
func capable(t *testing.T, capability int) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:")
	field, _, _ := strings.Cut(rest, "\n")
	capabilities, err := strconv.ParseUint(strings.TrimSpace(field), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return capabilities&(1<<capability) != 0
}

// open gives a witness. Who may not witness sees that this is denied, and has nothing else to see; ok is false then.
func open(t *testing.T) (w *Witness, ok bool) {
	t.Helper()
	if !allowed(t) {
		if err := openDenied(); err != nil {
			t.Fatal(err)
		}
		return nil, false
	}
	w, err := Open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, true
}

// stranger is a user that is not the one that tests run as.
const stranger = 65534

// called gives how a program is called that a user runs.
func called(t *testing.T, name string, uid uint32) string {
	t.Helper()
	p, err := openProcess("/proc", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	text := name + " (" + nameOfUser(uid)
	if login := p.login(); login != nobody && login != uid {
		text += ", logged in as " + nameOfUser(login)
	}
	return text + ")"
}

func nameOfUser(uid uint32) string {
	if u, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(int(uid))
}

// newDir gives a new directory that everybody may change, by its real path.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for at := dir; strings.Contains(at, "Test"); at = filepath.Dir(at) { // also those above, which are ours
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func put(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("ours"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // whatever the umask
		t.Fatal(err)
	}
}
