package main

import (
	"strings"
	"testing"
)

func TestMigrateUsage(t *testing.T) {
	t.Setenv("MURRE_STORE", "")
	for want, args := range map[string][]string{
		"--store is missing":   {"migrate"},
		"--store":              {"migrate", "--store", "embedded"},
		"should be DATACENTER": {"migrate", "--store", "cql://h/murre", "--replication", "dc1"},
		"twice":                {"migrate", "--store", "cql://h/murre", "--replication", "dc1=3,dc1=2"},
		"dc1=0":                {"migrate", "--store", "cql://h/murre", "--replication", "dc1=0"},
	} {
		code, _, errs := murre(t, "", args...)
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: %d %q, want %q", args, code, errs, want)
		}
	}
	if code, out, _ := murre(t, "", "migrate", "--help"); code != 0 || !strings.Contains(out, "--replication") {
		t.Errorf("%d %s", code, out)
	}
}
