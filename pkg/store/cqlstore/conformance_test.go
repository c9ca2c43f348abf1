package cqlstore

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store/storetest"
)

// testLag is the horizon's lag in the suites: long enough for any one write of theirs, D being five sixths of it.
const testLag = 1200 * time.Millisecond

// modelChecks is how many random scripts the model check runs where the command line doesn't say (-rapid.checks): each costs
// some hundred statements.
const modelChecks = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	named := false
	flag.Visit(func(f *flag.Flag) { named = named || f.Name == "rapid.checks" })
	if !named {
		if err := flag.Set("rapid.checks", modelChecks); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	code := m.Run()
	if err := servers.Release(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// The three run side by side: most of their time they wait, for schemas to agree and for horizons.
func TestConformance(t *testing.T) {
	conform(t, servers.CQL(t), map[string]int{"dc1": 1})
}

func TestConformanceOnThreeNodes(t *testing.T) {
	longForm(t)
	conform(t, servers.Cassandra3(t), map[string]int{"dc1": 3})
}

func TestConformanceOnTwoDatacenters(t *testing.T) {
	longForm(t)
	conform(t, servers.TwoDC(t)[:1], map[string]int{"dc1": 1, "dc2": 1})
}

// longForm leaves a test to `make verify`: five more Cassandra nodes take longer than the rest of `make test`'s units.
func longForm(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("part of make verify (step rings)")
	}
}

// conform runs the suite in a keyspace of its own.
func conform(t *testing.T, hosts []string, replication map[string]int) {
	begun := time.Now()
	keyspace := testKeyspace(t, hosts, replication)
	t.Logf("migrated in %s", time.Since(begun).Round(time.Millisecond))
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		d := openTest(t, Options{Hosts: hosts, Keyspace: keyspace, Lag: testLag})
		return storetest.Engine{Store: d.Ports(), Next: func() (id.ID, error) { return (*d.clock.Load()).Next() }, Settle: underHorizon(d)}
	})
	t.Logf("conformance at %v took %s", replication, time.Since(begun).Round(time.Millisecond))
}
