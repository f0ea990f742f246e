// Package host holds the tests of the whole product on a plain Linux host: the real binary as a process, real files, real apps, and no
// cluster. A scene is one repository, one root directory that stands for the host, and one agent that keeps the second equal to the first.
package host

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// Scene is one host with its agent. Its methods belong to the test's goroutine, but for those that say otherwise.
type Scene struct {
	testing.TB
	Repo  *gitserver.Repo
	Root  string // stands for / on the host
	Agent *system.Process
}

// Play begins a scene with files of a repository, and waits until all is in sync.
func Play(t testing.TB, files map[string]string) *Scene {
	t.Helper()
	s := Prepare(t, files)
	s.Agent.WaitInSync()
	return s
}

// Prepare begins a scene and does not wait. The agent gets further variables (NAME=value).
func Prepare(t testing.TB, files map[string]string, env ...string) *Scene {
	t.Helper()
	s := &Scene{TB: t, Repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet")}
	dir := OpenDir(t)
	s.Root = filepath.Join(dir, "root")
	for _, below := range []string{"etc", "srv"} {
		if err := os.MkdirAll(filepath.Join(s.Root, below), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.Repo.Commit(files, "Begin")
	data := filepath.Join(dir, "data")
	s.EndApps(data)
	s.Agent = system.StartAgent(t, system.Agent{
		Repo: s.Repo, Data: data, Args: []string{"--host-root", s.Root, "--kubernetes", "off"}, Env: env,
	})
	return s
}

// EndApps has the apps of a data directory stopped when the test ends. Called before the agent is started, it runs after that was killed.
func (s *Scene) EndApps(data string) {
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), system.Patience)
		defer cancel()
		if err := agent.EndApps(ctx, data); err != nil {
			s.Errorf("stop the apps: %v", err)
		}
	})
}

// OpenDir makes a directory for a test that other users can come through, as apps of an agent that runs as root must.
func OpenDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "setpoint-host-") //nolint:usetesting // what t.TempDir makes others cannot enter
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				_ = os.Chmod(name, 0o700) // releases are read-only
			}
			return nil
		})
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return dir
}

// At gives the real path of a path on the host. From any goroutine.
func (s *Scene) At(path string) string { return filepath.Join(s.Root, path) }

// Read gives the content of a file on the host.
func (s *Scene) Read(path string) string {
	s.Helper()
	data, err := os.ReadFile(s.At(path))
	if err != nil {
		s.Fatal(err)
	}
	return string(data)
}

var sample struct {
	sync.Once
	dir string
	err error
}

// Sample builds the app that tests run, once, and gives its path, which every user can run.
func Sample(t testing.TB) string {
	t.Helper()
	sample.Do(func() {
		if sample.dir, sample.err = os.MkdirTemp("", "setpoint-sample-"); sample.err != nil { //nolint:usetesting // it outlives the test
			return
		}
		if sample.err = os.Chmod(sample.dir, 0o755); sample.err != nil {
			return
		}
		build := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(sample.dir, "sample"),
			"github.com/setpoint-dev/setpoint/test/host/sample")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			sample.err = fmt.Errorf("build the sample app: %w\n%s", err, output)
		}
	})
	if sample.err != nil {
		t.Fatal(sample.err)
	}
	return filepath.Join(sample.dir, "sample")
}

// Main runs a package's tests and removes what they have built.
func Main(m *testing.M) int {
	code := m.Run()
	if sample.dir != "" {
		_ = os.RemoveAll(sample.dir)
	}
	system.Clean()
	return code
}

// FreePort gives a port that nobody listens on now.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// Get asks an address on loopback. From any goroutine.
func Get(ctx context.Context, method, url string) (body string, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return "", 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return string(data), response.StatusCode, err
}

// Says waits until an address answers with a text that begins so, and gives all of it.
func (s *Scene) Says(url, text string) string {
	s.Helper()
	var said string
	s.Agent.Wait(url+" to say "+text, func() bool {
		body, status, err := Get(s.Context(), http.MethodGet, url)
		said = body
		return err == nil && status == http.StatusOK && strings.HasPrefix(body, text)
	})
	return said
}

// App declares an App named web, of the sample in some version.
func App(sample, version string, port int) string {
	return fmt.Sprintf(`---
apiVersion: host.setpoint.dev/v1alpha1
kind: App
metadata: {name: web}
spec:
  build: {directory: build}
  env: {VERSION: %s}
  processes:
    web: {command: [%s], replicas: 2, check: {http: /healthz, interval: 200ms}}
  expose: {port: %d}
  release: {timeout: 10s, drain: 5s}
`, version, sample, port)
}

// File declares a File.
func File(name, path, content string) string {
	return fmt.Sprintf("---\napiVersion: host.setpoint.dev/v1alpha1\nkind: File\nmetadata: {name: %s}\nspec: {path: %s, content: %q}\n",
		name, path, content)
}

// Releases gives those of an app, the newest first.
func (s *Scene) Releases(app string) []v1alpha1.Release {
	s.Helper()
	return s.Agent.Releases(app).Releases
}

// Processes gives the PIDs of everything that the scene's supervisor has started and that is alive, by what marks a process:
// "app/release/type.index/launch".
func (s *Scene) Processes() map[int]string {
	s.Helper()
	found := map[int]string{}
	data, err := os.ReadFile(filepath.Join(s.Agent.Data(), "host", "supervise", "id"))
	id := strings.TrimSpace(string(data))
	if err != nil {
		return found // no app was ever started
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		s.Fatal(err)
	}
	for _, entry := range entries {
		environ, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err != nil || !strings.Contains(string(environ), "SETPOINT_SUPERVISOR="+id+"\x00") {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(entry.Name(), &pid); err != nil {
			continue
		}
		found[pid] = valueIn(string(environ), "SETPOINT_PROCESS")
	}
	return found
}

// Variable gives an environment variable of a process.
func Variable(t testing.TB, pid int, name string) string {
	t.Helper()
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	return valueIn(string(environ), name)
}

func valueIn(environ, name string) string {
	for variable := range strings.SplitSeq(environ, "\x00") {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}
