//go:build linux

package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// maxFrame is the largest frame taken from a server, bytes.
const maxFrame = 8 << 20

type phase uint8

const (
	connecting phase = iota
	upgrading
	open
	closed
)

// conn is one WebSocket connection: bytes in, frames out, and the reverse.
type conn struct {
	loop    *Loop
	client  *Client
	fd      int
	phase   phase
	dirty   bool
	writing bool // EPOLLOUT is asked for
	mask    uint32
	in      []byte // an incomplete frame
	out     []byte // bytes to write
	done    int    // of them written
}

var errRefused = errors.New("upgrade refused")

// RefusedError is the server's answer to an upgrade that it didn't make.
type RefusedError struct {
	Status int
	Head   string // what came, at most 512 bytes
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("%v: status %d", errRefused, e.Status) }

// RetryAfter is how long the server asked to stay away; 0: it didn't.
func (e *RefusedError) RetryAfter() time.Duration {
	for line := range strings.Lines(e.Head) {
		name, v, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Retry-After") {
			n, _ := strconv.Atoi(strings.TrimSpace(v)) // a date, which no server of ours sends, is none
			return time.Duration(max(n, 0)) * time.Second
		}
	}
	return 0
}

// CloseError is a close frame from the server.
type CloseError struct {
	Code   int
	Reason string
}

// Error implements error.
func (e *CloseError) Error() string {
	return fmt.Sprintf("closed by the server: %d %s", e.Code, e.Reason)
}

// CutOff is the Ending of a connection that ended without a word, or never was.
const CutOff = "cut off"

// Ending names a connection's end for counting: "close 4001", "refused 429", or CutOff.
func Ending(err error) string {
	var closed *CloseError
	var refused *RefusedError
	switch {
	case errors.As(err, &closed):
		return fmt.Sprintf("close %d", closed.Code)
	case errors.As(err, &refused):
		return fmt.Sprintf("refused %d", refused.Status)
	}
	return CutOff
}

// dial opens a connection from one of the loop's source addresses, so that the ports of one address are no limit.
func dial(l *Loop, to netip.AddrPort, client *Client) (*conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("wire: socket: %w", err)
	}
	c := &conn{loop: l, client: client, fd: fd, mask: 0x9e3779b9 * uint32(fd+1)}
	fail := func(op string, err error) (*conn, error) {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("wire: %s: %w", op, err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if from, ok := l.source(to.Addr()); ok {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from}); err != nil {
			return fail("bind", err)
		}
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil && err != unix.EINPROGRESS {
		return fail("connect", err)
	}
	if err := l.add(c, unix.EPOLLOUT); err != nil {
		l.byFD[fd] = nil
		return fail("watch", err)
	}
	c.writing = true
	return c, nil
}

func (c *conn) watch(events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(c.fd)}
	_ = unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_MOD, c.fd, &event)
}

// ready handles what epoll says about the connection.
func (c *conn) ready(events uint32) {
	if c.phase == connecting {
		if e, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || e != 0 {
			c.end(fmt.Errorf("wire: connect: %w", unix.Errno(e)))
			return
		}
		c.phase = upgrading
		c.client.request(c)
		c.flush()
		if c.fd >= 0 && !c.writing {
			c.watch(unix.EPOLLIN)
		}
		return
	}
	if events&unix.EPOLLOUT != 0 {
		c.flush()
	}
	if c.fd >= 0 && events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLRDHUP) != 0 {
		c.read()
	}
}

func (c *conn) read() {
	l := c.loop
	for {
		l.Reads++
		r, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&l.buf[0])), uintptr(len(l.buf)))
		switch {
		case e == unix.EAGAIN || e == unix.EINTR:
			return
		case e != 0:
			c.end(fmt.Errorf("wire: read: %w", e))
			return
		case r == 0:
			c.end(errors.New("wire: the server ended the connection"))
			return
		}
		l.BytesIn += uint64(r)
		data := l.buf[:r]
		whole := int(r) < len(l.buf)
		if len(c.in) > 0 {
			c.in = append(c.in, data...)
			data = c.in
		}
		rest := c.take(data)
		if c.fd < 0 {
			return
		}
		if len(rest) == 0 {
			c.in = nil // an idle connection holds no buffer
		} else {
			c.in = append([]byte(nil), rest...)
		}
		if whole {
			return
		}
	}
}

