package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2"

	"github.com/murre-chat/murre/cql"
	"github.com/murre-chat/murre/pkg/store"
)

// Errors of Migrate and Open; they come wrapped with what to do.
var (
	// ErrSchema: the keyspace isn't as this program needs it.
	ErrSchema = errors.New("cqlstore: schema")
	// ErrLocked: somebody else migrates now.
	ErrLocked = errors.New("cqlstore: schema is locked")
)

const (
	// ddlTimeout bounds one statement that changes the schema, agreement of all nodes included.
	ddlTimeout = time.Minute
	// waitPause is how long a migration that waits for servers or for another one pauses between two looks.
	waitPause = 200 * time.Millisecond
)

// MigrateOptions say what Migrate does.
type MigrateOptions struct {
	// Options are those of the connection. DC isn't used: a migration asks the nodes of all.
	Options
	// Replication is the number of copies in each datacenter, for a keyspace that isn't there yet. One that is there is only
	// compared with it.
	Replication map[string]int
	// DryRun only tells what would be done.
	DryRun bool
	// Wait goes on, until ctx ends, while servers can't be reached or another migration has the lock.
	Wait bool
	// Migrations are the files, default those of the program.
	Migrations fs.FS
}

// Report says what a migration found and did.
type Report struct {
	Server   Flavour
	Keyspace string
	Version  int      // of the schema afterwards
	Done     []string // what was done, or with DryRun would be
	Advice   []string // what an operator should look at
}

// migrator is one run of Migrate.
type migrator struct {
	o      MigrateOptions
	files  []migration
	report *Report
	bare   gocqlx.Session // without keyspace
	s      gocqlx.Session // in the keyspace
	// host runs what changes the schema: one node for all migrators, so that "if not exists" is decided in one place.
	host string
}

// Migrate makes the keyspace when there is none, and brings its tables to this program's version. Many may run at once: one
// works, the others find it done. It never drops anything, and changes no replication.
func Migrate(ctx context.Context, o MigrateOptions) (Report, error) {
	m := &migrator{o: o, report: &Report{Keyspace: o.Keyspace}}
	err := m.run(ctx)
	if m.bare.Session != nil {
		m.bare.Close()
	}
	if m.s.Session != nil {
		m.s.Close()
	}
	if err != nil && !errors.Is(err, ErrSchema) && !errors.Is(err, ErrLocked) && !errors.Is(err, store.ErrUnavailable) {
		err = fmt.Errorf("cqlstore: migrate: %s", err.Error()) // no driver's type leaves
	}
	return *m.report, err
}

func (m *migrator) run(ctx context.Context) (err error) {
	if m.o.Migrations == nil {
		m.o.Migrations = cql.Migrations
	}
	if m.files, err = readMigrations(m.o.Migrations); err != nil {
		return err
	}
	if m.o.Options, err = m.o.withDefaults(); err != nil {
		return err
	}
	m.o.Timeout = max(m.o.Timeout, ddlTimeout)
	if m.bare, err = m.open(ctx, ""); err != nil {
		return err
	}
	if m.report.Server, err = flavourOf(ctx, m.bare.Session); err != nil {
		return err
	}
	if old := m.report.Server.supported(); old != "" {
		return fmt.Errorf("%w: %s", ErrSchema, old)
	}
	m.host = firstHost(m.bare.Session)
	there, err := m.keyspace(ctx)
	if err != nil || !there {
		return err
	}
	if m.s, err = m.open(ctx, m.o.Keyspace); err != nil {
		return err
	}
	if m.o.DryRun {
		return m.apply(ctx)
	}
	if err := m.bookkeeping(ctx); err != nil {
		return err
	}
	l := &schemaLock{s: m.s.Session, holder: lockHolder()}
	return l.hold(ctx, m.o.Wait, m.apply)
}

// open connects to any nodes, again and again when waiting is asked for.
func (m *migrator) open(ctx context.Context, keyspace string) (gocqlx.Session, error) {
	for {
		c := cluster(&m.o.Options)
		c.Keyspace = keyspace
		c.Timeout, c.WriteTimeout = ddlTimeout, ddlTimeout
		// The driver would wait after each statement. One node runs them all, in order, so agreement is needed once, at the end.
		c.MaxWaitSchemaAgreement = time.Nanosecond
		c.Consistency, c.SerialConsistency = gocql.Quorum, gocql.Serial
		c.NumConns = 1
		s, err := dial(ctx, &m.o.Options, c)
		if err == nil || !m.o.Wait {
			return s, err
		}
		if nap(ctx) != nil {
			return s, err
		}
	}
}

