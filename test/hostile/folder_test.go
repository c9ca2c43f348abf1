package hostile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// murre runs the program until it ends and returns what it says and its exit code.
func murre(t *testing.T, ctx context.Context, bin string, args ...string) (string, int) {
	t.Helper()
	out, err := exec.CommandContext(ctx, bin, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("murre %v didn't end: %s", args, out)
	}
	if exit == nil {
		return string(out), 0
	}
	return string(out), exit.ExitCode()
}

// TestDataFolderOfOthers starts the program on folders that it must leave alone: it says why in one line, and exits with 1.
func TestDataFolderOfOthers(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "murre")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "github.com/murre-chat/murre/cmd/murre").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	data := filepath.Join(t.TempDir(), "data")
	url, stop := serve(t, data)
	say := func(what string, folder string, words ...string) {
		t.Helper()
		out, code := murre(t, ctx, bin, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--data", folder)
		if code != 1 {
			t.Errorf("%s: exit code %d, want 1: %s", what, code, out)
		}
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q doesn't say %q", what, out, w)
			}
		}
		if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) > 3 || strings.Contains(out, "goroutine") {
			t.Errorf("%s: too much is said: %s", what, out)
		}
	}
	say("in use", data, "in use by another process", data, url)
	stop()
	version := filepath.Join(data, "store", "MURRE_FORMAT")
	before, err := os.ReadFile(version)
	must(t, err)
	must(t, os.WriteFile(version, []byte("99\n"), 0o600))
	say("a newer version", data, "99", "newer version of murre", data)
	must(t, os.WriteFile(version, before, 0o600))
	_, stop = serve(t, data) // it was left as it was
	stop()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	say("a file", file, file)
}
