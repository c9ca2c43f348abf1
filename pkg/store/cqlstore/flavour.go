package cqlstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gocql/gocql"
)

// Flavour is what a server is.
type Flavour struct {
	Scylla  bool
	Version string // release
	Tablets bool   // ScyllaDB: keyspaces get tablets unless told otherwise
}

// String names the server.
func (f Flavour) String() string {
	if f.Scylla {
		return "ScyllaDB " + f.Version
	}
	return "Apache Cassandra " + f.Version
}

// supported says why a server is too old, or returns "".
func (f Flavour) supported() string {
	if f.Scylla {
		return ""
	}
	major, rest, _ := strings.Cut(f.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if a, _ := strconv.Atoi(major); a > 4 || a == 4 && minor >= "1" {
		return ""
	}
	return f.String() + " is too old: 4.1 or later is needed"
}

// These run before anything is known of the server, so they use what both have.
const (
	cqlRelease  = "SELECT release_version FROM system.local"
	cqlIsScylla = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system_schema' AND table_name = 'scylla_tables'"
	cqlScylla   = "SELECT version FROM system.versions WHERE key = 'local'"
	cqlFeatures = "SELECT supported_features FROM system.local"
	cqlKeyspace = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?"
	cqlTables   = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?"
	cqlOwnDC    = "SELECT data_center FROM system.local"
	cqlPeerDCs  = "SELECT data_center FROM system.peers"
	cqlOwnTag   = "SELECT schema_version FROM system.local"
	cqlPeerTags = "SELECT schema_version FROM system.peers"
)

// flavourOf asks the server what it is.
func flavourOf(ctx context.Context, s *gocql.Session) (f Flavour, err error) {
	if err := s.Query(cqlRelease).WithContext(ctx).Scan(&f.Version); err != nil {
		return f, err
	}
	var table string
	switch err := s.Query(cqlIsScylla).WithContext(ctx).Scan(&table); err {
	case nil:
		f.Scylla = true
	case gocql.ErrNotFound:
		return f, nil
	default:
		return f, err
	}
	if err := s.Query(cqlScylla).WithContext(ctx).Scan(&f.Version); err != nil && err != gocql.ErrNotFound {
		return f, err
	}
	var features string
	if err := s.Query(cqlFeatures).WithContext(ctx).Scan(&features); err != nil {
		return f, err
	}
	f.Tablets = slices.Contains(strings.Split(features, ","), "TABLETS")
	return f, nil
}

// createKeyspace is the statement that makes a keyspace. Membership and leases need compare-and-set, which ScyllaDB had for
// tablets only from 2025.4 on, so they are left out.
func (f Flavour) createKeyspace(name string, replication map[string]int) string {
	s := "CREATE KEYSPACE IF NOT EXISTS " + name + " WITH replication = " + replicationText(replication)
	if f.Tablets {
		s += " AND tablets = {'enabled': false}"
	}
	return s
}

// optionsVersion is the version of tableOptions: a higher one is applied once more.
const optionsVersion = 1

// overwritten are the tables whose rows are written many times and read by key: size-tiered compaction leaves their versions in
// many files, and a read looks at each. On ScyllaDB its own default does well.
var overwritten = []string{"messages", "devices", "members", "user_conversations", "conversation_heads", "watermarks"}

// tableOptions are the statements that set what depends on the server. They run once, so what an operator changed later stays.
func (f Flavour) tableOptions() (out []string) {
	if f.Scylla || strings.HasPrefix(f.Version, "4.") {
		return nil
	}
	for _, t := range overwritten {
		out = append(out, "ALTER TABLE "+t+" WITH compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}")
	}
	return out
}

// replicationText is the value of a keyspace's option.
func replicationText(replication map[string]int) string {
	var b strings.Builder
	b.WriteString("{'class': 'NetworkTopologyStrategy'")
	for _, dc := range slices.Sorted(maps.Keys(replication)) {
		fmt.Fprintf(&b, ", '%s': '%d'", dc, replication[dc])
	}
	return b.String() + "}"
}

// datacenters counts the nodes of each, those that are down too, as one host knows them.
func datacenters(ctx context.Context, s *gocql.Session, host string) (map[string]int, error) {
	return census[string](ctx, s, host, cqlOwnDC, cqlPeerDCs)
}

// schemaVersions counts the nodes of each version of the schema, as one host knows them.
func schemaVersions(ctx context.Context, s *gocql.Session, host string) (map[string]int, error) {
	return census[gocql.UUID](ctx, s, host, cqlOwnTag, cqlPeerTags)
}

// census counts what a host says of itself and of its peers. Both are asked of the same one, or it would miss itself.
func census[V any](ctx context.Context, s *gocql.Session, host, own, peers string) (map[string]int, error) {
	nodes := make(map[string]int)
	for _, q := range []string{own, peers} {
		var v V
		it := s.Query(q).WithContext(ctx).SetHostID(host).Iter()
		for it.Scan(&v) {
			nodes[fmt.Sprint(v)]++
		}
		if err := it.Close(); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// replicationOf reads a keyspace's replication. found is false when there is no such keyspace.
func replicationOf(ctx context.Context, s *gocql.Session, keyspace string) (class string, factors map[string]int, found bool, err error) {
	var raw map[string]string
	switch err := s.Query(cqlKeyspace, keyspace).WithContext(ctx).Scan(&raw); err {
	case nil:
	case gocql.ErrNotFound:
		return "", nil, false, nil
	default:
		return "", nil, false, err
	}
	factors = make(map[string]int)
	for k, v := range raw {
		if k == "class" {
			class = v[strings.LastIndexByte(v, '.')+1:]
			continue
		}
		n, _, _ := strings.Cut(v, "/") // transient replicas
		if factors[k], err = strconv.Atoi(n); err != nil {
			return class, nil, true, fmt.Errorf("replication of %s: %q is no number", keyspace, v)
		}
	}
	return class, factors, true, nil
}
