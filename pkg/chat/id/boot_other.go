//go:build !linux

package id

import "time"

// newBootTime is the runtime's monotonic clock; whether it counts time asleep depends on the system.
func newBootTime() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
