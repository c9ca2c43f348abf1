package diskmedia

import (
	"bytes"
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

// TestRealFullDisk fills a small file system of its own. It needs the right to mount, as root has.
func TestRealFullDisk(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"), "mounting needs root")
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	d, err := Open(Options{Dir: dir, MinFree: -1})
	require.NoError(t, err)
	ctx := context.Background()
	put := func(n int64) (chat.MediaID, error) {
		id := chat.NewMediaID(time.Now())
		if _, err := d.Create(ctx, id, n, "text/plain"); err != nil {
			return id, err
		}
		if _, err := d.Write(ctx, id, 0, n, bytes.NewReader(make([]byte, n))); err != nil {
			return id, err
		}
		_, err := d.Complete(ctx, id, n)
		return id, err
	}
	kept, err := put(1 << 20)
	require.NoError(t, err)
	full, err := put(3 << 20)
	require.ErrorIs(t, err, media.ErrFull)
	blob, err := d.Open(ctx, kept, media.Original)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, blob.Size)
	require.NoError(t, blob.Close())
	require.ErrorIs(t, d.PutThumb(ctx, kept, make([]byte, 1<<20)), media.ErrFull)
	require.NoError(t, d.Delete(ctx, full), "room can be made on a full disk")
	_, err = put(512 << 10)
	require.NoError(t, err, "and is used")
	require.NoError(t, d.PutThumb(ctx, kept, []byte("small")))
}
