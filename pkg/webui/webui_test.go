package webui

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func made() fstest.MapFS {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"index.html":             text("<title>the client</title>"),
		"index.html.gz":          text("compressed client"),
		"demo.html":              text("<title>the demo</title>"),
		"sw.js":                  text("worker"),
		"manifest.webmanifest":   text("{}"),
		"icon.svg":               text("<svg/>"),
		"assets/index-a1b2.js":   text("0123456789"),
		"assets/index-a1b2.css":  text("body{}"),
		"assets/only-c3d4.js.gz": text("without its plain form"),
		"notes.md":               text("not for anyone"),
	}
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	if o.Files == nil {
		o.Files = made()
	}
	c, err := New(o)
	require.NoError(t, err)
	return c
}

func ask(c *Client, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "chat.example:8080"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

func TestWhatAPathShows(t *testing.T) {
	const client, demo, none = "the client", "the demo", "404"
	for path, want := range map[string]string{
		"/": client, "/index.html": client, "/c/0190": client, "/settings/devices": client, "/demonstration": client,
		"/sw.js": "worker", "/assets/index-a1b2.js": "0123456789", "/manifest.webmanifest": "{}",
		"/demo": demo, "/demo.html": demo,
		"/demo/x": none, "/assets/gone-ffff.js": none, "/assets/": none, "/assets": none, "/favicon.ico": none,
		"/assets/only-c3d4.js": none, "/notes.md": none, "/index.html.gz": none,
		"/api/v2/me": none, "/ws": none, "/ws/x": none, "/docs/x": none, "/healthz/": none, "/..": none,
	} {
		r := ask(newClient(t, Options{Demo: true}), "GET", path)
		if want == none {
			require.Equal(t, http.StatusNotFound, r.StatusCode, path)
			continue
		}
		require.Equal(t, http.StatusOK, r.StatusCode, path)
		require.Contains(t, text(t, r), want, path)
	}
}

func TestDemoOnlyWhenAskedFor(t *testing.T) {
	c := newClient(t, Options{})
	for _, path := range []string{"/demo", "/demo.html", "/demo/"} {
		require.Equal(t, http.StatusNotFound, ask(c, "GET", path).StatusCode, path)
	}
	files := made()
	delete(files, "demo.html")
	c = newClient(t, Options{Files: files, Demo: true})
	require.Equal(t, http.StatusNotFound, ask(c, "GET", "/demo").StatusCode)
}

func TestNotBuilt(t *testing.T) {
	_, err := New(Options{Files: fstest.MapFS{"README": {Data: []byte("a note")}}})
	require.ErrorIs(t, err, ErrNotBuilt)
	_, err = New(Options{Files: fstest.MapFS{"index.html.gz": {Data: []byte("no plain form")}}})
	require.ErrorIs(t, err, ErrNotBuilt)
	// What is embedded is either the note or a whole client; both compile.
	if _, err := New(Options{}); err != nil && !errors.Is(err, ErrNotBuilt) {
		t.Fatal(err)
	}
}

func TestHeaders(t *testing.T) {
	c := newClient(t, Options{Media: "https://media.example:9000/bucket"})
	for path, cache := range map[string]string{
		"/": "no-cache", "/c/1": "no-cache", "/sw.js": "no-cache", "/icon.svg": "no-cache",
		"/assets/index-a1b2.js": "public, max-age=31536000, immutable",
	} {
		r := ask(c, "GET", path)
		require.Equal(t, cache, r.Header.Get("Cache-Control"), path)
		require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
		require.Equal(t, "same-origin", r.Header.Get("Cross-Origin-Opener-Policy"))
		require.Contains(t, r.Header.Get("Permissions-Policy"), "camera=()")
		require.NotEmpty(t, r.Header.Get("ETag"))
		p := r.Header.Get("Content-Security-Policy")
		require.NotContains(t, p, "unsafe")
		require.Contains(t, p, "script-src 'self';")
		require.Contains(t, p, "style-src 'self';")
		require.Contains(t, p, "connect-src 'self' ws://chat.example:8080 wss://chat.example:8080 https://media.example:9000;")
		require.Contains(t, p, "img-src 'self' blob: https://media.example:9000;")
		require.Contains(t, p, "media-src 'self' blob: https://media.example:9000;")
	}
	require.Equal(t, "/", ask(c, "GET", "/sw.js").Header.Get("Service-Worker-Allowed"))
	require.Empty(t, ask(c, "GET", "/").Header.Get("Service-Worker-Allowed"))
	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/sw.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
		"/manifest.webmanifest": "application/manifest+json", "/assets/index-a1b2.css": "text/css; charset=utf-8",
	} {
		require.Equal(t, contentType, ask(c, "GET", path).Header.Get("Content-Type"), path)
	}
}

