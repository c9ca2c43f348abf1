package population_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// stored asks an embedded store for everybody.
func stored(t *testing.T, dir string, p *population.Population) {
	t.Helper()
	db, err := pebblestore.Open(pebblestore.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	ports := db.Ports()
	for i := range p.Users {
		u, err := ports.Users.ByExternal(t.Context(), p.Subject(i))
		require.NoError(t, err)
		require.Equal(t, p.User(i), u.ID)
		d, err := ports.Devices.Get(t.Context(), u.ID, p.Device(i))
		require.NoError(t, err)
		require.NotZero(t, d.AckedTo)
	}
	for c := range p.Conversations() {
		m, err := ports.Members.Membership(t.Context(), p.Conversation(c))
		require.NoError(t, err)
		require.Len(t, m.Members, p.Size(c))
		for _, row := range m.Members {
			require.True(t, row.Active())
		}
		l, err := ports.Listing.Listed(t.Context(), p.User(p.Member(c, 0)), p.Conversation(c))
		require.NoError(t, err)
		require.True(t, l.Listed)
	}
}
