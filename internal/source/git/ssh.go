package git

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/proxy"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// sshChannel runs git-upload-pack on the server, one process for the whole conversation.
type sshChannel struct {
	at      location
	auth    secrets
	proxy   string
	client  *ssh.Client
	session *ssh.Session
	stdin   io.WriteCloser
	frames  *frames
	stderr  *tail
	stop    func() bool
}

// hostKeyError is a host key that is not the known one, or not known at all.
type hostKeyError struct {
	line    string // as it would stand in known_hosts
	kind    string // ssh-ed25519 …
	sum     string // SHA256:…
	changed bool
}

func (e *hostKeyError) Error() string {
	if e.changed {
		return "the host key is not the one in known_hosts: " + e.kind + " " + e.sum
	}
	return "the host key is not in known_hosts: " + e.kind + " " + e.sum
}

func (c *sshChannel) greet(ctx context.Context) (io.ReadCloser, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	// Closing the connection is what ends any read or write when the context does.
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	config, err := c.config()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	sc, channels, requests, err := ssh.NewClientConn(conn, c.address(), config)
	if err != nil {
		_ = conn.Close()
		return nil, firstOf(ctx.Err(), err)
	}
	c.client = ssh.NewClient(sc, channels, requests)
	session, err := c.client.NewSession()
	if err != nil {
		return nil, err
	}
	c.session = session
	// Servers that refuse the variable answer in version 0, which is as well.
	_ = session.Setenv("GIT_PROTOCOL", "version=2")
	stdout, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.stdin, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	c.stderr = &tail{}
	session.Stderr = c.stderr
	c.frames = newFrames(&sshOutput{c, stdout})
	if err := session.Start("git-upload-pack " + quote(c.at.path)); err != nil {
		return nil, err
	}
	return &sshReader{c}, nil
}

func (c *sshChannel) ask(_ context.Context, request []byte) (io.ReadCloser, error) {
	// A write that fails is explained by the read that follows: the server has ended the session.
	_, _ = c.stdin.Write(request)
	return &sshReader{c}, nil
}

// sshOutput is the session's output; an end that comes with a sentence on standard error is that sentence.
type sshOutput struct {
	c   *sshChannel
	out io.Reader
}

func (o *sshOutput) Read(p []byte) (int, error) {
	n, err := o.out.Read(p)
	if err != nil && n == 0 {
		_ = o.c.session.Wait()
		if text := o.c.stderr.line(); text != "" {
			return 0, &serverError{text: text}
		}
	}
	return n, err
}

func (c *sshChannel) close() {
	if c.stop != nil {
		c.stop()
	}
	if c.client != nil {
		_ = c.client.Close()
	}
}

func (c *sshChannel) address() string {
	if _, _, err := net.SplitHostPort(c.at.host); err == nil {
		return c.at.host
	}
	return net.JoinHostPort(strings.Trim(c.at.host, "[]"), "22")
}

func (c *sshChannel) dial(ctx context.Context) (net.Conn, error) {
	var dialer proxy.ContextDialer = &net.Dialer{Timeout: 30 * time.Second}
	if c.proxy != "" {
		u, err := url.Parse(c.proxy)
		if err != nil || !strings.HasPrefix(u.Scheme, "socks5") {
			return nil, fault.New(fault.Invalid, "read", "git.proxy", "for ssh it must be a socks5:// URL")
		}
		through, err := proxy.FromURL(u, proxy.Direct)
		if err != nil {
			return nil, fault.New(fault.Invalid, "read", "git.proxy", "it is not a proxy's URL")
		}
		if d, ok := through.(proxy.ContextDialer); ok {
			dialer = d
		}
	}
	return dialer.DialContext(ctx, "tcp", c.address())
}

func (c *sshChannel) config() (*ssh.ClientConfig, error) {
	methods, err := c.auth.sshMethods()
	if err != nil {
		return nil, err
	}
	db, err := knownHostsOf(c.auth.knownHosts)
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User:              c.at.userName("git"),
		Auth:              methods,
		HostKeyAlgorithms: db.HostKeyAlgorithms(c.address()),
		HostKeyCallback: func(host string, address net.Addr, key ssh.PublicKey) error {
			return checkHostKey(db, host, address, key)
		},
	}, nil
}

func checkHostKey(db *knownhosts.HostKeyDB, host string, address net.Addr, key ssh.PublicKey) error {
	err := db.HostKeyCallback()(host, address, key)
	if err == nil {
		return nil
	}
	return &hostKeyError{
		line:    knownhosts.Line([]string{knownhosts.Normalize(host)}, key),
		kind:    key.Type(),
		sum:     ssh.FingerprintSHA256(key),
		changed: knownhosts.IsHostKeyChanged(err) || !knownhosts.IsHostUnknown(err),
	}
}

// knownHostsOf reads the lines of a known_hosts file; the library takes files only.
func knownHostsOf(lines []byte) (*knownhosts.HostKeyDB, error) {
	file, err := os.CreateTemp("", "setpoint-known-hosts-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}()
	if _, err := file.Write(lines); err != nil {
		return nil, err
	}
	db, err := knownhosts.NewDB(file.Name())
	if err != nil {
		return nil, fault.New(fault.Invalid, "read", "known_hosts", "it has a line that is not a host key")
	}
	return db, nil
}

// quote makes one word of a path, for the shell on the server.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// sshReader is the connection's one reader, handed out for each response.
type sshReader struct{ c *sshChannel }

func (r *sshReader) Read(p []byte) (int, error) { return r.c.frames.r.Read(p) }
func (r *sshReader) Close() error               { return nil }
func (r *sshReader) shared() *frames            { return r.c.frames }

// tail keeps the beginning of what a server writes to its standard error.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() < 4<<10 {
		t.buf.Write(p)
	}
	return len(p), nil
}

func (t *tail) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return oneLine(t.buf.Bytes())
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return errors.New("no error")
}
