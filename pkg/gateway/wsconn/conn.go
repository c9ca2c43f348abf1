package wsconn

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

var (
	// ErrClosed: the connection is closed or closing; nothing was queued.
	ErrClosed = errors.New("wsconn: connection is closed")
	// ErrBehind: the peer doesn't read fast enough, so that Limits.Outbound would be passed; nothing was queued.
	ErrBehind = errors.New("wsconn: outbound queue is full")
)

// Reasons given to Peer.Closed.
var (
	ErrEnded     = errors.New("wsconn: the peer ended the connection without a close frame")
	ErrAborted   = errors.New("wsconn: aborted")
	ErrSilent    = errors.New("wsconn: no sign of life")
	ErrNoClose   = errors.New("wsconn: the peer didn't answer our close frame")
	ErrWeClosed  = errors.New("wsconn: closed by us")
	ErrTheyClose = errors.New("wsconn: closed by the peer")
)

// codeAbnormal is what Closed gets when no close frame came (RFC 6455, 7.1.5).
const codeAbnormal = uint16(ws.StatusAbnormalClosure)

// phase is where a connection is in its life; it only grows.
type phase uint8

const (
	phaseHandshake phase = iota // reading the request
	phaseUpgrading              // Handler.Upgrade decides
	phaseOpen
	phaseClosing   // our close frame is queued, the peer's hasn't come
	phaseLingering // nothing more to say or hear: waits for the peer's end of stream
	phaseDead
)

// Conn is one WebSocket connection. All methods are safe from any goroutine and never block.
type Conn struct {
	t      *netpoll.Conn
	srv    *Server
	asked  atomic.Uint32 // askedClose, askedAbort, askedPause
	seen   uint32        // tick of the last sign of life; this and the rest belong to the loop
	peer   Peer          // nil before Open and after Closed
	hs     *handshake    // nil once open
	in     *inbound      // nil between messages
	remote netip.AddrPort

	controlTick uint16 // control frames are counted by the second
	controls    uint16
	code        uint16 // of our close frame
	phase       phase
	missed      uint8 // pings without an answer
}

const (
	askedClose = 1 << iota
	askedAbort
	askedPause
)

// Send queues one complete server frame (see TextFrame). The frame is never copied nor changed, so that one frame may go
// to many connections; the caller must not change it either. ErrBehind or ErrClosed: nothing of it was queued. A frame
// larger than Limits.Outbound is taken when nothing else waits.
func (c *Conn) Send(frame []byte) error {
	switch err := c.t.Write(frame); err {
	case nil:
		c.shard().framesOut.Add(1)
		return nil
	case netpoll.ErrBehind:
		c.shard().behind.Add(1)
		return ErrBehind
	default:
		return ErrClosed
	}
}

// SendText queues payload as one text frame. payload is copied.
func (c *Conn) SendText(payload []byte) error { return c.Send(TextFrame(payload)) }

// Ping queues a ping; an answer comes as Peer.Pong. ErrBehind or ErrClosed as in Send.
func (c *Conn) Ping() error { return c.Send(ws.CompiledPing) }

// Close sends what is queued, then a close frame, and waits for the peer's, at most Options.CloseTimeout. Messages that
// come meanwhile are dropped. reason is cut at 123 bytes. Only the first Close counts.
func (c *Conn) Close(code uint16, reason string) {
	if c.ask(askedClose) {
		c.t.Post(func() { c.startClose(code, reason) })
	}
}

// Abort ends the connection at once, with what is queued. Peer.Closed follows with code 1006.
func (c *Conn) Abort() {
	if c.ask(askedAbort) {
		c.t.Close(ErrAborted)
	}
}

// ask sets a flag and reports whether it was new.
func (c *Conn) ask(flag uint32) bool { return c.asked.Or(flag)&flag == 0 }

// Outbound is how many bytes wait to be written.
func (c *Conn) Outbound() int { return c.t.Outbound() }

// PauseReading stops reading from the socket, so that the peer feels backpressure: bytes already read are still
// delivered. Pings are not answered meanwhile, and silence doesn't count.
func (c *Conn) PauseReading() {
	if c.ask(askedPause) {
		c.t.Post(c.applyPause)
	}
}

// ResumeReading undoes PauseReading.
func (c *Conn) ResumeReading() {
	if c.asked.And(^uint32(askedPause))&askedPause != 0 {
		c.t.Post(c.applyPause)
	}
}

// applyPause, on the loop, does what was asked for last: the posts of two goroutines may come in another order than
// their flags did.
func (c *Conn) applyPause() {
	if c.phase <= phaseClosing {
		c.t.SetReading(c.asked.Load()&askedPause == 0)
	}
}

// RemoteAddr is the client's address, as Request.RemoteAddr.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

func (c *Conn) shard() *shard { return &c.srv.shards[c.t.Loop()] }

