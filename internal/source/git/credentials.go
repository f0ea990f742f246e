package git

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// secrets are credentials as they are at one moment. They are read anew for every pull, so that they can be rotated.
type secrets struct {
	user, password string
	key, keyPass   []byte
	knownHosts     []byte
}

// maxSecret bounds a file that holds a credential, in bytes.
const maxSecret = 1 << 20

// secretsOf reads what the source names, and what the environment holds for the rest. A token is sent as the password of
// "oauth2", which GitHub, GitLab, Gitea and Forgejo all take; servers that want another name get it from the user name.
func (u *upstream) secretsOf() (s secrets, err error) {
	c := v1alpha1.Credentials{}
	if u.spec.Credentials != nil {
		c = *u.spec.Credentials
	}
	read := reader{environ: u.opts.Environ}
	token := read.value(c.Token, "token")
	s.user = read.value(c.Username, "username")
	s.password = read.value(c.Password, "password")
	s.key = []byte(read.value(c.SSHKey, "sshKey"))
	s.keyPass = []byte(read.value(c.SSHKeyPass, "sshKeyPass"))
	s.knownHosts = []byte(read.value(c.KnownHosts, "knownHosts"))
	if read.err != nil {
		return s, read.err
	}
	if user := u.at.user; user != nil && u.at.scheme != "ssh" && s.user == "" && token == "" {
		s.user = user.Username()
		s.password, _ = user.Password()
	}
	if u.spec.Credentials == nil && s.user == "" && u.environFits() {
		token = u.opts.Environ("SETPOINT_GIT_TOKEN")
		s.user, s.password = u.opts.Environ("SETPOINT_GIT_USERNAME"), u.opts.Environ("SETPOINT_GIT_PASSWORD")
	}
	if token != "" {
		s.password = token
		if s.user == "" {
			s.user = "oauth2"
		}
	}
	return s, u.sshSecrets(&s)
}

// environFits keeps the agent's own credentials away from servers that somebody else names.
func (u *upstream) environFits() bool {
	return u.opts.EnvironHost == "" || strings.EqualFold(u.opts.EnvironHost, u.at.host)
}

func (u *upstream) sshSecrets(s *secrets) (err error) {
	if u.at.scheme != "ssh" {
		return nil
	}
	if len(s.key) == 0 && u.environFits() {
		if s.key, err = contentOrFile(u.opts.Environ("SETPOINT_GIT_SSH_KEY"), "-----BEGIN"); err != nil {
			return fault.New(fault.Invalid, "read", "SETPOINT_GIT_SSH_KEY", "the file cannot be read")
		}
		s.keyPass = append(s.keyPass, u.opts.Environ("SETPOINT_GIT_SSH_KEY_PASS")...)
	}
	if len(s.knownHosts) == 0 {
		if s.knownHosts, err = contentOrFile(u.opts.Environ("SETPOINT_GIT_KNOWN_HOSTS"), " "); err != nil {
			return fault.New(fault.Invalid, "read", "SETPOINT_GIT_KNOWN_HOSTS", "the file cannot be read")
		}
	}
	if home := u.opts.Environ("HOME"); len(s.knownHosts) == 0 && home != "" {
		s.knownHosts, _ = readBounded(filepath.Join(home, ".ssh", "known_hosts")) // none is as good as empty
	}
	return nil
}

// contentOrFile takes a value that holds a mark as the content itself, any other as a file's name.
func contentOrFile(value, mark string) ([]byte, error) {
	if value == "" || strings.Contains(value, mark) {
		return []byte(value), nil
	}
	return readBounded(value)
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return nil, os.ErrInvalid
	}
	return os.ReadFile(path)
}

// reader reads values and keeps the first error.
type reader struct {
	environ func(string) string
	err     error
}

func (r *reader) value(from *v1alpha1.ValueFrom, field string) string {
	if from == nil || r.err != nil {
		return ""
	}
	if from.Env != "" {
		value := r.environ(from.Env)
		if value == "" {
			r.err = fault.New(fault.Invalid, "read", "git.credentials."+field, "the environment variable "+from.Env+" is not set").
				WithHint("set it where the agent runs")
		}
		return value
	}
	content, err := readBounded(from.File)
	if err != nil {
		r.err = fault.New(fault.Invalid, "read", "git.credentials."+field, "the file "+from.File+" cannot be read").
			WithHint("check that it exists and that the agent may read it")
	}
	if field == "sshKey" || field == "knownHosts" {
		return string(content) // where the newline at the end belongs to it
	}
	return string(bytes.TrimRight(content, "\r\n"))
}

// sshMethods gives the ways to log in: the key, and a password where there is one.
func (s secrets) sshMethods() ([]ssh.AuthMethod, error) {
	var methods []ssh.AuthMethod
	if len(s.key) > 0 {
		signer, err := s.signer()
		if err != nil {
			return nil, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if s.password != "" {
		methods = append(methods, ssh.Password(s.password))
	}
	if len(methods) == 0 {
		return nil, fault.New(fault.Denied, "read", "git.credentials", "there is no SSH key").
			WithHint("name one in git.credentials.sshKey of the source, or in SETPOINT_GIT_SSH_KEY")
	}
	return methods, nil
}

func (s secrets) signer() (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(s.key)
	if _, locked := err.(*ssh.PassphraseMissingError); locked && len(s.keyPass) > 0 { //nolint:errorlint // returned as it is
		signer, err = ssh.ParsePrivateKeyWithPassphrase(s.key, s.keyPass)
		if err != nil {
			return nil, fault.New(fault.Denied, "read", "the SSH key", "the passphrase does not open it")
		}
	} else if locked {
		return nil, fault.New(fault.Denied, "read", "the SSH key", "it needs a passphrase").
			WithHint("name it in git.credentials.sshKeyPass of the source, or in SETPOINT_GIT_SSH_KEY_PASS")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "read", "the SSH key", "it is not a private key in PEM")
	}
	return signer, nil
}
