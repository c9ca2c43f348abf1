package worker

import (
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/murre-chat/murre/loadtest/netns"
	"github.com/murre-chat/murre/loadtest/procfs"
	"github.com/murre-chat/murre/loadtest/result"
)

// used is the CPU time of this process.
func used() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// machine describes the computer that this runs on, as far as /proc does.
func machine() result.Machine {
	buckets, _ := strconv.Atoi(strings.TrimSpace(procfs.Read("/proc/sys/net/ipv4/tcp_ehash_entries"))) // before Linux 6.1: 0
	return result.Machine{
		TCPBuckets: max(buckets, -buckets), OwnNetwork: netns.Inside(),
		CPU: procfs.CPUModel(), Cores: runtime.NumCPU(), Kernel: procfs.Kernel(),
		MemoryBytes: procfs.Size(procfs.Read("/proc/meminfo"), "MemTotal"),
	}
}
