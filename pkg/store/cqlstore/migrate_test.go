package cqlstore

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/cql"
	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/store"
)

func TestSplitCQL(t *testing.T) {
	for text, want := range map[string][]string{
		"":                  nil,
		" ; ;;\n":           nil,
		"A; B":              {"A", "B"},
		"A -- x; y\n;":      {"A"},
		"// x;\nA":          {"A"},
		"A /* ; */ B;":      {"A   B"},
		"A ';' B":           {"A ';' B"},
		"A 'it''s; --' ; B": {"A 'it''s; --'", "B"},
		`A "q;""--" C;`:     {`A "q;""--" C`},
		"A $$ ; '-- $$; B":  {"A $$ ; '-- $$", "B"},
		"A -- end":          {"A"},
		"A 'open ; ":        {"A 'open ;"},
	} {
		if got := splitCQL(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestMigrationsOnlyAdd(t *testing.T) {
	if _, err := readMigrations(cql.Migrations); err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		"CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY)": true,
		"ALTER TABLE t ADD b int":                          true,
		"CREATE TABLE t (a int PRIMARY KEY)":               false,
		"DROP TABLE t":                                     false,
		"ALTER TABLE t DROP a":                             false,
		"TRUNCATE t":                                       false,
	} {
		_, err := readMigrations(files("0001_a.cql", text))
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrSchema) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, names := range [][]string{{"0002_a.cql"}, {"0001_a.cql", "0003_b.cql"}, {"1_a.cql"}, {"a.cql"}, {}} {
		var pairs []string
		for _, n := range names {
			pairs = append(pairs, n, "ALTER TABLE t ADD b int")
		}
		if _, err := readMigrations(files(pairs...)); !errors.Is(err, ErrSchema) {
			t.Errorf("%q: %v", names, err)
		}
	}
}

// files are migrations: names and texts in turn.
func files(pairs ...string) fs.FS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m["migrations/"+pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

// TestManyMigrateAtOnce: eight at once on no keyspace; each ends well, and each step was done by one of them.
func TestManyMigrateAtOnce(t *testing.T) {
	hosts := servers.CQL(t)
	o := MigrateOptions{Options: Options{Hosts: hosts, Keyspace: servers.Unique("m"), Log: quiet}, Replication: map[string]int{"dc1": 1}, Wait: true}
	t.Cleanup(func() { dropKeyspace(t, o.Options) })
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		applied []string
	)
	for range 8 {
		wg.Go(func() {
			r, err := Migrate(t.Context(), o)
			if err != nil || r.Version == 0 {
				t.Errorf("version %d: %v", r.Version, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range r.Done {
				if strings.HasPrefix(s, "applied ") || strings.HasPrefix(s, "ALTER") {
					applied = append(applied, s)
				}
			}
		})
	}
	wg.Wait()
	names, err := fs.Glob(cql.Migrations, "migrations/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(applied)
	if n := len(slices.Compact(slices.Clone(applied))); n != len(applied) || n < len(names) {
		t.Fatalf("done: %q", applied)
	}
	// Once more changes nothing, and a dry run sees that.
	for _, dry := range []bool{true, false} {
		o.DryRun = dry
		if r, err := Migrate(t.Context(), o); err != nil || len(r.Done) != 0 || r.Version != len(names) {
			t.Fatalf("again: %+v, %v", r, err)
		}
	}
	openTest(t, o.Options)
}

func TestDryRunWritesNothing(t *testing.T) {
	o := MigrateOptions{Options: Options{Hosts: servers.CQL(t), Keyspace: servers.Unique("d"), Log: quiet}, DryRun: true}
	if _, err := Migrate(t.Context(), o); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "--replication") {
		t.Fatalf("without replication: %v", err)
	}
	o.Replication = map[string]int{"nowhere": 3}
	if _, err := Migrate(t.Context(), o); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "dc1") {
		t.Fatalf("no such datacenter: %v", err)
	}
	o.Replication = map[string]int{"dc1": 3}
	r, err := Migrate(t.Context(), o)
	if err != nil || len(r.Done) < 2 || len(r.Advice) == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := Open(t.Context(), o.Options); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "murre migrate") {
		t.Fatalf("open without keyspace: %v", err)
	}
}

func TestSchemaIsChecked(t *testing.T) {
	hosts := servers.CQL(t)
	o := MigrateOptions{Options: Options{Hosts: hosts, Keyspace: servers.Unique("s"), Log: quiet}, Replication: map[string]int{"dc1": 1}}
	t.Cleanup(func() { dropKeyspace(t, o.Options) })
	one := "CREATE TABLE IF NOT EXISTS messages (a int PRIMARY KEY);"
	run := func(pairs ...string) (Report, error) {
		t.Helper()
		o.Migrations = files(pairs...)
		return Migrate(t.Context(), o)
	}
	opened := func() error {
		t.Helper()
		d, err := Open(t.Context(), o.Options)
		if err == nil {
			_ = d.Close()
		}
		return err
	}
	// Only what this test's files make; the options for tables that aren't there fail.
	if _, err := run("0001_a.cql", one); err == nil || errors.Is(err, ErrSchema) {
		t.Fatalf("options of missing tables: %v", err)
	}
	var request gocql.RequestError
	if _, err := run("0001_a.cql", one); errors.As(err, &request) {
		t.Fatal("a driver's error left the package")
	}
	if _, err := run("0001_a.cql", one+" "); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "0001_a.cql was changed") {
		t.Fatalf("changed file: %v", err)
	}
	if err := opened(); !errors.Is(err, ErrSchema) {
		t.Fatalf("open another schema: %v", err)
	}
	r, err := run("0001_a.cql", one, "0002_b.cql", "ALTER TABLE messages ADD b int; CREATE TABLE IF NOT EXISTS other (a int PRIMARY KEY);")
	if r.Version != 2 || !slices.Contains(r.Done, "applied 0002_b.cql") {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := run("0001_a.cql", one); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "newer") {
		t.Fatalf("newer: %v", err)
	}
}

func TestReplicationIsNeverChangedSilently(t *testing.T) {
	hosts := servers.CQL(t)
	keyspace := testKeyspace(t, hosts, map[string]int{"dc1": 1})
	o := MigrateOptions{Options: Options{Hosts: hosts, Keyspace: keyspace, Log: quiet}, Replication: map[string]int{"dc1": 3}}
	r, err := Migrate(t.Context(), o)
	if err != nil || len(r.Done) != 0 || !slices.ContainsFunc(r.Advice, func(s string) bool { return strings.Contains(s, "ALTER KEYSPACE "+keyspace) }) {
		t.Fatalf("%+v, %v", r, err)
	}
	d := openTest(t, o.Options)
	if _, have, _, err := replicationOf(t.Context(), d.session.Session, keyspace); err != nil || have["dc1"] != 1 {
		t.Fatalf("%v, %v", have, err)
	}
}

// TestLockEndsWithItsHolder: who finds the lock taken says by whom, or waits; a lock that nobody renews ends.
func TestLockEndsWithItsHolder(t *testing.T) {
	hosts := servers.CQL(t)
	o := MigrateOptions{Options: Options{Hosts: hosts, Keyspace: testKeyspace(t, hosts, map[string]int{"dc1": 1}), Log: quiet}}
	d := openTest(t, o.Options)
	if err := d.session.Session.Query(cqlLock, "somebody else", 2).Exec(); err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(t.Context(), o); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "somebody else") {
		t.Fatalf("locked: %v", err)
	}
	o.Wait = true
	if _, err := Migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func TestUnreachableIsUnavailable(t *testing.T) {
	_, err := Open(t.Context(), Options{Hosts: []string{"127.0.1.250:1"}, Keyspace: "none", DC: "dc1", Log: quiet})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	_, err = Migrate(t.Context(), MigrateOptions{Options: Options{Hosts: []string{"127.0.1.250:1"}, Keyspace: "none", Log: quiet}})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
}
