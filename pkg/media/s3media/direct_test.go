package s3media_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/s3media"
)

func newID() chat.MediaID { return chat.NewMediaID(time.Now()) }

// body of n bytes, of which no two stretches are alike.
func body(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// put sends data as a client does, and returns the status.
func put(t *testing.T, method, to string, data []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, to, bytes.NewReader(data))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

// refused sends what must not be taken. A server may hang up before it has read it all.
func refused(t *testing.T, method, to string, data []byte, why string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, to, bytes.NewReader(data))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	require.NoError(t, res.Body.Close())
	require.GreaterOrEqual(t, res.StatusCode, 400, why)
}

func get(t *testing.T, from string, more http.Header) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, from, nil)
	require.NoError(t, err)
	for k := range more {
		req.Header.Set(k, more.Get(k))
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, data
}

// TestDirect: an address takes exactly the bytes that were declared, until the upload is complete; a download's address
// answers with the headers that were asked for.
func TestDirect(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		b, ctx, id, data := open(t, o), context.Background(), newID(), body(1000)
		to, err := b.Create(ctx, id, 1000, "text/plain")
		require.NoError(t, err)
		require.Equal(t, "PUT", to.Method)
		require.Empty(t, to.Parts)
		refused(t, to.Method, to.URL, data[:999], "fewer bytes than declared")
		refused(t, to.Method, to.URL, append(data, 0), "more bytes than declared")
		refused(t, to.Method, strings.Replace(to.URL, "partNumber=1", "partNumber=2", 1), data, "another part")
		_, err = b.Complete(ctx, id, 1000)
		require.ErrorIs(t, err, media.ErrIncomplete)
		require.Equal(t, 200, put(t, to.Method, to.URL, body(2000)[1000:]))
		require.Equal(t, 200, put(t, to.Method, to.URL, data), "again, until it is complete")
		at, err := b.Offset(ctx, id)
		require.NoError(t, err)
		require.EqualValues(t, 1000, at)
		_, err = b.Open(ctx, id, media.Original)
		require.ErrorIs(t, err, media.ErrNotFound)
		sum, err := b.Complete(ctx, id, 1000)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(data), sum)
		refused(t, to.Method, to.URL, body(2000)[1000:], "what was examined can't be exchanged")

		blob, err := b.Open(ctx, id, media.Original)
		require.NoError(t, err)
		defer blob.Close()
		from, err := blob.Redirect("text/html", `attachment; filename="a \"b\".html"`)
		require.NoError(t, err)
		res, got := get(t, from, nil)
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, data, got)
		require.Equal(t, "text/html", res.Header.Get("Content-Type"))
		require.Equal(t, `attachment; filename="a \"b\".html"`, res.Header.Get("Content-Disposition"))
		res, got = get(t, from, http.Header{"Range": {"bytes=990-"}})
		require.Equal(t, 206, res.StatusCode)
		require.Equal(t, data[990:], got)
		res, _ = get(t, strings.Replace(from, "attachment", "inline", 1), nil)
		require.GreaterOrEqual(t, res.StatusCode, 400, "the headers are signed")
		require.NoError(t, b.Delete(ctx, id))
		res, _ = get(t, from, nil)
		require.Equal(t, 404, res.StatusCode, "deleted content is gone by old addresses too")
	})
}

// TestParts: parts come in any order and some twice; a hole is told by Offset.
func TestParts(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		const size = 2*s3media.PartSize + 12345
		b, ctx, id, data := open(t, o), context.Background(), newID(), body(size)
		to, err := b.Create(ctx, id, size, "video/mp4")
		require.NoError(t, err)
		require.Empty(t, to.URL, "who doesn't know parts sends to the server")
		require.Len(t, to.Parts, 3)
		for i, want := range []int64{0, 0, 2 * s3media.PartSize, size} {
			if i > 0 {
				p := to.Parts[[]int{2, 0, 1}[i-1]]
				require.Equal(t, 200, put(t, to.Method, p.URL, data[p.Offset:p.Offset+p.Size]))
				if i == 2 {
					want = s3media.PartSize
				}
			}
			at, err := b.Offset(ctx, id)
			require.NoError(t, err)
			require.Equal(t, want, at)
			if i < 3 {
				_, err = b.Complete(ctx, id, size)
				require.ErrorIs(t, err, media.ErrIncomplete)
			}
		}
		sum, err := b.Complete(ctx, id, size)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(data), sum)
		require.Equal(t, data, readAll(t, b, id))
	})
}

// TestThroughAnotherGateway: what one gateway began another goes on with, in the middle of a part, after direct parts too.
func TestThroughAnotherGateway(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		const size = 2*s3media.PartSize + 777
		one, other := open(t, o), open(t, o)
		ctx, id, data := context.Background(), newID(), body(size)
		to, err := one.Create(ctx, id, size, "video/mp4")
		require.NoError(t, err)
		require.Equal(t, 200, put(t, to.Method, to.Parts[0].URL, data[:s3media.PartSize]))
		cut := int64(s3media.PartSize + 100)
		n, err := one.Write(ctx, id, s3media.PartSize, size, bytes.NewReader(data[s3media.PartSize:cut]))
		require.NoError(t, err)
		require.Equal(t, cut, n)
		at, err := other.Offset(ctx, id)
		require.NoError(t, err)
		require.Equal(t, cut, at)
		gone, cancel := context.WithCancel(ctx) // its client goes in the middle: what has come stays
		n, err = other.Write(gone, id, cut, size, io.MultiReader(bytes.NewReader(data[cut:2*s3media.PartSize+50]), cancelling{cancel}))
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 2*s3media.PartSize+50, n)
		n, err = one.Write(ctx, id, n, size, bytes.NewReader(data[n:]))
		require.NoError(t, err)
		require.EqualValues(t, size, n)
		sum, err := other.Complete(ctx, id, size)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(data), sum)
		require.Equal(t, data, readAll(t, one, id))
		require.Equal(t, []string{fmt.Sprintf("media/%02x/%s", id[15], id)}, keys(t, o), "nothing is left over")
	})
}

