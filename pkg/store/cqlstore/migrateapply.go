package cqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/cql"
)

const (
	cqlMakeMigrations = "CREATE TABLE IF NOT EXISTS schema_migrations (scope text, version int, name text, checksum text, " +
		"applied_at timestamp, PRIMARY KEY ((scope), version))"
	cqlApplied = "SELECT version, name, checksum FROM schema_migrations WHERE scope = ?"
	cqlRecord  = "INSERT INTO schema_migrations (scope, version, name, checksum, applied_at) VALUES (?, ?, ?, ?, ?)"

	// The scopes of schema_migrations: the tables, and the options that depend on the server.
	scopeTables  = "tables"
	scopeOptions = "options"
)

// migration is one numbered file.
type migration struct {
	version    int
	name       string
	checksum   string
	statements []string
}

// readMigrations reads the numbered files and checks that they follow one another and do nothing but add.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.cql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []migration
	for i, file := range names {
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, err
		}
		name := path.Base(file)
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 || len(number) != 4 {
			return nil, fmt.Errorf("%w: %s should begin with %04d_", ErrSchema, name, i+1)
		}
		sum := sha256.Sum256(text)
		m := migration{version: version, name: name, checksum: hex.EncodeToString(sum[:]), statements: splitCQL(string(text))}
		for _, s := range m.statements {
			if !adds(s) {
				return nil, fmt.Errorf("%w: %s: a migration only makes tables that don't exist and adds columns, not: %s", ErrSchema, name, headline(s))
			}
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: there are no migrations", ErrSchema)
	}
	return out, nil
}

// adds reports whether a statement only adds to a schema.
func adds(s string) bool {
	words := strings.Fields(strings.ToUpper(s))
	switch {
	case len(words) > 5 && slices.Equal(words[:5], []string{"CREATE", "TABLE", "IF", "NOT", "EXISTS"}):
		return true
	case len(words) > 3 && words[0] == "ALTER" && words[1] == "TABLE":
		return words[3] == "ADD" || words[3] == "WITH"
	}
	return false
}

// bookkeeping makes the tables that a migration itself needs.
func (m *migrator) bookkeeping(ctx context.Context) error {
	have, err := m.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range []struct{ name, make string }{{"schema_migrations", cqlMakeMigrations}, {"schema_lock", cqlMakeLock}} {
		if slices.Contains(have, t.name) {
			continue
		}
		if err := m.change(ctx, m.s.Session, t.make); err != nil {
			return err
		}
	}
	return m.agree(ctx, m.s.Session)
}

func (m *migrator) tables(ctx context.Context) (out []string, err error) {
	var name string
	it := m.s.Session.Query(cqlTables, m.o.Keyspace).WithContext(ctx).Iter()
	for it.Scan(&name) {
		out = append(out, name)
	}
	return out, it.Close()
}

// apply brings the keyspace to the newest version.
func (m *migrator) apply(ctx context.Context) error {
	var applied []migration
	if m.o.DryRun {
		have, err := m.tables(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(have, "schema_migrations") {
			applied = nil
		} else if applied, err = appliedOf(ctx, m.s.Session, scopeTables); err != nil {
			return err
		}
	} else {
		var err error
		if applied, err = appliedOf(ctx, m.s.Session, scopeTables); err != nil {
			return err
		}
	}
	if err := compare(m.o.Keyspace, m.files, applied, true); err != nil {
		return err
	}
	for _, f := range m.files[len(applied):] {
		if err := m.applyFile(ctx, f); err != nil {
			return err
		}
	}
	m.report.Version = len(m.files)
	return m.applyOptions(ctx)
}

func (m *migrator) applyFile(ctx context.Context, f migration) error {
	if m.o.DryRun {
		m.done("apply %s (%d statements)", f.name, len(f.statements))
		return nil
	}
	for _, s := range f.statements {
		if err := m.change(ctx, m.s.Session, s); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if err := m.agree(ctx, m.s.Session); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	if err := m.record(ctx, scopeTables, f); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	m.done("applied %s", f.name)
	return nil
}

// applyOptions sets what depends on the server, once.
func (m *migrator) applyOptions(ctx context.Context) error {
	if m.o.DryRun {
		return nil
	}
	set, err := appliedOf(ctx, m.s.Session, scopeOptions)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(set, func(o migration) bool { return o.version >= optionsVersion }) {
		return nil
	}
	for _, s := range m.report.Server.tableOptions() {
		if err := m.change(ctx, m.s.Session, s); err != nil {
			return err
		}
	}
	if err := m.agree(ctx, m.s.Session); err != nil {
		return err
	}
	return m.record(ctx, scopeOptions, migration{version: optionsVersion, name: m.report.Server.String()})
}

// record notes what was applied, in each datacenter: every gateway reads it with the quorum of its own.
func (m *migrator) record(ctx context.Context, scope string, f migration) error {
	q := m.s.Session.Query(cqlRecord, scope, f.version, f.name, f.checksum, time.Now().UnixMilli()).WithContext(ctx)
	return q.Consistency(gocql.EachQuorum).Exec()
}

func appliedOf(ctx context.Context, s *gocql.Session, scope string) (out []migration, err error) {
	var f migration
	it := s.Query(cqlApplied, scope).WithContext(ctx).Iter()
	for it.Scan(&f.version, &f.name, &f.checksum) {
		out = append(out, f)
	}
	return out, it.Close()
}

// compare checks what was applied against the files. behind: fewer than all are fine, as the rest is about to be applied.
func compare(keyspace string, files, applied []migration, behind bool) error {
	for i, a := range applied {
		if i >= len(files) {
			return fmt.Errorf("%w: keyspace %s is at version %d (%s), newer than this program, which knows %d: run a newer murre",
				ErrSchema, keyspace, applied[len(applied)-1].version, applied[len(applied)-1].name, len(files))
		}
		f := files[i]
		if a.version != f.version {
			return fmt.Errorf("%w: keyspace %s lacks version %d, but has %d", ErrSchema, keyspace, f.version, a.version)
		}
		if a.checksum != f.checksum {
			return fmt.Errorf("%w: %s was changed after it had been applied to keyspace %s: put the file back as it was, and write a new migration",
				ErrSchema, f.name, keyspace)
		}
	}
	if len(applied) < len(files) && !behind {
		return fmt.Errorf("%w: keyspace %s is at version %d, this program needs %d: run murre migrate", ErrSchema, keyspace, len(applied), len(files))
	}
	return nil
}

// checkSchema compares the keyspace with the program's migrations.
func (d *DB) checkSchema(ctx context.Context) error {
	files, err := readMigrations(cql.Migrations)
	if err != nil {
		return err
	}
	applied, err := d.applied(ctx)
	if err != nil {
		return err
	}
	return compare(d.o.Keyspace, files, applied, false)
}

// applied reads which migrations the keyspace has.
func (d *DB) applied(ctx context.Context) (out []migration, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	out, err = appliedOf(ctx, d.session.Session, scopeTables)
	var request gocql.RequestError
	if errors.As(err, &request) && request.Code() == gocql.ErrCodeInvalid {
		return nil, fmt.Errorf("%w: keyspace %s has no tables of murre's: run murre migrate", ErrSchema, d.o.Keyspace)
	}
	return out, d.translate(ctx, "schema", err)
}
