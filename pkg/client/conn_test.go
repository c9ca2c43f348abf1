package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// dribble gives one byte a read: every split of the input.
type dribble struct{ net.Conn }

func (d dribble) Read(p []byte) (int, error) { return d.Conn.Read(p[:min(1, len(p))]) }

func TestFramesInSingleBytesAndFragments(t *testing.T) {
	p := newPeer(t)
	_, pc, events := start(t, p, func(o *Options) {
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			return dribble{c}, err
		}
	})
	long := strings.Repeat("😀", 40_000) // more than the first step of the buffer
	frame := protocol.AppendMessage(nil, message(1, them, long), 101, 0)
	a, b, c := frame[:7], frame[7:100_001], frame[100_001:] // a cut inside of a character too
	for i, f := range []ws.Frame{
		ws.NewFrame(ws.OpText, false, a), ws.NewPingFrame([]byte("are you there")), ws.NewFrame(ws.OpContinuation, false, b),
		ws.NewFrame(ws.OpContinuation, true, c),
	} {
		if err := ws.WriteFrame(pc.c, f); err != nil {
			t.Fatal(i, err)
		}
	}
	h, err := ws.ReadHeader(pc.c)
	if err != nil || h.OpCode != ws.OpPong || !h.Masked || h.Length != int64(len("are you there")) {
		t.Fatalf("%+v, %v", h, err)
	}
	pong := make([]byte, h.Length)
	if _, err := io.ReadFull(pc.c, pong); err != nil {
		t.Fatal(err)
	}
	if ws.Cipher(pong, h.Mask, 0); string(pong) != "are you there" {
		t.Errorf("pong with %q", pong)
	}
	if e := event(t, events, protocol.TypeMessage); e.Message.Content != long {
		t.Errorf("%d bytes came, want %d", len(e.Message.Content), len(long))
	}
}

func TestBrokenServers(t *testing.T) {
	masked := ws.MaskFrame(ws.NewTextFrame([]byte(`{"type":"pong"}`)))
	for name, raw := range map[string][]byte{
		"a masked frame":        ws.MustCompileFrame(masked),
		"a binary frame":        ws.MustCompileFrame(ws.NewBinaryFrame([]byte("x"))),
		"reserved bits":         ws.MustCompileFrame(ws.Frame{Header: ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText}}),
		"a continuation first":  ws.MustCompileFrame(ws.NewFrame(ws.OpContinuation, true, []byte("x"))),
		"two beginnings":        append(ws.MustCompileFrame(ws.NewFrame(ws.OpText, false, []byte("x"))), ws.MustCompileFrame(ws.NewTextFrame([]byte("x")))...),
		"2^62 bytes":            {0x81, 127, 0x40, 0, 0, 0, 0, 0, 0, 0},
		"not UTF-8":             ws.MustCompileFrame(ws.NewTextFrame([]byte{0xff})),
		"not JSON":              ws.MustCompileFrame(ws.NewTextFrame([]byte("hello"))),
		"a fragmented ping":     ws.MustCompileFrame(ws.NewFrame(ws.OpPing, false, nil)),
		"half a frame, the end": {0x81, 5, 'x'},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 16)
			p := newPeer(t)
			_, pc, _ := start(t, p, func(o *Options) {
				o.OnState = func(connected bool, err error) {
					if !connected {
						ended <- err
					}
				}
			})
			if _, err := pc.c.Write(raw); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "the end") {
				_ = pc.c.Close()
			}
			if err := <-ended; err == nil || permanent(err) {
				t.Errorf("ended with %v", err)
			}
			p.next() // it comes back
		})
	}
}

func TestSilentServerIsLeft(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	c := &conn{net: ours, max: 1 << 20, idle: 20 * time.Millisecond}
	c.br = newReader(ours)
	if _, err := c.read(nil); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Error(err)
	}
	_ = ours.Close()
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestFramesAreSeen(t *testing.T) {
	var seen bytes.Buffer
	done := make(chan struct{})
	p := newPeer(t)
	c, pc, events := start(t, p, func(o *Options) {
		o.OnFrame = func(d Direction, frame []byte) {
			if d == Out {
				seen.Write(frame)
				close(done)
			}
		}
	})
	event(t, events, protocol.TypeWelcome)
	if err := c.Read(room, 5); err != nil {
		t.Fatal(err)
	}
	if f := pc.frame(); f.Type != protocol.TypeRead || f.Read.UpTo != 5 || f.Read.Conversation != room {
		t.Errorf("%+v", f)
	}
	<-done
	if want := string(protocol.AppendClientFrame(nil, &protocol.ClientFrame{Type: protocol.TypeRead, Read: protocol.ReadFrame{Conversation: room, UpTo: 5}})); seen.String() != want {
		t.Errorf("got %s, want %s", seen.String(), want)
	}
}

func TestManualAcks(t *testing.T) {
	p := newPeer(t)
	c, pc, events := start(t, p, func(o *Options) { o.ManualAck = true })
	pc.send(protocol.AppendMessage(nil, message(1, them, "x"), 101, 0))
	event(t, events, protocol.TypeMessage)
	for _, call := range []func() error{
		func() error { return c.AckMessages(1) }, func() error { return c.AckEvents(102) }, func() error { return c.AckBatch(103) },
		func() error { return c.Presence(them) },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []protocol.ClientFrame{
		{Type: protocol.TypeAck, Ack: protocol.AckFrame{Messages: []chat.MessageID{1}}}, {Type: protocol.TypeAck, Ack: protocol.AckFrame{Events: []chat.EventID{102}}},
		{Type: protocol.TypeAck, Ack: protocol.AckFrame{UpTo: 103}}, {Type: protocol.TypePresence, Presence: protocol.PresenceFrame{Users: []chat.UserID{them}}},
	} {
		if got := pc.frame(); !bytes.Equal(protocol.AppendClientFrame(nil, got), protocol.AppendClientFrame(nil, &want)) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if err := c.Presence(make([]chat.UserID, chat.MaxPresenceUsers+1)...); chat.CodeOf(err) != chat.CodeValidation {
		t.Error(err)
	}
}

func TestAfterAGapNothingIsADuplicate(t *testing.T) {
	p := newPeer(t)
	_, pc, events := start(t, p, nil)
	frame := protocol.AppendMessage(nil, message(1, them, "x"), 101, 0)
	pc.send(frame)
	event(t, events, protocol.TypeMessage)
	pc.send(protocol.AppendGap(nil, 100))
	if e := event(t, events, protocol.TypeGap); e.Gap.Cursor != 100 {
		t.Error(e.Gap)
	}
	pc.send(frame)
	event(t, events, protocol.TypeMessage)
}

func TestReadNGrowsWithWhatArrives(t *testing.T) {
	got, err := readN(strings.NewReader("abc"), nil, 1<<40)
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || cap(got) > 128<<10 {
		t.Errorf("%v, %d bytes of buffer", err, cap(got))
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {URL: "http://x"}, {URL: "ftp://x", Token: "t"}, {URL: "http://x\x7f", Token: "t"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	for in, want := range map[string]string{
		"http://h:1": "ws://h:1/ws", "https://h/": "wss://h/ws", "ws://h/ws": "ws://h/ws", "https://h/chat": "wss://h/chat/ws",
	} {
		if got, err := socketURL(in); err != nil || got != want {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
}
