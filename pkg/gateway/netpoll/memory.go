package netpoll

import (
	"errors"
	"net"
	"time"
)

// Memory is the other end of a Conn without a socket, for tests of handlers and for fuzzing. Everything happens at once, on
// the calling goroutine; time stands still. Not safe for concurrent use.
type Memory struct {
	Conn     *Conn
	Written  []byte        // all that was written
	Finished bool          // the writing side was ended
	Closed   bool          // by Close, or by Finish
	Timeout  time.Duration // as last set
	Reading  bool
	Now      uint32 // what Ticks says

	limit int
	count traffic
}

// NewMemory makes a connection whose queue is written as soon as something is in it.
func NewMemory(maxOutbound int) *Memory {
	m := &Memory{limit: maxOutbound, Reading: true}
	m.Conn = &Conn{owner: m}
	return m
}

// Serve sets the handler that is told of what happens.
func (m *Memory) Serve(h Handler) { m.Conn.handler = h }

// Receive is what the peer sent, in one read.
func (m *Memory) Receive(b []byte) {
	if !m.Closed {
		m.Conn.handler.Data(m.Conn, b)
	}
}

func (m *Memory) dirty(c *Conn) {
	c.mu.Lock()
	q := c.out
	c.out = nil
	c.flags &^= flagDirty
	finishing := c.flags&flagFinishing != 0
	if q != nil {
		for _, frame := range q.frames {
			m.Written = append(m.Written, frame...)
		}
		c.written(c.outbound)
		q.free()
	}
	c.mu.Unlock()
	m.Finished = m.Finished || finishing
}

func (m *Memory) closeLater(c *Conn, err error) {
	if m.Closed {
		return
	}
	m.Closed = true
	c.shut()
	c.handler.Closed(c, err)
}

func (m *Memory) index() int                          { return 0 }
func (m *Memory) bound() int                          { return m.limit }
func (m *Memory) ticks() uint32                       { return m.Now }
func (m *Memory) traffic() *traffic                   { return &m.count }
func (m *Memory) setReading(_ *Conn, on bool)         { m.Reading = on }
func (m *Memory) setTimeout(_ *Conn, d time.Duration) { m.Timeout = d }
func (m *Memory) detach(*Conn) (net.Conn, error) {
	return nil, errors.New("netpoll: no socket to detach")
}
func (m *Memory) post(_ *Conn, f func()) bool { f(); return true }
