package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// listenElsewhere starts a process that listens, and gives its address and id.
func listenElsewhere(t *testing.T) (address string, pid int) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "PROXY_TEST_LISTEN=1")
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = command.Wait() })
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address), command.Process.Pid
}

func TestAnAddressInUse(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	a, _ := serve(t, "a", nil)
	url := set(t, p, http1, a)
	taken, pid := listenElsewhere(t)
	_, port, _ := net.SplitHostPort(taken)
	command := filepath.Base(os.Args[0])
	who := fmt.Sprintf("process %d (%.15s)", pid, command) // the system keeps 15 letters of a name
	for listen, want := range map[string]string{taken: who, "0.0.0.0:" + port: who, "[::]:" + port: who, p.Addr("shop"): "shop"} {
		err := p.Set(t.Context(), "other", Route{Listen: listen, Backends: []Backend{{"other", a.Address}}})
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, want a conflict with %s", listen, err, want)
		}
	}
	if !isClosed(p.Idle("other")) {
		t.Error("the backend of an address that was not to be had is in a route")
	}
	// A move that fails leaves the old address as it was, with the new backends.
	b, _ := serve(t, "b", nil)
	if err := p.Set(t.Context(), "shop", Route{Listen: taken, Backends: []Backend{b}}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v, want a conflict", err)
	}
	if answer, _ := get(t, client, url); answer.StatusCode != http.StatusOK || answer.Header.Get("Backend") != "b" {
		t.Errorf("%v, want an answer of b at the old address", answer)
	}
}

func TestAddressesThatCannotBeHad(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	err := p.Set(t.Context(), "shop", Route{Listen: "192.0.2.1:0"}) // TEST-NET-1 (RFC 5737) is nobody's
	if fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("%v, want NotFound with a hint", err)
	}
	err = p.explain("127.0.0.1:80", &os.SyscallError{Syscall: "bind", Err: os.ErrPermission})
	if fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
		t.Errorf("%v, want Denied with a hint", err)
	}
}

func TestTableOfSockets(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 0 100 0 0 10 0
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 0:0 00:0 0     0        0 44 1 0
   4: nonsense 0 0A
`
	for address, want := range map[string]string{
		"127.0.0.1:8080": "22", "0.0.0.0:8080": "22", "127.0.0.2:8080": "", "10.1.2.3:8081": "33", "[::1]:8082": "44", "[::2]:8082": "", "127.0.0.1:80": "",
	} {
		parsed, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if inode, _ := findSocket(strings.NewReader(table), parsed); inode != want {
			t.Errorf("%s: %q, want %q", address, inode, want)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	noLeaks(t)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := boundBy(socket.(*net.TCPListener), 2)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	for range 5 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Error("a third connection has a place")
	default:
	}
	_, _ = first.Close(), first.Close() // twice gives back one place
	third := <-accepted
	if len(l.slots) != 2 {
		t.Errorf("%d places are taken, want 2", len(l.slots))
	}
	_ = l.Close()
	_, _ = second.Close(), third.Close()
	for range accepted {
		t.Error("a connection after the end")
	}
}
