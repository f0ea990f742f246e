package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

// serveTCP starts a backend that deals with each connection.
func serveTCP(t *testing.T, key string, handle func(*net.TCPConn)) (Backend, net.Listener) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { defer conn.Close(); handle(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return Backend{Key: key, Address: listener.Addr().String()}, listener
}

func connect(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr("shop"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// name answers with the backend's name, and then with what it is sent, when that is complete.
func named(key string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, key)
		content, err := io.ReadAll(conn)
		if err == nil {
			_, _ = conn.Write(content)
		}
	}
}

func TestConnectionsAreBalancedAndHalfClosed(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	a, _ := serveTCP(t, "a", named("a"))
	b, _ := serveTCP(t, "b", named("b"))
	set(t, p, tcp, a, b, Backend{"c", silent(t)})
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	count := map[string]int{}
	for range 10 {
		conn := connect(t, p)
		key := make([]byte, 1)
		if _, err := io.ReadFull(conn, key); err != nil {
			t.Fatal(err)
		}
		count[string(key)]++
		go func() { _, _ = conn.Write(content); _ = conn.CloseWrite() }()
		back, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(back, content) {
			t.Fatalf("%d bytes came back: %v", len(back), err)
		}
	}
	if count["a"] < 3 || count["b"] < 3 {
		t.Errorf("connections: %v, want about as many of each", count)
	}
	wantCounters(t, p, 10, 0)
}

func TestAConnectionStaysWhenItsBackendLeaves(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	a, _ := serveTCP(t, "a", named("a"))
	b, _ := serveTCP(t, "b", named("b"))
	set(t, p, tcp, a)
	first := connect(t, p)
	key := make([]byte, 1)
	_, _ = io.ReadFull(first, key)
	idle := p.Idle("a")
	set(t, p, tcp, b)
	second := connect(t, p)
	if _, err := io.ReadFull(second, key); err != nil || string(key) != "b" {
		t.Errorf("%s %v, want b", key, err)
	}
	p.Remove("shop")
	if isClosed(idle) {
		t.Error("a backend with a connection is idle")
	}
	_, _ = io.WriteString(first, "hello")
	_ = first.CloseWrite()
	if back, err := io.ReadAll(first); err != nil || string(back) != "hello" {
		t.Errorf("%q %v, want what was sent", back, err)
	}
	<-idle
}

func TestABrokenConnectionIsPassedOn(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	a, _ := serveTCP(t, "a", func(conn *net.TCPConn) {
		_, _ = io.ReadFull(conn, make([]byte, 1))
		_ = conn.SetLinger(0)
	})
	set(t, p, tcp, a)
	conn := connect(t, p)
	_, _ = conn.Write([]byte("x"))
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a connection that broke", err)
	}
	eventually(t, "nothing is under way", func() bool { return p.InFlight("a") == 0 })
}

func TestABackendThatWantsNoMore(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	a, _ := serveTCP(t, "a", func(conn *net.TCPConn) {
		_, _ = io.ReadFull(conn, make([]byte, 1))
		_, _ = io.WriteString(conn, "enough")
	})
	set(t, p, tcp, a)
	conn := connect(t, p)
	_, _ = conn.Write([]byte("x"))
	if answer, err := io.ReadAll(conn); err != nil || string(answer) != "enough" {
		t.Errorf("%q %v, want the answer", answer, err)
	}
	_ = conn.Close()
}

func TestNoBackendForAConnection(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	set(t, p, tcp)
	conn := connect(t, p)
	if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
		t.Errorf("%q %v, want the end", rest, err)
	}
	wantCounters(t, p, 0, 1)
}

func TestShutdownWaitsForConnectionsUntilItsTimeIsUp(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	a, _ := serveTCP(t, "a", named("a"))
	set(t, p, tcp, a)
	conn := connect(t, p)
	_, _ = io.ReadFull(conn, make([]byte, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Shutdown(ctx)
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a connection that was broken off", err)
	}
}
