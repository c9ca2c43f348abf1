package wsconn

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // for what must happen; never waited out when it does

// onBoth runs a test on every transport of the system.
func onBoth(t *testing.T, test func(t *testing.T, kind netpoll.Kind)) {
	kinds := []netpoll.Kind{netpoll.Goroutine}
	if netpoll.Default() == netpoll.Epoll {
		kinds = append(kinds, netpoll.Epoll)
	}
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) { test(t, kind) })
	}
}

type testServer struct {
	*Server
	handler *testHandler
	stop    func() // ends Run and waits for it
}

func startServer(t *testing.T, kind netpoll.Kind, change func(*Options)) *testServer {
	t.Helper()
	handler := &testHandler{peers: make(chan *testPeer, 1000)}
	o := Options{Handler: handler, Listen: "127.0.0.1:0", Transport: kind, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	s, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ts := &testServer{Server: s, handler: handler}
	stopped := false
	ts.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run doesn't end")
		}
	}
	t.Cleanup(ts.stop)
	return ts
}

// testHandler lets everybody in with an echoing peer, unless told otherwise.
type testHandler struct {
	peers   chan *testPeer
	upgrade atomic.Pointer[upgradeFunc]
}

type upgradeFunc func(ctx context.Context, r *Request) (Accept, *Refusal)

// onUpgrade makes another function decide from now on.
func (h *testHandler) onUpgrade(f upgradeFunc) { h.upgrade.Store(&f) }

func (h *testHandler) Upgrade(ctx context.Context, r *Request) (Accept, *Refusal) {
	if f := h.upgrade.Load(); f != nil {
		return (*f)(ctx, r)
	}
	return Accept{Peer: h.newPeer(r)}, nil
}

func (h *testHandler) newPeer(r *Request) *testPeer {
	return &testPeer{h: h, request: r, opened: make(chan struct{}), closed: make(chan closing, 8), pongs: make(chan struct{}, 100), drained: make(chan struct{}, 100)}
}

type closing struct {
	code   uint16
	reason error
}

type testPeer struct {
	h       *testHandler
	request *Request
	conn    *Conn
	opened  chan struct{}
	closed  chan closing
	pongs   chan struct{}
	drained chan struct{}
}

func (p *testPeer) Open(c *Conn) {
	p.conn = c
	close(p.opened)
	p.h.peers <- p
}

func (p *testPeer) Message(c *Conn, payload []byte, isBinary bool) {
	if isBinary {
		_ = c.Send(BinaryFrame(payload))
		return
	}
	_ = c.SendText(payload)
}

func (p *testPeer) Pong(*Conn)    { p.pongs <- struct{}{} }
func (p *testPeer) Drained(*Conn) { p.drained <- struct{}{} }
func (p *testPeer) Closed(_ *Conn, code uint16, reason error) {
	p.closed <- closing{code, reason}
}

// peer waits for the next connection's peer.
func (ts *testServer) peer(t *testing.T) *testPeer {
	t.Helper()
	return receive(t, ts.handler.peers, "a peer")
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no sign of %s", what)
		panic("unreachable")
	}
}

// client is a WebSocket client that can misbehave.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (ts *testServer) dial(t testing.TB) *client {
	t.Helper()
	nc, err := net.Dial("tcp", ts.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, nc)
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, Conn: nc, r: bufio.NewReader(nc)}
}

const testKey = "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455's own example
const testAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

func handshakeText(extra ...string) string {
	lines := append([]string{"GET /ws HTTP/1.1", "Host: murre.test", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: " + testKey, "Sec-WebSocket-Version: 13"}, extra...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// trickle writes one byte a packet.
func (c *client) trickle(s string) {
	c.t.Helper()
	for i := range len(s) {
		c.send(s[i : i+1])
	}
}

func (c *client) response() *http.Response {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	return r
}

// open does the handshake.
func (ts *testServer) open(t testing.TB, extra ...string) *client {
	t.Helper()
	c := ts.dial(t)
	c.send(handshakeText(extra...))
	c.upgraded()
	return c
}

func (c *client) upgraded() *http.Response {
	c.t.Helper()
	r := c.response()
	if r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Accept") != testAccept {
		c.t.Fatalf("answer %d %v", r.StatusCode, r.Header)
	}
	return r
}

var testMask = [4]byte{0x12, 0x34, 0x56, 0x78}

// frame is a masked client frame.
func frame(op ws.OpCode, fin bool, payload string) string {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), testMask))
	return b.String()
}

func text(payload string) string { return frame(ws.OpText, true, payload) }

func closeText(code ws.StatusCode, reason string) string {
	return frame(ws.OpClose, true, string(ws.NewCloseFrameBody(code, reason)))
}

// read returns the next frame.
func (c *client) read() (ws.OpCode, string) {
	c.t.Helper()
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		c.t.Fatalf("read frame: %v", err)
	}
	if h.Masked || !h.Fin || h.Length > 32<<20 {
		c.t.Fatalf("server frame %+v", h)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		c.t.Fatalf("read payload: %v", err)
	}
	return h.OpCode, string(payload)
}

func (c *client) wantText(want string) {
	c.t.Helper()
	op, got := c.read()
	if op != ws.OpText || got != want {
		c.t.Fatalf("got op %d %.80q, want text %.80q", op, got, want)
	}
}

// wantClose expects a close frame with the code, and then the end of the stream.
func (c *client) wantClose(code ws.StatusCode) {
	c.t.Helper()
	for {
		op, payload := c.read()
		if op != ws.OpClose {
			continue
		}
		got := ws.StatusNoStatusRcvd
		if len(payload) >= 2 {
			got = ws.StatusCode(binary.BigEndian.Uint16([]byte(payload)))
		}
		if got != code {
			c.t.Fatalf("close code %d %q, want %d", got, payload, code)
		}
		c.wantEOF()
		return
	}
}

func (c *client) wantEOF() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err != io.EOF {
		c.t.Fatalf("got byte %x, error %v; want the end", b, err)
	}
}

func (p *testPeer) wantClosed(t *testing.T, code ws.StatusCode) error {
	t.Helper()
	got := receive(t, p.closed, "Closed")
	if got.code != uint16(code) {
		t.Fatalf("Closed with %d (%v), want %d", got.code, got.reason, code)
	}
	select {
	case again := <-p.closed:
		t.Fatalf("Closed twice: %v", again)
	default:
	}
	return got.reason
}

// eventually waits for a condition that nothing signals.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not %s", what)
		}
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }
