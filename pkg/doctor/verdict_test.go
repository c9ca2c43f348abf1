package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// of returns the verdict of a check, and what stands there.
func of(t *testing.T, r *Report, check string) (Verdict, string) {
	t.Helper()
	v, text, found := OK, "", false
	for _, f := range r.Findings {
		if f.Check == check {
			v, text, found = max(v, f.Verdict), text+f.Found+" → "+f.Advice+"\n", true
		}
		if f.Verdict != OK && f.Verdict != Info {
			require.NotEmpty(t, f.Advice, "%s says nothing to do", f.Check)
		}
		require.NotContains(t, f.Found+f.Advice, "%!", f.Check)
	}
	require.True(t, found, "no check %s in %+v", check, r.Findings)
	return v, text
}

func is(t *testing.T, r *Report, check string, want Verdict, says string) {
	t.Helper()
	got, text := of(t, r, check)
	require.Equal(t, want.String(), got.String(), "%s: %s", check, text)
	require.Contains(t, text, says, check)
}

func TestCQLVerdicts(t *testing.T) {
	want := &CQL{Keyspace: "murre", DC: "dc1", Schema: 2}
	group := map[string]string{"commitlog_sync": "group"}
	three := func() []cqlNode {
		var out []cqlNode
		for _, a := range []string{"a", "b", "c"} {
			out = append(out, cqlNode{addr: a, dc: "dc1", version: "5.0.6", schema: "x", settings: group, roundTrip: time.Millisecond})
		}
		return out
	}
	good := func() *keyspace {
		return &keyspace{found: true, class: "NetworkTopologyStrategy", factors: map[string]int{"dc1": 3}, schema: 2, leases: 2}
	}
	judge := func(change func(n []cqlNode, ks *keyspace)) *Report {
		r, n, ks := &Report{}, three(), good()
		change(n, ks)
		judgeCQL(r, want, n, ks)
		return r
	}
	r := judge(func([]cqlNode, *keyspace) {})
	require.Zero(t, r.Count(Fail)+r.Count(Warn), "%+v", r.Findings)
	is(t, r, "schema", OK, "version 2")

	for _, c := range []struct {
		name, check string
		change      func(n []cqlNode, ks *keyspace)
		verdict     Verdict
		says        string
	}{
		{"one away", "reachable", func(n []cqlNode, _ *keyspace) { n[1].err = errors.New("connection refused") }, Warn, "2 of 3; not b (connection refused)"},
		{"two away", "replication", func(n []cqlNode, _ *keyspace) { n[0].err, n[1].err = errors.New("x"), errors.New("x") }, Fail, "no quorum"},
		{"old", "version", func(n []cqlNode, _ *keyspace) { n[2].version = "4.0.11" }, Fail, "4.1"},
		{"mixed", "version", func(n []cqlNode, _ *keyspace) { n[2].version = "4.1.5" }, Warn, "finish"},
		{"disagree", "agreement", func(n []cqlNode, _ *keyspace) { n[2].schema = "y" }, Fail, "2 versions"},
		{"no keyspace", "keyspace", func(_ []cqlNode, ks *keyspace) { ks.found = false }, Fail, "murre migrate"},
		{"not migrated", "schema", func(_ []cqlNode, ks *keyspace) { ks.schema = 1 }, Fail, "murre migrate"},
		{"migrated by a newer", "schema", func(_ []cqlNode, ks *keyspace) { ks.schema = 3 }, Fail, "newer"},
		{"no quorum to read", "schema", func(_ []cqlNode, ks *keyspace) { ks.schemaOK = errors.New("no answer in time") }, Fail, "no answer"},
		{"one copy", "replication", func(_ []cqlNode, ks *keyspace) { ks.factors["dc1"] = 1 }, Warn, "ALTER KEYSPACE murre"},
		{"too many copies", "replication", func(_ []cqlNode, ks *keyspace) { ks.factors["dc1"] = 5 }, Warn, "fewer nodes"},
		{"none here", "replication", func(_ []cqlNode, ks *keyspace) { ks.factors = map[string]int{"dc2": 3} }, Fail, "no copy in dc1"},
		{"simple", "replication", func(_ []cqlNode, ks *keyspace) {
			ks.class, ks.factors = "SimpleStrategy", map[string]int{"replication_factor": 3}
		}, Warn, "NetworkTopologyStrategy"},
		{"periodic", "commit log", func(n []cqlNode, _ *keyspace) { n[1].settings = map[string]string{"commitlog_sync": "periodic"} }, Warn, "periodic on b"},
		{"unknown", "commit log", func(n []cqlNode, _ *keyspace) { n[1].settings = nil }, Info, "unknown on b"},
		{"scylla", "commit log", func(n []cqlNode, _ *keyspace) {
			for i := range n {
				n[i].scylla, n[i].version, n[i].settings = true, "2025.3.1", nil
			}
		}, Info, "scylla.yaml"},
		{"clock", "clock", func(n []cqlNode, _ *keyspace) { n[2].offset = -300 * time.Millisecond }, Warn, "300ms behind"},
		{"wild clock", "clock", func(n []cqlNode, _ *keyspace) { n[2].offset = 5 * time.Minute }, Fail, "5m0s ahead"},
		{"slow answer", "clock", func(n []cqlNode, _ *keyspace) { n[2].offset, n[2].roundTrip = time.Second, 3*time.Second }, OK, "3 nodes within 2.5s"},
	} {
		t.Run(c.name, func(t *testing.T) { is(t, judge(c.change), c.check, c.verdict, c.says) })
	}
	other := *want
	other.DC = "dcX"
	r = &Report{}
	judgeCQL(r, &other, three(), good())
	is(t, r, "datacenter", Fail, "there are dc1")
	r = &Report{}
	judgeCQL(r, want, []cqlNode{{addr: "a", err: errors.New("no route to host")}}, nil)
	is(t, r, "reachable", Fail, "none of 1: a (no route to host)")
}

