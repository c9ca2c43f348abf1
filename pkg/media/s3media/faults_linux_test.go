package s3media_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/s3media"
)

// kinds of object servers, for tests that start and kill their own.
var kinds = []struct {
	name string
	kind native.S3
}{{"MinIO", native.MinIO}, {"versitygw", native.Versity}}

// own starts an object server of the test's own, with its data in dir.
func own(t *testing.T, kind native.S3, dir string, n int) (*native.Cluster, s3media.Options) {
	t.Helper()
	c, err := native.Up(t.Context(), native.Options{Dir: dir, Subnet: fmt.Sprintf("127.%d.%d", 40+n, os.Getpid()%250+1), S3: kind})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Down(context.Background())) })
	u, err := url.Parse(c.S3())
	require.NoError(t, err)
	return c, s3media.Options{Endpoint: u.Host, AccessKey: native.S3AccessKey, SecretKey: native.S3SecretKey, Bucket: "media", Timeout: 2 * time.Second}
}

// killing kills the server when it is read from.
type killing struct {
	c    *native.Cluster
	then io.Reader
	done bool
}

func (k *killing) Read(p []byte) (int, error) {
	if !k.done {
		k.done = true
		if err := k.c.Kill(context.Background(), "s3"); err != nil {
			return 0, err
		}
	}
	return k.then.Read(p)
}

// TestKilled: S3 dies in the middle of an upload. Nothing is to be seen meanwhile or half; with S3 back the upload goes on
// where it had got to, and what was complete before is as it was.
func TestKilled(t *testing.T) {
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			c, o := own(t, k.kind, t.TempDir(), i)
			b, ctx := open(t, o), context.Background()
			const size = 3 * s3media.PartSize
			id, data, older := newID(), body(size), newID()
			_, err := b.Create(ctx, older, 10, "text/plain")
			require.NoError(t, err)
			_, err = b.Write(ctx, older, 0, 10, bytes.NewReader(body(10)))
			require.NoError(t, err)
			_, err = b.Complete(ctx, older, 10)
			require.NoError(t, err)

			_, err = b.Create(ctx, id, size, "video/mp4")
			require.NoError(t, err)
			at := s3media.PartSize + 1000
			n, err := b.Write(ctx, id, 0, size, io.MultiReader(bytes.NewReader(data[:at]), &killing{c: c, then: bytes.NewReader(data[at:])}))
			require.Error(t, err)
			require.EqualValues(t, s3media.PartSize, n, "what S3 took")
			for i := 0; b.Breaker().State() != breaker.Open; i++ {
				require.Less(t, i, 5, "the breaker opens")
				_, err = b.Open(ctx, older, media.Original)
				require.Error(t, err)
				require.NotErrorIs(t, err, media.ErrNotFound, "away is not gone")
			}
			began := time.Now()
			_, err = b.Open(ctx, older, media.Original)
			require.ErrorIs(t, err, breaker.ErrOpen)
			require.Less(t, time.Since(began), 100*time.Millisecond, "nobody waits for a server that is away")

			require.NoError(t, c.Start(ctx, "s3"))
			b.Breaker().Restore() // or 30 s later
			_, err = b.Open(ctx, id, media.Original)
			require.ErrorIs(t, err, media.ErrNotFound)
			n, err = b.Offset(ctx, id)
			require.NoError(t, err)
			require.EqualValues(t, s3media.PartSize, n)
			_, err = b.Write(ctx, id, n, size, bytes.NewReader(data[n:]))
			require.NoError(t, err)
			sum, err := b.Complete(ctx, id, size)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(data), sum)
			require.Equal(t, body(10), readAll(t, b, older))
			failed := 0.0
			b.Failures(func(_ string, n float64) { failed += n })
			require.Positive(t, failed)
		})
	}
}

// TestAway: without S3 a gateway starts, and finds it when it comes, with its bucket still to be made.
func TestAway(t *testing.T) {
	c, o := own(t, native.MinIO, t.TempDir(), 2)
	require.NoError(t, c.Kill(t.Context(), "s3"))
	b, ctx := open(t, o), context.Background()
	id := newID()
	_, err := b.Create(ctx, id, 10, "text/plain")
	require.Error(t, err)
	require.NoError(t, c.Start(ctx, "s3"))
	b.Breaker().Restore()
	_, err = b.Create(ctx, id, 10, "text/plain")
	require.NoError(t, err)
}

// TestFull: on a full disk uploads are refused as such, and what is stored stays readable. It needs the right to mount, as
// root has.
func TestFull(t *testing.T) {
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"), "mounting needs root")
			t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
			_, o := own(t, k.kind, dir, 3+i)
			b, ctx := open(t, o), context.Background()
			put := func(n int64) error {
				id := newID()
				if _, err := b.Create(ctx, id, n, "video/mp4"); err != nil {
					return err
				}
				if _, err := b.Write(ctx, id, 0, n, bytes.NewReader(make([]byte, n))); err != nil {
					return errors.Join(err, b.Delete(ctx, id))
				}
				_, err := b.Complete(ctx, id, n)
				return err
			}
			kept, data := newID(), body(1000)
			_, err := b.Create(ctx, kept, 1000, "text/plain")
			require.NoError(t, err)
			_, err = b.Write(ctx, kept, 0, 1000, bytes.NewReader(data))
			require.NoError(t, err)
			_, err = b.Complete(ctx, kept, 1000)
			require.NoError(t, err)
			require.ErrorIs(t, put(64<<20), media.ErrFull)
			require.Equal(t, data, readAll(t, b, kept))
			require.NoError(t, put(1<<20), "room that came back is used")
		})
	}
}
