package diskmedia

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// TestSweep: uploads that nobody completed within a day go, bytes and rows; all others stay.
func TestSweep(t *testing.T) {
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	db, err := pebblestore.Open(pebblestore.Options{Dir: t.TempDir(), NoSync: true, MemTableBytes: 4 << 20, Logger: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	rows := db.Ports().Media
	d, err := Open(Options{Dir: t.TempDir(), MinFree: -1})
	require.NoError(t, err)
	now := time.Now()
	add := func(age time.Duration, ready bool) chat.MediaID {
		at := now.Add(-age)
		m := chat.Media{ID: chat.NewMediaID(at), Owner: chat.NewUserID(at), Avatar: true, ContentType: "text/plain", Size: 1, Ready: ready, CreatedAt: at.UnixMilli()}
		require.NoError(t, rows.Put(ctx, m))
		_, err := d.Create(ctx, m.ID, 1, m.ContentType)
		require.NoError(t, err)
		_, err = d.Write(ctx, m.ID, 0, 1, bytes.NewReader([]byte("x")))
		require.NoError(t, err)
		return m.ID
	}
	young, done := add(time.Hour, false), add(48*time.Hour, true)
	var old []chat.MediaID
	for range 105 {
		old = append(old, add(25*time.Hour, false))
	}
	s := media.NewSweeper(d, rows, log, func() time.Time { return now })
	n, err := s.Sweep(ctx)
	require.NoError(t, err)
	require.Equal(t, len(old), n)
	for _, id := range old {
		_, err := d.Offset(ctx, id)
		require.ErrorIs(t, err, media.ErrNotFound)
	}
	left, err := rows.Batch(ctx, append(old, young, done))
	require.NoError(t, err)
	require.Len(t, left, 2)
	for _, id := range []chat.MediaID{young, done} {
		_, err := d.Offset(ctx, id)
		require.NoError(t, err)
	}
}