func TestRedisVerdicts(t *testing.T) {
	six := func() []redisNode {
		var out []redisNode
		for i, a := range []string{"a", "b", "c", "d", "e", "f"} {
			n := redisNode{addr: a, clustered: true, version: "7.2.4", state: "ok", covered: slots, roundTrip: time.Millisecond, config: map[string]string{
				"maxmemory": "1000", "maxmemory-policy": "noeviction", "cluster-allow-pubsubshard-when-down": "yes", "appendonly": "yes",
			}}
			if i < 3 {
				n.master, n.replicas = true, 1
			}
			out = append(out, n)
		}
		return out
	}
	live := []gateway{{name: "gw-1", epoch: "1", left: time.Second}, {name: "gw-2", epoch: "2", left: time.Second}}
	judge := func(change func(n []redisNode)) *Report {
		r, n := &Report{}, six()
		change(n)
		judgeRedis(r, n, live, "gw-9")
		return r
	}
	r := judge(func([]redisNode) {})
	require.Equal(t, len(r.Findings), r.Count(OK), "%+v", r.Findings)
	for _, c := range []struct {
		name, check string
		change      func(n []redisNode)
		verdict     Verdict
		says        string
	}{
		{"away", "reachable", func(n []redisNode) { n[5].err = errors.New("connection refused") }, Warn, "5 of 6; not f"},
		{"alone", "cluster", func(n []redisNode) { n[5].clustered = false }, Fail, "cluster-enabled"},
		{"old", "version", func(n []redisNode) { n[5].version = "6.2.14" }, Fail, "sharded"},
		{"a hole", "slots", func(n []redisNode) { n[0].covered = 16000 }, Fail, "16000 of 16384"},
		{"down", "slots", func(n []redisNode) { n[0].state = "fail" }, Fail, "state fail"},
		{"no replica", "replicas", func(n []redisNode) { n[0].replicas = 0 }, Warn, "none for a"},
		{"two masters", "replicas", func(n []redisNode) { n[0].master = false }, Warn, "2 masters"},
		{"evicts", "eviction", func(n []redisNode) { n[0].config["maxmemory-policy"] = "allkeys-lru" }, Fail, "a allkeys-lru"},
		{"deaf", "pub/sub when down", func(n []redisNode) { n[0].config["cluster-allow-pubsubshard-when-down"] = "no" }, Warn, "refused on a"},
		{"no limit", "memory limit", func(n []redisNode) { n[0].config["maxmemory"] = "0" }, Info, "none on a"},
		{"volatile", "persistence", func(n []redisNode) { n[0].config["appendonly"] = "no" }, Info, "off on a"},
		{"managed", "settings", func(n []redisNode) {
			for i := range n {
				n[i].config = nil
			}
		}, Info, "CONFIG"},
		{"clock", "clock", func(n []redisNode) { n[1].offset = 2 * time.Second }, Fail, "2s ahead"},
	} {
		t.Run(c.name, func(t *testing.T) { is(t, judge(c.change), c.check, c.verdict, c.says) })
	}
	live = append(live, gateway{name: "gw-1", epoch: "3", left: time.Second}, gateway{name: "gw-0", epoch: "0", left: -time.Second})
	r = judge(func([]redisNode) {})
	is(t, r, "live", Warn, "gw-1, gw-2; twice: gw-1")
	r = &Report{}
	judgeGateways(r, live[1:2], "gw-2")
	is(t, r, "name", Info, "taken")
}

