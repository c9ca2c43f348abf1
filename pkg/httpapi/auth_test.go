package httpapi_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/httpapi"
)

func TestSignIn(t *testing.T) {
	s := newStack(t)
	alice := s.register("alice")
	in := s.do("POST", api+"/auth/login", map[string]any{"username": "alice", "password": password}, header{"User-Agent": "phone"})
	token := in.ok(200)["token"].(string)
	s.do("POST", api+"/auth/login", map[string]any{"username": "alice", "password": "wrong password"}, nil).fails(401, "UNAUTHENTICATED", "")
	s.do("POST", api+"/auth/login", map[string]any{"username": "nobody", "password": "wrong password"}, nil).fails(401, "UNAUTHENTICATED", "")

	phone := person{s: s, id: alice.id, token: token}
	list := alice.do("GET", "/me/sessions", nil).ok(200)["sessions"].([]any)
	require.Len(t, list, 2)
	first := list[0].(map[string]any)
	require.Equal(t, "phone", first["userAgent"])
	require.Equal(t, false, first["current"])
	require.Equal(t, "127.0.0.1", first["address"])
	alice.do("DELETE", "/me/sessions/"+first["id"].(string), nil).ok(204)
	alice.do("DELETE", "/me/sessions/"+first["id"].(string), nil).fails(404, "NOT_FOUND", "")
	phone.do("GET", "/me", nil).fails(401, "UNAUTHENTICATED", "")
	require.Len(t, s.router.revoked(), 1, "its sockets are told to close")

	bob := s.register("bob")
	bob.do("DELETE", "/me/sessions/"+first["id"].(string), nil).fails(404, "NOT_FOUND", "")

	alice.do("POST", "/me/password", map[string]any{"currentPassword": "wrong", "newPassword": "another password"}).fails(401, "UNAUTHENTICATED", "currentPassword")
	alice.do("POST", "/me/password", map[string]any{"currentPassword": password, "newPassword": "another password"}).ok(204)
	alice.do("GET", "/me", nil).ok(200)

	out := s.do("POST", api+"/auth/logout", nil, header{"Authorization": "Bearer " + alice.token})
	out.ok(204)
	require.Contains(t, out.header.Get("Set-Cookie"), "murre_session=; ")
	require.Contains(t, out.header.Get("Set-Cookie"), "Max-Age=0")
	alice.do("GET", "/me", nil).fails(401, "UNAUTHENTICATED", "")

	bob.do("DELETE", "/me/sessions?keepCurrent=true", nil).ok(204)
	bob.do("GET", "/me", nil).ok(200)
	bob.do("DELETE", "/me/sessions", nil).ok(204)
	bob.do("GET", "/me", nil).fails(401, "UNAUTHENTICATED", "")
}

func TestClosedRegistration(t *testing.T) {
	s := newStack(t, func(s *settings) { s.auth = func(o *auth.Options) { o.Closed = true } })
	s.do("POST", api+"/auth/register", map[string]any{"username": "alice", "password": password}, nil).fails(403, "FORBIDDEN", "")
}

