package supervise

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// The layout of sock_diag(7), which package unix has no names for.
const (
	diagRequestSize = 56 // struct inet_diag_req_v2
	diagAnswerSize  = 72 // struct inet_diag_msg
	tcpListen       = 10 // TCP_LISTEN
)

// listening gives the ports of this network namespace that some socket listens on, and the address to reach each at. It asks the kernel
// for listening sockets only, so that it costs the same whatever the number of connections; no privilege is needed.
func listening() (map[int]netip.Addr, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return nil, err
	}
	found := map[int]netip.Addr{}
	for _, family := range []byte{unix.AF_INET6, unix.AF_INET} {
		if err := dumpListeners(fd, family, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func dumpListeners(fd int, family byte, found map[int]netip.Addr) error {
	request := make([]byte, unix.SizeofNlMsghdr+diagRequestSize)
	native := binary.NativeEndian
	native.PutUint32(request[0:], uint32(len(request)))
	native.PutUint16(request[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := request[unix.SizeofNlMsghdr:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	native.PutUint32(body[4:], 1<<tcpListen)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return err
		}
		if done, err := readListeners(messages, found); done || err != nil {
			return err
		}
	}
}

// readListeners takes the ports out of an answer, and says whether it was the last one.
func readListeners(messages []syscall.NetlinkMessage, found map[int]netip.Addr) (done bool, err error) {
	for _, message := range messages {
		switch message.Header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(message.Data) < 4 {
				return true, errors.New("the kernel's answer is too short")
			}
			if number := int32(binary.NativeEndian.Uint32(message.Data)); number != 0 {
				return true, fmt.Errorf("list listening sockets: %w", syscall.Errno(-number))
			}
		case unix.SOCK_DIAG_BY_FAMILY:
			if len(message.Data) < diagAnswerSize {
				return true, errors.New("the kernel's answer is too short")
			}
			family, port, source := message.Data[0], binary.BigEndian.Uint16(message.Data[4:]), message.Data[8:24]
			if found[int(port)] != ipv4Loopback { // others may listen on the same port of another interface
				found[int(port)] = reachable(family, source)
			}
		}
	}
	return false, nil
}

var ipv4Loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// reachable gives the address at which a socket that is bound to an address can be reached from this machine.
func reachable(family byte, source []byte) netip.Addr {
	address := netip.AddrFrom16([16]byte(source)).Unmap()
	if family == unix.AF_INET {
		address = netip.AddrFrom4([4]byte(source[:4]))
	}
	if address.IsUnspecified() { // programs that listen on :: serve IPv4 as well, with hardly an exception
		return ipv4Loopback
	}
	return address
}
