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
	var already *fault.Error
	if errors.As(err, &already) {
		return err
	}
	e := &fault.Error{Op: "pull", Item: u.String(), Kind: fault.Transient}
	e.Err, e.Kind, e.Hint = u.reason(err)
	return e
}

func (u *upstream) reason(err error) (cause error, kind fault.Kind, hint string) {
	var status *statusError
	var key *hostKeyError
	var said *serverError
	switch {
	case errors.As(err, &status):
		return u.statusReason(status)
	case errors.As(err, &key):
		if key.changed {
			return key, fault.Denied, "somebody may be listening in; if the server was given a new key, replace its line in known_hosts"
		}
		return key, fault.Denied, "when the fingerprint is the server's, add this line to known_hosts: " + key.line
	case errors.As(err, &said):
		return saidReason(said)
	case errors.Is(err, errNotGit):
		return errNotGit, fault.Invalid, "check the URL"
	case errors.Is(err, errTooLarge):
		return errTooLarge, fault.Invalid, "configuration and large files are better kept apart; the limits are set for the agent"
	case errors.Is(err, errRedirect):
		return errRedirect, fault.Denied, "use the URL that the server redirects to"
	}
	return networkReason(err)
}

func (u *upstream) statusReason(s *statusError) (error, fault.Kind, string) {
	switch s.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		if u.shown {
			return errors.New("the server refuses the credentials"), fault.Denied,
				"check that the token or password is right, has not expired, and may read this repository"
		}
		return errors.New("the server asks for credentials"), fault.Denied,
			"set git.credentials of the source, or SETPOINT_GIT_TOKEN, or SETPOINT_GIT_USERNAME and SETPOINT_GIT_PASSWORD"
	case http.StatusNotFound, http.StatusGone:
		return errors.New("there is no such repository, or these credentials may not see it"), fault.NotFound,
			"check the URL and what the credentials may read"
	case http.StatusProxyAuthRequired:
		return s, fault.Denied, "the proxy asks for credentials: put them into its URL"
	}
	if s.code >= 300 && s.code < 500 && s.code != http.StatusTooManyRequests && s.code != http.StatusRequestTimeout {
		return s, fault.Invalid, "check the URL"
	}
	return s, fault.Transient, ""
}

func saidReason(e *serverError) (error, fault.Kind, string) {
	text := strings.ToLower(e.text)
	for _, words := range []string{"not found", "not appear to be a git repository", "no such", "could not be found", "does not exist"} {
		if strings.Contains(text, words) {
			return errors.New("there is no such repository, or these credentials may not see it"), fault.NotFound,
				"check the URL and what the credentials may read"
		}
	}
	if strings.Contains(text, "denied") || strings.Contains(text, "permission") || strings.Contains(text, "not allowed") {
		return e, fault.Denied, "check what the credentials may read"
	}
	return e, fault.Transient, ""
}

// unreachableHint is for what may go away by itself, and is tried again.
const unreachableHint = "check that the server runs and can be reached from here; it is tried again at every interval"

func networkReason(err error) (error, fault.Kind, string) {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var expired x509.CertificateInvalidError
	var errno syscall.Errno
	var through *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("the server does not answer in time"), fault.Transient, unreachableHint
	case errors.Is(err, context.Canceled):
		return context.Canceled, fault.Transient, ""
	case errors.As(err, &unknown):
		return errors.New("the certificate is signed by an unknown authority"), fault.Denied,
			"name the authority's certificate in git.caFile of the source"
	case errors.As(err, &wrongHost), errors.As(err, &expired):
		return errors.New("the certificate is not valid for this server now"), fault.Denied, "check the URL, the server's certificate and this machine's clock"
	case errors.As(err, &dns):
		return errors.New("the host name cannot be resolved"), fault.Transient, "check the URL and this machine's name service"
	case errors.As(err, &errno):
		return errno, fault.Transient, unreachableHint
	case strings.Contains(err.Error(), "unable to authenticate"):
		return errors.New("the server refuses the SSH key"), fault.Denied,
			"add the public key to the repository's deploy keys, or name another in git.credentials.sshKey or SETPOINT_GIT_SSH_KEY"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return errors.New("the connection ended too early"), fault.Transient, unreachableHint
	case errors.As(err, &through):
		return through.Err, fault.Transient, ""
	}
	return err, fault.Transient, ""
}
