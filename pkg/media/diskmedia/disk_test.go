package diskmedia

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/mediatest"
)

func TestSuite(t *testing.T) {
	mediatest.Run(t, func(t *testing.T) media.Blobs {
		d, err := Open(Options{Dir: t.TempDir(), MinFree: -1})
		require.NoError(t, err)
		return d
	})
}

// TestFull: no blob is begun or continued that would leave less than MinFree, and room that comes back is used.
func TestFull(t *testing.T) {
	room := int64(100)
	d, err := Open(Options{Dir: t.TempDir(), MinFree: 50, Free: func(string) (int64, error) { return room, nil }})
	require.NoError(t, err)
	ctx, id := context.Background(), chat.NewMediaID(time.Now())
	_, err = d.Create(ctx, id, 51, "text/plain")
	require.ErrorIs(t, err, media.ErrFull)
	_, err = d.Create(ctx, id, 40, "text/plain")
	require.NoError(t, err)
	room = 60
	_, err = d.Write(ctx, id, 0, 40, bytes.NewReader(make([]byte, 40)))
	require.ErrorIs(t, err, media.ErrFull)
	room = 100
	_, err = d.Write(ctx, id, 0, 40, bytes.NewReader(make([]byte, 40)))
	require.NoError(t, err)
}

// TestNames: whatever the id's bytes, files stay in their folders.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(Options{Dir: dir, MinFree: -1})
	require.NoError(t, err)
	var id chat.MediaID
	copy(id[:], "../../../etc/pas")
	_, err = d.Create(context.Background(), id, 1, "text/plain")
	require.NoError(t, err)
	_, err = d.Write(context.Background(), id, 0, 1, bytes.NewReader([]byte("x")))
	require.NoError(t, err)
	_, err = d.Complete(context.Background(), id, 1)
	require.NoError(t, err)
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			files = append(files, rel)
		}
		return err
	}))
	require.Equal(t, []string{"73/2e2e2f2e-2e2f-2e2e-2f65-74632f706173"}, files)
}
