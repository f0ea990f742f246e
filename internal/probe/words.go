package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// answered judges an HTTP status.
func answered(status int, check Check) state.Health {
	want, fits := "200 to 399", status >= 200 && status <= 399
	if check.Status != 0 {
		want, fits = fmt.Sprint(check.Status), status == check.Status
	}
	if fits {
		return state.Health{Status: state.Healthy}
	}
	text := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	return degraded(fmt.Sprintf("Status%d", status), fmt.Sprintf("it answered %s, want %s", text, want))
}

// network are failures that the system has a number for.
var network = []struct {
	is              error
	reason, message string
}{
	{syscall.ECONNREFUSED, "ConnectionRefused", "the connection is refused"},
	{syscall.ECONNRESET, "ConnectionClosed", "the connection is closed before an answer"},
	{syscall.EPIPE, "ConnectionClosed", "the connection is closed before an answer"},
	{io.EOF, "ConnectionClosed", "the connection is closed before an answer"},
	{io.ErrUnexpectedEOF, "ConnectionClosed", "the connection is closed before an answer"},
	{syscall.EHOSTUNREACH, "Unreachable", "there is no way to its host"},
	{syscall.ENETUNREACH, "Unreachable", "there is no way to its network"},
	{syscall.EMFILE, "TooManyFiles", "the agent has too many files open to look"},
	{http.ErrSchemeMismatch, "NoTLS", "it speaks HTTP where HTTPS is asked for"},
}

// failed says why a look failed, in words of its own: those of an error hold ports and times, which change, and what a server chose to
// write.
func failed(err error, check Check) state.Health {
	var timed net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timed) && timed.Timeout() {
		return degraded("Timeout", fmt.Sprintf("no answer within %s", check.Timeout))
	}
	for _, known := range network {
		if errors.Is(err, known.is) {
			return degraded(known.reason, known.message)
		}
	}
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return degraded("UnknownHost", "nobody knows the name of its host")
	case errors.As(err, &name):
		return degraded("LookupFailed", "the name of its host cannot be looked up")
	case errors.As(err, &certificate):
		return degraded("CertificateInvalid", mistrust(certificate.Err))
	case errors.As(err, &alert):
		return degraded("TLSRefused", "it refuses the TLS connection: "+alert.Error())
	case errors.As(err, &record):
		return degraded("NoTLS", "it does not speak TLS")
	}
	return degraded("NoAnswer", "it gives no answer that can be understood")
}

// mistrust says what is wrong with a certificate, without the times that its error holds.
func mistrust(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet"
	case errors.As(err, new(x509.HostnameError)):
		return "its certificate is for another name"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "its certificate is signed by nobody whom this machine trusts"
	}
	return "its certificate cannot be verified"
}

func degraded(reason, message string) state.Health {
	return state.Health{Status: state.Degraded, Reason: reason, Message: message}
}
