package wsconn

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

// fuzzServer is a server without a transport; its upgrades are queued and never run.
func fuzzServer(t testing.TB) *Server {
	s, err := NewServer(Options{Handler: &testHandler{}, Listen: "nowhere", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	s.shards = make([]shard, 1)
	s.upgrades.start(context.Background())
	s.upgrades.running = s.opt.MaxUpgrades
	return s
}

// pieces cuts data where cuts says: each byte is the length of the next piece; the rest is one.
func pieces(data, cuts []byte) [][]byte {
	var all [][]byte
	for _, n := range cuts {
		if int(n) >= len(data) {
			break
		}
		if n > 0 {
			all = append(all, data[:n:n])
			data = data[n:]
		}
	}
	return append(all, data)
}

// tape is a Peer that writes down what it is told.
type tape struct{ strings.Builder }

func (p *tape) Open(*Conn) {}
func (p *tape) Message(_ *Conn, payload []byte, isBinary bool) {
	fmt.Fprintf(p, "message %v %x\n", isBinary, payload)
}
func (p *tape) Pong(*Conn)    { p.WriteString("pong\n") }
func (p *tape) Drained(*Conn) {}
func (p *tape) Closed(_ *Conn, code uint16, reason error) {
	fmt.Fprintf(p, "closed %d %v\n", code, reason)
}

// playFrames feeds an open connection and returns everything that can be seen of it.
func playFrames(t *testing.T, s *Server, parts [][]byte) string {
	m := netpoll.NewMemory(1 << 20)
	p := &tape{}
	c := &Conn{t: m.Conn, srv: s, peer: p, phase: phaseOpen}
	m.Serve(c)
	received := 0
	for _, part := range parts {
		received += len(part)
		m.Receive(bytes.Clone(part)) // it may be overwritten
		if c.in != nil {
			if have := cap(c.in.message); have > max(1<<10, 4*received) || have > s.opt.Limits.Message {
				t.Fatalf("%d bytes held after %d came", have, received)
			}
		}
	}
	return fmt.Sprintf("%swrote %x, phase %d, finished %v", p.String(), m.Written, c.phase, m.Finished)
}

// FuzzFrames: however the bytes are cut, the same happens as when they come at once.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		text("hello") + frame(ws.OpPing, true, "p") + closeText(1000, "bye"),
		frame(ws.OpText, false, "gr\xc3") + frame(ws.OpPong, true, "") + frame(ws.OpContinuation, true, "\xbc\xc3\x9fe") + text(""),
		frame(ws.OpBinary, true, repeat("b", 300)) + text(repeat("€", 100)),
		repeat(frame(ws.OpPing, true, "p"), 12),
		frame(ws.OpText, false, "") + repeat(frame(ws.OpContinuation, false, "x"), 20),
		string(append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<62), testMask[:]...)),
		"\x81\x01a", "\xc1\x80\x00\x00\x00\x00", text("\xff"), closeText(1005, ""), frame(ws.OpClose, true, ""),
		"\x81\xfe\x01\x00\x00\x00\x00\x00ab\xf4\x90",
	} {
		f.Add([]byte(seed), []byte{1, 1, 1, 3, 1, 7})
		f.Add([]byte(seed), bytes.Repeat([]byte{1}, len(seed)))
	}
	s := fuzzServer(f)
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		whole := playFrames(t, s, [][]byte{data})
		if cut := playFrames(t, s, pieces(data, cuts)); cut != whole {
			t.Fatalf("at once:\n%s\ncut:\n%s", whole, cut)
		}
	})
}

// playHandshake feeds a new connection and returns everything that can be seen of it.
func playHandshake(s *Server, remote netip.AddrPort, parts [][]byte) (string, *Request) {
	m := netpoll.NewMemory(1 << 20)
	c := s.newConn(m.Conn, remote).(*Conn)
	m.Serve(c)
	for _, part := range parts {
		m.Receive(part)
	}
	var r *Request
	behind := ""
	if c.phase == phaseUpgrading {
		r, behind = c.hs.request, string(c.hs.buf)
		c.hs.cancel()
		s.upgrades.queue = nil
	}
	if c.phase == phaseHandshake && len(c.hs.buf) > s.opt.Limits.Handshake+maxProxyHeader {
		return "holds too much", nil
	}
	return fmt.Sprintf("phase %d closed %v wrote %q behind %q remote %v request %+v", c.phase, m.Closed, m.Written, behind, c.remote, r), r
}

