package wsconn

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Why a connection failed; sent as the close reason.
var (
	errUnmasked     = errors.New("client frames must be masked")
	errReservedBits = errors.New("reserved bits are set")
	errOpCode       = errors.New("reserved op code")
	errLength       = errors.New("malformed payload length")
	errControlSize  = errors.New("control frame is fragmented or too long")
	errContinuation = errors.New("continuation without a message")
	errInterleaved  = errors.New("new message inside a fragmented one")
	errTooBig       = errors.New("message too big")
	errFragments    = errors.New("too many fragments")
	errControlRate  = errors.New("too many control frames")
	errUTF8         = errors.New("invalid UTF-8")
	errCloseFrame   = errors.New("malformed close frame")
)

// header is a frame's header.
type header struct {
	op     ws.OpCode
	fin    bool
	rsv    bool
	masked bool
	badLen bool // the length's top bit is set, or it isn't in its shortest form
	mask   [4]byte
	length uint64
}

// parseHeader reads a header (2..14 bytes) from the start of b; n is 0 when more bytes are needed.
func parseHeader(b []byte) (h header, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h.fin = b[0]&0x80 != 0
	h.rsv = b[0]&0x70 != 0
	h.op = ws.OpCode(b[0] & 0x0f)
	h.masked = b[1]&0x80 != 0
	n = 2
	switch length := b[1] & 0x7f; length {
	case 126:
		if n = 4; len(b) < n {
			return h, 0
		}
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
		h.badLen = h.length < 126
	case 127:
		if n = 10; len(b) < n {
			return h, 0
		}
		h.length = binary.BigEndian.Uint64(b[2:])
		h.badLen = h.length < 1<<16 || h.length>>63 != 0
	default:
		h.length = uint64(length)
	}
	if h.masked {
		if len(b) < n+4 {
			return h, 0
		}
		h.mask = [4]byte(b[n:])
		n += 4
	}
	return h, n
}

// inbound is what a connection remembers of a frame or message that has not come whole. Borrowed while needed.
type inbound struct {
	head    [ws.MaxHeaderSize]byte
	headLen int

	inFrame bool // a frame's payload is being read
	frame   header
	got     int // bytes of it so far

	control    [ws.MaxControlFramePayloadSize]byte // payload of a control frame under way
	inMessage  bool                                // a message has begun and not ended
	binary     bool
	fragments  int
	message    []byte // what of it has come; from the buffer pool
	incomplete utf8Tail
}

// readFrames cuts frames from b and acts on them. Whatever is incomplete at its end goes to c.in.
func (c *Conn) readFrames(b []byte) {
	for len(b) > 0 && (c.phase == phaseOpen || c.phase == phaseClosing) {
		if c.in != nil && c.in.inFrame {
			b = b[c.readPayload(b):]
			continue
		}
		h, n := c.readHeader(b)
		if n == 0 {
			return
		}
		b = b[n:]
		if code, err := c.checkHeader(&h); err != nil {
			c.fail(code, err)
			return
		}
		c.shard().framesIn.Add(1)
		if h.length <= uint64(len(b)) && (h.op.IsControl() || h.fin && (c.in == nil || !c.in.inMessage)) {
			payload := b[:h.length]
			b = b[h.length:]
			ws.Cipher(payload, h.mask, 0)
			if h.op.IsControl() {
				c.control(h.op, payload)
			} else {
				c.whole(payload, h.op == ws.OpBinary)
			}
			continue
		}
		c.beginFrame(h)
		if h.length == 0 {
			c.endFrame()
		}
	}
}

// readHeader takes a header from what was kept and b; n is how much of b it used, 0: all, and more is needed.
func (c *Conn) readHeader(b []byte) (h header, n int) {
	if c.in == nil || c.in.headLen == 0 {
		if h, n = parseHeader(b); n == 0 {
			in := c.inbound()
			in.headLen = copy(in.head[:], b)
		}
		return h, n
	}
	in := c.in
	before := in.headLen
	in.headLen += copy(in.head[before:], b)
	h, n = parseHeader(in.head[:in.headLen])
	if n == 0 {
		return h, 0
	}
	in.headLen = 0
	return h, n - before
}

// checkHeader holds a header against RFC 6455 and the limits, before anything is allocated for it.
func (c *Conn) checkHeader(h *header) (ws.StatusCode, error) {
	limits := &c.srv.opt.Limits
	continuing := c.in != nil && c.in.inMessage
	switch {
	case h.rsv:
		return ws.StatusProtocolError, errReservedBits
	case h.op.IsReserved():
		return ws.StatusProtocolError, errOpCode
	case !h.masked:
		return ws.StatusProtocolError, errUnmasked
	case h.badLen:
		return ws.StatusProtocolError, errLength
	case h.op.IsControl():
		if !h.fin || h.length > ws.MaxControlFramePayloadSize {
			return ws.StatusProtocolError, errControlSize
		}
		if !c.allowControl(limits.ControlRate) {
			return ws.StatusPolicyViolation, errControlRate
		}
		return 0, nil
	case h.op == ws.OpContinuation && !continuing:
		return ws.StatusProtocolError, errContinuation
	case h.op != ws.OpContinuation && continuing:
		return ws.StatusProtocolError, errInterleaved
	}
	had := 0
	if continuing {
		had = len(c.in.message)
		if limits.Fragments > 0 && c.in.fragments >= limits.Fragments {
			return ws.StatusPolicyViolation, errFragments
		}
	}
	if h.length > uint64(limits.Message-had) {
		return ws.StatusMessageTooBig, errTooBig
	}
	return 0, nil
}

