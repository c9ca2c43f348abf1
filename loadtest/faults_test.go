package loadtest

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/check"
)

func TestFaultsAreChosen(t *testing.T) {
	all, err := chosen(FaultOptions{})
	if err != nil || len(all) != len(FaultNames()) {
		t.Fatalf("%d of %d, %v", len(all), len(FaultNames()), err)
	}
	short, err := chosen(FaultOptions{Short: true})
	if err != nil || len(short) == 0 || len(short) >= len(all) {
		t.Errorf("the short form has %d of %d faults, %v", len(short), len(all), err)
	}
	for _, f := range short {
		if f.nodes > 1 {
			t.Errorf("%s needs %d nodes and is in the short form", f.name, f.nodes)
		}
	}
	one, err := chosen(FaultOptions{Short: true, Only: []string{"cassandra-kill9"}})
	if err != nil || len(one) != 1 {
		t.Errorf("what is named is done, in any form: %v, %v", one, err)
	}
	if _, err := chosen(FaultOptions{Only: []string{"nothing"}}); err == nil {
		t.Error("an unknown fault was taken")
	}
}

func TestFaultRunsAreResumed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verify", "faults.jsonl")
	for _, r := range []FaultRun{
		{Fault: "drain", Run: 1, Commit: "a", Form: "standard", OK: true, Acked: 7},
		{Fault: "drain", Run: 2, Commit: "a", Form: "standard"},
	} {
		if err := appendLine(path, r); err != nil {
			t.Fatal(err)
		}
	}
	done, err := readFaults(path)
	if err != nil || len(done) != 1 || done[faultKey{"drain", 1, "a", "standard"}].Acked != 7 {
		t.Errorf("%v, %v", done, err)
	}
	if done, err := readFaults(filepath.Join(t.TempDir(), "none")); err != nil || len(done) != 0 {
		t.Errorf("no file: %v, %v", done, err)
	}
}

func TestAFaultRunCountsEveryVerdict(t *testing.T) {
	var r FaultRun
	r.judge(check.Report{Acked: 5, Counts: map[check.Verdict]int{
		check.Lost: 1, check.Undelivered: 2, check.Duplicate: 4, check.Disorder: 8, check.StatusBack: 16, check.PendingLeft: 32, check.SyncedLied: 64, check.Ghost: 128,
	}})
	if r.Lost != 3 || r.Doubled != 4 || r.Reordered != 8 || r.StatusBack != 16 || r.PendingLeft != 32 || r.SyncedLies != 64 || r.Other["ghost"] != 128 {
		t.Errorf("%+v", r)
	}
	var table bytes.Buffer
	if err := faultTable(&table, []FaultRun{r, {Fault: "x", OK: true, LiveBackMs: 1500}, {Fault: "x", OK: true, LiveBackMs: 2500}}); err != nil {
		t.Fatal(err)
	}
	if s := table.String(); !strings.Contains(s, "2.5 (≤ 2.5)") || !strings.Contains(s, "128") {
		t.Error(s)
	}
}

func TestSiegeShape(t *testing.T) {
	for _, people := range []int{80, siegePeople} {
		s := siegeShape(people, 200, "x")
		for _, members := range s.groups {
			seen := map[int]bool{}
			for _, m := range members {
				if m < 0 || m >= people || seen[m] {
					t.Fatalf("%d people: group %v", people, members)
				}
				seen[m] = true
			}
		}
	}
}

func TestCountersAreSplit(t *testing.T) {
	before := counters{`murre_cql_statements_total{name="append"}`: 10, `murre_cql_statements_total{name="lease"}`: 1}
	after := counters{`murre_cql_statements_total{name="append"}`: 30, `murre_cql_statements_total{name="inbox"}`: 20, `murre_cql_statements_total{name="lease"}`: 4, `other{name="append"}`: 9}
	in, of, others := after.since(before).split(cqlStatements, sendStatements)
	if in != 40 || of["append"] != 20 || of["inbox"] != 20 || others["lease"] != 3 || len(others) != 1 {
		t.Errorf("%v %v %v", in, of, others)
	}
	if s := perMessage(of, 20); s != "append 1.00, inbox 1.00" {
		t.Error(s)
	}
}

func TestABlobReadSlowlyIsTheSame(t *testing.T) {
	want := bytes.Repeat([]byte("murre"), 40_000)
	b := &slowly{Reader: bytes.NewReader(want)}
	var got bytes.Buffer
	began := time.Now()
	if _, err := b.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("%d bytes, %v", got.Len(), err)
	}
	if took := time.Since(began); took < time.Duration(len(want))*time.Second/uploadRate {
		t.Errorf("%d bytes in %s", len(want), took)
	}
}
