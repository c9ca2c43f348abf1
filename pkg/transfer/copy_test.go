package transfer_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
	"github.com/murre-chat/murre/pkg/transfer"
)

// hashes are the files below a folder and the SHA-256 of each.
func hashes(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		out[p] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	}))
	return out
}

// keyspace is a fresh one with the schema; it is dropped when the test ends.
func keyspace(t testing.TB) *cqlstore.DB {
	t.Helper()
	o := cqlstore.Options{Hosts: servers.CQL(t), Keyspace: fmt.Sprintf("copy_%d", time.Now().UnixNano()), Log: quiet, Lag: time.Millisecond}
	return keyspaceOf(t, o)
}

func keyspaceOf(t testing.TB, o cqlstore.Options) *cqlstore.DB {
	t.Helper()
	_, err := cqlstore.Migrate(t.Context(), cqlstore.MigrateOptions{Options: o, Replication: map[string]int{"dc1": 1}})
	require.NoError(t, err)
	o.Clock = id.NewClock(id.ClockOptions{Slot: 9, Log: quiet})
	db, err := cqlstore.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openExport(t testing.TB, dir string) *pebblestore.Export {
	t.Helper()
	x, err := pebblestore.OpenExport(dir)
	require.NoError(t, err)
	return x
}

func importer(db *cqlstore.DB, x *pebblestore.Export) *cqlstore.Importer {
	return cqlstore.NewImporter(db, cqlstore.ImportOptions{Made: x.Info().Made, Settled: time.Millisecond})
}

func TestCopyIsReadAlike(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	all := fill(t, dir, 20_000, 1)
	before := hashes(t, dir)
	db := keyspace(t)
	x := openExport(t, dir)
	o := transfer.Options{Source: x, Target: importer(db, x), State: filepath.Join(t.TempDir(), "state.json"), TargetName: "here"}
	r, err := transfer.Copy(t.Context(), o)
	require.NoError(t, err)
	t.Logf("%+v", r)
	require.True(t, r.Finished)
	require.Zero(t, r.Orphans+r.Newer+r.Missing+r.Differ)
	require.NotZero(t, r.Expired)
	require.Equal(t, before, hashes(t, dir), "the source was touched")

	again := o
	again.VerifyOnly, again.State = true, ""
	v, err := transfer.Copy(t.Context(), again)
	require.NoError(t, err)
	require.Equal(t, r.Rows, v.Rows)
	require.Equal(t, r.Sum, v.Sum)

	require.NoError(t, x.Close())
	s := openSource(t, dir, 0)
	defer s.close(t)
	compare(t, all, s.db.Ports(), db.Ports(), time.Now().Add(-30*24*time.Hour))
}
