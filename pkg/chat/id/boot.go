package id

import (
	"sync/atomic"
	"time"
)

const (
	// bootLife is how long one look at the system's boot-time clock is built upon.
	bootLife = time.Second
	// bootSlip is how far wall and monotonic time may have come apart since.
	bootSlip = 5 * time.Millisecond
)

// bootClock is a cheap monotonic clock that counts time asleep. The system call for CLOCK_BOOTTIME costs several times what
// time.Now does, and ids are made twice a message; so it is made only when the machine may have slept: then, or when
// someone set the wall clock, wall time and Go's monotonic time, which time.Now reads together, have come apart.
type bootClock struct {
	last atomic.Pointer[bootLook]
	look func() time.Duration
}

// NewBoot returns a cheap monotonic clock that counts time asleep: the time since some moment before the process began.
func NewBoot() func() time.Duration { return (&bootClock{look: newBootTime()}).now }

type bootLook struct {
	at   time.Time
	boot time.Duration
}

// now returns the time since some moment before the process began.
func (b *bootClock) now() time.Duration {
	t := time.Now()
	if l := b.last.Load(); l != nil {
		passed := t.Sub(l.at) // monotonic
		slip := t.Round(0).Sub(l.at.Round(0)) - passed
		if passed >= 0 && passed < bootLife && slip.Abs() < bootSlip {
			return l.boot + passed
		}
	}
	boot := b.look()
	b.last.Store(&bootLook{t, boot})
	return boot
}
