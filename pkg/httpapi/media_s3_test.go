package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/httpapi"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/s3media"
)

// bucket opens a new bucket on a server.
func bucket(t *testing.T, at, key, secret string, viaGateway bool) *s3media.Bucket {
	u, err := url.Parse(at)
	require.NoError(t, err)
	b, err := s3media.Open(context.Background(), s3media.Options{
		Endpoint: u.Host, AccessKey: key, SecretKey: secret, Bucket: servers.Unique("murre-api-"), ViaGateway: viaGateway, Timeout: 2 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func onS3(b media.Blobs, max int64) option {
	return func(s *settings) {
		s.blobs, s.api = b, func(o *httpapi.Options) { o.MaxMedia = max }
	}
}

// elsewhere asks S3 as a client does that was sent there, without a token.
func elsewhere(t *testing.T, method, to string, data []byte, h header) answer {
	t.Helper()
	req, err := http.NewRequest(method, to, bytes.NewReader(data))
	require.NoError(t, err)
	for k, v := range h {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{t: t, status: res.StatusCode, header: res.Header, body: got}
}

// TestS3Direct: clients are sent to S3 with what they upload and for what they fetch; what the content is, and who may see
// it, is decided here as ever.
func TestS3Direct(t *testing.T) {
	at := servers.S3(t)
	s := newStack(t, onS3(bucket(t, at.URL, at.AccessKey, at.SecretKey, false), 4<<20))
	alice, bob, eve := s.register("alice"), s.register("bob"), s.register("eve")
	conv := alice.direct(bob)
	data := pngBytes(t, 1200, 600)
	id, target := alice.begin(conv, "image/png", "häl \"x\".png", len(data))
	require.True(t, strings.HasPrefix(target, at.URL+"/"), target)
	alice.do("POST", "/media/"+id+"/complete", nil).fails(400, "VALIDATION_ERROR", "size")
	require.Equal(t, 200, elsewhere(t, "PUT", target, data, nil).status)
	done := alice.do("POST", "/media/"+id+"/complete", nil).ok(200)
	require.EqualValues(t, 1200, done["width"])
	alice.do("POST", "/media/"+id+"/complete", nil).ok(200)
	alice.do("POST", "/conversations/"+conv+"/messages", map[string]any{"content": "", "contentType": "image", "mediaId": id, "clientMessageId": newKey()}).ok(201)

	moved := bob.do("GET", "/media/"+id, nil)
	require.Equal(t, 302, moved.status)
	require.Empty(t, moved.body)
	require.Equal(t, "no-store", moved.header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", moved.header.Get("Referrer-Policy"), "the address is a secret for a while")
	got := elsewhere(t, "GET", moved.header.Get("Location"), nil, nil)
	require.Equal(t, data, got.body)
	require.Equal(t, "image/png", got.header.Get("Content-Type"))
	require.Regexp(t, "^inline; filename", got.header.Get("Content-Disposition"))
	require.Equal(t, data[10:20], elsewhere(t, "GET", moved.header.Get("Location"), nil, header{"Range": "bytes=10-19"}).body)
	head := s.do("HEAD", api+"/media/"+id, nil, bob.bearer(nil))
	require.Equal(t, 200, head.status)
	require.Equal(t, fmt.Sprint(len(data)), head.header.Get("Content-Length"))
	small := elsewhere(t, "GET", bob.do("GET", "/media/"+id+"/thumb", nil).header.Get("Location"), nil, nil)
	require.Equal(t, "image/jpeg", small.header.Get("Content-Type"))
	cfg, _, err := image.DecodeConfig(bytes.NewReader(small.body))
	require.NoError(t, err)
	require.Equal(t, 512, cfg.Width)
	for _, path := range []string{"/media/" + id, "/media/" + id + "/thumb"} {
		eve.do("GET", path, nil).fails(403, "FORBIDDEN", "")
		s.do("GET", api+path, nil, nil).fails(401, "UNAUTHENTICATED", "")
	}

	// The content is looked at though it never went through us; what is refused is gone.
	html := []byte("<!doctype html><script>alert(1)</script>")
	id, target = alice.begin(conv, "image/png", "a.png", len(html))
	require.Equal(t, 200, elsewhere(t, "PUT", target, html, nil).status)
	alice.do("POST", "/media/"+id+"/complete", nil).fails(400, "VALIDATION_ERROR", "contentType")
	mid, err := chat.ParseMediaID(id)
	require.NoError(t, err)
	_, err = s.blobs.Offset(context.Background(), mid)
	require.ErrorIs(t, err, media.ErrNotFound)

	// An active type may be stored, and is a download.
	id, target = alice.begin(conv, "text/html", "a.html", len(html))
	require.Equal(t, 200, elsewhere(t, "PUT", target, html, nil).status)
	alice.do("POST", "/media/"+id+"/complete", nil).ok(200)
	got = elsewhere(t, "GET", bob.do("GET", "/media/"+id, nil).header.Get("Location"), nil, nil)
	require.Equal(t, "attachment; filename=a.html", got.header.Get("Content-Disposition"))

	// Who would rather send to the server may, though S3 was offered.
	id, _ = alice.begin(conv, "text/plain", "a.txt", 4)
	s.do("PUT", api+"/media/"+id+"/upload", strings.NewReader("text"), alice.bearer(nil)).ok(204)
	alice.do("POST", "/media/"+id+"/complete", nil).ok(200)
}

// TestS3ViaGateway: with S3 behind us everything is as it is with a folder.
func TestS3ViaGateway(t *testing.T) {
	at := servers.Versity(t)
	s := newStack(t, onS3(bucket(t, at.URL, at.AccessKey, at.SecretKey, true), 4<<20))
	alice, bob := s.register("alice"), s.register("bob")
	conv := alice.direct(bob)
	data := pngBytes(t, 700, 300)
	m := alice.upload(conv, "image/png", "a.png", data).ok(200)
	id := m["id"].(string)
	got := bob.do("GET", "/media/"+id, nil)
	require.Equal(t, data, got.body)
	require.Contains(t, got.header.Get("Content-Security-Policy"), "sandbox")
	require.Equal(t, 304, s.do("GET", api+"/media/"+id, nil, bob.bearer(header{"If-None-Match": got.header.Get("ETag")})).status)
	require.Equal(t, data[10:20], s.do("GET", api+"/media/"+id, nil, bob.bearer(header{"Range": "bytes=10-19"})).body)
	require.Equal(t, "image/jpeg", bob.do("GET", "/media/"+id+"/thumb", nil).header.Get("Content-Type"))
}

// killingBody kills S3 when a client has sent so much.
type killingBody struct {
	*bytes.Reader
	after int64
	kill  func()
	did   atomic.Bool
}

func (k *killingBody) ReadAt(p []byte, off int64) (int, error) {
	if off >= k.after && k.did.CompareAndSwap(false, true) {
		k.kill()
	}
	return k.Reader.ReadAt(p, off)
}

// TestS3Killed: S3 dies under a client's upload and comes back; the upload goes on by itself and arrives whole, whichever
// way the bytes go.
func TestS3Killed(t *testing.T) {
	for i, viaGateway := range []bool{false, true} {
		t.Run(fmt.Sprintf("viaGateway=%v", viaGateway), func(t *testing.T) {
			c, err := native.Up(t.Context(), native.Options{Dir: t.TempDir(), Subnet: fmt.Sprintf("127.%d.%d", 46+i, os.Getpid()%250+1), S3: native.MinIO})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, c.Down(context.Background())) })
			b := bucket(t, c.S3(), native.S3AccessKey, native.S3SecretKey, viaGateway)
			s := newStack(t, onS3(b, 40<<20))
			alice, bob := s.register("alice"), s.register("bob")
			conv, err := chat.ParseConversationID(alice.direct(bob))
			require.NoError(t, err)
			rest, err := client.NewREST(s.url, alice.token, nil)
			require.NoError(t, err)
			data := make([]byte, 20<<20)
			for i := range data {
				data[i] = byte(i >> 8 * 31)
			}
			back := make(chan error, 1)
			up, err := rest.UploadMedia(context.Background(), client.Upload{
				Conversation: conv, ContentType: "application/octet-stream", Name: "x", Size: int64(len(data)), Patience: time.Minute,
			}, &killingBody{Reader: bytes.NewReader(data), after: 12 << 20, kill: func() {
				if err := c.Kill(context.Background(), "s3"); err != nil {
					back <- err
					return
				}
				time.AfterFunc(time.Second, func() {
					err := c.Start(context.Background(), "s3")
					b.Breaker().Restore() // or 30 s later
					back <- err
				})
			}})
			require.NoError(t, <-back)
			require.NoError(t, err)
			other := rest.WithToken(bob.token)
			body, err := other.OpenMedia(context.Background(), up.ID, 5<<20)
			require.NoError(t, err)
			defer body.Close()
			got, err := io.ReadAll(body)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data[5<<20:], got))
		})
	}
}
