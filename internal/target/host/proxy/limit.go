package proxy

import (
	"net"
	"sync"
	"sync/atomic"
)

// maxConnections that clients may have to one address. More wait in the system's queue.
const maxConnections = 20_000

// A boundedListener accepts so many connections at most.
type boundedListener struct {
	*net.TCPListener
	slots  chan struct{}
	closed chan struct{}
	close  func()
}

// A boundedConn gives its place back when it is closed. Its system's own ways to copy, and to close one direction, stay visible.
type boundedConn struct {
	*net.TCPConn
	release func()
	state   atomic.Int32 // of the server that has it, an http.ConnState
}

func bound(socket *net.TCPListener) *boundedListener { return boundBy(socket, maxConnections) }

func boundBy(socket *net.TCPListener, most int) *boundedListener {
	l := &boundedListener{TCPListener: socket, slots: make(chan struct{}, most), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// Accept waits for a place, then for a connection.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.AcceptTCP()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &boundedConn{TCPConn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close ends accepting.
func (l *boundedListener) Close() error {
	l.close()
	return l.TCPListener.Close()
}

// Close gives the place back.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.TCPConn.Close()
}
