package cqlstore_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
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
	db, _ := keyspaceNamed(t)
	return db
}

func keyspaceNamed(t testing.TB) (*cqlstore.DB, string) {
	t.Helper()
	o := cqlstore.Options{Hosts: servers.CQL(t), Keyspace: servers.Unique("copy"), Log: quiet, Lag: time.Millisecond}
	_, err := cqlstore.Migrate(t.Context(), cqlstore.MigrateOptions{Options: o, Replication: map[string]int{"dc1": 1}})
	require.NoError(t, err)
	o.Clock = id.NewClock(id.ClockOptions{Slot: 9, Log: quiet})
	db, err := cqlstore.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, db.Close())
		cqlstore.DropKeyspace(t, o)
	})
	return db, o.Keyspace
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

// shorter is a number of rows in the short form of the tests.
func shorter(rows int) int {
	if testing.Short() {
		return rows / 3
	}
	return rows
}

func TestCopyIsReadAlike(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	all := fill(t, dir, shorter(20_000), 1)
	before := hashes(t, dir)
	db := keyspace(t)
	x := openExport(t, dir)
	o := transfer.Options{Source: x, Target: importer(db, x), State: filepath.Join(t.TempDir(), "state.json"), TargetName: "here"}
	r, err := transfer.Copy(t.Context(), o)
	require.NoError(t, err)
	t.Logf("%d rows of the source in %s", r.ThisRun, r.Elapsed)
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

// childSource tells a child process, which runs TestCopyChild only, what to copy.
const childSource = "MURRE_TEST_COPY_CHILD"

// TestCopyChild is the copy that gets killed: a process of its own, which prints its progress.
func TestCopyChild(t *testing.T) {
	what := os.Getenv(childSource)
	if what == "" {
		return // the others run it
	}
	var dir, state, hosts, ks string
	workers := 0
	_, err := fmt.Sscan(what, &dir, &state, &hosts, &ks, &workers)
	require.NoError(t, err)
	db, err := cqlstore.Open(t.Context(), cqlstore.Options{Hosts: strings.Split(hosts, ","), Keyspace: ks, Log: quiet})
	require.NoError(t, err)
	x := openExport(t, dir)
	_, err = transfer.Copy(t.Context(), transfer.Options{
		Source: x, Target: importer(db, x), State: state, TargetName: ks, Resume: true, Workers: workers,
		Progress: func(p transfer.Progress) { fmt.Printf("progress %d %d\n", p.Done, p.Total) },
	})
	require.NoError(t, err)
}

// killed runs a copy in a child and kills it when it has handled so much more than the first thing that it said.
func killed(t testing.TB, what string, more int64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCopyChild$", "-test.v")
	child.Env = append(os.Environ(), childSource+"="+what)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	child.Stderr = os.Stderr
	require.NoError(t, child.Start())
	said := bufio.NewScanner(out)
	first, hit := int64(-1), false
	for said.Scan() {
		var done, total int64
		if n, _ := fmt.Sscanf(said.Text(), "progress %d %d", &done, &total); n != 2 {
			continue
		}
		if first < 0 {
			first = done
		}
		if done >= first+more && done < total {
			t.Logf("killed at %d of %d rows", done, total)
			require.NoError(t, child.Process.Kill()) // SIGKILL
			hit = true
			break
		}
	}
	err = child.Wait()
	require.True(t, hit, "the copy ended before it could be killed: %v", err)
}

func TestCopyGoesOnAfterAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	all := fill(t, dir, shorter(12_000), 2)
	hosts := servers.CQL(t)
	db, ks := keyspaceNamed(t)
	state := filepath.Join(t.TempDir(), "state.json")
	what := strings.Join([]string{dir, state, strings.Join(hosts, ","), ks, "2"}, " ")
	killed(t, what, 1)
	killed(t, what, 1000)
	x := openExport(t, dir)
	o := transfer.Options{Source: x, Target: importer(db, x), State: state, TargetName: ks}
	_, err := transfer.Copy(t.Context(), o)
	require.ErrorIs(t, err, transfer.ErrBegun)
	o.Resume = true
	r, err := transfer.Copy(t.Context(), o)
	require.NoError(t, err)
	require.True(t, r.Resumed)
	total := int64(0)
	for _, n := range r.Source {
		total += n
	}
	require.Less(t, r.ThisRun, total)
	v, err := transfer.Copy(t.Context(), transfer.Options{Source: x, Target: o.Target, VerifyOnly: true})
	require.NoError(t, err)
	require.Equal(t, v.Rows, r.Rows, "what three runs counted is not what one counts")
	require.Equal(t, v.Sum, r.Sum)
	again, err := transfer.Copy(t.Context(), o) // done already
	require.NoError(t, err)
	require.Zero(t, again.ThisRun)
	require.NoError(t, x.Close())
	s := openSource(t, dir, 0)
	defer s.close(t)
	compare(t, all, s.db.Ports(), db.Ports(), time.Now().Add(-30*24*time.Hour))
}

