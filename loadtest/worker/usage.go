package worker

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

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
	return result.Machine{
		CPU: procfs.CPUModel(), Cores: runtime.NumCPU(), Kernel: procfs.Kernel(),
		MemoryBytes: procfs.Size(procfs.Read("/proc/meminfo"), "MemTotal"),
	}
}
