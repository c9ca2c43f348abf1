package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

func errorsAs(err error, target any) bool { return errors.As(err, target) }

func readiness(down *bool) func(context.Context) error {
	return func(context.Context) error {
		if *down {
			return errors.New("draining")
		}
		return nil
	}
}

func picture(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x), uint8(y), uint8(x + y), 255})
		}
	}
	return img
}

func pngBytes(t *testing.T, w, h int) []byte {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, picture(w, h)))
	return b.Bytes()
}

// begin starts an upload and returns its id and the path of its target.
func (p person) begin(conv, contentType, name string, size int) (id, target string) {
	p.s.t.Helper()
	m := p.do("POST", "/media", map[string]any{"contentType": contentType, "size": size, "name": name, "conversationId": conv}).ok(201)
	up := m["upload"].(map[string]any)
	require.Equal(p.s.t, "PUT", up["method"])
	return m["id"].(string), up["url"].(string)
}

func (p person) bearer(more header) header {
	h := header{"Authorization": "Bearer " + p.token}
	for k, v := range more {
		h[k] = v
	}
	return h
}

// upload sends a whole blob and completes it.
func (p person) upload(conv, contentType, name string, data []byte) answer {
	p.s.t.Helper()
	id, target := p.begin(conv, contentType, name, len(data))
	p.s.do("PUT", target, bytes.NewReader(data), p.bearer(nil)).ok(204)
	return p.do("POST", "/media/"+id+"/complete", nil)
}

func TestMedia(t *testing.T) {
	s := newStack(t)
	alice, bob, eve := s.register("alice"), s.register("bob"), s.register("eve")
	conv := alice.direct(bob)
	data := pngBytes(t, 1200, 600)
	id, target := alice.begin(conv, "image/png", "holiday.png", len(data))

	bob.do("GET", "/media/"+id, nil).fails(404, "NOT_FOUND", "")
	s.do("PUT", target, bytes.NewReader(data), bob.bearer(nil)).fails(404, "NOT_FOUND", "")
	alice.do("POST", "/media/"+id+"/complete", nil).fails(400, "VALIDATION_ERROR", "size")
	s.do("PUT", target, bytes.NewReader(data), alice.bearer(nil)).ok(204)
	done := alice.do("POST", "/media/"+id+"/complete", nil).ok(200)
	require.EqualValues(t, 1200, done["width"])
	require.EqualValues(t, 600, done["height"])
	require.Equal(t, api+"/media/"+id, done["url"])
	require.Equal(t, api+"/media/"+id+"/thumb", done["thumbUrl"])
	alice.do("POST", "/media/"+id+"/complete", nil).ok(200)

	msg := alice.do("POST", "/conversations/"+conv+"/messages", map[string]any{"content": "", "contentType": "image", "mediaId": id, "clientMessageId": newKey()}).ok(201)
	seen := bob.do("GET", "/conversations/"+conv+"/messages/"+msg["id"].(string), nil).ok(200)
	require.Equal(t, "holiday.png", seen["media"].(map[string]any)["name"])

	got := bob.do("GET", "/media/"+id, nil)
	require.Equal(t, 200, got.status)
	require.Equal(t, data, got.body)
	require.Equal(t, "image/png", got.header.Get("Content-Type"))
	require.Equal(t, `inline; filename=holiday.png`, got.header.Get("Content-Disposition"))
	require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
	require.Contains(t, got.header.Get("Content-Security-Policy"), "sandbox")
	etag := got.header.Get("ETag")
	require.NotEmpty(t, etag)
	require.Equal(t, 304, s.do("GET", api+"/media/"+id, nil, bob.bearer(header{"If-None-Match": etag})).status)

	part := s.do("GET", api+"/media/"+id, nil, bob.bearer(header{"Range": "bytes=10-19"}))
	require.Equal(t, 206, part.status)
	require.Equal(t, data[10:20], part.body)
	require.Equal(t, fmt.Sprintf("bytes 10-19/%d", len(data)), part.header.Get("Content-Range"))
	require.Equal(t, 416, s.do("GET", api+"/media/"+id, nil, bob.bearer(header{"Range": "bytes=99999999-"})).status)
	head := s.do("HEAD", api+"/media/"+id, nil, bob.bearer(nil))
	require.Equal(t, 200, head.status)
	require.Equal(t, fmt.Sprint(len(data)), head.header.Get("Content-Length"))

	thumb := bob.do("GET", "/media/"+id+"/thumb", nil)
	require.Equal(t, 200, thumb.status)
	cfg, format, err := image.DecodeConfig(bytes.NewReader(thumb.body))
	require.NoError(t, err)
	require.Equal(t, "jpeg", format)
	require.Equal(t, "image/jpeg", thumb.header.Get("Content-Type"))
	require.Equal(t, [2]int{512, 256}, [2]int{cfg.Width, cfg.Height})
	require.NotEqual(t, etag, thumb.header.Get("ETag"))

	for _, path := range []string{"/media/" + id, "/media/" + id + "/thumb"} {
		eve.do("GET", path, nil).fails(403, "FORBIDDEN", "")
		s.do("GET", api+path, nil, nil).fails(401, "UNAUTHENTICATED", "")
	}

	alice.do("DELETE", "/conversations/"+conv+"/messages/"+msg["id"].(string), nil).ok(204)
	for _, path := range []string{"/media/" + id, "/media/" + id + "/thumb"} {
		alice.do("GET", path, nil).fails(404, "NOT_FOUND", "")
	}
	mid, err := chat.ParseMediaID(id)
	require.NoError(t, err)
	_, err = s.blobs.Open(context.Background(), mid, media.Original)
	require.ErrorIs(t, err, media.ErrNotFound, "the bytes are gone too")
}

