package netpoll

import (
	"math/bits"
	"time"
)

// Tick is the resolution of timeouts.
const Tick = 16 * time.Millisecond

const (
	wheelBuckets = 4096 // × Tick = 65 s: a usual ping interval goes around less than once
	unarmed      = -2
	nobody       = -1
)

// wheel is a hashed timing wheel over slot numbers: one timer a slot, 12 bytes each, no allocation to set or stop one. Not
// safe for concurrent use.
type wheel struct {
	now     uint32 // ticks handled
	heads   [wheelBuckets]int32
	used    [wheelBuckets / 64]uint64 // which buckets hold something
	links   []link                    // by slot
	expired []int32
}

type link struct {
	next, prev int32
	due        uint32
}

func newWheel() *wheel {
	w := &wheel{}
	for i := range w.heads {
		w.heads[i] = nobody
	}
	return w
}

// set arms the slot's timer to fire in d at the earliest.
func (w *wheel) set(slot int32, now uint32, d time.Duration) {
	for int(slot) >= len(w.links) {
		w.links = append(w.links, link{prev: unarmed})
	}
	w.stop(slot)
	due := now + uint32((d+Tick-1)/Tick) + 1 // the current tick has partly passed
	b := due % wheelBuckets
	w.links[slot] = link{next: w.heads[b], prev: nobody, due: due}
	if w.heads[b] != nobody {
		w.links[w.heads[b]].prev = slot
	}
	w.heads[b] = slot
	w.used[b/64] |= 1 << (b % 64)
}

// stop disarms the slot's timer, if armed.
func (w *wheel) stop(slot int32) {
	if int(slot) >= len(w.links) || w.links[slot].prev == unarmed {
		return
	}
	l := w.links[slot]
	b := l.due % wheelBuckets
	if l.prev == nobody {
		w.heads[b] = l.next
	} else {
		w.links[l.prev].next = l.next
	}
	if l.next != nobody {
		w.links[l.next].prev = l.prev
	}
	if w.heads[b] == nobody {
		w.used[b/64] &^= 1 << (b % 64)
	}
	w.links[slot].prev = unarmed
}

// advance moves to now and returns the slots whose time has come; valid until the next call.
func (w *wheel) advance(now uint32) []int32 {
	w.expired = w.expired[:0]
	steps := now - w.now
	if int32(steps) <= 0 {
		return nil
	}
	for i := range min(steps, wheelBuckets) {
		b := (w.now + 1 + i) % wheelBuckets
		for slot := w.heads[b]; slot != nobody; {
			l := w.links[slot]
			if int32(l.due-now) <= 0 {
				w.stop(slot)
				w.expired = append(w.expired, slot)
			}
			slot = l.next
		}
	}
	w.now = now
	return w.expired
}

// idle is how many ticks from w.now on nothing can be due; wheelBuckets when nothing is armed.
func (w *wheel) idle() uint32 {
	for i := uint32(1); i <= wheelBuckets; {
		b := (w.now + i) % wheelBuckets
		rest := w.used[b/64] >> (b % 64)
		if rest != 0 {
			return i + uint32(bits.TrailingZeros64(rest)) - 1
		}
		i += 64 - b%64
	}
	return wheelBuckets
}