func TestMachineVerdicts(t *testing.T) {
	synced := true
	good := func() *facts {
		return &facts{cpus: 8, memory: 32 << 30, soft: 1048576, hard: 1048576, synced: &synced, hugePages: "always [madvise] never", settings: map[string]string{
			"fs.file-max": "9223372036854775807", "fs.nr_open": "2097152", "net.core.somaxconn": "65535", "net.ipv4.tcp_max_syn_backlog": "65535",
			"net.ipv4.ip_local_port_range": "1024 65535", "net.ipv4.tcp_mem": "786432 1048576 2097152", "vm.overcommit_memory": "1",
		}}
	}
	judge := func(o Options, change func(f *facts)) *Report {
		r, f := &Report{}, good()
		change(f)
		judgeMachine(r, &o, f)
		return r
	}
	million := Options{MaxConnections: 1_000_000}
	r := judge(million, func(*facts) {})
	require.Zero(t, r.Count(Fail)+r.Count(Warn), "%+v", r.Findings)
	for _, c := range []struct {
		name, check string
		o           Options
		change      func(f *facts)
		verdict     Verdict
		says        string
	}{
		{"few descriptors for a million", "descriptors", million, func(f *facts) { f.hard = 65536 }, Fail, "LimitNOFILE=1001200"},
		{"few descriptors", "descriptors", Options{}, func(f *facts) { f.soft, f.hard = 1024, 4096 }, Warn, "LimitNOFILE"},
		{"nr_open", "nr_open", million, func(f *facts) { f.settings["fs.nr_open"] = "1000000" }, Warn, "nr_open"},
		{"file-max", "file-max", million, func(f *facts) { f.settings["fs.file-max"] = "1000000" }, Warn, "file-max"},
		{"backlog", "somaxconn", million, func(f *facts) { f.settings["net.core.somaxconn"] = "128" }, Warn, "sysctl -w net.core.somaxconn"},
		{"little tcp memory", "tcp_mem", million, func(f *facts) { f.settings["net.ipv4.tcp_mem"] = "1 2 3000" }, Warn, "tcp_mem"},
		{"conntrack full", "conntrack", million, func(f *facts) { f.settings["net.netfilter.nf_conntrack_max"] = "262144" }, Fail, "262,144 entries for 1,000,000"},
		{"conntrack tight", "conntrack", million, func(f *facts) { f.settings["net.netfilter.nf_conntrack_max"] = "1100000" }, Warn, ""},
		{"little memory", "size", million, func(f *facts) { f.memory = 8 << 30 }, Warn, "8.0 GiB"},
		{"clock", "clock", million, func(f *facts) { no := false; f.synced = &no }, Warn, "chrony"},
		{"overcommit", "overcommit", million, func(f *facts) { f.settings["vm.overcommit_memory"] = "0" }, Info, "Redis"},
		{"huge pages", "huge pages", million, func(f *facts) { f.hugePages = "[always] madvise never" }, Info, "madvise"},
	} {
		t.Run(c.name, func(t *testing.T) { is(t, judge(c.o, c.change), c.check, c.verdict, c.says) })
	}
	r = &Report{}
	judgeMachine(r, &Options{}, &facts{cpus: 1, settings: map[string]string{}}) // nothing is known: no crash, nothing invented
	require.Zero(t, r.Count(Fail))
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	r := &Report{}
	folder(filepath.Join(dir, "a", "b"), r)
	is(t, r, "data folder", OK, "to be made")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	r = &Report{}
	folder(file, r)
	is(t, r, "data folder", Fail, "no folder")
	r = &Report{}
	certificate(&Options{TLSCert: file, TLSKey: file}, r, time.Now())
	is(t, r, "certificate", Fail, "PEM")
	r = &Report{}
	port(t.Context(), "203.0.113.7:80", r)
	is(t, r, "port", Fail, "203.0.113.7:80")
}

func TestReport(t *testing.T) {
	r := &Report{}
	r.add(areaRedis, "slots", Fail, "fix them", "all %d gone", 3)
	r.add(areaMachine, "size", OK, "not shown", "big")
	var b bytes.Buffer
	require.NoError(t, r.Print(&b))
	require.Equal(t, strings.TrimLeft(`
This machine
  ok    size   big

Redis Cluster
  fail  slots  all 3 gone
               → fix them

1 ok, 0 to know, 0 warnings, 1 failure
`, "\n"), b.String())
	b.Reset()
	require.NoError(t, r.PrintJSON(&b))
	var back Report
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.Equal(t, *r, back)
	require.Contains(t, b.String(), `"verdict": "fail"`)
}