type cancelling struct{ cancel func() }

func (c cancelling) Read([]byte) (int, error) {
	c.cancel()
	return 0, context.Canceled
}

// TestRestart: starting over forgets parts and tail.
func TestRestart(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		const size = s3media.PartSize + 1000
		b, ctx, id, data := open(t, o), context.Background(), newID(), body(size)
		to, err := b.Create(ctx, id, size, "video/mp4")
		require.NoError(t, err)
		_, err = b.Write(ctx, id, 0, size, bytes.NewReader(make([]byte, size-10)))
		require.NoError(t, err)
		n, err := b.Write(ctx, id, 0, size, bytes.NewReader(data[:10]))
		require.NoError(t, err)
		require.EqualValues(t, 10, n)
		at, err := b.Offset(ctx, id)
		require.NoError(t, err)
		require.EqualValues(t, 10, at)
		refused(t, to.Method, to.Parts[1].URL, make([]byte, 1000), "the first upload is gone")
		_, err = b.Write(ctx, id, 10, size, bytes.NewReader(data[10:]))
		require.NoError(t, err)
		sum, err := b.Complete(ctx, id, size)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(data), sum)
	})
}

// TestNothingLeft: Delete leaves no object and no unfinished upload, whatever the state.
func TestNothingLeft(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		const size = 2 * s3media.PartSize
		b, ctx, id := open(t, o), context.Background(), newID()
		to, err := b.Create(ctx, id, size, "video/mp4")
		require.NoError(t, err)
		_, err = b.Write(ctx, id, 0, size, bytes.NewReader(body(s3media.PartSize+1)))
		require.NoError(t, err)
		require.NoError(t, b.PutThumb(ctx, id, []byte("t")))
		require.NoError(t, b.Delete(ctx, id))
		require.Empty(t, keys(t, o))
		refused(t, to.Method, to.Parts[0].URL, body(s3media.PartSize), "the upload is gone")
		open, err := core(t, o).ListMultipartUploads(ctx, o.Bucket, fmt.Sprintf("media/%02x/%s", id[15], id), "", "", "", 10)
		require.NoError(t, err)
		require.Empty(t, open.Uploads)
		require.NoError(t, b.Delete(ctx, id))
	})
}

// TestViaGateway: nobody is sent to S3.
func TestViaGateway(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		o.ViaGateway = true
		b, ctx, id := open(t, o), context.Background(), newID()
		to, err := b.Create(ctx, id, 2*s3media.PartSize, "video/mp4")
		require.NoError(t, err)
		require.Equal(t, media.Target{Method: "PUT"}, to)
		require.NoError(t, b.PutThumb(ctx, id, []byte("\x89PNG\r\n\x1a\n")))
		blob, err := b.Open(ctx, id, media.Thumb)
		require.NoError(t, err)
		defer blob.Close()
		require.Nil(t, blob.Redirect)
		require.Equal(t, "image/png", blob.ContentType)
	})
}

// TestPublic: addresses name the host that clients know.
func TestPublic(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		o.Public = "https://media.example.org"
		b, ctx, id := open(t, o), context.Background(), newID()
		to, err := b.Create(ctx, id, 10, "text/plain")
		require.NoError(t, err)
		require.Regexp(t, "^https://media.example.org/"+o.Bucket+"/media/", to.URL)
		_, err = b.Write(ctx, id, 0, 10, bytes.NewReader(body(10)))
		require.NoError(t, err)
		_, err = b.Complete(ctx, id, 10)
		require.NoError(t, err)
		blob, err := b.Open(ctx, id, media.Original)
		require.NoError(t, err)
		defer blob.Close()
		from, err := blob.Redirect("text/plain", "attachment")
		require.NoError(t, err)
		require.Regexp(t, "^https://media.example.org/"+o.Bucket+"/media/", from)
	})
}

// TestRefused: wrong keys are told at once and by name.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		o.SecretKey = "wrong-secret"
		_, err := s3media.Open(context.Background(), o)
		require.ErrorContains(t, err, "S3 refused")
		require.NotContains(t, err.Error(), "wrong-secret")
	})
}

func readAll(t *testing.T, b *s3media.Bucket, id chat.MediaID) []byte {
	t.Helper()
	blob, err := b.Open(context.Background(), id, media.Original)
	require.NoError(t, err)
	defer blob.Close()
	data, err := io.ReadAll(blob)
	require.NoError(t, err)
	return data
}

// core looks at a bucket beside the engine.
func core(t *testing.T, o s3media.Options) *minio.Core {
	c, err := minio.NewCore(o.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Region: "us-east-1"})
	require.NoError(t, err)
	return c
}

func keys(t *testing.T, o s3media.Options) []string {
	var out []string
	for x := range core(t, o).Client.ListObjects(context.Background(), o.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(t, x.Err)
		out = append(out, x.Key)
	}
	return out
}
