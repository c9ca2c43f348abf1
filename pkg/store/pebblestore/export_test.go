package pebblestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/transfer"
)

// folder is what a folder holds, byte for byte.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, n := range names {
		text, err := os.ReadFile(filepath.Join(dir, n.Name()))
		require.NoError(t, err)
		out[n.Name()] = string(text)
	}
	return out
}

func allRows(t *testing.T, x *Export, of transfer.Table, after []byte) (out []transfer.Row) {
	t.Helper()
	require.NoError(t, x.Rows(t.Context(), of, after, func(r transfer.Row) error {
		out = append(out, r)
		return nil
	}))
	return out
}

func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	d, err := Open(Options{Dir: dir, Logger: quiet})
	require.NoError(t, err)
	p, ctx := d.Ports(), t.Context()
	now := time.Now()
	u := chat.User{ID: chat.NewUserID(now), Username: "alice", DisplayName: "Alice", CreatedAt: now.UnixMilli()}
	require.NoError(t, p.Users.Create(ctx, u))
	dev := chat.Device{User: u.ID, ID: chat.NewDeviceID(now), Name: "phone", CreatedAt: 1, AckedTo: 5}
	require.NoError(t, p.Devices.Put(ctx, dev))
	require.NoError(t, p.Devices.SetCursor(ctx, u.ID, dev.ID, 9, false))
	require.NoError(t, p.Devices.SaveAcks(ctx, u.ID, dev.ID, 9, []chat.EventID{11, 12}))
	gone := chat.Device{User: u.ID, ID: chat.NewDeviceID(now), Name: "old"}
	require.NoError(t, p.Devices.Put(ctx, gone))
	require.NoError(t, p.Devices.Delete(ctx, u.ID, gone.ID))
	require.NoError(t, p.Devices.SaveAcks(ctx, u.ID, gone.ID, 1, nil)) // late
	c := chat.Conversation{ID: chat.DirectID(u.ID, chat.UserID{1}), Kind: chat.Direct, CreatedBy: u.ID, CreatedAt: 7}
	require.NoError(t, p.Members.CreateDirect(ctx, c, u.ID, chat.UserID{1}))
	var ids []chat.MessageID
	for i, in := range []chat.ConversationID{c.ID, c.ID, c.ID, {9}} { // the last one doesn't exist
		n, err := d.Clock().Next()
		require.NoError(t, err)
		ids = append(ids, chat.MessageID(n))
		_, err = p.Messages.Append(ctx, &store.Append{Kind: chat.Direct, Recipients: []chat.UserID{u.ID}, Message: chat.Message{ID: ids[i], Conversation: in, Sender: u.ID, ContentType: chat.Text, Content: fmt.Sprint(i)}})
		require.NoError(t, err)
	}
	require.NoError(t, p.Messages.Bury(ctx, store.Ref{Conversation: c.ID, Kind: chat.Direct, Message: ids[1]}))

	_, err = OpenExport(dir)
	require.ErrorIs(t, err, ErrInUse)
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, d.Checkpoint(ctx, backup))
	require.NoError(t, d.Close())

	for _, from := range []string{dir, backup} {
		before := folder(t, from)
		x, err := OpenExport(from)
		require.NoError(t, err)
		if from == dir {
			_, err := Open(Options{Dir: dir, Logger: quiet})
			require.ErrorIs(t, err, ErrInUse, "a server was started on a folder that is being copied")
		}
		require.Greater(t, int64(x.Info().HighWater), int64(ids[3]))

		require.Equal(t, []any{u}, values(allRows(t, x, transfer.Users, nil)))
		dev.AckedTo, dev.AckedBeyondBase, dev.AckedBeyond = 9, 9, []chat.EventID{11, 12}
		require.Equal(t, []any{dev}, values(allRows(t, x, transfer.Devices, nil)))
		rows := allRows(t, x, transfer.Messages, nil)
		require.Len(t, rows, 3)
		orphans := 0
		for i, r := range rows {
			switch v := r.Value.(type) {
			case transfer.OrphanRow:
				orphans++
				require.Equal(t, chat.ConversationID{9}, v.Conversation)
			case transfer.MessageRow:
				require.Equal(t, chat.Direct, v.Kind)
				require.NotEqual(t, ids[1], v.ID, "a buried one")
			}
			require.Len(t, allRows(t, x, transfer.Messages, r.Key), len(rows)-1-i)
		}
		require.Equal(t, 1, orphans)
		for table := range transfer.Tables {
			n, err := x.Count(ctx, table)
			require.NoError(t, err)
			require.Len(t, allRows(t, x, table, nil), int(n), table.String())
		}
		stop := errors.New("enough")
		require.ErrorIs(t, x.Rows(ctx, transfer.Log, nil, func(transfer.Row) error { return stop }), stop)
		second, err := OpenExport(backup) // a backup may be read twice at once
		require.NoError(t, err)
		require.Equal(t, from == backup, second.Info().Identity == x.Info().Identity)
		require.NoError(t, second.Close())
		require.NoError(t, x.Close())
		require.Equal(t, before, folder(t, from))
	}

	first, err := OpenExport(dir)
	require.NoError(t, err)
	was := first.Info().Identity
	require.NoError(t, first.Close())
	d, err = Open(Options{Dir: dir, Logger: quiet})
	require.NoError(t, err)
	require.NoError(t, d.Ports().Blocks.Set(ctx, u.ID, chat.UserID{1}, true, 1))
	require.NoError(t, d.Close())
	x, err := OpenExport(dir)
	require.NoError(t, err)
	require.NotEqual(t, was, x.Info().Identity)
	require.NoError(t, x.Close())
}

func values(rows []transfer.Row) (out []any) {
	for _, r := range rows {
		out = append(out, r.Value)
	}
	return out
}

func TestExportRefusesWhatIsNoStore(t *testing.T) {
	_, err := OpenExport(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, formatFile), []byte("99\n"), 0o600))
	_, err = OpenExport(dir)
	var format *FormatError
	require.ErrorAs(t, err, &format)
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 1)
}