// TestNobody: every route but the public ones refuses who isn't signed in, before it looks at anything.
func TestNobody(t *testing.T) {
	s := newStack(t)
	var doc struct {
		Paths map[string]map[string]struct {
			Security []any
		}
	}
	require.NoError(t, json.Unmarshal(s.do("GET", "/openapi.json", nil, nil).body, &doc))
	n := 0
	for path, item := range doc.Paths {
		for method, op := range item {
			if op.Security == nil {
				require.Contains(t, []string{api + "/auth/register", api + "/auth/login"}, path)
				continue
			}
			n++
			path := strings.NewReplacer("{", "x", "}", "y").Replace(path)
			for _, h := range []header{nil, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}, {"Cookie": "murre_session=x", "Origin": s.url}} {
				a := s.do(strings.ToUpper(method), path, nil, h)
				require.Equal(t, 401, a.status, "%s %s", method, path)
				require.Equal(t, `Bearer realm="murre"`, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	require.Greater(t, n, 35)
}

// TestForeignOrigin: a page of another origin can read nothing and do nothing with a browser's cookie.
func TestForeignOrigin(t *testing.T) {
	origins, err := auth.NewOrigins([]string{"https://app.example"})
	require.NoError(t, err)
	s := newStack(t, func(s *settings) { s.api = func(o *httpapi.Options) { o.Origins = origins } })
	alice := s.register("alice")
	cookie := "murre_session=" + alice.token
	rename := map[string]any{"displayName": "x"}
	for _, c := range []struct {
		origin string
		ok     bool
	}{{s.url, true}, {"https://app.example", true}, {"https://evil.example", false}, {"null", false}, {"", false}} {
		h := header{"Cookie": cookie}
		if c.origin != "" {
			h["Origin"] = c.origin
		}
		a := s.do("PATCH", api+"/me", rename, h)
		if c.ok {
			a.ok(200)
			continue
		}
		a.fails(403, "FORBIDDEN", "")
	}
	s.do("GET", api+"/me", nil, header{"Cookie": cookie}).ok(200)
	s.do("PATCH", api+"/me", rename, header{"Authorization": "Bearer " + alice.token, "Origin": "https://evil.example"}).ok(200)
	// Nor may it sign the browser in as somebody else.
	login := map[string]any{"username": "alice", "password": password}
	s.do("POST", api+"/auth/login", login, header{"Origin": "https://evil.example"}).fails(403, "FORBIDDEN", "")
	s.do("POST", api+"/auth/login", login, header{"Origin": s.url}).ok(200)
	s.do("POST", api+"/auth/login", login, nil).ok(200)
	// Nor read anything; a page of a configured origin may.
	preflight := header{"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"}
	require.Equal(t, 405, s.do("OPTIONS", api+"/me", nil, preflight).status)
	a := s.do("GET", api+"/me", nil, header{"Origin": "https://evil.example", "Cookie": cookie})
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Origin", a.header.Get("Vary"))
	preflight["Origin"] = "https://app.example"
	a = s.do("OPTIONS", api+"/me", nil, preflight)
	a.ok(204)
	require.Contains(t, a.header.Get("Access-Control-Allow-Methods"), "PATCH")
	a = s.do("GET", api+"/me", nil, header{"Origin": "https://app.example", "Cookie": cookie})
	a.ok(200)
	require.Equal(t, "https://app.example", a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
}

func TestRateLimits(t *testing.T) {
	s := newStack(t, func(s *settings) {
		s.rates[admit.LimitAuthAddress] = admit.Rate{Count: 3, Window: time.Minute}
		s.rates[admit.LimitOther] = admit.Rate{Count: 5, Window: time.Minute}
	})
	alice := s.register("alice")
	wrong := map[string]any{"username": "alice", "password": "wrong password"}
	for range 3 {
		s.do("POST", api+"/auth/login", wrong, nil).fails(401, "UNAUTHENTICATED", "")
	}
	a := s.do("POST", api+"/auth/login", map[string]any{"username": "alice", "password": password}, nil)
	a.fails(429, "RATE_LIMITED", "")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	s.do("POST", api+"/auth/register", `{}`, nil).fails(429, "RATE_LIMITED", "")
	for range 5 {
		alice.do("GET", "/me/sessions", nil).ok(200)
	}
	alice.do("GET", "/me/sessions", nil).fails(429, "RATE_LIMITED", "")
	alice.do("GET", "/conversations", nil).fails(429, "RATE_LIMITED", "")
	alice.do("GET", "/me", nil).ok(200)
}

// TestProxies: behind a balancer each client has its own limit, and nobody gets another's by saying so.
func TestProxies(t *testing.T) {
	s := newStack(t, func(s *settings) {
		s.rates[admit.LimitAuthAddress] = admit.Rate{Count: 1, Window: time.Minute}
		s.api = func(o *httpapi.Options) {
			o.ClientAddr = func(remote netip.AddrPort, forwarded []string) netip.AddrPort {
				return netip.AddrPortFrom(netip.MustParseAddr(forwarded[len(forwarded)-1]), 0)
			}
		}
	})
	s.register("alice")
	login := func(from string) answer {
		return s.do("POST", api+"/auth/login", map[string]any{"username": "alice", "password": password}, header{"X-Forwarded-For": from})
	}
	token := login("192.0.2.1").ok(200)["token"].(string)
	login("192.0.2.2").ok(200)
	login("192.0.2.1").fails(429, "RATE_LIMITED", "")
	login("2001:db8::1").ok(200)
	login("2001:db8::2").fails(429, "RATE_LIMITED", "")
	login("2001:db8:0:1::1").ok(200)
	list := person{s: s, token: token}.do("GET", "/me/sessions", nil).ok(200)["sessions"].([]any)
	require.Equal(t, "2001:db8:0:1::1", list[0].(map[string]any)["address"])
}

func TestHeaders(t *testing.T) {
	s := newStack(t)
	for _, path := range []string{"/", "/docs", "/healthz", "/openapi.json", api + "/me", api + "/nothing"} {
		a := s.do("GET", path, nil, nil)
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", a.header.Get("Referrer-Policy"), path)
		require.Contains(t, a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.NotContains(t, a.header.Get("Content-Security-Policy"), "unsafe", path)
		require.Empty(t, a.header.Get("Strict-Transport-Security"))
	}
	a := s.do("POST", api+"/auth/register", map[string]any{"username": "alice", "password": password}, header{"X-Forwarded-Proto": "https"})
	require.Contains(t, a.header.Get("Set-Cookie"), "Secure")
	require.NotEmpty(t, a.header.Get("Strict-Transport-Security"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
}

// A home of its own gets what no other route takes, and nothing of the API's.
func TestHome(t *testing.T) {
	s := newStack(t, func(s *settings) {
		s.api = func(o *httpapi.Options) {
			o.Home = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "home of "+r.Method+" "+r.URL.Path)
			})
		}
	})
	for path, want := range map[string]string{"/": "home of GET /", "/c/1": "home of GET /c/1", "/demo": "home of GET /demo", "/healthz": "ok\n"} {
		require.Equal(t, want, string(s.do("GET", path, nil, nil).body))
	}
	require.Equal(t, "home of POST /x", string(s.do("POST", "/x", nil, nil).body))
	require.Equal(t, 404, s.do("GET", api+"/nothing", nil, nil).status)
	require.Equal(t, 401, s.do("GET", api+"/me", nil, nil).status)
	require.Contains(t, string(s.do("GET", "/docs", nil, nil).body), "API reference")
}

func TestPages(t *testing.T) {
	down := false
	s := newStack(t, func(s *settings) {
		s.api = func(o *httpapi.Options) { o.Ready = readiness(&down) }
	})
	home := s.do("GET", "/", nil, nil)
	require.Equal(t, 200, home.status)
	require.Contains(t, string(home.body), "murre chat")
	require.Equal(t, 404, s.do("GET", "/nothing", nil, nil).status)
	require.Equal(t, "ok\n", string(s.do("GET", "/healthz", nil, nil).body))
	require.Equal(t, 200, s.do("GET", "/readyz", nil, nil).status)
	down = true
	require.Equal(t, 503, s.do("GET", "/readyz", nil, nil).status)
	require.Equal(t, 200, s.do("GET", "/healthz", nil, nil).status)
	docs := s.do("GET", "/docs", nil, nil)
	for _, part := range []string{"/docs/docs.js", "/docs/page.css"} {
		require.Contains(t, string(docs.body), part)
		require.Equal(t, 200, s.do("GET", part, nil, nil).status)
	}
	require.NotContains(t, string(docs.body)+string(s.do("GET", "/docs/docs.js", nil, nil).body), "//cdn")
	for _, doc := range []string{"/openapi.json", "/asyncapi.json"} {
		a := s.do("GET", doc, nil, nil)
		require.Equal(t, 200, a.status)
		require.True(t, json.Valid(a.body))
	}
}

// TestSlowHeaders: who sends a header byte by byte doesn't hold a connection for ever.
func TestSlowHeaders(t *testing.T) {
	var srv http.Server
	httpapi.Configure(&srv)
	require.Positive(t, srv.ReadHeaderTimeout)
	require.Positive(t, srv.ReadTimeout)
	require.Positive(t, srv.WriteTimeout)
	require.Positive(t, srv.IdleTimeout)
	require.LessOrEqual(t, srv.MaxHeaderBytes, 64<<10)

	srv.ReadHeaderTimeout = 100 * time.Millisecond
	srv.Handler = http.NotFoundHandler()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	defer func() {
		_ = srv.Close()
		<-done
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("GET / HTTP/1.1\r\nX: "))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = c.Read(make([]byte, 1<<10))
	var ne net.Error
	require.False(t, err != nil && errorsAs(err, &ne) && ne.Timeout(), "the server hung up first")
}

func TestHugeHeaders(t *testing.T) {
	s := newStack(t)
	a := s.do("GET", api+"/me", nil, header{"Authorization": "Bearer " + strings.Repeat("x", 64<<10)})
	require.Equal(t, 431, a.status)
}
