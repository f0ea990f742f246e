package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialTimeout = 2 * time.Second
	// idleBackend is shorter than the time that any common server keeps an idle connection (the shortest is 2 s), so that it is the proxy
	// that closes one: a request on a connection that its server is about to close cannot always be sent again.
	idleBackend = time.Second
	// maxIdle connections are kept for each backend.
	maxIdle = 512
	// maxAnswerHeader is the size of an answer's header in bytes.
	maxAnswerHeader = 256 << 10
	// continueTimeout is how long a body that waits for "100 Continue" is held back.
	continueTimeout = time.Second
)

var dialer = net.Dialer{Timeout: dialTimeout}

// dialError is a connection that did not come about. Nothing can have been sent.
type dialError struct{ cause error }

func (e *dialError) Error() string { return "connect: " + e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

func isDial(err error) bool {
	_, is := errors.AsType[*dialError](err)
	return is
}

// errStale is a connection that ended while it was idle.
var errStale = errors.New("the connection has ended while it was idle")

// A wire is a connection to a backend that counts what was written. Its system's own ways to copy stay visible.
type wire struct {
	*net.TCPConn
	written atomic.Int64
	rested  atomic.Bool // it was idle, and the next write begins a request
}

// Write counts. On a connection that was idle it looks first whether the other side has ended it, which the system knows at once, and then
// writes nothing: any request can go to another backend as long as nothing of it was written.
func (w *wire) Write(b []byte) (int, error) {
	if w.rested.CompareAndSwap(true, false) && w.stale() {
		return 0, errStale
	}
	n, err := w.TCPConn.Write(b)
	w.written.Add(int64(n))
	return n, err
}

// stale says whether something is to be read. On a connection that awaits no answer that can only be its end, or nonsense. Somebody else
// waits in a read all the time, so this asks the system, past the lock for readers.
func (w *wire) stale() bool {
	raw, err := w.SyscallConn()
	if err != nil {
		return true
	}
	stale := true
	err = raw.Control(func(fd uintptr) {
		var next [1]byte
		_, _, err := unix.Recvfrom(int(fd), next[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		stale = !errors.Is(err, unix.EAGAIN)
	})
	return stale || err != nil
}

// ReadFrom counts, and lets the system copy.
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	n, err := w.TCPConn.ReadFrom(r)
	w.written.Add(n)
	return n, err
}

func dial(ctx context.Context, address string) (*net.TCPConn, error) {
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, &dialError{cause: err}
	}
	return conn.(*net.TCPConn), nil // that is what "tcp" means
}

// newTransport makes the connections of one backend. It changes nothing on its way: no compression, no proxies, no cookies.
func newTransport(address string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dial(ctx, address)
			if err != nil {
				return nil, err
			}
			return &wire{TCPConn: conn}, nil
		},
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleBackend,
		MaxResponseHeaderBytes: maxAnswerHeader,
		ExpectContinueTimeout:  continueTimeout,
	}
}
