package netpoll

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

func onBoth(t *testing.T, test func(t *testing.T, kind Kind)) {
	kinds := []Kind{Goroutine}
	if Default() == Epoll {
		kinds = append(kinds, Epoll)
	}
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) { test(t, kind) })
	}
}

// recorder is a Handler that tells the test what happened, and echoes.
type recorder struct {
	conn    *Conn
	remote  netip.AddrPort
	onData  func(c *Conn, b []byte)
	eof     chan struct{}
	timeout chan time.Time
	drained chan struct{}
	closed  chan error
	inside  atomic.Int32 // calls under way; never more than one
	t       *testing.T
}

func (r *recorder) enter() func() {
	if r.inside.Add(1) != 1 {
		r.t.Error("calls overlap")
	}
	return func() { r.inside.Add(-1) }
}

func (r *recorder) Data(c *Conn, b []byte) {
	defer r.enter()()
	if r.onData != nil {
		r.onData(c, b)
		return
	}
	_ = c.Write(bytes.Clone(b))
}

func (r *recorder) EOF(c *Conn) {
	defer r.enter()()
	c.Finish()
	r.eof <- struct{}{}
}

func (r *recorder) Timeout(*Conn) {
	defer r.enter()()
	r.timeout <- time.Now()
}

func (r *recorder) Drained(*Conn) {
	defer r.enter()()
	r.drained <- struct{}{}
}

func (r *recorder) Closed(_ *Conn, err error) {
	defer r.enter()()
	r.closed <- err
}

type testTransport struct {
	Transport
	addr  string
	conns chan *recorder
	stop  func()
}

func start(t *testing.T, kind Kind, change func(*Options), onData func(c *Conn, b []byte)) *testTransport {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tt := &testTransport{addr: l.Addr().String(), conns: make(chan *recorder, 1000)}
	o := Options{Kind: kind, Listener: l, Loops: 2, Log: slog.New(slog.DiscardHandler),
		Accept: func(c *Conn, remote netip.AddrPort) Handler {
			r := &recorder{t: t, conn: c, remote: remote, onData: onData, eof: make(chan struct{}, 8), timeout: make(chan time.Time, 8),
				drained: make(chan struct{}, 100), closed: make(chan error, 8)}
			tt.conns <- r
			return r
		}}
	if change != nil {
		change(&o)
	}
	if tt.Transport, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tt.Run(ctx) }()
	stopped := false
	tt.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := receive(t, done, "Run's end"); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(tt.stop)
	return tt
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

func (tt *testTransport) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", tt.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return nc.(*net.TCPConn)
}

func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q (%d), %v; want %q", got[:n], n, err, want)
	}
}

