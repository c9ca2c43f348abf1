package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

const cqlPort = 9042

// cqlServers asks every node that --store names, and every node that those know of.
func cqlServers(ctx context.Context, o *Options, r *Report) {
	want := o.CQL
	port := cqlPort
	if _, p, err := net.SplitHostPort(want.Hosts[0]); err == nil {
		port, _ = strconv.Atoi(p)
	}
	var nodes []cqlNode
	var ks *keyspace
	asked := func(addr string) bool {
		return slices.ContainsFunc(nodes, func(n cqlNode) bool { return n.addr == addr })
	}
	visit := func(addr, dc string) (peers map[string]string) {
		if asked(addr) {
			return nil
		}
		n := cqlNode{addr: addr, dc: dc}
		s, err := dialCQL(want, addr, o.Timeout)
		if err != nil {
			n.err = brief(err)
			nodes = append(nodes, n)
			return nil
		}
		defer s.Close()
		q := cqlAsker{ctx: ctx, s: s, timeout: o.Timeout}
		n.err = brief(q.node(&n))
		peers = q.peers(port)
		if n.err == nil && (ks == nil || n.dc == want.DC) && (want.DC == "" || n.dc == want.DC || ks == nil) {
			ks = q.keyspace(want, n.dc)
		}
		nodes = append(nodes, n)
		return peers
	}
	found := map[string]string{} // address → datacenter
	for _, h := range want.Hosts {
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(h, strconv.Itoa(port))
		}
		for addr, dc := range visit(resolved(ctx, h), "") {
			found[addr] = dc
		}
	}
	for addr, dc := range found {
		visit(addr, dc)
	}
	// A host that is away was given its datacenter by those that know it.
	for i := range nodes {
		if nodes[i].dc == "" {
			nodes[i].dc = found[nodes[i].addr]
		}
	}
	slices.SortFunc(nodes, func(a, b cqlNode) int { return strings.Compare(a.addr, b.addr) })
	judgeCQL(r, want, nodes, ks)
}

// resolved turns host:port into ip:port, as nodes name each other.
func resolved(ctx context.Context, addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || net.ParseIP(host) != nil {
		return addr
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil || len(ips) == 0 {
		return addr
	}
	return net.JoinHostPort(ips[0], port)
}

// dialCQL connects to one node and looks for no others.
func dialCQL(want *CQL, addr string, timeout time.Duration) (*gocql.Session, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	c := gocql.NewCluster(host)
	if c.Port, err = strconv.Atoi(port); err != nil {
		return nil, err
	}
	c.ProtoVersion, c.NumConns, c.Timeout, c.ConnectTimeout, c.WriteTimeout = 4, 1, timeout, timeout, timeout
	c.DisableInitialHostLookup, c.Consistency = true, gocql.One
	c.DisableShardAwarePort = true
	c.Events.DisableNodeStatusEvents, c.Events.DisableTopologyEvents, c.Events.DisableSchemaEvents = true, true, true
	c.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: time.Second}
	c.InitialReconnectionPolicy = &gocql.NoReconnectionPolicy{}
	c.Logger = silent{}
	if want.Username != "" {
		c.Authenticator = gocql.PasswordAuthenticator{Username: want.Username, Password: want.Password}
	}
	if want.TLS != nil {
		c.SslOpts = &gocql.SslOptions{Config: want.TLS.Clone()}
	}
	return c.CreateSession()
}

type silent struct{}

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// cqlAsker asks one node.
type cqlAsker struct {
	ctx     context.Context // of one examination
	s       *gocql.Session
	timeout time.Duration
}

func (q *cqlAsker) query(stmt string, args ...any) (*gocql.Query, func()) {
	ctx, cancel := context.WithTimeout(q.ctx, q.timeout)
	return q.s.Query(stmt, args...).WithContext(ctx), cancel
}

func (q *cqlAsker) one(stmt string, args []any, into ...any) error {
	query, cancel := q.query(stmt, args...)
	defer cancel()
	return query.Scan(into...)
}