// take handles what is complete and returns the rest.
func (c *conn) take(data []byte) []byte {
	if c.phase == upgrading {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			return data
		}
		head := data[:end]
		status := 0
		if len(head) > 12 {
			_, _ = fmt.Sscanf(string(head[9:12]), "%d", &status)
		}
		if status != 101 {
			c.end(&RefusedError{Status: status, Head: string(data[:min(len(data), 512)])})
			return nil
		}
		c.phase = open
		data = data[end+4:]
	}
	for c.fd >= 0 {
		op, payload, size := cut(data)
		if size == 0 {
			return data
		}
		if size < 0 {
			c.end(errors.New("wire: the server sent a malformed frame"))
			return nil
		}
		data = data[size:]
		c.loop.FramesIn++
		c.frame(op, payload)
	}
	return nil
}

// cut takes one frame off: its size is 0 when it isn't complete, negative when it is none (masked, fragmented, too long).
func cut(b []byte) (op ws.OpCode, payload []byte, size int) {
	if len(b) < 2 {
		return 0, nil, 0
	}
	if b[0]&0x80 == 0 || b[0]&0x70 != 0 || b[1]&0x80 != 0 {
		return 0, nil, -1
	}
	head, n := 2, uint64(b[1])
	switch n {
	case 126:
		if len(b) < 4 {
			return 0, nil, 0
		}
		head, n = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < 10 {
			return 0, nil, 0
		}
		head, n = 10, binary.BigEndian.Uint64(b[2:])
	}
	if n > maxFrame {
		return 0, nil, -1
	}
	if uint64(len(b)-head) < n {
		return 0, nil, 0
	}
	return ws.OpCode(b[0] & 0xf), b[head : head+int(n)], head + int(n)
}

func (c *conn) frame(op ws.OpCode, payload []byte) {
	switch op {
	case ws.OpText:
		c.client.frame(payload)
	case ws.OpPing:
		c.send(ws.OpPong, payload)
	case ws.OpClose:
		e := &CloseError{Code: 1005}
		if len(payload) >= 2 {
			e.Code, e.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
		c.end(e)
	}
}

// send queues a frame; it is written at the end of the turn.
func (c *conn) send(op ws.OpCode, payload []byte) {
	if c.fd < 0 {
		return
	}
	c.mask = c.mask*1664525 + 1013904223
	var mask [4]byte
	binary.LittleEndian.PutUint32(mask[:], c.mask)
	if c.out == nil {
		c.out = c.loop.buffer()
	}
	c.out = append(c.out, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		c.out = append(c.out, 0x80|byte(n))
	case n < 1<<16:
		c.out = append(c.out, 0x80|126, byte(n>>8), byte(n))
	default:
		c.out = binary.BigEndian.AppendUint64(append(c.out, 0x80|127), uint64(n))
	}
	c.out = append(c.out, mask[:]...)
	at := len(c.out)
	c.out = append(c.out, payload...)
	ws.Cipher(c.out[at:], mask, 0)
	c.loop.FramesOut++
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// flush writes what is queued. A connection without anything to write holds no buffer: it is the loop's again.
func (c *conn) flush() {
	for c.done < len(c.out) {
		c.loop.Writes++
		b := c.out[c.done:]
		r, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			if !c.writing {
				c.writing = true
				c.watch(unix.EPOLLIN | unix.EPOLLOUT)
			}
			return
		case e != 0:
			c.end(fmt.Errorf("wire: write: %w", e))
			return
		}
		c.done += int(r)
		c.loop.BytesOut += uint64(r)
	}
	c.done = 0
	c.loop.takeBack(c.out)
	c.out = nil
	if c.writing {
		c.writing = false
		c.watch(unix.EPOLLIN)
	}
}

// end closes the descriptor and tells the client, once.
func (c *conn) end(reason error) {
	if c.fd < 0 {
		return
	}
	c.loop.byFD[c.fd] = nil
	_ = unix.Close(c.fd)
	c.fd, c.phase, c.in, c.out = -1, closed, nil, nil
	if c.client.conn == c {
		c.client.ended(reason)
	}
}