// keyspace makes the keyspace, or compares the one that is there. there is false after a dry run without one.
func (m *migrator) keyspace(ctx context.Context) (there bool, err error) {
	nodes, err := datacenters(ctx, m.bare.Session, m.host)
	if err != nil {
		return false, err
	}
	for _, dc := range slices.Sorted(maps.Keys(m.o.Replication)) {
		n := m.o.Replication[dc]
		if nodes[dc] == 0 {
			return false, fmt.Errorf("%w: the cluster has no datacenter %q; it has %s", ErrSchema, dc, listed(nodes))
		}
		if n < 1 || strings.ContainsAny(dc, `'\`) {
			return false, fmt.Errorf("%w: replication %s=%d is not possible", ErrSchema, dc, n)
		}
		if n > nodes[dc] {
			m.advise("datacenter %s has %d nodes, fewer than the %d copies asked for: no quorum until there are more", dc, nodes[dc], n)
		}
	}
	class, have, found, err := replicationOf(ctx, m.bare.Session, m.o.Keyspace)
	if err != nil {
		return false, err
	}
	if !found {
		if len(m.o.Replication) == 0 {
			return false, fmt.Errorf("%w: there is no keyspace %s; say how many copies each datacenter keeps, for example --replication %s=3",
				ErrSchema, m.o.Keyspace, slices.Sorted(maps.Keys(nodes))[0])
		}
		if err := m.change(ctx, m.bare.Session, m.report.Server.createKeyspace(m.o.Keyspace, m.o.Replication)); err != nil {
			return false, err
		}
		if err := m.agree(ctx, m.bare.Session); err != nil {
			return false, err
		}
		if m.o.DryRun {
			for _, f := range m.files {
				m.done("apply %s (%d statements)", f.name, len(f.statements))
			}
		}
		return !m.o.DryRun, nil
	}
	if class != "NetworkTopologyStrategy" {
		m.advise("keyspace %s uses %s; several datacenters need NetworkTopologyStrategy", m.o.Keyspace, class)
	}
	if len(m.o.Replication) > 0 && !maps.Equal(have, m.o.Replication) {
		m.advise("keyspace %s keeps %s copies, not %s: nothing was changed. To change it: ALTER KEYSPACE %s WITH replication = %s; "+
			"then on each node: nodetool repair --full %s", m.o.Keyspace, listed(have), listed(m.o.Replication),
			m.o.Keyspace, replicationText(m.o.Replication), m.o.Keyspace)
	}
	for dc, n := range have {
		if n < 3 {
			m.advise("%d of 3 copies in datacenter %s: no node of it may fail", n, dc)
		}
	}
	return true, nil
}

// change runs a statement that changes the schema; agree waits until all nodes know.
func (m *migrator) change(ctx context.Context, s *gocql.Session, statement string) error {
	if m.o.DryRun {
		m.done("%s", headline(statement))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ddlTimeout)
	defer cancel()
	if err := s.Query(statement).WithContext(ctx).SetHostID(m.host).Exec(); err != nil {
		return fmt.Errorf("%s: %w", headline(statement), err)
	}
	m.done("%s", headline(statement))
	return nil
}

// agree waits until all nodes that are up have one schema.
func (m *migrator) agree(ctx context.Context, s *gocql.Session) error {
	if m.o.DryRun {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ddlTimeout)
	defer cancel()
	for {
		versions, err := schemaVersions(ctx, s, m.host)
		if err == nil && len(versions) == 1 {
			return nil
		}
		if wait := nap(ctx); wait != nil {
			return fmt.Errorf("the nodes don't agree on the schema; is one down? Nodes by version: %s: %w", listed(versions), errors.Join(err, wait))
		}
	}
}

func (m *migrator) done(format string, v ...any) {
	m.report.Done = append(m.report.Done, fmt.Sprintf(format, v...))
}

func (m *migrator) advise(format string, v ...any) {
	m.report.Advice = append(m.report.Advice, fmt.Sprintf(format, v...))
}

// firstHost is the node with the smallest id among those that answer: the same one for every migrator.
func firstHost(s *gocql.Session) string {
	var ids []string
	s.IterateHostPools(func(p gocql.HostPoolInfo) bool {
		if h := p.Host(); h.IsUp() && p.GetConnectionCount() > 0 {
			ids = append(ids, h.HostID())
		}
		return true
	})
	if len(ids) == 0 {
		return ""
	}
	return slices.Min(ids)
}

func listed(n map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%s=%d", k, n[k]))
	}
	return strings.Join(out, ",")
}

func nap(ctx context.Context) error {
	t := time.NewTimer(waitPause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
