package clients

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second
	flowsTimeout = 5 * time.Minute
)

// A machine without node, python3 or their packages fails here: there is no skipping.
func TestClientsThatAreNotOurs(t *testing.T) {
	cache, bin := setup(t), build(t)
	run := func(name, transport string, env []string, program string, args ...string) {
		t.Run(name, func(t *testing.T) {
			url, secret := serve(t, bin, transport)
			ctx, cancel := context.WithTimeout(t.Context(), flowsTimeout)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, args...)
			cmd.Env = append(append(os.Environ(), "MURRE_URL="+url, "MURRE_JWT_SECRET="+secret), env...)
			out, err := cmd.CombinedOutput()
			t.Logf("\n%s", out)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !regexp.MustCompile(`(?m)^# ` + name + `: [1-9]\d* passed, 0 failed$`).Match(out) {
				t.Error("no summary of success")
			}
		})
	}
	// One on each transport: the flows are nearly the same.
	run("node", "epoll", []string{"NODE_PATH=" + filepath.Join(cache, "node_modules")}, "node", "node/run.js")
	run("python", "goroutine", []string{"PYTHONPATH=" + filepath.Join(cache, "python"), "PYTHONDONTWRITEBYTECODE=1"}, "python3", "python/run.py")
}

// setup installs the libraries and returns their folder.
func setup(t *testing.T) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("./setup.sh")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("setup.sh: %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// build builds the server and returns its path.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "murre")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/murre").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// serve starts the server on a free port with an empty data folder and returns its URL and the secret of external
// identities.
func serve(t *testing.T, bin, transport string) (url, secret string) {
	t.Helper()
	dir := t.TempDir()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // crypto/rand.Read never fails
	secret = hex.EncodeToString(key)
	secretFile := filepath.Join(dir, "secret")
	if err := os.WriteFile(secretFile, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--data", filepath.Join(dir, "data"),
		"--transport", transport, "--rate", "off", "--jwt-secret-file", secretFile, "--log-format", "text")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	found := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		listening := regexp.MustCompile(`url=(http\S+)`)
		lines := bufio.NewScanner(io.TeeReader(stderr, &log))
		for lines.Scan() {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended // its end of the pipe is closed: it has gone
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", log.String())
		}
	})
	select {
	case url = <-found:
	case <-ended:
		t.Fatalf("the server ended before it served:\n%s", log.String())
	case <-time.After(startTimeout):
		t.Fatal("the server didn't say where it listens")
	}
	return url, secret
}
