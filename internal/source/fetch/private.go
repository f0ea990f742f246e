package fetch

import (
	"net/netip"
	"strconv"
	"strings"
)

// reserved are addresses that are not private by their class, and lead inside all the same.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this host
	netip.MustParsePrefix("100.64.0.0/10"),    // shared by carriers; metadata of Alibaba Cloud
	netip.MustParsePrefix("192.0.0.0/24"),     // metadata of Oracle Cloud
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("168.63.129.16/32"), // metadata of Azure
	netip.MustParsePrefix("240.0.0.0/4"),      // broadcast, and what was never given out
	netip.MustParsePrefix("fec0::/10"),        // site-local, before RFC 4193
	netip.MustParsePrefix("64:ff9b:1::/48"),   // local translation to IPv4
}

// embedding are prefixes whose addresses hold one of IPv4, and where in their bytes.
var embedding = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12, // NAT64
	netip.MustParsePrefix("2002::/16"):    2,  // 6to4
	netip.MustParsePrefix("::/96"):        12, // IPv4-compatible
}

// isPrivate says whether a host is a literal address that only has a meaning where this machine is, or localhost. Names are not looked up.
func isPrivate(host string, _ uint16) bool {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && isPrivateAddress(address)
}

func isPrivateAddress(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return true
	}
	for _, prefix := range reserved {
		if prefix.Contains(a) {
			return true
		}
	}
	for prefix, at := range embedding {
		if prefix.Contains(a) {
			bytes := a.As16()
			return isPrivateAddress(netip.AddrFrom4([4]byte(bytes[at : at+4])))
		}
	}
	return false
}

func portOf(text string) uint16 {
	port, _ := strconv.ParseUint(text, 10, 16) // none is as good as 0
	return uint16(port)
}
