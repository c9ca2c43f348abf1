package id

import (
	"time"

	"golang.org/x/sys/unix"
)

// newBootTime is CLOCK_BOOTTIME: monotonic, and it goes on while the machine sleeps.
func newBootTime() func() time.Duration { return bootTime }

func bootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("id clock: CLOCK_BOOTTIME: " + err.Error()) // in Linux since 2.6.39
	}
	return time.Duration(ts.Nano())
}
