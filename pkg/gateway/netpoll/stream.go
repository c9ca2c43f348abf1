package netpoll

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	streamRead  = 4 << 10  // what a connection of the goroutine transport reads at once: it is held while idle
	streamWrite = 16 << 10 // what its writer gathers before it writes: one TLS record
)

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, streamWrite); return &b }}

// stream is one connection of the goroutine transport and its own owner. run reads for as long as it lives; a second
// goroutine writes, but exists only while something waits.
type stream struct {
	conn  Conn
	t     *Streams
	nc    net.Conn // replaced once, by Prepare, before anybody else reads or writes
	fresh bool     // accepted, not attached: Prepare is due

	turn sync.Mutex // held while a handler's method or a posted function runs, so that they never overlap
	dead bool       // guarded by turn: Closed was called, or detached

	mu       sync.Mutex // guards the rest; a leaf
	cond     sync.Cond  // paused, finished or killed changed
	paused   bool
	finished bool // our side is shut down
	killed   bool
	err      error // why it was killed
	posts    []func()
	posting  bool // a goroutine runs posts
}

func (s *stream) run(remote netip.AddrPort) {
	remote, ok := s.prepare(remote)
	if !ok {
		s.t.forget(s)
		s.nc.Close()
		return
	}
	s.turn.Lock()
	h := s.t.opt.Accept(&s.conn, remote)
	s.conn.handler = h
	if h == nil {
		s.dead = true
	}
	s.turn.Unlock()
	if h == nil {
		s.t.forget(s)
		s.nc.Close()
		return
	}
	if err, open := s.read(); open {
		s.end(err)
	}
}

// prepare lets Options.Prepare have its way with a fresh connection.
func (s *stream) prepare(remote netip.AddrPort) (netip.AddrPort, bool) {
	prepare := s.t.opt.Prepare
	if prepare == nil || !s.fresh {
		return remote, true
	}
	nc, remote, err := prepare(s.nc) // a kill meanwhile closes what lies below
	if err != nil {
		return remote, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nc = nc
	return remote, !s.killed
}

// read passes on what comes, until both sides ended or the connection was killed (open), or detached (not open).
func (s *stream) read() (err error, open bool) {
	buf := make([]byte, streamRead)
	for {
		n, err := s.nc.Read(buf)
		if killed, err := s.await(func() bool { return !s.paused }); killed {
			return err, true
		}
		if n > 0 {
			s.t.count.in.Add(uint64(n))
			s.do(func() { s.conn.handler.Data(&s.conn, buf[:n]) })
			s.turn.Lock()
			detached := s.dead
			s.turn.Unlock()
			if detached {
				return nil, false
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			s.do(func() { s.conn.handler.EOF(&s.conn) })
			_, err := s.await(func() bool { return s.finished })
			return err, true
		default:
			s.kill(err)
			_, err := s.await(func() bool { return false })
			return err, true
		}
	}
}

// await waits for a change that makes ok true, or for the end.
func (s *stream) await(ok func() bool) (killed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.killed && !ok() {
		s.cond.Wait()
	}
	return s.killed, s.err
}

func (s *stream) end(err error) {
	s.kill(err)
	s.t.forget(s)
	s.turn.Lock()
	defer s.turn.Unlock()
	s.dead = true
	s.conn.shut()
	s.conn.handler.Closed(&s.conn, err)
}

// do runs f in a turn, unless the connection is dead.
func (s *stream) do(f func()) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.dead {
		f()
	}
}

func (s *stream) kill(err error) {
	s.mu.Lock()
	first := !s.killed
	if first {
		s.killed, s.err = true, err
	}
	nc := s.nc
	s.cond.Broadcast()
	s.mu.Unlock()
	if first {
		nc.Close()
	}
}

func (s *stream) index() int                          { return 0 }
func (s *stream) bound() int                          { return s.t.opt.MaxOutbound }
func (s *stream) traffic() *traffic                   { return &s.t.count }
func (s *stream) ticks() uint32                       { return s.t.ticks() }
func (s *stream) closeLater(_ *Conn, err error)       { s.kill(err) }
func (s *stream) setTimeout(_ *Conn, d time.Duration) { s.t.setTimeout(s, d) }

func (s *stream) setReading(_ *Conn, on bool) {
	s.mu.Lock()
	s.paused = !on
	s.cond.Broadcast()
	s.mu.Unlock()
}

// post runs f after what was posted before, also on a dead connection.
func (s *stream) post(_ *Conn, f func()) bool {
	s.mu.Lock()
	s.posts = append(s.posts, f)
	start := !s.posting
	s.posting = true
	s.mu.Unlock()
	return !start || s.t.spawn(s.runPosts)
}

func (s *stream) runPosts() {
	for {
		s.mu.Lock()
		posts := s.posts
		s.posts = nil
		if len(posts) == 0 {
			s.posting = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for _, f := range posts {
			s.turn.Lock()
			f()
			s.turn.Unlock()
		}
	}
}

// dirty starts the writer. Conn.flagDirty stays set for as long as it runs, so that there is only one.
func (s *stream) dirty(*Conn) {
	s.t.spawn(s.write)
}

func (s *stream) write() {
	buf := writeBuffers.Get().(*[]byte)
	defer writeBuffers.Put(buf)
	c := &s.conn
	for {
		c.mu.Lock()
		q := c.out
		c.out = nil
		if q == nil {
			c.flags &^= flagDirty
			finishing := c.flags&flagFinishing != 0
			drained := c.flags&flagPressed != 0
			c.flags &^= flagPressed
			c.mu.Unlock()
			if drained {
				s.do(func() { c.handler.Drained(c) })
			}
			if finishing {
				s.finish()
			}
			return
		}
		c.mu.Unlock()
		for !q.empty() {
			n, err := s.nc.Write(q.next(*buf))
			c.mu.Lock()
			c.written(n)
			c.mu.Unlock()
			if err != nil {
				q.free()
				s.kill(err)
				return
			}
			q.advance(n)
		}
		q.free()
	}
}

// finish ends our side.
func (s *stream) finish() {
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			s.kill(err)
			return
		}
	}
	s.mu.Lock()
	s.finished = true
	s.cond.Broadcast()
	s.mu.Unlock()
}

func (s *stream) detach(*Conn) (net.Conn, error) {
	s.dead = true // under turn: we are called from Data
	s.t.forget(s)
	s.conn.shut()
	return s.nc, nil
}
