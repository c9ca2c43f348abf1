package wsconn

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// toHTTP hands the connection, with the bytes read so far, to the HTTP server.
func (c *Conn) toHTTP(b []byte) {
	s := c.srv
	if s.opt.HTTP == nil {
		c.refuse(refusedOther, problem(http.StatusNotFound, "only WebSocket upgrades are served here"))
		return
	}
	if !s.handed.reserve(s.opt.MaxHTTP) {
		c.refuse(refusedBusy, c.srv.busy())
		return
	}
	read := bytes.Clone(b)
	remote := c.remote
	c.hs = nil
	c.phase = phaseDead
	s.left()
	nc, err := c.t.Detach()
	if err != nil {
		s.handed.release()
		s.opt.Log.Error("hand a connection to the HTTP server", "error", err)
		return
	}
	s.handed.put(&handedConn{Conn: nc, read: read, remote: remote, done: s.handed.release})
}

// handed is the listener that the HTTP server accepts from: it yields the connections that turned out to be plain HTTP.
type handed struct {
	addr  net.Addr
	conns chan net.Conn
	open  atomic.Int64

	once sync.Once
	shut chan struct{}
}

// newHanded makes room for as many waiting connections as may be open, so that put never blocks a loop.
func newHanded(addr net.Addr, most int) *handed {
	return &handed{addr: addr, conns: make(chan net.Conn, most), shut: make(chan struct{})}
}

func (h *handed) reserve(most int) bool {
	if h.open.Add(1) > int64(most) {
		h.open.Add(-1)
		return false
	}
	return true
}

func (h *handed) release() { h.open.Add(-1) }

// put queues a connection that has a reservation.
func (h *handed) put(nc net.Conn) {
	select {
	case h.conns <- nc:
		select {
		case <-h.shut:
			h.drain()
		default:
		}
	default: // can't be: a reservation is a place
		nc.Close()
	}
}

func (h *handed) drain() {
	for {
		select {
		case nc := <-h.conns:
			nc.Close()
		default:
			return
		}
	}
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.shut:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.shut) })
	h.drain()
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return h.addr }

// handedConn is a connection whose first bytes were read already.
type handedConn struct {
	net.Conn
	read   []byte
	remote netip.AddrPort // behind a proxy the client's
	once   sync.Once
	done   func()
}

func (c *handedConn) Read(b []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// ReadFrom keeps sendfile for files that the HTTP server sends.
func (c *handedConn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite lets the HTTP server end its side before it closes.
func (c *handedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *handedConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return c.Conn.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(c.remote)
}

func (c *handedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.done)
	return err
}

// ServeUpgrade makes an HTTP connection a WebSocket: for balancers that send an upgrade over a connection they kept alive.
// Route Options.Path of the HTTP handler here; what isn't an upgrade gets 426. The connection then lives on the
// goroutine transport.
func (s *Server) ServeUpgrade(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !hasToken(r.Header.Get("Upgrade"), "websocket") || s.streams == nil {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, http.StatusText(http.StatusUpgradeRequired), http.StatusUpgradeRequired)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "this connection can't be upgraded", http.StatusInternalServerError)
		return
	}
	// The head is written out again, so that the one strict parser judges it.
	var head bytes.Buffer
	head.WriteString(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\nHost: " + r.Host + "\r\n")
	_ = r.Header.Write(&head) // a bytes.Buffer never fails
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		head.WriteString("Content-Length: 1\r\n") // refused, as on a fresh connection
	}
	head.WriteString("\r\n")
	nc, buffered, err := hijacker.Hijack()
	if err != nil {
		s.opt.Log.Error("hijack an HTTP connection", "error", err)
		return
	}
	if n := buffered.Reader.Buffered(); n > 0 {
		behind, _ := buffered.Reader.Peek(n) // n bytes are there
		head.Write(behind)
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		remote = netip.AddrPort{}
	}
	s.streams.Attach(&handedConn{Conn: nc, read: head.Bytes(), remote: remote, done: func() {}}, remote)
}
