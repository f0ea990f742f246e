// Package gitserver is a real Git server on loopback, for tests, documentation and measurements: smart HTTP by git's own
// http-backend, and SSH running git's own upload-pack. It needs the git command.
package gitserver

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Options of a server. The zero value serves everybody over plain HTTP.
type Options struct {
	// Listen is the address for HTTP. Default 127.0.0.1 with a free port.
	Listen string
	// Username and Password are asked for when Password is set; an empty Username accepts any, as servers do for tokens.
	Username, Password string
	// TLS serves https with a certificate of the server's own authority (see CAFile).
	TLS bool
	// SSH serves SSH beside HTTP, for the key in ClientKeyFile.
	SSH bool
	// OldProtocol hides that the server could speak version 2 of Git's protocol.
	OldProtocol bool
}

// Server serves the repositories below a folder. Its methods are safe for concurrent use.
type Server struct {
	dir      string
	opts     Options
	git      string
	fail     func(error)
	requests atomic.Int64
	hang     atomic.Bool

	mu   sync.Mutex
	addr string // kept from the first start to all later ones
	http *http.Server
	ssh  *sshServer
	ca   *authority
}

// New starts a server for the repositories (NAME.git) below dir, which it makes when there is none.
func New(dir string, opts Options) (*Server, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("the git command is needed for a test server: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	s := &Server{dir: dir, opts: opts, git: git, addr: opts.Listen, fail: func(err error) { panic(err) }}
	if err := os.MkdirAll(s.repositories(), 0o700); err != nil {
		return nil, err
	}
	if opts.TLS {
		if s.ca, err = newAuthority(dir); err != nil {
			return nil, err
		}
	}
	if opts.SSH {
		if s.ssh, err = newSSHServer(s); err != nil {
			return nil, err
		}
	}
	return s, s.Start()
}

func (s *Server) repositories() string { return filepath.Join(s.dir, "repositories") }

// Start listens again after Stop, on the same ports.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return errors.New("the server runs already")
	}
	listener, err := listen(s.addr)
	if err != nil {
		return err
	}
	s.addr = listener.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	server := s.http
	if s.ca != nil {
		server.TLSConfig = s.ca.config
		go func() { _ = server.ServeTLS(listener, "", "") }() // ends when Stop closes the server
	} else {
		go func() { _ = server.Serve(listener) }()
	}
	if s.ssh != nil {
		return s.ssh.start()
	}
	return nil
}

// listen takes an address, or a free one below the range from which the system hands out ports by itself: there nobody else
// comes upon it while the server is stopped.
func listen(addr string) (net.Listener, error) {
	if addr != "" {
		return net.Listen("tcp", addr)
	}
	for {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if !errors.Is(err, syscall.EADDRINUSE) {
			return listener, err
		}
	}
}

// Stop closes all connections and refuses new ones.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		_ = s.http.Close()
		s.http = nil
	}
	if s.ssh != nil {
		s.ssh.stop()
	}
}

// Requests counts HTTP requests and SSH sessions so far.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// Hang makes the server take requests and not answer them, or answer again.
func (s *Server) Hang(on bool) { s.hang.Store(on) }

// URL gives the address of a repository over HTTP.
func (s *Server) URL(name string) string {
	scheme := "http"
	if s.opts.TLS {
		scheme = "https"
	}
	return scheme + "://" + s.Address() + "/" + name + ".git"
}

// Address gives the host and port for HTTP.
func (s *Server) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// CAFile gives the certificate of the server's authority, when it serves TLS.
func (s *Server) CAFile() string { return filepath.Join(s.dir, "ca.pem") }

// ServeHTTP answers for git's http-backend.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	if s.hang.Load() {
		<-r.Context().Done()
		return
	}
	if !s.allowed(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	env := append(gitEnv(), "GIT_PROJECT_ROOT="+s.repositories(), "GIT_HTTP_EXPORT_ALL=1")
	if protocol := r.Header.Get("Git-Protocol"); !s.opts.OldProtocol && strings.HasPrefix(protocol, "version=") {
		env = append(env, "GIT_PROTOCOL="+protocol)
	} else {
		r.Header.Del("Git-Protocol")
	}
	backend := cgi.Handler{Path: s.git, Args: []string{"http-backend"}, Env: env, Stderr: discard{}}
	backend.ServeHTTP(w, r)
}

func (s *Server) allowed(r *http.Request) bool {
	if s.opts.Password == "" {
		return true
	}
	user, password, ok := r.BasicAuth()
	return ok && (s.opts.Username == "" || user == s.opts.Username) &&
		subtle.ConstantTimeCompare([]byte(password), []byte(s.opts.Password)) == 1
}

// gitEnv keeps the machine's own settings away from git.
func gitEnv() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=gc.auto", "GIT_CONFIG_VALUE_1=0", "GIT_CONFIG_KEY_2=init.defaultBranch", "GIT_CONFIG_VALUE_2=main",
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// run executes git in a repository and gives its output without the newline at the end.
func (s *Server) run(dir, input string, args ...string) string {
	cmd := exec.CommandContext(context.Background(), s.git, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, gitEnv(), strings.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.fail(fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, stderr.String()))
	}
	return strings.TrimSpace(string(out))
}