// allowControl counts control frames by the second.
func (c *Conn) allowControl(rate int) bool {
	if rate < 0 {
		return true
	}
	second := uint16(c.t.Ticks() / ticksPerSecond)
	if second != c.controlTick {
		c.controlTick, c.controls = second, 0
	}
	if int(c.controls) >= rate {
		return false
	}
	c.controls++
	return true
}

// whole delivers a message that came in one frame and one read.
func (c *Conn) whole(payload []byte, binary bool) {
	if !binary && !utf8.Valid(payload) {
		c.fail(ws.StatusInvalidFramePayloadData, errUTF8)
		return
	}
	c.deliver(payload, binary)
}

func (c *Conn) deliver(payload []byte, binary bool) {
	if c.phase == phaseOpen && c.asked.Load()&(askedClose|askedAbort) == 0 {
		c.peer.Message(c, payload, binary)
	}
}

func (c *Conn) beginFrame(h header) {
	in := c.inbound()
	in.inFrame, in.frame, in.got = true, h, 0
	if h.op.IsControl() {
		return
	}
	if h.op != ws.OpContinuation {
		in.inMessage, in.binary, in.fragments = true, h.op == ws.OpBinary, 0
	}
	in.fragments++
}

// readPayload takes what b holds of the current frame's payload and returns how much that was.
func (c *Conn) readPayload(b []byte) int {
	in := c.in
	n := min(len(b), int(in.frame.length)-in.got)
	part := b[:n]
	ws.Cipher(part, in.frame.mask, in.got)
	if in.frame.op.IsControl() {
		copy(in.control[in.got:], part)
	} else {
		if !in.binary && !in.incomplete.valid(part) {
			c.fail(ws.StatusInvalidFramePayloadData, errUTF8)
			return len(b)
		}
		in.message = appendPooled(in.message, part)
	}
	in.got += n
	if in.got == int(in.frame.length) {
		c.endFrame()
	}
	return n
}

func (c *Conn) endFrame() {
	in := c.in
	in.inFrame = false
	if in.frame.op.IsControl() {
		payload := in.control[:in.got]
		c.control(in.frame.op, payload)
		if c.in != nil && !in.inMessage {
			c.dropInbound()
		}
		return
	}
	if !in.frame.fin {
		return
	}
	if !in.binary && in.incomplete.n > 0 {
		c.fail(ws.StatusInvalidFramePayloadData, errUTF8)
		return
	}
	c.deliver(in.message, in.binary)
	c.dropInbound()
}

// control acts on a whole control frame.
func (c *Conn) control(op ws.OpCode, payload []byte) {
	switch op {
	case ws.OpPing:
		if c.phase == phaseOpen {
			pong := AppendHeader(make([]byte, 0, 2+len(payload)), ws.OpPong, len(payload))
			_ = c.Send(append(pong, payload...)) // full: a peer that doesn't read can't see a pong either
		}
	case ws.OpPong:
		if c.phase == phaseOpen {
			c.peer.Pong(c)
		}
	case ws.OpClose:
		c.peerCloses(payload)
	}
}

// peerCloses answers the peer's close frame, or takes it as the answer to ours.
func (c *Conn) peerCloses(payload []byte) {
	if len(payload) == 1 {
		c.fail(ws.StatusProtocolError, errCloseFrame)
		return
	}
	if len(payload) == 0 { // no code: 1005 to the application, an empty frame back
		if c.phase == phaseOpen {
			c.t.Last(closeFrame(0, ""))
			c.linger(uint16(ws.StatusNoStatusRcvd), ErrTheyClose)
			return
		}
		c.linger(c.code, ErrWeClosed)
		return
	}
	code, reason := ws.ParseCloseFrameData(payload)
	if !utf8.ValidString(reason) {
		c.fail(ws.StatusInvalidFramePayloadData, errUTF8)
		return
	}
	if !validCloseCode(code) {
		c.fail(ws.StatusProtocolError, errCloseFrame)
		return
	}
	if c.phase == phaseOpen {
		c.t.Last(closeFrame(uint16(code), ""))
		c.linger(uint16(code), ErrTheyClose)
		return
	}
	c.linger(c.code, ErrWeClosed)
}

// validCloseCode: RFC 6455, section 7.4, and what IANA registered since (1012 restart, 1013 try again, 1014 bad gateway),
// which the library's check still refuses.
func validCloseCode(code ws.StatusCode) bool {
	switch {
	case code < 1000 || code >= 5000:
		return false
	case code >= 3000:
		return true
	default:
		return code <= 1003 || code >= 1007 && code <= 1014
	}
}

// utf8Tail checks text that comes in pieces: it keeps the start of a code point that a piece ends in.
type utf8Tail struct {
	b [utf8.UTFMax]byte
	n int
}

// valid checks the next piece: false as soon as no continuation could make it valid.
func (t *utf8Tail) valid(piece []byte) bool {
	for t.n > 0 && len(piece) > 0 {
		t.b[t.n] = piece[0]
		t.n++
		piece = piece[1:]
		if !utf8.FullRune(t.b[:t.n]) {
			continue
		}
		if r, size := utf8.DecodeRune(t.b[:t.n]); r == utf8.RuneError && size == 1 {
			return false
		}
		t.n = 0
	}
	// Cut off an incomplete code point at the end; it starts within the last three bytes.
	end := len(piece)
	for i := 1; i < utf8.UTFMax && i <= len(piece); i++ {
		if start := piece[len(piece)-i:]; utf8.RuneStart(start[0]) {
			if !utf8.FullRune(start) {
				end = len(piece) - i
				t.n = copy(t.b[:], start)
			}
			break
		}
	}
	return utf8.Valid(piece[:end])
}
