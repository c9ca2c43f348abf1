package mediatest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

// Run runs the suite; open makes an engine. Ids are the suite's own, so that one engine may serve all tests.
func Run(t *testing.T, open func(t *testing.T) media.Blobs) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, b media.Blobs)
	}{
		{"RoundTrip", roundTrip}, {"Resume", resume}, {"WrongOffset", wrongOffset}, {"TooLarge", tooLarge},
		{"Incomplete", incomplete}, {"CompleteTwice", completeTwice}, {"Missing", missing}, {"Thumb", thumb},
		{"Delete", remove}, {"OneWriter", oneWriter}, {"Ranges", ranges}, {"Pieces", pieces},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func newID() chat.MediaID { return chat.NewMediaID(time.Now()) }

func body(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

func put(t *testing.T, b media.Blobs, data []byte) chat.MediaID {
	t.Helper()
	id, ctx := newID(), context.Background()
	_, err := b.Create(ctx, id, int64(len(data)), "application/octet-stream")
	require.NoError(t, err)
	n, err := b.Write(ctx, id, 0, int64(len(data)), bytes.NewReader(data))
	require.NoError(t, err)
	require.EqualValues(t, len(data), n)
	sum, err := b.Complete(ctx, id, int64(len(data)))
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(data), sum)
	return id
}

func read(t *testing.T, b media.Blobs, id chat.MediaID, v media.Variant) []byte {
	t.Helper()
	blob, err := b.Open(context.Background(), id, v)
	require.NoError(t, err)
	defer blob.Close()
	data, err := io.ReadAll(blob)
	require.NoError(t, err)
	require.EqualValues(t, len(data), blob.Size)
	return data
}

func roundTrip(t *testing.T, b media.Blobs) {
	for _, n := range []int{1, 100, 5<<20 + 1} {
		data := body(n)
		require.Equal(t, data, read(t, b, put(t, b, data), media.Original))
	}
}

// resume: what came before a connection broke stays.
func resume(t *testing.T, b media.Blobs) {
	ctx, id, data := context.Background(), newID(), body(1000)
	_, err := b.Create(ctx, id, 1000, "text/plain")
	require.NoError(t, err)
	broken := io.MultiReader(bytes.NewReader(data[:400]), iotest.ErrReader(io.ErrUnexpectedEOF))
	n, err := b.Write(ctx, id, 0, 1000, broken)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.EqualValues(t, 400, n)
	at, err := b.Offset(ctx, id)
	require.NoError(t, err)
	require.EqualValues(t, 400, at)
	_, err = b.Create(ctx, id, 1000, "text/plain")
	require.NoError(t, err)
	n, err = b.Write(ctx, id, 400, 1000, bytes.NewReader(data[400:]))
	require.NoError(t, err)
	require.EqualValues(t, 1000, n)
	_, err = b.Complete(ctx, id, 1000)
	require.NoError(t, err)
	require.Equal(t, data, read(t, b, id, media.Original))
	at, err = b.Offset(ctx, id)
	require.NoError(t, err)
	require.EqualValues(t, 1000, at)
}

func wrongOffset(t *testing.T, b media.Blobs) {
	ctx, id := context.Background(), newID()
	_, err := b.Create(ctx, id, 10, "text/plain")
	require.NoError(t, err)
	_, err = b.Write(ctx, id, 5, 10, bytes.NewReader(body(5)))
	require.ErrorIs(t, err, media.ErrOffset)
	_, err = b.Write(ctx, id, 0, 10, bytes.NewReader(body(4)))
	require.NoError(t, err)
	_, err = b.Write(ctx, id, 2, 10, bytes.NewReader(body(5)))
	require.ErrorIs(t, err, media.ErrOffset)
	n, err := b.Write(ctx, id, 0, 10, bytes.NewReader(body(10))) // starting over is allowed
	require.NoError(t, err)
	require.EqualValues(t, 10, n)
}

func tooLarge(t *testing.T, b media.Blobs) {
	ctx, id := context.Background(), newID()
	_, err := b.Create(ctx, id, 10, "text/plain")
	require.NoError(t, err)
	n, err := b.Write(ctx, id, 0, 10, bytes.NewReader(body(11)))
	require.ErrorIs(t, err, media.ErrTooLarge)
	require.LessOrEqual(t, n, int64(10))
}

func incomplete(t *testing.T, b media.Blobs) {
	ctx, id := context.Background(), newID()
	_, err := b.Create(ctx, id, 10, "text/plain")
	require.NoError(t, err)
	_, err = b.Write(ctx, id, 0, 10, bytes.NewReader(body(9)))
	require.NoError(t, err)
	_, err = b.Complete(ctx, id, 10)
	require.ErrorIs(t, err, media.ErrIncomplete)
	_, err = b.Open(ctx, id, media.Original)
	require.ErrorIs(t, err, media.ErrNotFound, "what is not complete can't be read")
}

func completeTwice(t *testing.T, b media.Blobs) {
	data := body(50)
	id := put(t, b, data)
	sum, err := b.Complete(context.Background(), id, 50)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(data), sum)
	_, err = b.Complete(context.Background(), id, 51)
	require.ErrorIs(t, err, media.ErrIncomplete)
}

