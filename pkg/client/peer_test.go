package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// peer is the other end of the wire, played by the test: what a real server can't be made to do on demand. The flows with
// a real one are in server_test.go.
type peer struct {
	t      *testing.T
	l      net.Listener
	conns  chan *peerConn
	mu     sync.Mutex
	status int
	body   string
}

type peerConn struct {
	t     *testing.T
	c     net.Conn
	query string
}

var (
	me, _    = chat.ParseUserID("0190f3c2-7e3a-7b1c-8d2e-0123456789a1")
	them, _  = chat.ParseUserID("0190f3c2-7e3a-7b1c-8d2e-0123456789b2")
	room, _  = chat.ParseConversationID("0190f3c2-7e3a-7b1c-8d2e-0123456789c4")
	patience = 10 * time.Second
)

func newPeer(t *testing.T) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, l: l, conns: make(chan *peerConn, 16)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.upgrade(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return p
}

func (p *peer) upgrade(c net.Conn) {
	p.mu.Lock()
	status, body := p.status, p.body
	p.mu.Unlock()
	if status != 0 {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = c.Write([]byte("HTTP/1.1 " + itoa(status) + " No\r\nContent-Type: application/problem+json\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body))
		_ = c.Close()
		return
	}
	pc := &peerConn{t: p.t, c: c}
	u := ws.Upgrader{OnRequest: func(uri []byte) error { pc.query = string(uri); return nil }, Protocol: func(b []byte) bool { return string(b) == protocol.SubprotocolJSON }}
	if _, err := u.Upgrade(c); err != nil {
		_ = c.Close()
		return
	}
	p.conns <- pc
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// refuse answers upgrades with a status and a body from now on; 0: accepts them.
func (p *peer) refuse(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.body = status, body
}

// next waits for a connection and welcomes it.
func (p *peer) next() *peerConn {
	p.t.Helper()
	select {
	case c := <-p.conns:
		c.send(protocol.AppendWelcome(nil, &protocol.Welcome{User: me, Limits: protocol.DefaultLimits(), Heartbeat: 55 * time.Second}))
		return c
	case <-time.After(patience):
		p.t.Fatal("no connection came")
		return nil
	}
}

func (c *peerConn) send(frame []byte) {
	c.t.Helper()
	if err := wsutil.WriteServerText(c.c, frame); err != nil {
		c.t.Fatal(err)
	}
}

// frame waits for the next frame of the client.
func (c *peerConn) frame() *protocol.ClientFrame {
	c.t.Helper()
	_ = c.c.SetReadDeadline(time.Now().Add(patience))
	b, err := wsutil.ReadClientText(c.c)
	if err != nil {
		c.t.Fatal(err)
	}
	f := new(protocol.ClientFrame)
	if err := protocol.Decode(b, f); err != nil {
		c.t.Fatalf("%v in %s", err, b)
	}
	return f
}

func (c *peerConn) close(code protocol.CloseCode) {
	_ = ws.WriteFrame(c.c, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), code.Reason())))
	_ = c.c.Close()
}

// start runs a client against the peer and welcomes its first connection. The events come on the channel.
func start(t *testing.T, p *peer, change func(*Options)) (*Client, *peerConn, chan *Event) {
	t.Helper()
	events := make(chan *Event, 4096)
	o := Options{
		URL: "http://" + p.l.Addr().String(), Token: "secret", BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
		Handler: HandlerFunc(func(_ context.Context, e *Event) error { events <- e; return nil }),
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() { _ = c.Run(ctx) }()
	t.Cleanup(c.Close)
	pc := p.next()
	return c, pc, events
}

// event waits for the next event of a type; others are passed over.
func event(t *testing.T, events chan *Event, typ protocol.Type) *Event {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case e := <-events:
			if e.Type == typ {
				return e
			}
		case <-late:
			t.Fatalf("no %s came", typ)
		}
	}
}

func message(n int, from chat.UserID, content string) *chat.Message {
	return &chat.Message{
		ID: chat.MessageID(n), Conversation: room, Sender: from, Content: content, ContentType: chat.Text,
		ClientMessageID: chat.NewClientMessageID(time.Now()),
	}
}
