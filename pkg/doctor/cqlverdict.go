package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cqlNode is what one node said.
type cqlNode struct {
	addr      string
	err       error
	dc        string
	scylla    bool
	version   string
	schema    string // the version of the schema that the node knows
	settings  map[string]string
	offset    time.Duration
	roundTrip time.Duration
}

// keyspace is what the cluster says of ours.
type keyspace struct {
	found    bool
	class    string
	factors  map[string]int
	schema   int   // applied; 0: none
	schemaOK error // reading it at LOCAL_QUORUM
	leases   int   // node slots held in our datacenter
}

func judgeCQL(r *Report, want *CQL, nodes []cqlNode, ks *keyspace) {
	up := map[string]int{}   // by datacenter
	size := map[string]int{} // nodes that are known
	versions := map[string][]string{}
	schemas := map[string]bool{}
	var away []string
	for i := range nodes {
		n := &nodes[i]
		if n.dc != "" {
			size[n.dc]++
		}
		if n.err != nil {
			away = append(away, fmt.Sprintf("%s (%s)", n.addr, n.err))
			continue
		}
		up[n.dc]++
		name := "Apache Cassandra " + n.version
		if n.scylla {
			name = "ScyllaDB " + n.version
		}
		versions[name] = append(versions[name], n.addr)
		schemas[n.schema] = true
	}
	answering := len(nodes) - len(away)
	switch {
	case answering == 0:
		r.add(areaCQL, "reachable", Fail, "check the addresses in --store, the servers, and firewalls between", "none of %d: %s", len(nodes), strings.Join(away, ", "))
		return
	case len(away) > 0:
		r.add(areaCQL, "reachable", Warn, "bring them back, or take them out of the cluster (nodetool removenode) and of --store", "%d of %d; not %s", answering, len(nodes), strings.Join(away, ", "))
	default:
		r.add(areaCQL, "reachable", OK, "", "%s", nodesByDC(size))
	}
	judgeVersions(r, nodes, versions)
	if len(schemas) > 1 {
		r.add(areaCQL, "agreement", Fail, "wait; if it stays so, restart the node that differs (nodetool describecluster)", "nodes know %d versions of the schema", len(schemas))
	}
	judgeKeyspace(r, want, ks, up, size)
	judgeCommitlog(r, nodes)
	var clocks []reading
	for i := range nodes {
		if n := &nodes[i]; n.err == nil {
			clocks = append(clocks, reading{n.addr, n.offset, n.roundTrip})
		}
	}
	judgeClocks(r, areaCQL, clocks)
}

func judgeVersions(r *Report, nodes []cqlNode, versions map[string][]string) {
	names := slices.Sorted(maps.Keys(versions))
	v, advice := OK, ""
	for i := range nodes {
		if n := &nodes[i]; n.err == nil && !n.scylla && !since(n.version, 4, 1) {
			v, advice = Fail, "upgrade to 4.1 or later"
		}
	}
	if v == OK && len(names) > 1 {
		v, advice = Warn, "finish the upgrade"
	}
	r.add(areaCQL, "version", v, advice, "%s", strings.Join(names, ", "))
}