// What follows runs on the loop.

// Data implements netpoll.Handler.
func (c *Conn) Data(t *netpoll.Conn, b []byte) {
	c.seen, c.missed = t.Ticks(), 0
	switch c.phase {
	case phaseHandshake:
		c.readHandshake(b)
	case phaseUpgrading:
		c.keep(b)
	case phaseOpen, phaseClosing:
		c.readFrames(b)
	}
}

// EOF implements netpoll.Handler.
func (c *Conn) EOF(t *netpoll.Conn) {
	switch c.phase {
	case phaseHandshake, phaseUpgrading:
		t.Close(ErrEnded)
	case phaseOpen:
		c.linger(codeAbnormal, ErrEnded)
	case phaseClosing:
		c.linger(c.code, ErrEnded)
	}
}

// Timeout implements netpoll.Handler.
func (c *Conn) Timeout(t *netpoll.Conn) {
	switch c.phase {
	case phaseHandshake:
		c.refuse(refusedTimeout, problem(408, "the handshake took too long"))
	case phaseUpgrading:
		c.refuse(refusedUpgradeTimeout, c.srv.busy())
	case phaseOpen:
		c.checkPulse(t)
	case phaseClosing:
		c.finished(c.code, ErrNoClose)
		t.Close(ErrNoClose)
	case phaseLingering:
		t.Close(nil)
	}
}

// Drained implements netpoll.Handler.
func (c *Conn) Drained(*netpoll.Conn) {
	if c.phase == phaseOpen {
		c.peer.Drained(c)
	}
}

// Closed implements netpoll.Handler.
func (c *Conn) Closed(_ *netpoll.Conn, err error) {
	if c.phase == phaseUpgrading || c.phase == phaseHandshake {
		c.dropHandshake()
	}
	if err == nil {
		err = ErrEnded
	}
	code := codeAbnormal
	if c.phase == phaseClosing {
		code = c.code
	}
	c.finished(code, err)
	c.phase = phaseDead
	c.dropInbound()
	c.srv.left()
}

// finished tells the peer, once, that it is over.
func (c *Conn) finished(code uint16, reason error) {
	if c.peer == nil {
		return
	}
	peer := c.peer
	c.peer = nil
	c.shard().open.Add(-1)
	peer.Closed(c, code, reason)
}

// startClose queues our close frame and waits for the peer's.
func (c *Conn) startClose(code uint16, reason string) {
	if c.phase != phaseOpen {
		return
	}
	c.phase, c.code = phaseClosing, code
	c.t.Last(closeFrame(code, reason))
	c.ResumeReading() // the answer must be read
	c.t.SetTimeout(c.srv.opt.CloseTimeout)
}

// fail ends a connection whose peer broke the protocol or a limit.
func (c *Conn) fail(code ws.StatusCode, why error) {
	c.shard().failed.Add(1)
	if c.phase == phaseOpen {
		c.t.Last(closeFrame(uint16(code), why.Error()))
	}
	c.linger(uint16(code), why)
}

// linger sends what is queued, ends our side, and throws away what comes until the peer ends its side: closing a socket
// with unread bytes would reset it, and the reset may overtake our close frame.
func (c *Conn) linger(code uint16, why error) {
	c.phase = phaseLingering
	c.dropInbound()
	c.t.Finish()
	c.t.SetTimeout(c.srv.opt.CloseTimeout)
	c.finished(code, why)
}

// checkPulse pings after silence, and closes when that didn't help.
func (c *Conn) checkPulse(t *netpoll.Conn) {
	o := &c.srv.opt
	silence := netpoll.Since(t.Ticks(), c.seen)
	if c.asked.Load()&askedPause != 0 {
		c.seen, silence = t.Ticks(), 0
	}
	if wait := c.srv.pingAfter(); silence < wait {
		t.SetTimeout(wait - silence)
		return
	}
	if int(c.missed) >= o.MaxMissedPings {
		c.finished(codeAbnormal, ErrSilent)
		t.Close(ErrSilent)
		return
	}
	c.missed++
	_ = c.Ping()       // ErrBehind: the peer doesn't read, which the next round finds out
	c.seen = t.Ticks() // counts the silence after this ping
	t.SetTimeout(c.srv.pingAfter())
}

func closeFrame(code uint16, reason string) []byte {
	const longest = ws.MaxControlFramePayloadSize - 2
	if code == 0 {
		return AppendHeader(nil, ws.OpClose, 0)
	}
	if len(reason) > longest {
		reason = reason[:longest]
		for !utf8.ValidString(reason) && reason != "" { // don't cut a code point in two
			reason = reason[:len(reason)-1]
		}
	}
	frame := AppendHeader(make([]byte, 0, 4+len(reason)), ws.OpClose, 2+len(reason))
	return append(append(frame, byte(code>>8), byte(code)), reason...)
}
