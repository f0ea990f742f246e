package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// guard decides who is answered. With a token, whoever shows it. Without one, only programs of this machine: a connection to a
// loopback address, whose Host is a loopback name too. That last rule stops DNS rebinding, where a web page makes its own name
// resolve to 127.0.0.1; with a token the page would have to know it.
type guard struct {
	token  *[sha256.Size]byte // hashed, so that the comparison tells nothing about the length either
	origin *http.CrossOriginProtection
}

func newGuard(token string) guard {
	g := guard{origin: http.NewCrossOriginProtection()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		g.token = &sum
	}
	return g
}

// check gives nil for a request that may go on, else a fault of kind Denied.
func (g guard) check(r *http.Request) error {
	if err := g.origin.Check(r); err != nil {
		return fault.New(fault.Denied, r.Method, r.URL.Path, "a request from another web site").
			WithHint("use the command line, or a client that is not a browser")
	}
	if g.token == nil {
		return local(r)
	}
	shown, ok := bearer(r)
	sum := sha256.Sum256([]byte(shown))
	if !ok || subtle.ConstantTimeCompare(sum[:], g.token[:]) != 1 {
		return &unauthorized{fault.New(fault.Denied, r.Method, r.URL.Path, "the token is missing or wrong").
			WithHint("set SETPOINT_TOKEN to the agent's token")}
	}
	return nil
}

// unauthorized is a refusal that another token would lift: status 401 instead of 403.
type unauthorized struct{ error }

func (u *unauthorized) Unwrap() error { return u.error }

func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// local refuses what did not come over a loopback address, or not under its name.
func local(r *http.Request) error {
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && !isLoopback(address) {
		return fault.New(fault.Denied, r.Method, r.URL.Path, "only clients of this machine are answered without a token").
			WithHint("start the agent with SETPOINT_TOKEN")
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return nil
	}
	return fault.New(fault.Denied, r.Method, r.URL.Path, "the Host header names another machine").
		WithHint("use http://127.0.0.1, or start the agent with SETPOINT_TOKEN")
}

// isLoopback is also true for sockets that have no address at all.
func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
