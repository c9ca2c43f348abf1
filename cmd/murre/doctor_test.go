package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/murre-chat/murre/pkg/doctor"
)

func TestDoctor(t *testing.T) {
	ask := func(args ...string) (code int, out, errs string) {
		var o, e bytes.Buffer
		code = run(context.Background(), append([]string{"doctor"}, args...), strings.NewReader(""), &o, &e)
		return code, o.String(), e.String()
	}
	code, out, errs := ask("--data", t.TempDir(), "--listen", "127.0.0.1:0", "--json")
	var r doctor.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Findings) == 0 {
		t.Fatalf("%v: %s", err, out)
	}
	if want := min(1, r.Count(doctor.Fail)); code != want || errs != "" && want == 0 {
		t.Errorf("exit %d with %d failures: %s", code, r.Count(doctor.Fail), errs)
	}
	code, out, errs = ask("--store", "cql://127.0.0.1:1/murre", "--redis", "redis://:hidden@127.0.0.1:1", "--s3", "http://k:hidden@127.0.0.1:1/media")
	if code != exitFailure || !strings.Contains(out, "connection refused") || !strings.Contains(errs, "checks failed") || strings.Contains(out+errs, "hidden") {
		t.Errorf("exit %d, %s\n%s", code, out, errs)
	}
	if strings.Contains(out, "data folder") {
		t.Error("a cluster's gateway has no data folder to examine")
	}
	for _, args := range [][]string{{"--store", "cql://x"}, {"--store", "cql://h/murre", "--redis", "redis://h:1", "--s3", "http://h/b"}, {"extra"}} {
		if code, _, errs := ask(args...); code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}