func judgeKeyspace(r *Report, want *CQL, ks *keyspace, up, size map[string]int) {
	dcs := slices.Sorted(maps.Keys(size))
	if want.DC != "" && size[want.DC] == 0 {
		r.add(areaCQL, "datacenter", Fail, "name in --store …?dc= one of these", "there is no %q; there are %s", want.DC, strings.Join(dcs, ", "))
		return
	}
	if !ks.found {
		r.add(areaCQL, "keyspace", Fail, fmt.Sprintf("murre migrate --store … --replication %s=3", dcs[0]), "there is no %s", want.Keyspace)
		return
	}
	var copies []string
	for _, dc := range slices.Sorted(maps.Keys(ks.factors)) {
		copies = append(copies, fmt.Sprintf("%s=%d", dc, ks.factors[dc]))
	}
	v, advice := OK, ""
	for _, dc := range dcs {
		n := ks.factors[dc]
		ours := want.DC == "" || dc == want.DC
		switch {
		case ours && n == 0 && ks.class == "NetworkTopologyStrategy":
			v, advice = Fail, fmt.Sprintf("no copy in %s: add it to the keyspace's replication, then nodetool rebuild", dc)
		case n > 0 && up[dc] < n/2+1:
			v, advice = Fail, fmt.Sprintf("%d of %d nodes of %s answer: no quorum", up[dc], size[dc], dc)
		case n > size[dc] && v < Fail:
			v, advice = Warn, fmt.Sprintf("%s has fewer nodes than copies: add nodes", dc)
		case n > 0 && n < 3 && v < Warn:
			v, advice = Warn, fmt.Sprintf("three copies bear the loss of a node: ALTER KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': '3'}; then on each node nodetool repair --full %s",
				want.Keyspace, dc, want.Keyspace)
		}
	}
	if ks.class != "NetworkTopologyStrategy" && v < Warn {
		v, advice = Warn, "several datacenters need NetworkTopologyStrategy"
	}
	r.add(areaCQL, "replication", v, advice, "%s %s %s", want.Keyspace, ks.class, strings.Join(copies, " "))
	switch {
	case ks.schemaOK != nil:
		r.add(areaCQL, "schema", Fail, "a quorum of its copies must answer", "could not be read: %s", ks.schemaOK)
	case ks.schema < want.Schema:
		r.add(areaCQL, "schema", Fail, "murre migrate --store …", "version %d; this program needs %d", ks.schema, want.Schema)
	case ks.schema > want.Schema:
		r.add(areaCQL, "schema", Fail, "update this program: a newer one has migrated", "version %d; this program knows %d", ks.schema, want.Schema)
	default:
		r.add(areaCQL, "schema", OK, "", "version %d", ks.schema)
		r.add(areaGateways, "node slots", Info, "", "%d held", ks.leases)
	}
}

// judgeCommitlog: what a node acknowledges must be on its disk. ScyllaDB's default acknowledges before, too, but isn't to be
// asked over CQL.
func judgeCommitlog(r *Report, nodes []cqlNode) {
	modes := map[string][]string{}
	for i := range nodes {
		n := &nodes[i]
		if n.err != nil {
			continue
		}
		mode := n.settings["commitlog_sync"]
		switch {
		case mode == "" && n.scylla:
			mode = "unknown (ScyllaDB)"
		case mode == "":
			mode = "unknown"
		}
		modes[mode] = append(modes[mode], n.addr)
	}
	for _, mode := range slices.Sorted(maps.Keys(modes)) {
		v, advice := OK, ""
		switch {
		case mode == "periodic":
			v, advice = Warn, "it acknowledges up to 10 s before it syncs, so that a power cut of all copies loses acked messages: commitlog_sync: batch in cassandra.yaml"
		case strings.HasPrefix(mode, "unknown (Scylla"):
			v, advice = Info, "set commitlog_sync: batch in scylla.yaml: the default acknowledges up to 10 s before it syncs"
		case mode == "unknown":
			v, advice = Info, "look at commitlog_sync in cassandra.yaml: it must be batch or group"
		}
		on := "all nodes"
		if len(modes) > 1 {
			on = strings.Join(modes[mode], ", ")
		}
		r.add(areaCQL, "commit log", v, advice, "%s on %s", mode, on)
	}
}

func nodesByDC(size map[string]int) string {
	var out []string
	for _, dc := range slices.Sorted(maps.Keys(size)) {
		out = append(out, fmt.Sprintf("%s in %s", plural(size[dc], "node"), dc))
	}
	return strings.Join(out, ", ")
}

// since reports whether a version is major.minor or later.
func since(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	a, err := strconv.Atoi(parts[0])
	if err != nil || len(parts) < 2 {
		return false
	}
	b, err := strconv.Atoi(parts[1])
	return a > major || (a == major && err == nil && b >= minor)
}
