package id

import (
	"testing"
	"time"
)

func TestBootClockLooksWhenTheMachineSlept(t *testing.T) {
	looks, asleep := 0, time.Duration(0)
	start := time.Now()
	b := &bootClock{look: func() time.Duration { looks++; return time.Since(start) + asleep }}
	b.now()
	first := b.now()
	if looks != 1 {
		t.Fatalf("%d looks for two readings", looks)
	}
	// Sleeping stops monotonic time, not wall time. A look without the monotonic one stands for that: Sub takes the wall's.
	asleep = time.Hour
	l := b.last.Load()
	b.last.Store(&bootLook{at: l.at.Round(0).Add(-time.Hour), boot: l.boot})
	const reading = time.Millisecond // between the two clocks of one look
	if now := b.now(); now-first < time.Hour-reading || looks != 2 {
		t.Fatalf("%s passed after an hour asleep, %d looks", now-first, looks)
	}
	last := b.now()
	for range 1000 {
		now := b.now()
		if now < last-reading {
			t.Fatalf("went back by %s", last-now)
		}
		last = now
	}
}
