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
	// Sleeping stops monotonic time, not wall time: as if the last look had been made by a wall clock an hour behind.
	asleep = time.Hour
	l := *b.last.Load()
	l.at = l.at.Add(-time.Hour)                              // both clocks
	l.at = l.at.Round(0).Add(0)                              // without the monotonic one: Sub then takes the wall's
	b.last.Store(&bootLook{at: l.at, boot: l.boot})          // an hour ago by the wall
	if now := b.now(); now-first < time.Hour || looks != 2 { // older than bootLife: looked again
		t.Fatalf("%s passed after an hour asleep, %d looks", now-first, looks)
	}
	last := b.now()
	for range 1000 {
		now := b.now()
		if now < last {
			t.Fatalf("went back by %s", last-now)
		}
		last = now
	}
}
