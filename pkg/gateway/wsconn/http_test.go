package wsconn

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

// withHTTP serves a small HTTP server on the same port; /ws there is for kept-alive connections.
func withHTTP(s **testServer) func(*Options) {
	return func(o *Options) {
		mux := http.NewServeMux()
		mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) { (*s).ServeUpgrade(w, r) })
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			w.Header().Set("X-Remote", r.RemoteAddr)
			_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(body))
		})
		o.HTTP = &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	}
}

func TestHTTPKeepAlive(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		var s *testServer
		s = startServer(t, kind, withHTTP(&s))
		c := s.dial(t)
		post := "POST /api HTTP/1.1\r\nHost: murre.test\r\nContent-Length: 5\r\n\r\nhello"
		for _, request := range []struct{ bytes, want string }{
			{"GET /w HTTP/1.1\r\nHost: murre.test\r\n\r\n", "GET /w "},
			{post, "POST /api hello"},
			{"GET /wsx HTTP/1.1\r\nHost: murre.test\r\n\r\n", "GET /wsx "},
		} {
			c.trickle(request.bytes) // the first request is handed over within its first line
			r := c.response()
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != request.want || r.Header.Get("X-Remote") != c.LocalAddr().String() {
				t.Fatalf("%s %v %v", body, err, r.Header)
			}
		}
		if got := s.Stats().HTTP; got != 1 {
			t.Errorf("%d HTTP connections", got)
		}
		for i := range len(post) { // cut anywhere
			c := s.dial(t)
			c.send(post[:i])
			c.send(post[i:])
			if r := c.response(); r.StatusCode != 200 {
				t.Fatal(i, r.StatusCode)
			}
			c.Close()
		}
		c.Close()
		plain := s.dial(t) // the path, but no upgrade
		plain.send("GET /ws HTTP/1.1\r\nHost: murre.test\r\n\r\n")
		if r := plain.response(); r.StatusCode != 426 {
			t.Error(r.StatusCode)
		}
		plain.Close()
		eventually(t, "empty", func() bool { return s.Stats().HTTP == 0 && s.Stats().Sockets == 0 })
	})
}

// TestUpgradeOnKeptConnection: a balancer sends an upgrade over a connection that served HTTP before.
func TestUpgradeOnKeptConnection(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		var s *testServer
		s = startServer(t, kind, withHTTP(&s))
		c := s.dial(t)
		c.send("GET /first HTTP/1.1\r\nHost: murre.test\r\n\r\n")
		if _, err := io.Copy(io.Discard, c.response().Body); err != nil {
			t.Fatal(err)
		}
		c.send(handshakeText("Cookie: a=b") + text("right behind"))
		c.upgraded()
		c.wantText("right behind")
		p := s.peer(t)
		if v, _ := p.request.Cookie("a"); v != "b" || p.conn.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("%+v", p.request)
		}
		c.send(closeText(1000, ""))
		c.wantClose(1000)
		p.wantClosed(t, 1000)

		smuggler := s.dial(t)
		smuggler.send("GET /first HTTP/1.1\r\nHost: murre.test\r\n\r\n")
		if _, err := io.Copy(io.Discard, smuggler.response().Body); err != nil {
			t.Fatal(err)
		}
		smuggler.send(handshakeText("Content-Length: 4") + "body")
		if r := smuggler.response(); r.StatusCode != 400 {
			t.Error(r.StatusCode)
		}
	})
}

func TestHTTPLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		var s *testServer
		s = startServer(t, kind, func(o *Options) { withHTTP(&s)(o); o.MaxHTTP = 1 })
		first := s.dial(t)
		first.send("GET / HTTP/1.1\r\nHost: murre.test\r\n\r\n")
		first.response()
		second := s.dial(t)
		second.send("GET / HTTP/1.1\r\nHost: murre.test\r\n\r\n")
		if r := second.response(); r.StatusCode != 503 {
			t.Error(r.StatusCode)
		}
	})
}

func TestHTTPBehindProxy(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		var s *testServer
		s = startServer(t, kind, func(o *Options) {
			withHTTP(&s)(o)
			o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		})
		c := s.dial(t)
		c.send(proxySignature + "\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x1f\x90\x00\x50" + "GET / HTTP/1.1\r\nHost: murre.test\r\n\r\n")
		if got := c.response().Header.Get("X-Remote"); got != "203.0.113.7:8080" {
			t.Error(got)
		}
	})
}

// TestNotHTTP: garbage gets an answer or an end, never silence.
func TestNotHTTP(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		var s *testServer
		s = startServer(t, kind, withHTTP(&s))
		for _, garbage := range []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "\x00\x00\x00\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
			c := s.dial(t)
			c.send(garbage)
			if _, err := io.ReadAll(c.r); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("%q: %v", garbage, err)
			}
		}
	})
}

func TestTLS(t *testing.T) {
	// httptest's certificate is as good as any.
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	cert := borrowed.TLS.Certificates[0]
	roots := borrowed.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	borrowed.Close()

	var s *testServer
	s = startServer(t, netpoll.Auto, func(o *Options) {
		withHTTP(&s)(o)
		o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		o.HandshakeTimeout = time.Second
	})
	dial := func(before string) *client {
		nc := s.dial(t)
		nc.send(before)
		return newClient(t, tls.Client(nc.Conn, &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: []string{"h2", "http/1.1"}}))
	}
	c := dial(proxySignature + "\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x1f\x90\x00\x50")
	c.send(handshakeText())
	c.upgraded()
	if got := s.peer(t).request.RemoteAddr.String(); got != "203.0.113.7:8080" {
		t.Error(got)
	}
	c.Close()
	c = dial("")
	c.send(handshakeText())
	c.upgraded()
	p := s.peer(t)
	if !p.request.TLS || p.conn.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("%+v", p.request)
	}
	long := string(bytes.Repeat([]byte("t"), 100_000))
	c.send(text(long))
	c.wantText(long)
	c.send(closeText(1000, ""))
	c.wantClose(1000)
	p.wantClosed(t, 1000)

	c = dial("")
	c.send("GET /a HTTP/1.1\r\nHost: murre.test\r\n\r\n")
	if r := c.response(); r.StatusCode != 200 {
		t.Error(r.StatusCode)
	}
	c.Close()

	for _, wrong := range []string{"GET / HTTP/1.1\r\n\r\n", ""} { // no TLS; nothing at all
		n := s.dial(t)
		n.send(wrong)
		_, _ = io.ReadAll(n.r) // ends, one way or another
		n.Close()
	}
	if got := s.Stats().Refused; got["tls"]+got["proxy_header"] != 2 {
		t.Error(got)
	}
	if _, err := NewServer(Options{Handler: s.handler, Listen: "127.0.0.1:0", TLS: &tls.Config{}, Transport: netpoll.Epoll}); err == nil {
		t.Error("TLS over epoll was accepted")
	}
}
