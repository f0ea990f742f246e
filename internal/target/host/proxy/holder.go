package proxy

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxSockets is how many of the system's sockets are looked at for the one in the way.
const maxSockets = 1 << 20

// listening is the state of a socket that listens, as /proc/net/tcp has it (proc(5), include/net/tcp_states.h of Linux).
const listening = "0A"

// A holder is the process that listens on an address.
type holder struct {
	pid     int
	command string
}

// findHolder looks for who listens on an address, or on the same port of all interfaces. It finds nothing when the process belongs to
// another user and the caller is not root.
func findHolder(address *net.TCPAddr) (holder, bool) {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		inode, found := findSocket(file, address)
		_ = file.Close()
		if !found {
			continue
		}
		if pid, found := findProcess(inode); found {
			name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
			return holder{pid: pid, command: strings.TrimSpace(string(name))}, true
		}
	}
	return holder{}, false
}

// findSocket gives the inode of the socket in the way, from a table like /proc/net/tcp.
func findSocket(table io.Reader, address *net.TCPAddr) (string, bool) {
	lines := bufio.NewScanner(table)
	for range maxSockets {
		if !lines.Scan() {
			break
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listening {
			continue
		}
		ip, port, ok := parseLocal(fields[1])
		if ok && overlap(&net.TCPAddr{IP: ip, Port: port}, address) {
			return fields[9], true
		}
	}
	return "", false
}

// overlap says whether two sockets cannot both listen.
func overlap(a, b *net.TCPAddr) bool {
	return a.Port == b.Port && (isAny(a.IP) || isAny(b.IP) || a.IP.Equal(b.IP))
}

// parseLocal reads "0100007F:1F90": the address in groups of four bytes, each the other way round, and the port.
func parseLocal(field string) (net.IP, int, bool) {
	host, service, _ := strings.Cut(field, ":")
	ip, err := hex.DecodeString(host)
	if err != nil || len(ip) != net.IPv4len && len(ip) != net.IPv6len {
		return nil, 0, false
	}
	for i := 0; i < len(ip); i += 4 {
		ip[i], ip[i+1], ip[i+2], ip[i+3] = ip[i+3], ip[i+2], ip[i+1], ip[i]
	}
	port, err := strconv.ParseUint(service, 16, 16)
	return ip, int(port), err == nil
}

// findProcess gives the process that has a socket open. Several may, when they inherited it: the oldest is the one to speak of.
func findProcess(inode string) (int, bool) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*") // its only error is a wrong pattern
	oldest := 0
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err == nil && (oldest == 0 || pid < oldest) {
			oldest = pid
		}
	}
	return oldest, oldest != 0
}

// holder says who listens where the proxy wants to: another app of its own, or a process.
func (p *Proxy) holder(address string) string {
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return "somebody else listens there"
	}
	for name, a := range p.addresses {
		if a.front != nil && overlap(a.front.socket().Addr().(*net.TCPAddr), want) {
			return name + " listens there already"
		}
	}
	if h, found := findHolder(want); found {
		return fmt.Sprintf("process %d (%s) listens there already", h.pid, h.command)
	}
	return "another process listens there already"
}
