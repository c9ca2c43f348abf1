package netpoll

import (
	"errors"
	"net"
	"sync"
	"time"
)

var (
	// ErrClosed: the connection is closed, or Last or Finish was called; nothing was queued.
	ErrClosed = errors.New("netpoll: connection is closed")
	// ErrBehind: the outbound queue would pass Options.MaxOutbound; nothing was queued.
	ErrBehind = errors.New("netpoll: outbound queue is full")
	// ErrStopped is what Handler.Closed gets when the transport stops.
	ErrStopped = errors.New("netpoll: transport stopped")
)

// Handler is told what happens to one connection. Calls for one connection never overlap; on the epoll transport they run
// on the loop, so they must not block.
type Handler interface {
	// Data: b was read. It belongs to the transport again after the call; the callee may overwrite it.
	Data(c *Conn, b []byte)
	// EOF: the peer sends no more. The connection stays open for writing until Finish or Close.
	EOF(c *Conn)
	// Timeout: the time set by SetTimeout has passed. May come a little late (two ticks), never early.
	Timeout(c *Conn)
	// Drained: the outbound queue was more than half full, or refused something, and is empty now.
	Drained(c *Conn)
	// Closed is the last call, exactly once for every accepted connection that wasn't detached. err is nil when both
	// sides had ended, else what Close was given, or what the system said.
	Closed(c *Conn, err error)
}

// Conn is one connection. Write, Last, Finish, Close, Post and Outbound may be called from any goroutine; the other
// methods only from its Handler's methods or a posted function. None blocks.
type Conn struct {
	owner   owner
	handler Handler

	mu       sync.Mutex // guards the next three; a leaf
	flags    uint8
	out      *queue // nil when nothing waits
	outbound int    // bytes queued, those being written included

	state uint8 // of the loop alone
	slot  int32 // index into the owner's table and timing wheel
	fd    int32 // epoll only, as gen
	gen   uint32
}

// Conn.flags
const (
	flagDirty     = 1 << iota // on the owner's list, or being written
	flagPressed               // Drained is due once the queue is empty
	flagSealed                // Last was called: no more writes
	flagFinishing             // Finish was called
	flagClosed
)

// owner is the part in which transports differ.
type owner interface {
	index() int
	bound() int    // Options.MaxOutbound
	dirty(c *Conn) // something waits in c.out, or c is finishing
	post(c *Conn, f func()) bool
	closeLater(c *Conn, err error)       // from any goroutine
	setReading(c *Conn, on bool)         // from the handler
	setTimeout(c *Conn, d time.Duration) // from the handler
	detach(c *Conn) (net.Conn, error)    // from the handler
	ticks() uint32
	traffic() *traffic
}

// Write queues b, which must not change afterwards: it is not copied. ErrBehind and ErrClosed: nothing was queued. An
// empty queue takes a b of any size.
func (c *Conn) Write(b []byte) error {
	bound := c.owner.bound()
	c.mu.Lock()
	if c.flags&(flagSealed|flagClosed) != 0 {
		c.mu.Unlock()
		return ErrClosed
	}
	if c.outbound > 0 && c.outbound+len(b) > bound {
		c.flags |= flagPressed
		c.mu.Unlock()
		return ErrBehind
	}
	first := c.push(b, bound)
	c.mu.Unlock()
	if first {
		c.owner.dirty(c)
	}
	return nil
}

// push, under mu, queues b and reports whether the owner has to be told.
func (c *Conn) push(b []byte, bound int) (first bool) {
	if c.out == nil {
		c.out = newQueue()
	}
	c.out.frames = append(c.out.frames, b)
	c.outbound += len(b)
	c.owner.traffic().queued.Add(int64(len(b)))
	if c.outbound > bound/2 {
		c.flags |= flagPressed
	}
	first = c.flags&flagDirty == 0
	c.flags |= flagDirty
	return first
}

// Last queues b as the last bytes, whatever waits already; later writes get ErrClosed. Only the first call counts.
func (c *Conn) Last(b []byte) {
	bound := c.owner.bound()
	c.mu.Lock()
	if c.flags&(flagSealed|flagClosed) != 0 {
		c.mu.Unlock()
		return
	}
	c.flags |= flagSealed
	first := len(b) > 0 && c.push(b, bound)
	c.mu.Unlock()
	if first {
		c.owner.dirty(c)
	}
}

// Finish ends the writing side once everything queued is out; later writes get ErrClosed. The connection closes when the
// peer ends its side too; set a timeout for one that doesn't.
func (c *Conn) Finish() {
	c.mu.Lock()
	if c.flags&(flagFinishing|flagClosed) != 0 {
		c.mu.Unlock()
		return
	}
	first := c.flags&flagDirty == 0
	c.flags |= flagSealed | flagFinishing | flagDirty
	c.mu.Unlock()
	if first {
		c.owner.dirty(c)
	}
}

// Close ends the connection at once, dropping what is queued; Handler.Closed follows with err.
func (c *Conn) Close(err error) { c.owner.closeLater(c, err) }

// Outbound is how many bytes wait to be written.
func (c *Conn) Outbound() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outbound
}

// SetReading stops (false) or resumes reading. On the goroutine transport one read may be under way: it waits.
func (c *Conn) SetReading(on bool) { c.owner.setReading(c, on) }

// SetTimeout replaces the connection's one timer; 0 stops it.
func (c *Conn) SetTimeout(d time.Duration) { c.owner.setTimeout(c, d) }

// Post runs f in a turn of the connection's own, also when it is closed by then. False: the transport has stopped, Closed
// was called, and f won't run.
func (c *Conn) Post(f func()) bool { return c.owner.post(c, f) }

// Detach hands the connection out; the transport forgets it without calling Closed. Only inside Handler.Data, with
// nothing queued. After an error the connection is gone too.
func (c *Conn) Detach() (net.Conn, error) { return c.owner.detach(c) }

// Loop is the number of the loop that the connection belongs to, to shard counters by.
func (c *Conn) Loop() int { return c.owner.index() }

// Ticks is the transport's coarse clock, in units of Tick since it started. It wraps around.
func (c *Conn) Ticks() uint32 { return c.owner.ticks() }

// written, under mu, counts n bytes off the queue.
func (c *Conn) written(n int) {
	n = min(n, c.outbound) // 0 when the connection was shut meanwhile
	c.outbound -= n
	t := c.owner.traffic()
	t.queued.Add(-int64(n))
	t.out.Add(uint64(n))
}

// shut forgets the queue: nothing can be written any more.
func (c *Conn) shut() {
	c.mu.Lock()
	c.flags |= flagClosed
	q := c.out
	c.owner.traffic().queued.Add(-int64(c.outbound))
	c.out, c.outbound = nil, 0
	c.mu.Unlock()
	if q != nil {
		q.free()
	}
}
