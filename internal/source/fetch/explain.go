package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// TriedAgain ends hints that are for an agent alone: nothing is tried again for a person at a command line.
const TriedAgain = "; it is tried again by itself, at growing intervals"

const (
	reachHint = "check that the server runs and can be reached from here" + TriedAgain
	maxReason = 64 << 10 // bytes of a refusal that are read, so that its connection can be used again
)

// answer makes a fault of a status that is none of success.
func (c *Client) answer(r *http.Response, item string) error {
	if r.StatusCode >= 200 && r.StatusCode < 300 || r.StatusCode == http.StatusNotModified {
		return nil
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxReason))
	return c.refusal(r, item)
}

func (c *Client) refusal(r *http.Response, item string) error {
	refuse := func(kind fault.Kind, cause, hint string) error {
		return fault.New(kind, "fetch", item, cause).WithHint(hint)
	}
	said := "the server answers: " + http.StatusText(r.StatusCode)
	switch code := r.StatusCode; {
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && r.Request.Header.Get("Authorization") != "":
		return refuse(fault.Denied, "the server refuses the credentials", "check that they are right, have not expired, and may read this")
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return refuse(fault.Denied, "the server asks for credentials", "name some in the source's credentials")
	case code == http.StatusNotFound, code == http.StatusGone:
		return refuse(fault.NotFound, "there is no such file, or these credentials may not see it",
			"check the URL, and that it is published")
	case code == http.StatusProxyAuthRequired:
		return refuse(fault.Denied, said, "the proxy asks for credentials: put them into its URL")
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return refuse(fault.Transient, said, reachHint)
	}
	return refuse(fault.Invalid, said, "check the URL")
}

// Explain makes a fault of whatever went wrong while talking to a server. Its message holds no address, port, query or time, so that the
// same problem always reads the same. An error that holds a fault is that fault.
func Explain(op, item string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		if known.Item == "" { // refused when it was dialled, where the URL is not known
			known = &fault.Error{Op: known.Op, Item: item, Kind: known.Kind, Err: known.Err, Hint: known.Hint}
		}
		return known
	}
	kind, hint, cause := reason(err)
	return &fault.Error{Op: op, Item: item, Kind: kind, Err: cause, Hint: hint}
}

func reason(err error) (kind fault.Kind, hint string, cause error) {
	var dns *net.DNSError
	var errno syscall.Errno
	var wait net.Error
	switch {
	case errors.Is(err, errStalled):
		return fault.Transient, reachHint, errStalled
	case errors.Is(err, context.Canceled):
		return fault.Transient, "", context.Canceled
	case isCertificate(err):
		return certificateReason(err)
	case errors.As(err, &dns):
		return fault.Transient, "check the URL and this machine's name service", errors.New("the host name cannot be resolved")
	case errors.As(err, &wait) && wait.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Transient, reachHint, errors.New("the server does not answer in time")
	case errors.As(err, &errno):
		return fault.Transient, reachHint, errno
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return fault.Transient, reachHint, errors.New("the connection ended too early")
	case errors.Is(err, http.ErrSchemeMismatch):
		return fault.Invalid, "check the URL", errors.New("the server speaks HTTP without TLS")
	case strings.Contains(err.Error(), "unsupported protocol scheme"):
		return fault.Invalid, "write it as https://host/path", errors.New("it is not a URL of the web")
	}
	return fault.Transient, reachHint, errors.New("the answer is not HTTP as it should be")
}

func isCertificate(err error) bool {
	var failed *tls.CertificateVerificationError
	return errors.As(err, &failed)
}

func certificateReason(err error) (fault.Kind, string, error) {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fault.Denied, "name the authority's certificate in caFile of the source",
			errors.New("the certificate is signed by an unknown authority")
	}
	return fault.Denied, "check the URL, the server's certificate and this machine's clock",
		errors.New("the certificate is not valid for this server now")
}
