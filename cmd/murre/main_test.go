package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

func murre(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

func TestHelp(t *testing.T) {
	code, out, _ := murre(t, "", "--help")
	if code != 0 || !strings.Contains(out, "Examples:") || !strings.Contains(out, "murre serve") {
		t.Errorf("%d %s", code, out)
	}
	for _, c := range []string{"serve", "chat", "user", "user add", "token", "id", "trace", "backup", "restore"} {
		code, out, errs := murre(t, "", append(strings.Fields(c), "--help")...)
		if code != 0 || !strings.Contains(out, "Usage:") {
			t.Errorf("murre %s --help: %d %s%s", c, code, out, errs)
		}
	}
	_, out, _ = murre(t, "", "serve", "--help")
	for _, want := range []string{"--listen", `"127.0.0.1:8080"`, "--rate", "message=60/1m", "--jwt-jwks", "--drain-timeout", "20s", "MURRE_LOG_LEVEL"} {
		if !strings.Contains(out, want) {
			t.Errorf("murre serve --help lacks %s", want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--listen", "nowhere"}, "--listen"},
		{[]string{"serve", "--nonsense"}, "--nonsense"},
		{[]string{"serve", "extra"}, "serve --help"},
		{[]string{"serve", "--demo", "--listen", "0.0.0.0:8080"}, "loopback"},
		{[]string{"serve", "--store", "cql://h1/murre"}, "--redis"},
		{[]string{"serve", "--store", "mysql://h1/murre"}, "--store"},
		{[]string{"id"}, "id --help"},
		{[]string{"id", "zzz"}, "zzz"},
		{[]string{"trace", "nonsense"}, "nonsense"},
		{[]string{"chat"}, "--user"},
		{[]string{"chat", "--url", "gopher://x", "--token", "t"}, ""},
		{[]string{"user", "add", "alice"}, "password"},
	} {
		code, _, errs := murre(t, "", tc.args...)
		if code == 0 || !strings.Contains(errs, tc.want) || !strings.HasPrefix(errs, "murre: ") {
			t.Errorf("murre %v: %d %q, want an error with %q", tc.args, code, errs, tc.want)
		}
		if code != exitUsage && tc.want != "" {
			t.Errorf("murre %v: exit code %d, want %d", tc.args, code, exitUsage)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	if code, _, errs := murre(t, "", "token", "alice", "--data", none); code != exitFailure || !strings.Contains(errs, "--data") {
		t.Errorf("%d %s", code, errs)
	}
}

// What --demo prints names only what this program has.
func TestDemoSaysWhatThereIs(t *testing.T) {
	for _, web := range []bool{true, false} {
		var b strings.Builder
		printDemo(&b, "http://127.0.0.1:8080", "bin/murre", web)
		if !strings.Contains(b.String(), "bin/murre chat --url http://127.0.0.1:8080 --user alice") {
			t.Errorf("no line to copy:\n%s", b.String())
		}
		if strings.Contains(b.String(), "http://127.0.0.1:8080/demo\n") != web {
			t.Errorf("with a web client %v:\n%s", web, b.String())
		}
	}
}

func TestID(t *testing.T) {
	_, text, _ := murre(t, "", "id", "0AKYAXTH40001")
	if !strings.Contains(text, "time       2026-11-22T04:22:23.625Z") || !strings.Contains(text, "sequence   1") {
		t.Errorf("%s", text)
	}
	number := ""
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "number"); ok {
			number = strings.TrimSpace(rest)
		}
	}
	_, again, _ := murre(t, "", "id", number)
	if again != text {
		t.Errorf("the number %s says\n%snot\n%s", number, again, text)
	}
	_, uuid, _ := murre(t, "", "id", "01a2017d-ae45-7174-aa85-89f7336f65da")
	if !strings.Contains(uuid, "2026-11-22") {
		t.Errorf("%s", uuid)
	}
}
