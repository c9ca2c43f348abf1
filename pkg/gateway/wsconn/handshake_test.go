package wsconn

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

func TestRefusedHandshakes(t *testing.T) {
	without := func(line string) string {
		return strings.Replace(handshakeText(), line+"\r\n", "", 1)
	}
	manyHeaders := make([]string, 10_000)
	for i := range manyHeaders {
		manyHeaders[i] = "X-A: b"
	}
	tests := []struct {
		name, request string
		status        int
	}{
		{"Content-Length", handshakeText("Content-Length: 5"), 400},
		{"Content-Length of 0", handshakeText("content-length: 0"), 400},
		{"Transfer-Encoding", handshakeText("Transfer-Encoding: chunked"), 400},
		{"both", handshakeText("Transfer-Encoding: chunked", "Content-Length: 5"), 400},
		{"folded", handshakeText("X-A: b", " c"), 400},
		{"space before the colon", handshakeText("X-A : b"), 400},
		{"no colon", handshakeText("nonsense"), 400},
		{"empty name", handshakeText(": b"), 400},
		{"control character", handshakeText("X-A: b\x00c"), 400},
		{"bare CR", handshakeText("X-A: b\rContent-Length: 5"), 400},
		{"bare LF", handshakeText("X-A: b\nContent-Length: 5"), 400},
		{"two Hosts", handshakeText("Host: other"), 400},
		{"two Upgrades", handshakeText("upgrade: websocket"), 400},
		{"two Connections", handshakeText("Connection: close"), 400},
		{"two keys", handshakeText("Sec-WebSocket-Key: " + testKey), 400},
		{"two versions", handshakeText("Sec-WebSocket-Version: 13"), 400},
		{"two Origins", handshakeText("Origin: a", "Origin: b"), 400},
		{"two Authorizations", handshakeText("Authorization: a", "authorization: b"), 400},
		{"two Cookies", handshakeText("Cookie: a=b", "Cookie: c=d"), 400},
		{"no Host", without("Host: murre.test"), 400},
		{"no key", without("Sec-WebSocket-Key: " + testKey), 400},
		{"short key", strings.Replace(handshakeText(), testKey, "AAAA", 1), 400},
		{"no Connection", without("Connection: Upgrade"), 400},
		{"another Upgrade", strings.Replace(handshakeText(), "Upgrade: websocket", "Upgrade: h2c", 1), 400},
		{"version 8", strings.Replace(handshakeText(), "Version: 13", "Version: 8", 1), 426},
		{"HTTP/1.0", strings.Replace(handshakeText(), "HTTP/1.1", "HTTP/1.0", 1), 400},
		{"two targets", strings.Replace(handshakeText(), "GET /ws", "GET /ws /ws", 1), 400},
		{"10,000 headers", handshakeText(manyHeaders...), 431},
		{"101 headers", handshakeText(manyHeaders[:96]...), 431},
		{"long header", handshakeText("X-A: " + repeat("a", 8<<10)), 431},
		{"endless target", "GET /ws?" + repeat("a", 9<<10), 431},
	}
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				c := s.dial(t)
				c.send(test.request)
				r := c.response()
				body, err := io.ReadAll(r.Body)
				if err != nil || r.StatusCode != test.status || !strings.Contains(string(body), `"detail"`) {
					t.Fatalf("%d %s %v, want %d", r.StatusCode, body, err, test.status)
				}
				c.wantEOF()
			})
		}
		if st := s.Stats(); st.Refused["malformed"] != 27 || st.Refused["too_large"] != 4 || st.Upgraded != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestEndlessHandshake(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.HandshakeTimeout = 100 * time.Millisecond })
		silent, slow := s.dial(t), s.dial(t)
		slow.send("GET /ws HTTP/1.1\r\nX-A: ")
		for _, c := range []*client{silent, slow} {
			if r := c.response(); r.StatusCode != 408 {
				t.Error(r.StatusCode)
			}
			c.Close()
		}
		if s.Stats().Refused["timeout"] != 2 {
			t.Error(s.Stats())
		}
		eventually(t, "empty", func() bool { return s.Stats().Sockets == 0 })
	})
}

func TestHandlerRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		s.handler.onUpgrade(func(context.Context, *Request) (Accept, *Refusal) {
			return Accept{}, &Refusal{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: []byte(`{"code":"RATE_LIMITED"}`)}
		})
		c := s.dial(t)
		c.send(handshakeText() + text("already here"))
		r := c.response()
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode != 429 || r.Header.Get("Retry-After") != "7" || r.Header.Get("Content-Type") != "application/problem+json" || string(body) != `{"code":"RATE_LIMITED"}` {
			t.Fatal(r, string(body))
		}
		c.wantEOF()
		if s.Stats().Refused["rate_limited"] != 1 {
			t.Error(s.Stats())
		}
	})
}

func TestRequestAndAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		s.handler.onUpgrade(func(_ context.Context, r *Request) (Accept, *Refusal) {
			return Accept{Peer: s.handler.newPeer(r), Subprotocol: "murre.json.v1", Header: http.Header{"Set-Cookie": {"a=b"}, "X-Bad": {"a\r\nb"}}}, nil
		})
		c := s.dial(t)
		c.send(strings.Replace(handshakeText("Origin: https://murre.test", "Cookie: x=1; murre_session=\"tok\" ; y=2",
			"authorization: bearer abc", "Sec-WebSocket-Protocol: murre.json.v1, murre.bearer.t", "Sec-WebSocket-Protocol: other"),
			"/ws ", "/ws?device=d%201&cursor=c ", 1))
		a := c.upgraded()
		if a.Header.Get("Sec-WebSocket-Protocol") != "murre.json.v1" || a.Header.Get("Set-Cookie") != "a=b" || a.Header.Get("X-Bad") != "a  b" {
			t.Error(a.Header)
		}
		r := s.peer(t).request
		cookie, ok := r.Cookie("murre_session")
		if r.Path != "/ws" || r.RawQuery != "device=d%201&cursor=c" || r.Query().Get("device") != "d 1" || r.Host != "murre.test" ||
			r.Origin() != "https://murre.test" || cookie != "tok" || !ok || r.Bearer() != "abc" || r.TLS ||
			!reflect.DeepEqual(r.Subprotocols, []string{"murre.json.v1", "murre.bearer.t", "other"}) ||
			r.RemoteAddr.String() != c.LocalAddr().String() {
			t.Errorf("%+v", r)
		}
		if _, ok := r.Cookie("none"); ok {
			t.Error("a cookie from nowhere")
		}
	})
}

// TestSlowUpgrade: frames that come while the handler decides wait for it, also more than is kept.
func TestSlowUpgrade(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		decide := make(chan struct{})
		s.handler.onUpgrade(func(_ context.Context, r *Request) (Accept, *Refusal) {
			<-decide
			return Accept{Peer: s.handler.newPeer(r)}, nil
		})
		c := s.dial(t)
		c.send(handshakeText())
		long := repeat("z", 40<<10)
		for range 3 {
			c.send(text(long))
		}
		c.send(text("end"))
		close(decide)
		c.upgraded()
		for range 3 {
			c.wantText(long)
		}
		c.wantText("end")
	})
}

func TestUpgradeLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) {
			o.MaxUpgrades, o.MaxUpgradeQueue, o.UpgradeTimeout = 1, 1, 200*time.Millisecond
		})
		began, finish := make(chan struct{}, 10), make(chan struct{})
		s.handler.onUpgrade(func(ctx context.Context, r *Request) (Accept, *Refusal) {
			began <- struct{}{}
			<-ctx.Done() // blocks as a database may
			<-finish
			return Accept{}, &Refusal{Status: 503}
		})
		first := s.dial(t)
		first.send(handshakeText())
		receive(t, began, "the first upgrade")
		second := s.dial(t)
		second.send(handshakeText())
		eventually(t, "queued", func() bool {
			s.upgrades.mu.Lock()
			defer s.upgrades.mu.Unlock()
			return len(s.upgrades.queue)-s.upgrades.head == 1
		})
		third := s.dial(t)
		third.send(handshakeText())
		for _, c := range []*client{third, first, second} { // third: queue full; the others: their time ran out
			if r := c.response(); r.StatusCode != 503 {
				t.Error(r.StatusCode)
			}
		}
		close(finish)
	})
}

// TestWhoWaitedLongIsRefused: a queue that is served in turn, however late, would serve only those who have given up.
func TestWhoWaitedLongIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.MaxUpgrades, o.MaxUpgradeWait = 1, 50*time.Millisecond })
		began, finish := make(chan struct{}, 10), make(chan struct{})
		s.handler.onUpgrade(func(_ context.Context, r *Request) (Accept, *Refusal) {
			began <- struct{}{}
			<-finish
			return Accept{Peer: s.handler.newPeer(r)}, nil
		})
		first, second := s.dial(t), s.dial(t)
		first.send(handshakeText())
		receive(t, began, "the first upgrade")
		second.send(handshakeText())
		time.Sleep(150 * time.Millisecond)
		close(finish)
		if r := first.response(); r.StatusCode != 101 {
			t.Error("who was served long:", r.StatusCode)
		}
		if r := second.response(); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
			t.Error("who waited long:", r.StatusCode, r.Header)
		}
		third := s.dial(t)
		third.send(handshakeText())
		if r := third.response(); r.StatusCode != 101 {
			t.Error("who came later:", r.StatusCode)
		}
	})
}

