package wsconn

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// startTLS reads the PROXY header of a trusted proxy, which comes before TLS, and does the TLS handshake, both within
// Options.HandshakeTimeout. On the connection's own goroutine.
func (s *Server) startTLS(nc net.Conn, conf *tls.Config) (net.Conn, netip.AddrPort, error) {
	remote, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return nil, remote, fmt.Errorf("wsconn: peer's address: %w", err)
	}
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if err := nc.SetDeadline(time.Now().Add(s.opt.HandshakeTimeout)); err != nil {
		return nil, remote, fmt.Errorf("wsconn: deadline: %w", err)
	}
	if s.trusts(remote.Addr()) {
		read, client, err := readProxyHeader(nc)
		if err != nil {
			s.shards[0].refused[refusedProxyHeader].Add(1)
			return nil, remote, err
		}
		if client.IsValid() {
			remote = client
		}
		nc = &handedConn{Conn: nc, read: read, done: func() {}}
	}
	secure := tls.Server(nc, conf)
	if err := secure.Handshake(); err != nil {
		s.shards[0].refused[refusedTLS].Add(1)
		return nil, remote, fmt.Errorf("wsconn: TLS handshake: %w", err)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, remote, fmt.Errorf("wsconn: deadline: %w", err)
	}
	return secure, remote, nil
}

// readProxyHeader reads a PROXY header, if there is one, and returns what was read behind it.
func readProxyHeader(nc net.Conn) (rest []byte, client netip.AddrPort, err error) {
	buf := make([]byte, 0, proxyFixed+maxProxyHeader)
	for {
		n, err := nc.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return nil, client, fmt.Errorf("wsconn: read PROXY header: %w", err)
		}
		buf = buf[:len(buf)+n]
		length, client, err := parseProxyHeader(buf)
		if err != nil {
			return nil, client, err
		}
		if length >= 0 {
			return buf[length:], client, nil
		}
	}
}
