package host_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/host"
)

// misbehaviours are what servers do that are broken or hostile, with what is said of it: one of some texts, as the kinds of source differ in
// what they notice first.
var misbehaviours = []struct {
	name  string
	worse misbehaviour
	says  []string
}{
	{"stops sending", misbehaviour{answer: stalls}, []string{"in time", "stopped sending"}},
	{"does not answer", misbehaviour{everywhere: true, answer: waits}, []string{"in time"}},
	{"truncates", misbehaviour{answer: truncates}, []string{"ended too early"}},
	{"lies about the digest", misbehaviour{answer: lies}, []string{"not what its digest says", "gives the digest of", "longer than it says", "checksum"}},
	{"announces 10 GB", misbehaviour{answer: announces}, []string{"longer than", "not what its digest says", "ended too early"}},
	{"sends without an end", misbehaviour{answer: endless}, []string{"longer than", "not what its digest says", "in time"}},
	{"looks up without an end", misbehaviour{everywhere: true, answer: endless}, nil},
	{"redirects in a circle", misbehaviour{everywhere: true, answer: redirects}, []string{"redirects", "302 Found"}},
	{"goes away", misbehaviour{everywhere: true, answer: aborts}, []string{"ended too early"}},
}

func stalls(w http.ResponseWriter, r *http.Request, good []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(good)))
	_, _ = w.Write(good[:len(good)/2])
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func waits(_ http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() }

func truncates(w http.ResponseWriter, _ *http.Request, good []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(good)))
	_, _ = w.Write(good[:len(good)/2])
}

// lies sends something that is longer than, and other than, what was promised.
func lies(w http.ResponseWriter, _ *http.Request, good []byte) {
	other := append(append([]byte{}, good[:len(good)-6]...), "otherwise"...)
	_, _ = w.Write(other)
}

func announces(w http.ResponseWriter, _ *http.Request, good []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(10<<30))
	_, _ = w.Write(good)
}

func endless(w http.ResponseWriter, r *http.Request, _ []byte) {
	block := make([]byte, 64<<10)
	for sent := 0; sent < 10<<30 && r.Context().Err() == nil; sent += len(block) {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func redirects(w http.ResponseWriter, r *http.Request, _ []byte) {
	http.Redirect(w, r, r.URL.String(), http.StatusFound)
}

func aborts(http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) }

// What a server may cost at most. The agent has the race detector, which takes several times the memory.
const (
	memoryBound = 1 << 30
	diskBound   = 64 << 20
)

// TestHostileServers: whatever the server of an import does, the import and the reason are named, nothing of it is applied, what was in force
// stays, memory and disk are bounded, and as soon as the server behaves its next version is taken.
func TestHostileServers(t *testing.T) {
	for kind := range publishers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, kind)
			s := host.Play(t, map[string]string{
				"syncs.yaml": "apiVersion: setpoint.dev/v1alpha1\nkind: Sync\nmetadata: {name: shop}\nspec:\n  path: overlay\n" +
					"  imports:\n  - {at: base, source: {" + site.source() + "}}\n",
				"kustomization.yaml":         "resources: [syncs.yaml]\n",
				"overlay/kustomization.yaml": "resources: [../base]\n",
			})
			s.Agent.WaitInSync("root", "shop")
			inForce := "version 1"
			for _, c := range misbehaviours {
				if kind == "archive" && c.says == nil {
					continue // it has no look-up
				}
				site.publish(c.worse)
				refuses(s, kind+" "+c.name, c.says)
				if got := s.Read("/etc/motd"); got != inForce {
					t.Errorf("%s: %q is in force, want %q", c.name, got, inForce)
				}
				inForce = fmt.Sprintf("version %d", site.publish(misbehaviour{}))
				s.Agent.Wait("the next version after it "+c.name, func() bool { return s.Read("/etc/motd") == inForce })
				s.Agent.WaitInSync("shop")
			}
			used := peak(t, s.Agent.PID())
			t.Logf("the agent had %d MiB in memory at most", used>>20)
			if used > memoryBound {
				t.Errorf("that is more than %d MiB", memoryBound>>20)
			}
		})
	}
}

// refuses waits until a Sync says what is wrong with its import.
func refuses(s *host.Scene, what string, says []string) {
	s.Helper()
	var message string
	s.Agent.Wait("an error when the server "+what, func() bool {
		status := s.Agent.Statuses()["shop"]
		for _, problem := range status.Problems {
			message = problem.Message
			if strings.HasPrefix(message, "import base: ") {
				s.Logf("%s: %s: %s (%s)", what, status.State, message, problem.Hint)
				if problem.Hint == "" {
					s.Errorf("%s: no hint says what to do", what)
				}
				return true
			}
		}
		return false
	})
	said := says == nil
	for _, text := range says {
		said = said || strings.Contains(message, text)
	}
	if !said {
		s.Errorf("%s: %q says none of %q", what, message, says)
	}
	if size := sizeOf(s, s.Agent.Data()); size > diskBound {
		s.Errorf("%s: the agent keeps %d MiB on disk", what, size>>20)
	}
}

// sizeOf gives the bytes of the files in a directory.
func sizeOf(t testing.TB, dir string) (size int64) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil { // it may be gone again
				size += info.Size()
			}
		}
		return nil
	})
	return size
}

// peak gives the most memory that a process has had, in bytes.
func peak(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("the kernel does not say how much memory was used")
	return 0
}
