//go:build cqlgrammar

package cqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/murre-chat/murre/deploy/native/servers"
)

const cqlFolder = "../../../cql"

// shipped are the files of cql: migrations in order, then queries.
func shipped(t *testing.T) (files []string) {
	t.Helper()
	for _, folder := range []string{"migrations", "queries"} {
		some, err := filepath.Glob(filepath.Join(cqlFolder, folder, "*.cql"))
		if err != nil || len(some) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(some), err)
		}
		files = append(files, some...)
	}
	return files
}

// TestGrammar parses all statements with the grammar of the cqlsh in $MURRE_CQLSH (.ci/cqlgrammar).
func TestGrammar(t *testing.T) {
	var all [][2]string
	for _, name := range slices.Sorted(maps.Keys(allStatements())) {
		for i, s := range allStatements()[name] {
			all = append(all, [2]string{fmt.Sprintf("%s %d", name, i), s.cql})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(allTexts())) {
		all = append(all, [2]string{name, allTexts()[name]})
	}
	for _, f := range []Flavour{{Version: "4.1.5"}, {Version: "5.0.2"}, {Scylla: true, Version: "5.4.0"}, {Scylla: true, Version: "2025.1.0", Tablets: true}} {
		all = append(all, [2]string{f.String(), f.createKeyspace("murre", map[string]int{"dc1": 3, "dc2": 3})})
		for _, s := range f.tableOptions() {
			all = append(all, [2]string{f.String(), s})
		}
	}
	for _, file := range shipped(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range splitCQL(string(text)) {
			all = append(all, [2]string{filepath.Base(file), s})
		}
	}
	in, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("MURRE_CQLSH"), "python"), "testdata/grammar.py")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// TestGrammarCqlshRuns runs migrations and queries through cqlsh as an operator would.
func TestGrammarCqlshRuns(t *testing.T) {
	hosts := servers.CQL(t)
	o := Options{Hosts: hosts, Keyspace: servers.Unique("g"), Log: quiet}
	t.Cleanup(func() { dropKeyspace(t, o) })
	host, port, err := net.SplitHostPort(hosts[0])
	if err != nil {
		t.Fatal(err)
	}
	cqlsh := func(arg ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("MURRE_CQLSH"), "cqlsh"), append(arg, "--request-timeout=60", host, port)...)
		if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("Exception")) {
			t.Fatalf("cqlsh %q: %v\n%s", arg, err, out)
		}
	}
	cqlsh("-e", Flavour{}.createKeyspace(o.Keyspace, map[string]int{"dc1": 1}))
	migrated := false
	for _, file := range shipped(t) {
		switch {
		case strings.HasSuffix(file, "-scylla.cql"):
			continue // of tables that Cassandra has not
		case strings.Contains(file, "queries") && !migrated:
			// What was made by hand is taken over.
			if _, err := Migrate(t.Context(), MigrateOptions{Options: o}); err != nil {
				t.Fatal(err)
			}
			migrated = true
		}
		cqlsh("-k", o.Keyspace, "-f", file)
	}
}
