package wsconn

import (
	"errors"
	"net/netip"
)

var (
	// ErrClosed: the connection is closed or closing; nothing was queued.
	ErrClosed = errors.New("wsconn: connection is closed")
	// ErrBehind: the peer doesn't read fast enough, so that Limits.Outbound would be passed; nothing was queued.
	ErrBehind = errors.New("wsconn: outbound queue is full")
)

// Conn is one WebSocket connection. All methods are safe from any goroutine and never block.
type Conn struct {
	remote netip.AddrPort
}

// Send queues one complete server frame (see TextFrame). The frame is never copied nor changed, so that one frame may go
// to many connections; the caller must not change it either. ErrBehind or ErrClosed: nothing of it was queued.
func (c *Conn) Send(frame []byte) error { return ErrClosed }

// SendText queues payload as one text frame. payload is copied.
func (c *Conn) SendText(payload []byte) error { return c.Send(TextFrame(payload)) }

// Ping queues a ping; an answer comes as Peer.Pong. ErrBehind or ErrClosed as in Send.
func (c *Conn) Ping() error { return ErrClosed }

// Close sends what is queued, then a close frame, and waits for the peer's, at most Options.CloseTimeout. Messages that
// come meanwhile are dropped. reason is cut at 123 bytes. Only the first Close counts.
func (c *Conn) Close(code uint16, reason string) {}

// Abort ends the connection at once, with what is queued. Peer.Closed follows with code 1006.
func (c *Conn) Abort() {}

// Outbound is how many bytes wait to be written.
func (c *Conn) Outbound() int { return 0 }

// PauseReading stops reading from the socket, so that the peer feels backpressure: bytes already read are still
// delivered. Pings are not answered meanwhile, and silence doesn't count.
func (c *Conn) PauseReading() {}

// ResumeReading undoes PauseReading.
func (c *Conn) ResumeReading() {}

// RemoteAddr is the client's address, as Request.RemoteAddr.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }
