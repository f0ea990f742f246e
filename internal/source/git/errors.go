package git

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// errNotGit says that the other side does not speak Git's protocol.
var errNotGit = errors.New("the answer is not Git's: there is no Git server at this address")

// explain makes a fault of whatever went wrong while talking to the server. Its message holds no address, port or time, so
// that the same problem always reads the same.
func (u *upstream) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	e := &fault.Error{Op: "pull", Item: u.String(), Kind: fault.Transient}
	e.Kind, e.Hint, e.Err = u.reason(err)
	return e
}

func (u *upstream) reason(err error) (kind fault.Kind, hint string, cause error) {
	var status *statusError
	var key *hostKeyError
	var said *serverError
	switch {
	case errors.As(err, &status):
		return u.statusReason(status)
	case errors.As(err, &key):
		if key.changed {
			return fault.Denied, "somebody may be listening in; if the server was given a new key, replace its line in known_hosts", key
		}
		return fault.Denied, "when the fingerprint is the server's, add this line to known_hosts: " + key.line, key
	case errors.As(err, &said):
		return saidReason(said)
	case errors.Is(err, errNotGit):
		return fault.Invalid, "check the URL", errNotGit
	case errors.Is(err, errTooLarge):
		return fault.Invalid, "configuration and large files are better kept apart; the limits are set for the agent", errTooLarge
	case errors.Is(err, errRedirect):
		return fault.Denied, "use the URL that the server redirects to", errRedirect
	}
	return networkReason(err)
}

func (u *upstream) statusReason(s *statusError) (fault.Kind, string, error) {
	switch s.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		if u.shown {
			return fault.Denied, "check that the token or password is right, has not expired, and may read this repository",
				errors.New("the server refuses the credentials")
		}
		return fault.Denied, "set git.credentials of the source, or SETPOINT_GIT_TOKEN, or SETPOINT_GIT_USERNAME and SETPOINT_GIT_PASSWORD",
			errors.New("the server asks for credentials")
	case http.StatusNotFound, http.StatusGone:
		return fault.NotFound, "check the URL and what the credentials may read",
			errors.New("there is no such repository, or these credentials may not see it")
	case http.StatusProxyAuthRequired:
		return fault.Denied, "the proxy asks for credentials: put them into its URL", s
	}
	if s.code >= 300 && s.code < 500 && s.code != http.StatusTooManyRequests && s.code != http.StatusRequestTimeout {
		return fault.Invalid, "check the URL", s
	}
	return fault.Transient, "", s
}

func saidReason(e *serverError) (fault.Kind, string, error) {
	text := strings.ToLower(e.text)
	for _, words := range []string{"not found", "not appear to be a git repository", "no such", "could not be found", "does not exist"} {
		if strings.Contains(text, words) {
			return fault.NotFound, "check the URL and what the credentials may read",
				errors.New("there is no such repository, or these credentials may not see it")
		}
	}
	if strings.Contains(text, "denied") || strings.Contains(text, "permission") || strings.Contains(text, "not allowed") {
		return fault.Denied, "check what the credentials may read", e
	}
	return fault.Transient, "", e
}

// unreachableHint is for what may go away by itself, and is tried again.
const unreachableHint = "check that the server runs and can be reached from here; it is tried again by itself, at growing intervals"

func networkReason(err error) (fault.Kind, string, error) {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var expired x509.CertificateInvalidError
	var errno syscall.Errno
	var through *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Transient, unreachableHint, errors.New("the server does not answer in time")
	case errors.Is(err, context.Canceled):
		return fault.Transient, "", context.Canceled
	case errors.As(err, &unknown):
		return fault.Denied, "name the authority's certificate in git.caFile of the source",
			errors.New("the certificate is signed by an unknown authority")
	case errors.As(err, &wrongHost), errors.As(err, &expired):
		return fault.Denied, "check the URL, the server's certificate and this machine's clock",
			errors.New("the certificate is not valid for this server now")
	case errors.As(err, &dns):
		return fault.Transient, "check the URL and this machine's name service", errors.New("the host name cannot be resolved")
	case errors.As(err, &errno):
		return fault.Transient, unreachableHint, errno
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fault.Denied, "add the public key to the repository's deploy keys, " +
				"or name another in git.credentials.sshKey or SETPOINT_GIT_SSH_KEY",
			errors.New("the server refuses the SSH key")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return fault.Transient, unreachableHint, errors.New("the connection ended too early")
	case errors.As(err, &through):
		return fault.Transient, "", through.Err
	}
	return fault.Transient, "", err
}