// TestCopyTellsWhatIsWrong damages the target behind the copy's back.
func TestCopyTellsWhatIsWrong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	all := fill(t, dir, 500, 3)
	db := keyspace(t)
	x := openExport(t, dir)
	defer func() { require.NoError(t, x.Close()) }()
	o := transfer.Options{Source: x, Target: importer(db, x), State: filepath.Join(t.TempDir(), "state.json"), TargetName: "here"}
	r, err := transfer.Copy(t.Context(), o)
	require.NoError(t, err)
	verify := transfer.Options{Source: x, Target: o.Target, VerifyOnly: true}

	// What the cluster itself changed later is no fault of the copy.
	name := "Later"
	require.NoError(t, db.Ports().Users.Update(t.Context(), all.users[0].ID, store.UserChange{DisplayName: &name}))
	v, err := transfer.Copy(t.Context(), verify)
	require.Equal(t, int64(1), v.Newer)
	require.LessOrEqual(t, v.Missing, int64(1)) // the entry of the old name in the search
	if v.Missing == 0 {
		require.NoError(t, err)
	}
	missing := v.Missing

	// A missing row and an older cell are.
	var kept chat.Session
	for _, h := range all.sessions {
		if kept, err = db.Ports().Sessions.Get(t.Context(), h); err == nil {
			break
		}
	}
	require.NoError(t, err)
	require.NoError(t, db.Ports().Sessions.Delete(t.Context(), kept.TokenHash))
	v, err = transfer.Copy(t.Context(), verify)
	require.ErrorIs(t, err, transfer.ErrWrong)
	require.Equal(t, missing+2, v.Missing) // the sign-in and its entry in the user's list
	require.NotEmpty(t, v.Wrong)
	require.NotEqual(t, r.Sum, v.Sum)

	// A second copy of a source that was written to since is refused, and so is a target in use.
	require.NoError(t, x.Close())
	s := openSource(t, dir, 0)
	require.NoError(t, s.db.Ports().Blocks.Set(t.Context(), all.users[0].ID, all.users[1].ID, true, 5))
	s.close(t)
	x = openExport(t, dir)
	o.Source, o.Resume = x, true
	_, err = transfer.Copy(t.Context(), o)
	require.ErrorIs(t, err, transfer.ErrChanged)
	o.State, o.Resume = filepath.Join(t.TempDir(), "other.json"), false
	_, err = transfer.Copy(t.Context(), o)
	require.ErrorIs(t, err, transfer.ErrOccupied)
	require.NoFileExists(t, o.State)
}

func TestCopyLeavesNamesToTheirHolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	all := fill(t, dir, 500, 4)
	db := keyspace(t)
	other := chat.User{ID: chat.NewUserID(time.Now()), Username: all.users[3].Username, DisplayName: "Someone else", CreatedAt: time.Now().UnixMilli()}
	require.NoError(t, db.Ports().Users.Create(t.Context(), other))
	x := openExport(t, dir)
	defer func() { require.NoError(t, x.Close()) }()
	o := transfer.Options{Source: x, Target: importer(db, x), State: filepath.Join(t.TempDir(), "state.json"), TargetName: "here", Merge: true}
	_, err := transfer.Copy(t.Context(), o)
	require.ErrorIs(t, err, transfer.ErrTaken)
	require.ErrorContains(t, err, other.Username)
	found, err := db.Ports().Users.ByUsername(t.Context(), other.Username)
	require.NoError(t, err)
	require.Equal(t, other, found)
	_, err = db.Ports().Users.ByUsername(t.Context(), all.users[0].Username)
	require.ErrorIs(t, err, store.ErrNotFound, "nothing is written when a name is taken")
	// The port itself refuses too, whatever the look before said.
	err = importer(db, x).Write(t.Context(), []transfer.Row{{Table: transfer.Users, Value: all.users[3]}})
	require.ErrorIs(t, err, store.ErrConflict)
	require.ErrorContains(t, err, other.Username)
}
