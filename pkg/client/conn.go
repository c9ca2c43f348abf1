package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/protocol"
)

// conn is one WebSocket connection. Reads belong to one goroutine; writes may come from any.
type conn struct {
	net  net.Conn
	br   *bufio.Reader
	max  int           // bytes of one message
	idle time.Duration // silence after which the server counts as dead; set after welcome

	heard atomic.Int64 // when the last frame began to come, Unix ms

	wmu  sync.Mutex
	wbuf []byte
}

// dial opens a connection. A server that answers with anything but 101 gives a *RefusedError.
func dial(ctx context.Context, o *Options, cursor bool) (*conn, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	q := u.Query()
	q.Set("device", o.Device.String())
	if cursor && o.Cursor != 0 {
		q.Set("cursor", o.Cursor.String())
	}
	u.RawQuery = q.Encode()
	header := o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Authorization", "Bearer "+o.Token)
	var refused *RefusedError
	d := ws.Dialer{
		Timeout: o.DialTimeout, NetDial: o.Dial, TLSConfig: o.TLS,
		Header:    ws.HandshakeHeaderHTTP(header),
		Protocols: []string{protocol.SubprotocolJSON},
		OnStatusError: func(status int, _ []byte, body io.Reader) {
			refused = &RefusedError{Status: status, Err: problemOf(status, body)}
		},
	}
	nc, br, _, err := d.Dial(ctx, u.String())
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c := &conn{net: nc, max: o.MaxMessage, idle: o.DialTimeout}
	// What came right behind the handshake lies in br, which goes back to a pool of the library's.
	var rest []byte
	if br != nil {
		rest, _ = br.Peek(br.Buffered())
		rest = append([]byte(nil), rest...)
		ws.PutReader(br)
	}
	c.br = newReader(io.MultiReader(&once{rest}, nc))
	return c, nil
}

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 16<<10) }

// once reads bytes that are given away when they are read.
type once struct{ b []byte }

func (o *once) Read(p []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.b)
	o.b = o.b[n:]
	return n, nil
}

// read returns the next text message in buf, which it grows as bytes arrive. Pings are answered on the way; a close
// frame gives a *CloseError and is answered.
func (c *conn) read(buf []byte) ([]byte, error) {
	buf = buf[:0]
	started := false
	for {
		if err := c.net.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		h, err := ws.ReadHeader(c.br)
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		c.heard.Store(time.Now().UnixMilli())
		if err := ws.CheckHeader(h, ws.StateClientSide|fragmented(started)); err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		if h.OpCode.IsControl() {
			if err := c.control(h); err != nil {
				return nil, err
			}
			continue
		}
		if h.OpCode == ws.OpBinary || h.Length > int64(c.max-len(buf)) {
			return nil, fmt.Errorf("read: unexpected frame: opcode %d, %d bytes", h.OpCode, h.Length)
		}
		started = true
		if buf, err = readN(c.br, buf, int(h.Length)); err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		if h.Fin {
			if !utf8.Valid(buf) {
				return nil, errors.New("read: text is not UTF-8")
			}
			return buf, nil
		}
	}
}

func fragmented(started bool) ws.State {
	if started {
		return ws.StateFragmented
	}
	return 0
}

// readN appends n bytes, growing with what really arrives.
func readN(r io.Reader, buf []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, 64<<10)
		at := len(buf)
		if cap(buf)-at < step {
			grown := make([]byte, at, max(2*cap(buf), at+step))
			copy(grown, buf)
			buf = grown
		}
		buf = buf[:at+step]
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return buf[:at], err
		}
		n -= step
	}
	return buf, nil
}

func (c *conn) control(h ws.Header) error {
	var b [ws.MaxControlFramePayloadSize]byte
	p := b[:h.Length]
	if _, err := io.ReadFull(c.br, p); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	switch h.OpCode {
	case ws.OpPing:
		return c.write(ws.OpPong, p)
	case ws.OpClose:
		e := &CloseError{Code: protocol.CloseCode(ws.StatusNoStatusRcvd)}
		if len(p) >= 2 {
			e.Code, e.Reason = protocol.CloseCode(binary.BigEndian.Uint16(p)), string(p[2:])
			p = p[:2]
		}
		_ = c.write(ws.OpClose, p) // the connection ends either way
		return e
	}
	return nil
}

// text writes one text frame.
func (c *conn) text(payload []byte) error { return c.write(ws.OpText, payload) }

func (c *conn) write(op ws.OpCode, payload []byte) error {
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Length: int64(len(payload)), Mask: ws.NewMask()}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	w := appender{c.wbuf[:0]}
	if err := ws.WriteHeader(&w, h); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	at := len(w.b)
	w.b = append(w.b, payload...)
	ws.Cipher(w.b[at:], h.Mask, 0)
	if cap(w.b) <= 64<<10 {
		c.wbuf = w.b
	}
	if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := c.net.Write(w.b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// close says goodbye and closes the socket.
func (c *conn) close(code ws.StatusCode) {
	_ = c.write(ws.OpClose, ws.NewCloseFrameBody(code, "")) // best effort: the peer may be gone
	_ = c.net.Close()
}
