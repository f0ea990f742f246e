// Package registry starts a real OCI registry (distribution's) on loopback, for tests.
package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/setpoint-dev/setpoint/test/tools"
)

// Options of a registry; the zero value is open to everybody.
type Options struct {
	// User and Password are asked for, when there is a user.
	User, Password string
}

// Registry is a registry that runs until its test ends.
type Registry struct {
	// URL begins what it is asked for: "http://127.0.0.1:5000". Addr is the same without the scheme.
	URL, Addr string

	t       testing.TB
	program string
	config  string

	mu   sync.Mutex
	kill func()
}

// Start runs an empty registry that is open to everybody.
func Start(t testing.TB) *Registry {
	t.Helper()
	return With(t, Options{})
}

// With runs an empty registry.
func With(t testing.TB, opts Options) *Registry {
	t.Helper()
	r := &Registry{t: t, program: tools.Path(t, "registry"), config: filepath.Join(t.TempDir(), "config.yaml")}
	t.Cleanup(r.Stop)
	var err error
	for range 5 { // somebody else may take the port before the registry does
		if err = r.place(opts); err != nil {
			break
		}
		if err = r.run(); err == nil {
			return r
		}
	}
	t.Fatal(err)
	return nil
}

// Name gives the name of a repository of this registry: "oci://127.0.0.1:5000/fleet/base".
func (r *Registry) Name(repository string) string { return "oci://" + r.Addr + "/" + repository }

// Start runs it again after Stop, with what it held.
func (r *Registry) Start() {
	r.t.Helper()
	if err := r.run(); err != nil {
		r.t.Fatal(err)
	}
}

// Stop ends it without warning. What it held stays.
func (r *Registry) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kill != nil {
		r.kill()
		r.kill = nil
	}
}

// place chooses a free port and writes the configuration.
func (r *Registry) place(opts Options) error {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.Addr = free.Addr().String()
	r.URL = "http://" + r.Addr
	dir := filepath.Dir(r.config)
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"+
		"storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), r.Addr)
	if opts.User != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(opts.Password), bcrypt.MinCost)
		if err != nil {
			return err
		}
		users := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(users, fmt.Appendf(nil, "%s:%s\n", opts.User, hash), 0o600); err != nil {
			return err
		}
		text += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", users)
	}
	return errors.Join(os.WriteFile(r.config, []byte(text), 0o600), free.Close())
}

// run starts the program and waits until it answers.
func (r *Registry) run() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	command := exec.Command(r.program, "serve", r.config)
	command.Env = []string{"HOME=" + filepath.Dir(r.config), "OTEL_TRACES_EXPORTER=none"}
	command.SysProcAttr = bound()
	said, err := os.Create(filepath.Join(filepath.Dir(r.config), "log"))
	if err != nil {
		return err
	}
	command.Stdout, command.Stderr = said, said
	started, ended := make(chan error, 1), make(chan struct{})
	go func() { // ends with the program, which Stop kills
		// The kernel ends the program together with the thread that started it, so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := command.Start()
		_ = said.Close()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	r.kill = func() {
		_ = command.Process.Kill() // fails only when it has ended
		<-ended
	}
	return r.await(ended)
}

func (r *Registry) await(ended <-chan struct{}) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.After(30 * time.Second)
	for {
		if answer, err := client.Get(r.URL + "/v2/"); err == nil {
			return answer.Body.Close()
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(filepath.Join(filepath.Dir(r.config), "log"))
			return fmt.Errorf("the registry ended: %s", text)
		case <-deadline:
			return errors.New("the registry does not answer")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