// FuzzHandshake: however the bytes are cut, the same happens; and what is accepted means the same to net/http.
func FuzzHandshake(f *testing.F) {
	proxy := proxySignature + "\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x1f\x90\x00\x50"
	for _, seed := range []string{
		handshakeText() + text("behind"),
		handshakeText("Origin: https://murre.test", "Cookie: a=b; c=d", "Sec-WebSocket-Protocol: a, b"),
		handshakeText("X-Forwarded-For: 1.1.1.1, 10.0.0.2"),
		proxy + handshakeText(),
		proxy + "GET / HTTP/1.1\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", "GET /wsx HTTP/1.1\r\n", "POST /ws", "GET /ws?x=y",
		handshakeText("Content-Length: 1"), handshakeText("A: b", " c"), handshakeText("Host: b"), handshakeText("A : b"),
		handshakeText(repeat("A: b\r\n", 120) + "C: d"), handshakeText("A: " + repeat("b", 9000)),
	} {
		for _, trusted := range []bool{false, true} {
			f.Add([]byte(seed), []byte{3, 1, 1, 5, 13, 1}, trusted)
		}
	}
	s := fuzzServer(f)
	f.Fuzz(func(t *testing.T, data, cuts []byte, trusted bool) {
		remote := netip.MustParseAddrPort("192.0.2.1:1")
		if trusted {
			remote = netip.MustParseAddrPort("10.0.0.1:1")
		}
		whole, r := playHandshake(s, remote, [][]byte{data})
		if cut, _ := playHandshake(s, remote, pieces(data, cuts)); cut != whole {
			t.Fatalf("at once:\n%s\ncut:\n%s", whole, cut)
		}
		if r == nil {
			return
		}
		std, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r.head)))
		if err != nil {
			if strings.Contains(err.Error(), "malformed Host") || strings.Contains(err.Error(), "invalid URI") || strings.Contains(err.Error(), "parse") {
				return // the target and Host are the handler's to judge
			}
			t.Fatalf("net/http refuses %q: %v", r.head, err)
		}
		for _, name := range []string{"Origin", "Cookie", "Authorization", "Sec-Websocket-Key"} {
			if got := std.Header[name]; len(got) > 1 || len(got) == 1 && got[0] != r.Header(name) || len(got) == 0 && r.Header(name) != "" {
				t.Fatalf("%s: net/http reads %q, we %q", name, got, r.Header(name))
			}
		}
		if std.ContentLength != 0 || len(std.TransferEncoding) > 0 {
			t.Fatalf("net/http sees a body in %q", r.head)
		}
	})
}

// FuzzProxyHeader: a prefix of a header asks for more, and the whole means the same however much stands behind it.
func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{
		proxySignature + "\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x1f\x90\x00\x50",
		proxySignature + "\x21\x21\x00\x24" + repeat("\x20", 36) + "rest",
		proxySignature + "\x20\x00\x00\x00", proxySignature + "\x21\x11\x00\x01x", proxySignature + "\x31\x11\x00\x00", "GET / HTTP/1.1", "\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, addr, err := parseProxyHeader(data)
		if n > len(data) || n > maxProxyHeader || n < -1 || err != nil && n != 0 || addr.IsValid() && n <= 0 {
			t.Fatalf("%d %v %v of %d bytes", n, addr, err, len(data))
		}
		if n <= 0 {
			return
		}
		for i := range n {
			if m, _, err := parseProxyHeader(data[:i]); i > 0 && (m != -1 || err != nil) {
				t.Fatalf("%d of %d bytes: %d %v", i, n, m, err)
			}
		}
		if m, again, err := parseProxyHeader(data[:n]); m != n || again != addr || err != nil {
			t.Fatalf("cut at its end: %d %v %v", m, again, err)
		}
	})
}