// A Host header is the asker's to choose: it must not write the policy.
func TestPolicyQuotesNoStrangeHost(t *testing.T) {
	for _, host := range []string{"a; script-src *", "a b", "a'b", "a,b", "", "[::1]x"} {
		require.Contains(t, policy(host, ""), "connect-src 'self';", host)
	}
	for _, host := range []string{"localhost", "127.0.0.1:80", "[::1]:8080", "a-b.example"} {
		require.Contains(t, policy(host, ""), "connect-src 'self' ws://"+host+" wss://"+host+";")
	}
	for _, media := range []string{"ftp://a", "https://a; script-src *", "://", "a"} {
		_, err := New(Options{Files: made(), Media: media})
		require.Error(t, err, media)
	}
}

func TestHeadAndConditionAndRange(t *testing.T) {
	c := newClient(t, Options{})
	head := ask(c, "HEAD", "/assets/index-a1b2.js")
	require.Equal(t, "10", head.Header.Get("Content-Length"))
	require.Empty(t, text(t, head))
	tag := head.Header.Get("ETag")
	require.Equal(t, http.StatusNotModified, ask(c, "GET", "/assets/index-a1b2.js", "If-None-Match", tag).StatusCode)
	part := ask(c, "GET", "/assets/index-a1b2.js", "Range", "bytes=2-4")
	require.Equal(t, http.StatusPartialContent, part.StatusCode)
	require.Equal(t, "234", text(t, part))
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, ask(c, "GET", "/assets/index-a1b2.js", "Range", "bytes=99-").StatusCode)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		r := ask(c, method, "/")
		require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
		require.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
	}
}

func TestCompressed(t *testing.T) {
	c := newClient(t, Options{})
	plain, zipped := ask(c, "GET", "/"), ask(c, "GET", "/", "Accept-Encoding", "br, gzip;q=0.8")
	require.Contains(t, text(t, plain), "the client")
	require.Equal(t, "compressed client", text(t, zipped))
	require.Equal(t, "gzip", zipped.Header.Get("Content-Encoding"))
	require.Equal(t, "17", zipped.Header.Get("Content-Length"))
	require.Equal(t, "text/html; charset=utf-8", zipped.Header.Get("Content-Type"))
	require.NotEqual(t, plain.Header.Get("ETag"), zipped.Header.Get("ETag"), "two forms are two entities")
	for _, r := range []*http.Response{plain, zipped} {
		require.Equal(t, "Accept-Encoding", r.Header.Get("Vary"))
	}
	part := ask(c, "GET", "/", "Accept-Encoding", "gzip", "Range", "bytes=0-3")
	require.Equal(t, "comp", text(t, part))
	require.Equal(t, "4", part.Header.Get("Content-Length"))
	require.Empty(t, ask(c, "GET", "/sw.js", "Accept-Encoding", "gzip").Header.Get("Content-Encoding"))
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "*": true, "br": false, "gzip;q=0": false, "gzip; q=0.0": false, "*;q=0": false,
		"*;q=1, gzip;q=0": false, "identity, gzip;q=0.5": true, "gzip;q=x": false, strings.Repeat(",", 50): false,
	} {
		require.Equal(t, want, acceptsGzip(header), header)
	}
}
