package cqlstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
	"github.com/murre-chat/murre/pkg/transfer"
)

// TestImportAlone: what is written without compare-and-set, in mixed batches, is what would have been written otherwise, and
// names are as taken as any.
func TestImportAlone(t *testing.T) {
	db := keyspace(t)
	made := time.Now().Add(-time.Second).UnixMilli()
	imp := cqlstore.NewImporter(db, cqlstore.ImportOptions{Made: made, Alone: true})
	var rows []transfer.Row
	for i := range 300 {
		name := fmt.Sprintf("alone%d", i)
		u := chat.User{ID: chat.NewUserID(time.Now()), Username: name, DisplayName: name, External: "sub-" + name, CreatedAt: made}
		rows = append(rows, transfer.Row{Value: u}, transfer.Row{Value: chat.Device{User: u.ID, ID: chat.NewDeviceID(time.Now()), CreatedAt: made, AckedTo: 5}})
	}
	require.NoError(t, imp.Write(t.Context(), rows))
	sum, err := imp.Check(t.Context(), rows)
	require.NoError(t, err)
	require.Empty(t, sum.Wrong)
	require.EqualValues(t, 300, sum.Rows["users"])
	require.EqualValues(t, 300, sum.Rows["usernames"])
	require.EqualValues(t, 300, sum.Rows["external_subjects"])
	require.EqualValues(t, 300, sum.Rows["devices"])

	first := rows[0].Value.(chat.User)
	ports := db.Ports()
	got, err := ports.Users.ByExternal(t.Context(), first.External)
	require.NoError(t, err)
	require.Equal(t, first.ID, got.ID)
	thief := chat.User{ID: chat.NewUserID(time.Now()), Username: first.Username, CreatedAt: time.Now().UnixMilli()}
	require.ErrorIs(t, ports.Users.Create(t.Context(), thief), store.ErrConflict)
}