// TestResume: an upload that breaks off goes on where it was.
func TestResume(t *testing.T) {
	s := newStack(t)
	alice, bob := s.register("alice"), s.register("bob")
	conv := alice.direct(bob)
	data := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // 3.2 MB
	size := len(data)
	id, target := alice.begin(conv, "application/octet-stream", "big.bin", size)
	send := func(from, to int) answer {
		return s.do("PUT", target, bytes.NewReader(data[from:to]), alice.bearer(header{"Content-Range": fmt.Sprintf("bytes %d-%d/%d", from, to-1, size)}))
	}
	send(0, 1_000_000).ok(204)

	// A connection that breaks in the middle of a part.
	req, err := http.NewRequest("PUT", s.url+target, io.MultiReader(bytes.NewReader(data[1_000_000:1_500_000]), broken{}))
	require.NoError(t, err)
	req.ContentLength = 1_000_000
	req.Header.Set("Authorization", "Bearer "+alice.token)
	req.Header.Set("Content-Range", fmt.Sprintf("bytes 1000000-1999999/%d", size))
	var c http.Client
	_, err = c.Do(req)
	require.Error(t, err)

	var offset int
	require.Eventually(t, func() bool {
		h := s.do("HEAD", target, nil, alice.bearer(nil))
		require.Equal(t, 204, h.status)
		require.Equal(t, fmt.Sprint(size), h.header.Get("Upload-Length"))
		_, err := fmt.Sscan(h.header.Get("Upload-Offset"), &offset)
		require.NoError(t, err)
		return offset == 1_500_000
	}, wait, tick)

	send(1_000_000, 1_600_000).fails(409, "CONFLICT", "Content-Range")
	send(2_000_000, 2_100_000).fails(409, "CONFLICT", "Content-Range")
	require.Equal(t, fmt.Sprint(offset), send(2_000_000, 2_100_000).header.Get("Upload-Offset"))
	send(offset, size).ok(204)
	alice.do("POST", "/media/"+id+"/complete", nil).ok(200)
	require.Equal(t, data, bob.do("GET", "/media/"+id, nil).body)
	require.Equal(t, data[size-100:], s.do("GET", api+"/media/"+id, nil, bob.bearer(header{"Range": "bytes=-100"})).body)

	for _, bad := range []string{"bytes", "bytes 0-", "bytes 5-4/10", "bytes 0-10/11", "items 0-1/2", fmt.Sprintf("bytes 0-%d/%d", size, size), fmt.Sprintf("bytes -1-5/%d", size)} {
		s.do("PUT", target, bytes.NewReader(data[:10]), alice.bearer(header{"Content-Range": bad})).fails(400, "VALIDATION_ERROR", "Content-Range")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cut") }

func TestSizes(t *testing.T) {
	s := newStack(t)
	alice, bob := s.register("alice"), s.register("bob")
	conv := alice.direct(bob)
	alice.do("POST", "/media", map[string]any{"contentType": "video/mp4", "size": 4<<20 + 1, "name": "a", "conversationId": conv}).fails(413, "TOO_LARGE", "size")
	_, target := alice.begin(conv, "text/plain", "a", 10)
	s.do("PUT", target, strings.NewReader("0123456789a"), alice.bearer(nil)).fails(413, "TOO_LARGE", "size")
	// Without a Content-Length nobody knows before it comes.
	s.do("PUT", target, io.MultiReader(strings.NewReader("0123456789"), strings.NewReader("abc")), alice.bearer(nil)).fails(413, "TOO_LARGE", "size")
	s.do("PUT", target, strings.NewReader("0123456789"), alice.bearer(nil)).ok(204)
}

// TestContentTypes: what is shown in place is what it says it is, and all else is a download.
func TestContentTypes(t *testing.T) {
	s := newStack(t)
	alice, bob := s.register("alice"), s.register("bob")
	conv := alice.direct(bob)
	pic := pngBytes(t, 4, 4)
	var jpg, gifb bytes.Buffer
	require.NoError(t, jpeg.Encode(&jpg, picture(4, 4), nil))
	require.NoError(t, gif.Encode(&gifb, picture(4, 4), nil))
	html := []byte("<!doctype html><script>alert(1)</script>")
	svg := []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	mp4 := append([]byte{0, 0, 0, 24}, []byte("ftypisom\x00\x00\x02\x00isomiso2mp41")...)
	for _, c := range []struct {
		declared    string
		data        []byte
		ok          bool
		disposition string
	}{
		{"image/png", pic, true, "inline"},
		{"image/jpeg", jpg.Bytes(), true, "inline"},
		{"image/gif", gifb.Bytes(), true, "inline"},
		{"IMAGE/PNG; charset=x", pic, true, "inline"},
		{"image/png", html, false, ""},
		{"image/png", jpg.Bytes(), false, ""},
		{"image/png", pic[:60], false, ""},
		{"image/jpeg", append([]byte("\xff\xd8\xff\xe0"), html...), false, ""},
		{"image/webp", pic, false, ""},
		{"video/mp4", mp4, true, "inline"},
		{"video/mp4", html, false, ""},
		{"audio/mpeg", []byte("ID3\x03\x00\x00\x00\x00\x00\x00"), true, "inline"},
		{"audio/mpeg", pic, false, ""},
		{"text/html", html, true, "attachment"},
		{"image/svg+xml", svg, true, "attachment"},
		{"application/xhtml+xml", html, true, "attachment"},
		{"text/plain", html, true, "attachment"},
		{"text/plain", pic, false, ""},
		{"application/pdf", []byte("%PDF-1.7\n"), true, "attachment"},
		{"application/pdf", html, false, ""},
		{"application/zip", pic, false, ""},
		{"application/octet-stream", pic, true, "attachment"},
	} {
		t.Run(c.declared, func(t *testing.T) {
			a := alice.upload(conv, c.declared, "a \"b\"é.bin", c.data)
			if !c.ok {
				a.fails(400, "VALIDATION_ERROR", "contentType")
				return
			}
			m := a.ok(200)
			got := bob.do("GET", "/media/"+m["id"].(string), nil)
			require.Equal(t, 200, got.status)
			require.Equal(t, c.data, got.body)
			d, params, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
			require.NoError(t, err)
			require.Equal(t, c.disposition, d)
			require.Equal(t, "a \"b\"é.bin", params["filename"])
		})
	}
}

func TestAvatar(t *testing.T) {
	s := newStack(t)
	alice, bob := s.register("alice"), s.register("bob")
	data := pngBytes(t, 64, 64)
	m := alice.do("POST", "/media", map[string]any{"contentType": "image/png", "size": len(data), "name": "me.png", "purpose": "avatar"}).ok(201)
	id := m["id"].(string)
	alice.do("PATCH", "/me", map[string]any{"avatarId": id}).fails(400, "VALIDATION_ERROR", "avatarId")
	s.do("PUT", m["upload"].(map[string]any)["url"].(string), bytes.NewReader(data), alice.bearer(nil)).ok(204)
	alice.do("POST", "/media/"+id+"/complete", nil).ok(200)
	bob.do("PATCH", "/me", map[string]any{"avatarId": id}).fails(400, "VALIDATION_ERROR", "avatarId")
	require.Equal(t, api+"/media/"+id, alice.do("PATCH", "/me", map[string]any{"avatarId": id}).ok(200)["avatarUrl"])
	require.Equal(t, api+"/media/"+id, bob.do("GET", "/users/"+alice.id, nil).ok(200)["avatarUrl"])
	require.Equal(t, data, bob.do("GET", "/media/"+id, nil).body, "every signed-in user may see it")
	s.do("GET", api+"/media/"+id, nil, nil).fails(401, "UNAUTHENTICATED", "")
	require.NotContains(t, alice.do("PATCH", "/me", map[string]any{"avatarId": ""}).ok(200), "avatarUrl")
}

// TestDiskFull: uploads are refused, what is there stays, and they work again when there is room.
func TestDiskFull(t *testing.T) {
	var room atomic.Int64
	room.Store(1 << 30)
	s := newStack(t, func(s *settings) {
		s.minFree, s.free = 1<<20, func(string) (int64, error) { return room.Load(), nil }
	})
	alice, bob := s.register("alice"), s.register("bob")
	conv := alice.direct(bob)
	id := alice.upload(conv, "text/plain", "a.txt", []byte("before")).ok(200)["id"].(string)
	_, target := alice.begin(conv, "text/plain", "b.txt", 5)
	room.Store(0)
	a := alice.do("POST", "/media", map[string]any{"contentType": "text/plain", "size": 5, "name": "c", "conversationId": conv})
	a.fails(503, "UNAVAILABLE", "")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	s.do("PUT", target, strings.NewReader("12345"), alice.bearer(nil)).fails(503, "UNAVAILABLE", "")
	require.Equal(t, "before", string(bob.do("GET", "/media/"+id, nil).body))
	room.Store(1 << 30)
	s.do("PUT", target, strings.NewReader("12345"), alice.bearer(nil)).ok(204)
}

// TestTraversal: no path leads out of the media routes.
func TestTraversal(t *testing.T) {
	s := newStack(t)
	alice := s.register("alice")
	for _, p := range []string{"/media/../../../etc/passwd", "/media/..%2f..%2f..%2fetc%2fpasswd", "/media/%2e%2e/%2e%2e/x", "/media/....//x", "/media/%00", "/media/C:%5cx"} {
		a := alice.do("GET", p, nil)
		require.Contains(t, []int{307, 308, 301, 400, 404}, a.status, p)
		require.NotContains(t, string(a.body), "root:")
	}
	require.NotEqual(t, 200, s.do("GET", "/docs/../../../etc/passwd", nil, nil).status)
	require.NotEqual(t, 200, s.do("GET", "/docs/..%2fhome.html", nil, nil).status)
}
