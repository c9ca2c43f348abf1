//go:build !linux

package id

import "time"

var started = time.Now()

// bootTime is the runtime's monotonic clock; whether it counts time asleep depends on the system.
func bootTime() time.Duration { return time.Since(started) }
