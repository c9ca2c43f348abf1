package netpoll

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Streams is the goroutine transport. Besides what its listener accepts it takes connections that came another way (Attach).
type Streams struct {
	opt   Options
	start time.Time
	count traffic

	mu             sync.Mutex // guards the rest; a leaf
	wheel          *wheel
	slots          []*stream
	free           []int32
	open           int
	running        int       // goroutines
	stopped        bool      // takes no more connections
	over           bool      // starts no more goroutines
	idle           sync.Cond // running became 0
	accepted, full uint64
	armed          chan struct{} // tells the timer goroutine that the first timer was set
}

// NewStreams makes a goroutine transport; Options.Kind and Loops are ignored, Listener may be nil.
func NewStreams(o Options) *Streams {
	t := &Streams{opt: o, start: time.Now(), wheel: newWheel(), armed: make(chan struct{}, 1)}
	t.idle.L = &t.mu
	return t
}

// Loops is 1: connections have no loop, so all count as one.
func (t *Streams) Loops() int { return 1 }

// Run implements Transport.
func (t *Streams) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, t.StopAccepting)
	defer stop()
	if t.opt.Listener != nil {
		t.spawn(func() { t.accept(ctx) })
	}
	t.spawn(func() { t.keepTime(ctx) })
	<-ctx.Done()
	t.mu.Lock()
	t.stopped = true
	open := make([]*stream, 0, t.open)
	for _, s := range t.slots {
		if s != nil {
			open = append(open, s)
		}
	}
	t.mu.Unlock()
	for _, s := range open {
		s.kill(ErrStopped)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.running > 0 {
		t.idle.Wait()
	}
	t.over = true
	return nil
}

// spawn starts a goroutine that Run waits for; false when Run has returned.
func (t *Streams) spawn(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.running++
	go func() {
		f()
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.running--; t.running == 0 {
			t.idle.Broadcast()
		}
	}()
	return true
}

// Stats implements Transport.
func (t *Streams) Stats() Stats {
	t.mu.Lock()
	s := Stats{Open: int64(t.open), Accepted: t.accepted, Full: t.full}
	t.mu.Unlock()
	t.count.addTo(&s)
	return s
}

// StopAccepting implements Transport.
func (t *Streams) StopAccepting() {
	if t.opt.Listener != nil {
		t.opt.Listener.Close()
	}
}

func (t *Streams) accept(ctx context.Context) {
	for {
		nc, err := t.opt.Listener.Accept()
		if err == nil {
			t.serve(&stream{t: t, nc: nc, fresh: true}, addrPort(nc.RemoteAddr()))
			continue
		}
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		t.opt.Log.Error("accept failed; pausing", "error", err, "pause", acceptPause)
		select {
		case <-time.After(acceptPause):
		case <-ctx.Done():
			return
		}
	}
}

// acceptPause is how long accepting rests when the system has no descriptors or memory left.
const acceptPause = 100 * time.Millisecond

// Attach serves a connection from somewhere else. It is closed when the transport is full, stopped, or its acceptor
// doesn't want it.
func (t *Streams) Attach(nc net.Conn, remote netip.AddrPort) {
	t.serve(&stream{t: t, nc: nc}, remote)
}

func (t *Streams) serve(s *stream, remote netip.AddrPort) {
	s.cond.L = &s.mu
	s.conn.owner = s
	t.mu.Lock()
	if t.stopped || t.open >= t.opt.MaxConns {
		t.full++
		t.mu.Unlock()
		s.nc.Close()
		return
	}
	t.open++
	if n := len(t.free); n > 0 {
		s.conn.slot, t.free = t.free[n-1], t.free[:n-1]
	} else {
		s.conn.slot = int32(len(t.slots))
		t.slots = append(t.slots, nil)
	}
	t.slots[s.conn.slot] = s
	t.accepted++
	t.mu.Unlock()
	if !t.spawn(func() { s.run(remote) }) {
		s.nc.Close()
	}
}

func (t *Streams) forget(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wheel.stop(s.conn.slot)
	t.slots[s.conn.slot] = nil
	t.free = append(t.free, s.conn.slot)
	t.open--
}

func (t *Streams) ticks() uint32 { return uint32(time.Since(t.start) / Tick) }

func (t *Streams) setTimeout(s *stream, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slots[s.conn.slot] != s {
		return
	}
	if d <= 0 {
		t.wheel.stop(s.conn.slot)
		return
	}
	t.wheel.set(s.conn.slot, t.ticks(), d)
	select {
	case t.armed <- struct{}{}:
	default:
	}
}

// keepTime fires timeouts: it sleeps until the next one, or until another was set.
func (t *Streams) keepTime(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due []*stream
	for {
		select {
		case <-timer.C:
		case <-t.armed:
		case <-ctx.Done():
			return
		}
		t.mu.Lock()
		now := t.ticks()
		for _, slot := range t.wheel.advance(now) {
			s := t.slots[slot]
			if s == nil {
				continue
			}
			if s.turn.TryLock() {
				s.turn.Unlock()
				due = append(due, s)
			} else { // its handler is running: it may want to set another time
				t.wheel.set(slot, now, Tick)
			}
		}
		next := time.Duration(t.wheel.idle()+1) * Tick
		t.mu.Unlock()
		for i, s := range due {
			s.do(func() { s.conn.handler.Timeout(&s.conn) })
			due[i] = nil
		}
		due = due[:0]
		timer.Reset(next)
	}
}

// addrPort is the address of a TCP peer, or the zero value (Unix sockets, pipes).
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