// TestClientLeavesDuringUpgrade: the context ends, and a peer that comes nevertheless is told once.
func TestClientLeavesDuringUpgrade(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		peers := make(chan *testPeer, 1)
		began := make(chan struct{})
		s.handler.onUpgrade(func(ctx context.Context, r *Request) (Accept, *Refusal) {
			close(began)
			<-ctx.Done()
			p := s.handler.newPeer(r)
			peers <- p
			return Accept{Peer: p}, nil
		})
		c := s.dial(t)
		c.send(handshakeText())
		receive(t, began, "Upgrade")
		c.Close()
		p := receive(t, peers, "the peer")
		p.wantClosed(t, 1006)
		select {
		case <-p.opened:
			t.Error("opened")
		default:
		}
		eventually(t, "empty", func() bool { return s.Stats().Sockets == 0 })
	})
}

// TestStopDuringUpgrade: the server stops while a handler decides; its peer is told too.
func TestStopDuringUpgrade(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		peers := make(chan *testPeer, 1)
		began := make(chan struct{})
		s.handler.onUpgrade(func(ctx context.Context, r *Request) (Accept, *Refusal) {
			close(began)
			<-ctx.Done()
			p := s.handler.newPeer(r)
			peers <- p
			return Accept{Peer: p}, nil
		})
		c := s.dial(t)
		c.send(handshakeText())
		receive(t, began, "Upgrade")
		s.stop()
		receive(t, peers, "the peer").wantClosed(t, 1006)
	})
}

func TestProxyHeader(t *testing.T) {
	v2 := func(command byte, family byte, body string) string {
		return proxySignature + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
	}
	four := v2(0x21, 0x11, "\xcb\x00\x71\x07\x7f\x00\x00\x01\x1f\x90\x00\x50")
	six := v2(0x21, 0x21, "\x20\x01\x0d\xb8"+repeat("\x00", 11)+"\x01"+repeat("\x00", 16)+"\x1f\x90\x00\x50"+"\x04\x00\x03abc")
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, func(o *Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
		for _, test := range []struct{ header, want string }{
			{four, "203.0.113.7:8080"},
			{six, "[2001:db8::1]:8080"},
			{v2(0x20, 0x00, ""), ""},
			{"", ""},
		} {
			for _, send := range []func(*client, string){(*client).send, (*client).trickle} {
				c := s.dial(t)
				send(c, test.header+handshakeText())
				c.upgraded()
				want := test.want
				if want == "" {
					want = c.LocalAddr().String()
				}
				p := s.peer(t)
				if got := p.request.RemoteAddr.String(); got != want || p.conn.RemoteAddr().String() != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
		}
		c := s.open(t, "X-Forwarded-For: 1.1.1.1, 198.51.100.4", "X-Forwarded-For: 127.0.0.9")
		if got := s.peer(t).request.RemoteAddr.String(); got != "198.51.100.4:0" {
			t.Error(got)
		}
		c.Close()
		for _, broken := range []string{v2(0x31, 0x11, ""), v2(0x21, 0x11, "short"), v2(0x22, 0x11, repeat("a", 12)), v2(0x21, 0x11, repeat("a", 3000))} {
			c := s.dial(t)
			c.send(broken + handshakeText())
			if _, err := c.r.ReadByte(); err == nil {
				t.Error("answered")
			}
		}
		if s.Stats().Refused["proxy_header"] != 4 {
			t.Error(s.Stats())
		}

		wary := startServer(t, kind, nil) // trusts nobody
		c = wary.dial(t)
		c.send(four + handshakeText())
		if r := c.response(); r.StatusCode != 404 {
			t.Error(r.StatusCode)
		}
		c = wary.open(t, "X-Forwarded-For: 1.1.1.1")
		if got := wary.peer(t).request.RemoteAddr.String(); got != c.LocalAddr().String() {
			t.Error(got)
		}
	})
}

func TestClientAddr(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, test := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"9.9.9.9:1", []string{"1.1.1.1"}, "9.9.9.9:1"},
		{"10.0.0.1:1", nil, "10.0.0.1:1"},
		{"10.0.0.1:1", []string{"1.1.1.1, 2.2.2.2"}, "2.2.2.2:0"},
		{"10.0.0.1:1", []string{"1.1.1.1", "2.2.2.2, fd00::1"}, "2.2.2.2:0"},
		{"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3:0"},
		{"10.0.0.1:1", []string{"1.1.1.1, nonsense, 10.0.0.2"}, "10.0.0.2:0"},
		{"[fd00::7]:1", []string{"[2001:db8::1]:443"}, "[2001:db8::1]:0"},
	} {
		if got := ClientAddr(netip.MustParseAddrPort(test.remote), test.forwarded, trusted); got.String() != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {Handler: &testHandler{}}} {
		if _, err := NewServer(o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
	if _, err := netpoll.ParseKind("nonsense"); err == nil {
		t.Error("a transport named nonsense")
	}
	s := startServer(t, netpoll.Goroutine, nil)
	if _, err := NewServer(Options{Handler: &testHandler{}, Listen: s.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	taken, err := NewServer(Options{Handler: &testHandler{}, Listen: s.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Run(context.Background()); err == nil {
		t.Error("a taken port was bound")
	}
}
