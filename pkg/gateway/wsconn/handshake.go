package wsconn

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

// handshake is what a connection holds until it is open.
type handshake struct {
	buf     []byte // the head so far; later what came behind it
	scanned int    // bytes of buf known not to hold the head's end
	proxied bool   // the PROXY header was read, or there is none
	trusted bool   // the socket's peer is a trusted proxy
	request *Request
	cancel  context.CancelFunc // of the Upgrade under way
}

// keptBehind bounds what is kept of a client that sends frames before the handshake is answered; more waits in the socket.
const keptBehind = 16 << 10

// readHandshake takes bytes until the head is whole, then hands the connection on.
func (c *Conn) readHandshake(b []byte) {
	hs := c.hs
	if len(hs.buf) > 0 {
		hs.buf = append(hs.buf, b...)
		b = hs.buf
	}
	if !hs.proxied {
		n, addr, err := parseProxyHeader(b)
		if err != nil {
			c.shard().refused[refusedProxyHeader].Add(1)
			c.t.Close(err)
			return
		}
		if n < 0 {
			c.wait(b)
			return
		}
		hs.proxied = true
		if addr.IsValid() {
			c.remote = addr
		}
		b = b[n:]
		hs.buf = nil // what b still points to stays alive; kept again below when needed
	}
	switch route(b, c.srv.opt.Path) {
	case undecided:
		c.wait(b)
		return
	case toHTTP:
		c.toHTTP(b)
		return
	}
	end := headEnd(b, hs.scanned)
	if end > c.srv.opt.Limits.Handshake || end == 0 && len(b) >= c.srv.opt.Limits.Handshake {
		c.refuse(refusedTooLarge, problem(http.StatusRequestHeaderFieldsTooLarge, "the request's head is too large"))
		return
	}
	if end == 0 {
		hs.scanned = len(b)
		c.wait(b)
		return
	}
	r, err := parseHead(string(b[:end]))
	switch {
	case errors.Is(err, errNotUpgrade):
		c.toHTTP(b)
	case errors.Is(err, errVersion):
		refusal := problem(http.StatusUpgradeRequired, err.Error())
		refusal.Header = http.Header{"Sec-Websocket-Version": {"13"}}
		c.refuse(refusedMalformed, refusal)
	case errors.Is(err, errFields):
		c.refuse(refusedTooLarge, problem(http.StatusRequestHeaderFieldsTooLarge, err.Error()))
	case err != nil:
		c.refuse(refusedMalformed, problem(http.StatusBadRequest, err.Error()))
	default:
		if hs.trusted {
			c.remote = ClientAddr(c.remote, r.Headers("X-Forwarded-For"), c.srv.opt.TrustedProxies)
		}
		r.RemoteAddr, r.TLS = c.remote, c.srv.opt.TLS != nil
		hs.request = r
		hs.buf = append([]byte(nil), b[end:]...)
		c.phase = phaseUpgrading
		c.srv.upgrades.add(c)
	}
}

// wait keeps b, which may be the transport's buffer, until more comes.
func (c *Conn) wait(b []byte) {
	if hs := c.hs; len(hs.buf) == 0 || &hs.buf[0] != &b[0] {
		hs.buf = append(make([]byte, 0, max(512, len(b))), b...)
	}
}

// keep holds bytes that came behind the handshake until it is answered.
func (c *Conn) keep(b []byte) {
	c.hs.buf = append(c.hs.buf, b...)
	if len(c.hs.buf) > keptBehind {
		c.t.SetReading(false)
	}
}

// answer ends the handshake as the Handler decided. On the loop.
func (c *Conn) answer(a Accept, refusal *Refusal) {
	if c.phase != phaseUpgrading { // the client left
		if refusal == nil && a.Peer != nil {
			a.Peer.Closed(c, codeAbnormal, ErrEnded)
		}
		return
	}
	if refusal != nil {
		c.refuse(reasonOf(refusal.Status), *refusal)
		return
	}
	if a.Peer == nil {
		c.refuse(refusedInternal, problem(http.StatusInternalServerError, "no peer"))
		return
	}
	behind := c.hs.buf
	_ = c.t.Write(accepted(make([]byte, 0, 192), c.hs.request, &a)) // an empty queue takes it; a closed one tells us
	c.dropHandshake()
	c.phase, c.peer = phaseOpen, a.Peer
	s := c.shard()
	s.open.Add(1)
	s.upgraded.Add(1)
	if wait := c.srv.pingAfter(); wait > 0 {
		c.t.SetTimeout(wait)
	} else {
		c.t.SetTimeout(0)
	}
	if len(behind) > keptBehind {
		c.t.SetReading(true)
	}
	c.peer.Open(c)
	c.readFrames(behind)
}

// dropHandshake forgets the handshake's state and tells an Upgrade under way that nobody waits.
func (c *Conn) dropHandshake() {
	if c.hs == nil {
		return
	}
	if c.hs.cancel != nil {
		c.hs.cancel()
	}
	c.hs = nil
}

// refuse answers with an HTTP error and ends the connection.
func (c *Conn) refuse(why refusalReason, r Refusal) {
	c.shard().refused[why].Add(1)
	c.dropHandshake()
	c.t.Last(refusalBytes(&r))
	c.phase = phaseLingering
	c.t.SetReading(true)
	c.t.Finish()
	c.t.SetTimeout(c.srv.opt.CloseTimeout)
}

func refusalBytes(r *Refusal) []byte {
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(r.Status)...)
	b = append(append(append(b, ' '), http.StatusText(r.Status)...), "\r\nConnection: close\r\n"...)
	b = appendHeader(b, r.Header)
	if len(r.Body) > 0 && r.Header.Get("Content-Type") == "" {
		b = append(b, "Content-Type: application/problem+json\r\n"...)
	}
	b = append(append(b, "Content-Length: "...), strconv.Itoa(len(r.Body))...)
	return append(append(b, "\r\n\r\n"...), r.Body...)
}

// problem is a refusal of our own (RFC 9457).
func problem(status int, detail string) Refusal {
	body, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
	if err != nil {
		body = nil // three plain fields always marshal
	}
	return Refusal{Status: status, Body: body}
}

// newConn is the transport's acceptor.
func (s *Server) newConn(t *netpoll.Conn, remote netip.AddrPort) netpoll.Handler {
	trusted := s.trusts(remote.Addr())
	c := &Conn{t: t, srv: s, remote: remote, hs: &handshake{trusted: trusted, proxied: !trusted || s.opt.TLS != nil}} // before TLS it was read already
	s.sockets.Add(1)
	t.SetTimeout(s.opt.HandshakeTimeout)
	return c
}
