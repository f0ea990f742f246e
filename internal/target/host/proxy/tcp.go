package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// acceptPause is how long accepting rests when the system has no room for another connection.
const acceptPause = 50 * time.Millisecond

// A tcpFront serves connections.
type tcpFront struct {
	proxy    *Proxy
	pool     *pool
	listener *boundedListener
	serving  sync.WaitGroup // the accepting goroutine, and one of each connection
	open     atomic.Int64   // connections
}

func (p *Proxy) serveTCP(socket *net.TCPListener, pool *pool) front {
	f := &tcpFront{proxy: p, pool: pool, listener: bound(socket)}
	f.serving.Go(f.accept)
	return f
}

func (f *tcpFront) socket() *net.TCPListener { return f.listener.TCPListener }

func (f *tcpFront) leave() { _ = f.listener.Close() }

func (f *tcpFront) busy() bool { return f.open.Load() > 0 }

// drain waits for the connections to end. They end with either side, or with the proxy.
func (f *tcpFront) drain(context.Context) { f.serving.Wait() }

func (f *tcpFront) accept() {
	ctx := f.proxy.base(f.listener)
	for {
		conn, err := f.listener.Accept()
		switch {
		case err == nil:
			f.open.Add(1)
			f.serving.Go(func() {
				defer f.open.Add(-1)
				f.serve(ctx, conn.(*boundedConn))
			})
		case errors.Is(err, net.ErrClosed):
			return
		default:
			f.proxy.log.Warn("no connection can be accepted", "address", f.listener.Addr().String(), "error", err)
			time.Sleep(acceptPause)
		}
	}
}

// serve joins a client's connection to one of a backend, which holds the backend until both ends are through.
func (f *tcpFront) serve(ctx context.Context, client *boundedConn) {
	defer client.Close()
	s := search{pool: f.pool, refusals: f.proxy.refusals}
	for {
		one, err := s.next(ctx)
		if err != nil {
			f.pool.failed.Add(1)
			return
		}
		conn, err := dial(ctx, one.address)
		if err != nil && ctx.Err() == nil {
			s.failed(one)
			continue
		}
		if err == nil {
			f.pool.answered.Add(1)
			join(ctx, client, conn)
		}
		s.done(one)
		return
	}
}

// join copies both ways until both directions have ended, one breaks, or ctx ends. An end in one direction is passed on, and the other goes
// on. A connection that broke is passed on as one: its end must not look like the end of what was sent. EPIPE is no break: the other side
// has sent its end before, and does not want more; what it sent last is still on its way.
func join(ctx context.Context, client *boundedConn, conn *net.TCPConn) {
	defer conn.Close()
	reset := func() {
		for _, side := range []*net.TCPConn{client.TCPConn, conn} {
			_ = side.SetLinger(0)
			_ = side.Close()
		}
	}
	stop := context.AfterFunc(ctx, reset)
	defer stop()
	half := func(to, from *net.TCPConn) {
		_, err := io.Copy(to, from)
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			reset()
			return
		}
		_ = to.CloseWrite()
	}
	var copying sync.WaitGroup
	copying.Go(func() { half(client.TCPConn, conn) })
	half(conn, client.TCPConn)
	copying.Wait()
}