// node fills in what the node says of itself.
func (q *cqlAsker) node(n *cqlNode) error {
	var schema gocql.UUID
	if err := q.one("SELECT data_center, release_version, schema_version FROM system.local", nil, &n.dc, &n.version, &schema); err != nil {
		return err
	}
	n.schema = schema.String()
	var table string
	err := q.one("SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system_schema' AND table_name = 'scylla_tables'", nil, &table)
	switch {
	case err == nil:
		n.scylla = true
		// Its release_version is the Cassandra that it resembles.
		if err := q.one("SELECT version FROM system.versions WHERE key = 'local'", nil, &n.version); err != nil && !errors.Is(err, gocql.ErrNotFound) {
			return err
		}
	case !errors.Is(err, gocql.ErrNotFound):
		return err
	}
	n.settings = map[string]string{}
	if query, cancel := q.query("SELECT name, value FROM system_views.settings"); !n.scylla {
		it := query.Iter()
		var name string
		var value *string
		for it.Scan(&name, &value) {
			if value != nil {
				n.settings[name] = strings.ToLower(*value)
			}
		}
		_ = it.Close() // not every role may read it; then it stays unknown
		cancel()
	} else {
		cancel()
	}
	return q.clock(n)
}

// clock takes the quickest of three looks: it bounds the offset best.
func (q *cqlAsker) clock(n *cqlNode) error {
	for range 3 {
		began := time.Now()
		var ms int64
		if err := q.one("SELECT toUnixTimestamp(now()) FROM system.local", nil, &ms); err != nil {
			return err
		}
		if took := time.Since(began); n.roundTrip == 0 || took < n.roundTrip {
			n.roundTrip, n.offset = took, time.UnixMilli(ms).Sub(began.Add(took/2))
		}
	}
	return nil
}

// peers are the addresses of the other nodes, and their datacenters.
func (q *cqlAsker) peers(port int) map[string]string {
	out := map[string]string{}
	query, cancel := q.query("SELECT peer, rpc_address, data_center FROM system.peers")
	defer cancel()
	it := query.Iter()
	var peer, rpc net.IP
	var dc string
	for it.Scan(&peer, &rpc, &dc) {
		if rpc == nil || rpc.IsUnspecified() {
			rpc = peer
		}
		out[net.JoinHostPort(rpc.String(), strconv.Itoa(port))] = dc
	}
	_ = it.Close() // what wasn't read isn't asked
	return out
}

// keyspace asks what the node, and a quorum, know of ours.
func (q *cqlAsker) keyspace(want *CQL, dc string) *keyspace {
	ks := &keyspace{factors: map[string]int{}}
	var raw map[string]string
	if err := q.one("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", []any{want.Keyspace}, &raw); err != nil {
		return ks
	}
	ks.found = true
	for k, v := range raw {
		if k == "class" {
			ks.class = v[strings.LastIndexByte(v, '.')+1:]
			continue
		}
		n, _, _ := strings.Cut(v, "/")
		ks.factors[k], _ = strconv.Atoi(n)
	}
	var tables []string
	var table string
	query, cancel := q.query("SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?", want.Keyspace)
	defer cancel()
	it := query.Iter()
	for it.Scan(&table) {
		tables = append(tables, table)
	}
	if ks.schemaOK = brief(it.Close()); ks.schemaOK != nil || !slices.Contains(tables, "schema_migrations") {
		return ks
	}
	// The keyspace's name can't be bound; options hold it to letters, digits and _.
	query, cancel = q.query("SELECT version FROM " + want.Keyspace + ".schema_migrations WHERE scope = 'tables'")
	defer cancel()
	it = query.Consistency(gocql.LocalQuorum).Iter()
	var version int
	for it.Scan(&version) {
		ks.schema = max(ks.schema, version)
	}
	if ks.schemaOK = brief(it.Close()); ks.schemaOK != nil || ks.schema == 0 {
		return ks
	}
	query, cancel = q.query("SELECT holder FROM "+want.Keyspace+".node_leases WHERE dc = ?", dc)
	defer cancel()
	it = query.Consistency(gocql.LocalQuorum).Iter()
	var holder string
	for it.Scan(&holder) {
		if holder != "" {
			ks.leases++
		}
	}
	ks.schemaOK = brief(it.Close())
	return ks
}

// brief is an error's text on one line, as people read it. No driver's error leaves this package.
func brief(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, s := range []string{"connection refused", "no route to host", "i/o timeout", "no such host", "network is unreachable", "WRONGPASS", "NOAUTH"} {
		if strings.Contains(text, s) {
			return errors.New(s)
		}
	}
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return fmt.Errorf("%s", text)
}