func missing(t *testing.T, b media.Blobs) {
	ctx, id := context.Background(), newID()
	_, err := b.Open(ctx, id, media.Original)
	require.ErrorIs(t, err, media.ErrNotFound)
	_, err = b.Offset(ctx, id)
	require.ErrorIs(t, err, media.ErrNotFound)
	_, err = b.Write(ctx, id, 0, 1, bytes.NewReader(body(1)))
	require.ErrorIs(t, err, media.ErrNotFound)
	_, err = b.Complete(ctx, id, 0)
	require.ErrorIs(t, err, media.ErrNotFound)
	require.NoError(t, b.Delete(ctx, id))
}

func thumb(t *testing.T, b media.Blobs) {
	id := put(t, b, body(5))
	_, err := b.Open(context.Background(), id, media.Thumb)
	require.ErrorIs(t, err, media.ErrNotFound)
	require.NoError(t, b.PutThumb(context.Background(), id, []byte("first")))
	require.NoError(t, b.PutThumb(context.Background(), id, []byte("second")))
	require.Equal(t, []byte("second"), read(t, b, id, media.Thumb))
	require.Equal(t, body(5), read(t, b, id, media.Original))
}

func remove(t *testing.T, b media.Blobs) {
	ctx := context.Background()
	id := put(t, b, body(5))
	require.NoError(t, b.PutThumb(ctx, id, []byte("t")))
	require.NoError(t, b.Delete(ctx, id))
	for _, v := range []media.Variant{media.Original, media.Thumb} {
		_, err := b.Open(ctx, id, v)
		require.ErrorIs(t, err, media.ErrNotFound)
	}
	half := newID()
	_, err := b.Create(ctx, half, 10, "text/plain")
	require.NoError(t, err)
	require.NoError(t, b.Delete(ctx, half))
	_, err = b.Offset(ctx, half)
	require.ErrorIs(t, err, media.ErrNotFound)
}

// oneWriter: of writers at once one writes, the others are told.
func oneWriter(t *testing.T, b media.Blobs) {
	ctx, id := context.Background(), newID()
	_, err := b.Create(ctx, id, 4, "text/plain")
	require.NoError(t, err)
	pr, pw := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := b.Write(ctx, id, 0, 4, pr)
		if err != nil {
			t.Errorf("the first writer: %v", err)
		}
	})
	_, err = pw.Write([]byte("ab")) // returns once it is read: the writer is inside
	require.NoError(t, err)
	_, err = b.Write(ctx, id, 0, 4, bytes.NewReader(body(4)))
	require.True(t, errors.Is(err, media.ErrBusy), "got %v", err)
	_, err = b.Complete(ctx, id, 4)
	require.ErrorIs(t, err, media.ErrBusy)
	_, err = pw.Write([]byte("cd"))
	require.NoError(t, err)
	require.NoError(t, pw.Close())
	wg.Wait()
	_, err = b.Complete(ctx, id, 4)
	require.NoError(t, err)
	require.Equal(t, []byte("abcd"), read(t, b, id, media.Original))
}

func ranges(t *testing.T, b media.Blobs) {
	data := body(1000)
	blob, err := b.Open(context.Background(), put(t, b, data), media.Original)
	require.NoError(t, err)
	defer blob.Close()
	_, err = blob.Seek(-100, io.SeekEnd)
	require.NoError(t, err)
	got, err := io.ReadAll(blob)
	require.NoError(t, err)
	require.Equal(t, data[900:], got)
}

// pieces: a large blob comes in pieces that are no multiple of anything, in requests of which some break off and some begin
// at a wrong place. It is whole at the end, and read back from places of all kinds.
func pieces(t *testing.T, b media.Blobs) {
	const size = 20<<20 + 12345
	ctx, id, data := context.Background(), newID(), body(size)
	_, err := b.Create(ctx, id, size, "video/mp4")
	require.NoError(t, err)
	at := int64(0)
	for i := 0; at < size; i++ {
		end := min(at+[]int64{1, 3<<20 + 1, 5 << 20, 9<<20 - 7}[i%4], size)
		var r io.Reader = bytes.NewReader(data[at:end])
		if i%2 == 1 {
			r = io.MultiReader(r, iotest.ErrReader(io.ErrUnexpectedEOF))
		}
		n, err := b.Write(ctx, id, at, size, r)
		require.Equal(t, i%2 == 1, err != nil, "%v", err)
		require.Equal(t, end, n)
		at = n
		got, err := b.Offset(ctx, id)
		require.NoError(t, err)
		require.Equal(t, at, got)
		_, err = b.Write(ctx, id, at+1, size, bytes.NewReader(data[:1]))
		require.ErrorIs(t, err, media.ErrOffset)
	}
	sum, err := b.Complete(ctx, id, size)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(data), sum)
	blob, err := b.Open(ctx, id, media.Original)
	require.NoError(t, err)
	defer blob.Close()
	for _, from := range []int64{0, 100, 65535, 65536, 65537, 5 << 20, size - 1, 10, size} {
		_, err := blob.Seek(from, io.SeekStart)
		require.NoError(t, err)
		got := make([]byte, min(200_000, size-from))
		_, err = io.ReadFull(blob, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[from:from+int64(len(got))], got), "from %d", from)
	}
	_, err = blob.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
}
