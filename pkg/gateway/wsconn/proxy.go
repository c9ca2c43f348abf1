package wsconn

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

var errProxyHeader = errors.New("wsconn: malformed PROXY header")

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyFixed     = 16      // bytes before the addresses
	maxProxyHeader = 2 << 10 // addresses and extensions; real ones have some hundred bytes
)

// parseProxyHeader reads a PROXY protocol v2 header from the start of b. n is its length, 0 when there is none, -1
// when more bytes are needed. The address is invalid when the header names none (LOCAL, Unix sockets).
func parseProxyHeader(b []byte) (n int, client netip.AddrPort, err error) {
	have := min(len(b), len(proxySignature))
	if string(b[:have]) != proxySignature[:have] {
		return 0, client, nil
	}
	if len(b) < proxyFixed {
		return -1, client, nil
	}
	command, family := b[12], b[13]
	n = proxyFixed + int(binary.BigEndian.Uint16(b[14:]))
	if command>>4 != 2 || command&15 > 1 || n > maxProxyHeader {
		return 0, client, errProxyHeader
	}
	if len(b) < n {
		return -1, client, nil
	}
	body := b[proxyFixed:n]
	if command&15 == 0 { // LOCAL: the proxy's own, say a health check
		return n, client, nil
	}
	switch family {
	case 0x11: // TCP over IPv4
		if len(body) < 12 {
			return 0, client, errProxyHeader
		}
		return n, netip.AddrPortFrom(netip.AddrFrom4([4]byte(body)), binary.BigEndian.Uint16(body[8:])), nil
	case 0x21: // TCP over IPv6
		if len(body) < 36 {
			return 0, client, errProxyHeader
		}
		return n, netip.AddrPortFrom(netip.AddrFrom16([16]byte(body)).Unmap(), binary.BigEndian.Uint16(body[32:])), nil
	default:
		return n, client, nil
	}
}

// ClientAddr is who a request came from: remote itself, or, when that is a trusted proxy, the last address in
// X-Forwarded-For (values of all such headers, in order) that isn't one. The port is 0 then. Entries that aren't addresses
// end the search: nothing left of them can be believed.
func ClientAddr(remote netip.AddrPort, forwarded []string, trusted []netip.Prefix) netip.AddrPort {
	if !contains(trusted, remote.Addr()) {
		return remote
	}
	client := remote
	for i := len(forwarded) - 1; i >= 0; i-- {
		items := strings.Split(forwarded[i], ",")
		for j := len(items) - 1; j >= 0; j-- {
			addr, ok := forwardedAddr(strings.TrimSpace(items[j]))
			if !ok {
				return client
			}
			client = netip.AddrPortFrom(addr, 0)
			if !contains(trusted, addr) {
				return client
			}
		}
	}
	return client
}

// forwardedAddr reads "addr", "addr:port" or "[addr]:port".
func forwardedAddr(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (s *Server) trusts(a netip.Addr) bool { return contains(s.opt.TrustedProxies, a) }
