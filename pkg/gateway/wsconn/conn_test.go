package wsconn

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

func TestWeClose(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		for _, code := range []ws.StatusCode{1000, 1001, 1008, 1013, 4001, 4002, 4003} {
			c := s.open(t)
			p := s.peer(t)
			_ = p.conn.SendText([]byte("before"))
			p.conn.Close(uint16(code), "reason "+repeat("ü", 100))
			p.conn.Close(4999, "only the first counts")
			c.wantText("before")
			if op, payload := c.read(); op != ws.OpClose || len(payload) != 125 {
				t.Fatal(op, len(payload))
			}
			c.send(text("too late") + closeText(code, ""))
			c.wantEOF()
			if err := p.wantClosed(t, code); !errors.Is(err, ErrWeClosed) {
				t.Error(err)
			}
		}
	})
}

// TestCloseUnanswered: a peer that never answers the close frame is let go after CloseTimeout.
func TestCloseUnanswered(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.CloseTimeout = 50 * time.Millisecond })
		c := s.open(t)
		p := s.peer(t)
		p.conn.Close(4001, "replaced")
		if op, _ := c.read(); op != ws.OpClose {
			t.Fatal(op)
		}
		if err := p.wantClosed(t, 4001); !errors.Is(err, ErrNoClose) {
			t.Error(err)
		}
		c.wantEOF()
	})
}

func TestAbort(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		c := s.open(t)
		p := s.peer(t)
		p.conn.Abort()
		if err := p.wantClosed(t, 1006); !errors.Is(err, ErrAborted) {
			t.Error(err)
		}
		if _, err := c.r.ReadByte(); err == nil {
			t.Error("still open")
		}
	})
}

// TestPeerVanishes: end of stream and reset without a close frame.
func TestPeerVanishes(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		c := s.open(t)
		c.Close()
		s.peer(t).wantClosed(t, 1006)
		c = s.open(t)
		p := s.peer(t)
		if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		c.Close()
		p.wantClosed(t, 1006)
		eventually(t, "empty", func() bool { return s.Stats().Sockets == 0 })
	})
}

// TestHalfClose: what a client sent before it ended its side is still answered.
func TestHalfClose(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		c := s.open(t)
		c.send(text("last words"))
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.wantText("last words")
		c.wantEOF()
		s.peer(t).wantClosed(t, 1006)
		eventually(t, "empty", func() bool { return s.Stats().Sockets == 0 })
	})
}

// TestPeerNeverReads: memory for it is bounded; it is told so by ErrBehind, and Drained when it reads again.
func TestPeerNeverReads(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.Limits.Outbound = 64 << 10 })
		c := s.open(t)
		p := s.peer(t)
		frame := TextFrame(bytes.Repeat([]byte("m"), 1000))
		sent, behind := 0, 0
		for behind < 100_000 {
			switch err := p.conn.Send(frame); {
			case err == nil:
				sent++
				behind = 0
			case errors.Is(err, ErrBehind):
				behind++
				if behind%1000 == 0 {
					runtime.Gosched()
				}
			default:
				t.Fatal(err)
			}
			if n := p.conn.Outbound(); n > 64<<10 {
				t.Fatalf("%d bytes queued", n)
			}
		}
		if got := s.Stats().OutboundBytes; got == 0 || got > 64<<10 {
			t.Errorf("%d bytes queued in all", got)
		}
		for range sent {
			if op, payload := c.read(); op != ws.OpText || len(payload) != 1000 {
				t.Fatal(op, len(payload))
			}
		}
		receive(t, p.drained, "Drained")
		if err := p.conn.SendText([]byte("again")); err != nil {
			t.Fatal(err)
		}
		for {
			if _, payload := c.read(); payload == "again" {
				break
			}
		}
	})
}

// TestLargeFrame: one frame larger than the bound is taken when nothing waits.
func TestLargeFrame(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.Limits.Outbound = 1000 })
		c := s.open(t)
		p := s.peer(t)
		large := repeat("L", 3<<20)
		if err := p.conn.SendText([]byte(large)); err != nil {
			t.Fatal(err)
		}
		c.wantText(large)
	})
}

func TestPauseReading(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.PingAfter = 40 * time.Millisecond })
		c := s.open(t)
		p := s.peer(t)
		p.conn.PauseReading()
		settled := make(chan struct{})
		p.conn.t.Post(func() { close(settled) })
		receive(t, settled, "a turn")
		c.send(text("one")) // at most one read may still come through
		c.wantNothing(100 * time.Millisecond)
		p.conn.ResumeReading()
		for {
			if op, payload := c.read(); op == ws.OpText {
				if payload != "one" {
					t.Error(payload)
				}
				break
			}
		}
	})
}

