package pebblestore

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// otherProcess, when set, makes the test binary a second process that opens the folder it names.
const otherProcess = "MURRE_TEST_OPEN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(otherProcess); dir != "" {
		if _, err := Open(Options{Dir: dir, Logger: quiet}); errors.Is(err, ErrInUse) {
			os.Stdout.WriteString("in use\n")
		}
		return
	}
	os.Exit(m.Run())
}

func TestInUseByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	all := few(t, d)
	for range 2 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), otherProcess+"="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "in use") {
			t.Fatalf("a second process opened the folder: %s, %v", out, err)
		}
	}
	all = append(all, few(t, d)...)
	checkAcked(t, d, all)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