func send(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func TestEchoAndEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, nil, nil)
		nc := tt.dial(t)
		send(t, nc, "hello")
		expect(t, nc, "hello")
		r := receive(t, tt.conns, "a connection")
		if r.remote.String() != nc.LocalAddr().String() {
			t.Error(r.remote)
		}
		send(t, nc, "bye")
		if err := nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		expect(t, nc, "bye")
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		receive(t, r.eof, "EOF")
		if err := receive(t, r.closed, "Closed"); err != nil {
			t.Error(err)
		}
		if err := r.conn.Write([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if s := tt.Stats(); s.Accepted != 1 || s.Open != 0 || s.In != 8 || s.Out != 8 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestLast: what is queued goes out, then the last bytes, and nothing after them.
func TestLast(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, nil, nil)
		nc := tt.dial(t)
		r := receive(t, tt.conns, "a connection")
		for _, s := range []string{"a", "b", "c"} {
			if err := r.conn.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		r.conn.Last([]byte("last"))
		r.conn.Last([]byte("once more"))
		if err := r.conn.Write([]byte("late")); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		expect(t, nc, "abclast")
		r.conn.Finish()
		r.conn.Finish()
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		nc.Close()
		if err := receive(t, r.closed, "Closed"); err != nil {
			t.Error(err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, nil, func(c *Conn, b []byte) {
			for _, command := range b {
				switch command {
				case 's':
					c.SetTimeout(30 * time.Millisecond)
				case 'l':
					c.SetTimeout(time.Hour)
				case '0':
					c.SetTimeout(0)
				}
			}
			_ = c.Write(bytes.Clone(b))
		})
		nc := tt.dial(t)
		r := receive(t, tt.conns, "a connection")
		began := time.Now()
		send(t, nc, "s")
		if took := receive(t, r.timeout, "Timeout").Sub(began); took < 30*time.Millisecond {
			t.Errorf("early: %v", took)
		}
		expect(t, nc, "s")
		send(t, nc, "sl") // replaced at once
		expect(t, nc, "sl")
		other := tt.dial(t)
		send(t, other, "s")
		expect(t, other, "s")
		receive(t, receive(t, tt.conns, "another").timeout, "the other's Timeout")
		send(t, nc, "s0")
		expect(t, nc, "s0")
		third := tt.dial(t)
		send(t, third, "s")
		receive(t, receive(t, tt.conns, "a third").timeout, "its Timeout")
		select {
		case <-r.timeout:
			t.Error("a replaced timer fired")
		default:
		}
		nc.Close()
		receive(t, r.closed, "Closed")
	})
}

func TestCloseFromAnywhere(t *testing.T) {
	why := errors.New("why")
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, nil, nil)
		nc := tt.dial(t)
		r := receive(t, tt.conns, "a connection")
		r.conn.Close(why)
		r.conn.Close(errors.New("too late"))
		if err := receive(t, r.closed, "Closed"); err != why {
			t.Error(err)
		}
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Error("open")
		}
		ran := make(chan struct{})
		if !r.conn.Post(func() { close(ran) }) {
			t.Error("refused")
		}
		receive(t, ran, "a function posted to a closed connection")
		tt.stop()
		if r.conn.Post(func() { t.Error("ran") }) {
			t.Error("posted to a stopped transport")
		}
	})
}

func TestReset(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, nil, nil)
		nc := tt.dial(t)
		r := receive(t, tt.conns, "a connection")
		if err := nc.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		nc.Close()
		if err := receive(t, r.closed, "Closed"); err == nil {
			t.Error("a reset looks like an end")
		}
		// The same while reading is off.
		nc = tt.dial(t)
		r = receive(t, tt.conns, "a connection")
		if err := nc.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		reading := func(on bool) {
			done := make(chan struct{})
			r.conn.Post(func() { r.conn.SetReading(on); close(done) })
			receive(t, done, "a turn")
		}
		reading(false)
		nc.Close()
		if kind == Goroutine { // notices when it reads or writes
			reading(true)
		}
		receive(t, r.closed, "Closed")
	})
}

func TestBackpressure(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, func(o *Options) { o.MaxOutbound = 1 << 20 }, nil)
		nc := tt.dial(t)
		r := receive(t, tt.conns, "a connection")
		chunk := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
		chunks := 0
		for refused := 0; refused < 1000; {
			err := r.conn.Write(chunk)
			if err == nil {
				chunks++
				continue
			}
			if !errors.Is(err, ErrBehind) {
				t.Fatal(err)
			}
			refused++
		}
		if n := r.conn.Outbound(); n > 1<<20 {
			t.Errorf("%d bytes queued", n)
		}
		got := bufio.NewReaderSize(nc, 64<<10)
		buf := make([]byte, len(chunk))
		for range chunks {
			if _, err := io.ReadFull(got, buf); err != nil || !bytes.Equal(buf, chunk) {
				t.Fatal("bytes changed", err)
			}
		}
		receive(t, r.drained, "Drained")
		if n := r.conn.Outbound(); n != 0 {
			t.Errorf("%d bytes queued", n)
		}
	})
}

// TestManyFrames: small and large frames in one queue leave in order, however they are gathered.
func TestManyFrames(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, func(o *Options) { o.MaxOutbound = 64 << 20 }, nil)
		nc := tt.dial(t)
		r := receive(t, tt.conns, "a connection")
		var all bytes.Buffer
		for i := range 4000 {
			b := bytes.Repeat([]byte{byte('a' + i%26)}, 1+(i*i)%300)
			if i%97 == 0 {
				b = bytes.Repeat(b, 500)
			}
			all.Write(b)
			if err := r.conn.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, all.Len())
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, all.Bytes()) {
			t.Fatal("bytes changed", err)
		}
	})
}