// wantNothing expects no message for a while: the goroutine transport's reader may hold one read, not deliver it.
func (c *client) wantNothing(d time.Duration) {
	c.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		c.t.Fatal(err)
	}
	if b, err := c.r.Peek(1); err == nil {
		c.t.Fatalf("got %x", b)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
}

func TestPings(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.PingAfter = 120 * time.Millisecond })
		alive := s.open(t)
		p := s.peer(t)
		for range 5 { // more than would be missed
			if op, _ := alive.read(); op != ws.OpPing {
				t.Fatal(op)
			}
			alive.send(frame(ws.OpPong, true, ""))
			receive(t, p.pongs, "Pong")
		}
		dead := s.open(t)
		p = s.peer(t)
		for range 2 {
			if op, _ := dead.read(); op != ws.OpPing {
				t.Fatal(op)
			}
		}
		if err := p.wantClosed(t, 1006); !errors.Is(err, ErrSilent) {
			t.Error(err)
		}
		if _, err := dead.r.ReadByte(); err == nil {
			t.Error("still open")
		}
	})
}

// TestManySenders: frames from many goroutines arrive whole, each sender's in order.
func TestManySenders(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.Limits.Outbound = 16 << 20 })
		c := s.open(t)
		p := s.peer(t)
		const senders, each = 8, 500
		var wg sync.WaitGroup
		for sender := range senders {
			wg.Go(func() {
				for i := range each {
					if err := p.conn.SendText([]byte{byte('a' + sender), byte(i >> 8), byte(i & 127), '.'}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var next [senders]int
		for range senders * each {
			_, got := c.read()
			sender := got[0] - 'a'
			if i := next[sender]; got[1] != byte(i>>8) || got[2] != byte(i&127) {
				t.Fatalf("%q, want %d", got, i)
			}
			next[sender]++
		}
		wg.Wait()
	})
}

// TestReusedDescriptors: connections that come and go quickly never see each other's bytes or events.
func TestReusedDescriptors(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range 50 {
					c := s.open(t)
					want := string(rune('a'+worker)) + repeat(".", i)
					c.send(text(want))
					if i%3 == 0 { // leave with data under way
						_ = c.Conn.(*net.TCPConn).SetLinger(0)
						c.Close()
						continue
					}
					c.wantText(want)
					c.Close()
				}
			})
		}
		wg.Wait()
		for range 8 * 50 {
			p := s.peer(t)
			p.wantClosed(t, 1006)
		}
		eventually(t, "empty", func() bool { return s.Stats().Sockets == 0 && s.Stats().OutboundBytes == 0 })
	})
}

func TestMaxConnections(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.MaxConnections = 2 })
		a, b := s.open(t), s.open(t)
		c := s.dial(t)
		if _, err := c.r.ReadByte(); err == nil {
			t.Error("a third connection")
		}
		a.Close()
		eventually(t, "room", func() bool { return s.Stats().Sockets == 1 })
		d := s.open(t)
		for _, c := range []*client{b, d} {
			c.send(text("here"))
			c.wantText("here")
		}
		if s.Stats().Full != 1 {
			t.Error(s.Stats())
		}
	})
}

func TestDrain(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		c := s.open(t)
		p := s.peer(t)
		short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if nc, err := net.Dial("tcp", s.Addr().String()); err == nil {
			nc.Close()
			t.Error("still accepts")
		}
		c.send(text("still served"))
		c.wantText("still served")
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(context.Background()) }()
		p.conn.Close(1001, "draining")
		if op, _ := c.read(); op != ws.OpClose {
			t.Fatal(op)
		}
		c.send(closeText(1001, ""))
		c.wantEOF()
		c.Close()
		p.wantClosed(t, 1001)
		if err := receive(t, drained, "Drain"); err != nil {
			t.Error(err)
		}
	})
}

// TestStop: Run's end tells every peer.
func TestStop(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		var peers []*testPeer
		for range 20 {
			s.open(t)
			peers = append(peers, s.peer(t))
		}
		s.stop()
		for _, p := range peers {
			p.wantClosed(t, 1006)
			if err := p.conn.SendText(nil); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			p.conn.Close(1000, "")
			p.conn.Abort()
			p.conn.PauseReading()
		}
	})
}

// TestPauseAndResumeRace: however the two interleave, the last word counts and reading goes on.
func TestPauseAndResumeRace(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		c := s.open(t)
		p := s.peer(t)
		for range 200 {
			var wg sync.WaitGroup
			wg.Go(p.conn.PauseReading)
			wg.Go(p.conn.ResumeReading)
			wg.Wait()
			p.conn.ResumeReading()
			c.send(text("x"))
			c.wantText("x")
		}
	})
}
