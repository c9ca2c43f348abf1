//go:build unix

package netpoll

import (
	"testing"

	"golang.org/x/sys/unix"
)

// lowerDescriptorLimit lowers the process's limit until the returned function is called.
func lowerDescriptorLimit(t *testing.T, n uint64) func() {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	lower := old
	lower.Cur = n
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}
}