func TestDetach(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		detached := make(chan net.Conn, 1)
		tt := start(t, kind, nil, func(c *Conn, b []byte) {
			c.SetTimeout(20 * time.Millisecond)
			nc, err := c.Detach()
			if err != nil {
				t.Error(err)
			}
			detached <- nc
		})
		nc := tt.dial(t)
		r := receive(t, tt.conns, "a connection")
		send(t, nc, "hello")
		out := receive(t, detached, "the connection")
		defer out.Close()
		send(t, nc, "more")
		expect(t, out, "more")
		send(t, out, "back")
		expect(t, nc, "back")
		if err := r.conn.Write(nil); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		tt.stop()
		select {
		case err := <-r.closed:
			t.Error("Closed called", err)
		case <-r.timeout:
			t.Error("Timeout called")
		default:
		}
		send(t, nc, "after")
		expect(t, out, "after")
	})
}

// TestStaleEvents: many connections end while events for them are under way, and their slots and descriptors are taken
// by others at once. Nobody sees another's bytes, and every one is told once.
func TestStaleEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, func(o *Options) { o.Loops = 1 }, func(c *Conn, b []byte) {
			if b[0] == '!' {
				c.Close(nil)
				return
			}
			_ = c.Write(bytes.Clone(b))
		})
		for round := range 100 {
			var batch []*net.TCPConn
			for i := range 8 {
				nc := tt.dial(t)
				send(t, nc, string([]byte{byte('a' + i), byte('0' + round%10)}))
				batch = append(batch, nc)
			}
			for i, nc := range batch {
				expect(t, nc, string([]byte{byte('a' + i), byte('0' + round%10)}))
				send(t, nc, "!")
				nc.Close()
			}
		}
		for range 800 {
			r := receive(t, tt.conns, "a connection")
			receive(t, r.closed, "Closed")
		}
	})
}

func TestMaxConns(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, func(o *Options) { o.MaxConns = 1 }, nil)
		first := tt.dial(t)
		send(t, first, "x")
		expect(t, first, "x")
		second := tt.dial(t)
		if _, err := second.Read(make([]byte, 1)); err == nil {
			t.Error("open")
		}
		if s := tt.Stats(); s.Full != 1 || s.Open != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAcceptorRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, func(o *Options) { o.Accept = func(*Conn, netip.AddrPort) Handler { return nil } }, nil)
		nc := tt.dial(t)
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Error("open")
		}
		if s := tt.Stats(); s.Open != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestOutOfDescriptors: accepting pauses instead of spinning, and goes on when there are descriptors again.
func TestOutOfDescriptors(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, nil, nil)
		restore := lowerDescriptorLimit(t, 256)
		defer restore()
		var taken []*os.File
		release := func() {
			for _, f := range taken {
				f.Close()
			}
			taken = nil
		}
		defer release()
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			taken = append(taken, f)
		}
		taken[len(taken)-1].Close() // for the client's end
		taken = taken[:len(taken)-1]
		nc := tt.dial(t)
		send(t, nc, "x")
		select {
		case <-tt.conns:
			t.Fatal("accepted without a descriptor")
		case <-time.After(50 * time.Millisecond): // nothing signals a failed accept
		}
		release()
		expect(t, nc, "x")
	})
}

func TestStopTellsEveryone(t *testing.T) {
	onBoth(t, func(t *testing.T, kind Kind) {
		tt := start(t, kind, nil, nil)
		var all []*recorder
		for range 20 {
			tt.dial(t)
			all = append(all, receive(t, tt.conns, "a connection"))
		}
		tt.StopAccepting()
		tt.StopAccepting()
		tt.stop()
		for _, r := range all {
			if err := receive(t, r.closed, "Closed"); !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		}
		if s := tt.Stats(); s.Open != 0 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestKinds(t *testing.T) {
	for _, k := range []Kind{Auto, Epoll, Goroutine} {
		if got, err := ParseKind(k.String()); got != k || err != nil {
			t.Error(k, got, err)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no acceptor, no error")
	}
	if _, err := New(Options{Kind: Epoll, Accept: func(*Conn, netip.AddrPort) Handler { return nil }}); err == nil {
		t.Error("no listener, no error")
	}
}
