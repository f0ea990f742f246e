package gitserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshServer runs git-upload-pack for whoever holds the client key.
type sshServer struct {
	server *Server
	config *ssh.ServerConfig
	host   ssh.PublicKey
	addr   string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

// ClientKeyFile gives the private key that the SSH server accepts; ClientKeyFile + ".locked" is the same with the passphrase
// "passphrase".
func (s *Server) ClientKeyFile() string { return filepath.Join(s.dir, "id_ed25519") }

// KnownHostsFile gives a known_hosts file with the server's host key.
func (s *Server) KnownHostsFile() string { return filepath.Join(s.dir, "known_hosts") }

func (s *Server) sshURL(name string) string { return "ssh://git@" + s.ssh.addr + "/" + name + ".git" }

func newSSHServer(s *Server) (*sshServer, error) {
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	host, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		return nil, err
	}
	client, err := writeClientKey(s.ClientKeyFile())
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(client.Marshal()) {
			return nil, errors.New("another key")
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(host)
	return &sshServer{server: s, config: config, host: host.PublicKey(), open: map[net.Conn]bool{}}, nil
}

func writeClientKey(path string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	plain, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("passphrase"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(plain), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+".locked", pem.EncodeToMemory(locked), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

func (s *sshServer) start() error {
	listener, err := listen(s.addr)
	if err != nil {
		return err
	}
	s.addr = listener.Addr().String()
	line := knownhosts.Line([]string{knownhosts.Normalize(s.addr)}, s.host)
	if err := os.WriteFile(s.server.KnownHostsFile(), []byte(line+"\n"), 0o600); err != nil {
		return err
	}
	s.mu.Lock()
	s.listener = listener
	s.mu.Unlock()
	go func() { // ends when stop closes the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return nil
}

func (s *sshServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	for conn := range s.open {
		_ = conn.Close()
	}
}

func (s *sshServer) serve(conn net.Conn) {
	s.mu.Lock()
	s.open[conn] = true
	s.mu.Unlock()
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}()
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		if asked.ChannelType() != "session" {
			_ = asked.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		s.server.requests.Add(1)
		s.session(channel, requests)
	}
}

// session takes the protocol's version and then runs one command.
func (s *sshServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	env := gitEnv()
	for r := range requests {
		var value struct{ Name, Value string }
		var command struct{ Line string }
		switch {
		case r.Type == "env" && ssh.Unmarshal(r.Payload, &value) == nil && value.Name == "GIT_PROTOCOL" && !s.server.opts.OldProtocol:
			env = append(env, "GIT_PROTOCOL="+value.Value)
			_ = r.Reply(true, nil)
		case r.Type == "exec" && ssh.Unmarshal(r.Payload, &command) == nil:
			_ = r.Reply(true, nil)
			code := s.exec(channel, command.Line, env)
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
			return
		default:
			_ = r.Reply(false, nil)
		}
	}
}

func (s *sshServer) exec(channel ssh.Channel, line string, env []string) uint32 {
	path, ok := strings.CutPrefix(line, "git-upload-pack '")
	path = strings.Trim(path, "'/")
	if !ok || strings.Contains(path, "..") {
		_, _ = channel.Stderr().Write([]byte("permission denied: only git-upload-pack\n"))
		return 1
	}
	cmd := exec.Command(s.server.git, "upload-pack", filepath.Join(s.server.repositories(), path)) // ends with its input
	cmd.Env, cmd.Stdout, cmd.Stderr = env, channel, channel.Stderr()
	stdin, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return 1
	}
	go func() { // ends when the client closes the channel
		defer stdin.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := channel.Read(buf)
			if _, writeErr := stdin.Write(buf[:n]); err != nil || writeErr != nil {
				return
			}
		}
	}()
	if cmd.Wait() != nil {
		return 128
	}
	return 0
}
