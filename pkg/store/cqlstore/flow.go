package cqlstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/store"
)

// How many statements are under way at once.
const (
	flowStart = 256
	flowLeast = 2
	flowMost  = 2048
	// flowCut is what is left of the bound after a statement that wasn't answered in time, or took flowSlow of the time it had: those
	// that wait for their turn then may still go to somebody who has time, and the breaker needn't open.
	flowCut  = 0.7
	flowSlow = 0.25
)

// outcome of a statement as far as it tells how much the store can do.
type outcome int

const (
	answered outcome = iota
	late             // nobody answered in time, or slowly
	unasked          // it wasn't sent
)

// flow bounds how many statements are under way: a store that gets more than it can do answers all of them too late, so that
// nothing is ever done, and all of it is asked for again. The bound grows by one each time that as many statements as it allows
// were answered, and shrinks when one wasn't. Of those that wait the newest goes first: the others' askers have less time left to
// make use of an answer, and what is asked for the second half of a message is newer than all first halves.
type flow struct {
	pause time.Duration // between two cuts: what was under way before the first says nothing of the bound after it

	mu      sync.Mutex
	bound   float64
	under   int
	waiting []*waiter // the newest last
	live    int       // of them, those who have not gone
	cut     time.Time
	refused uint64 // those who waited in vain
}

type waiter struct {
	turn chan struct{} // closed when it's this one's turn
	gone bool
}

func newFlow(pause time.Duration) *flow { return &flow{pause: pause, bound: flowStart} }

// enter waits for its turn, as long as ctx lets it.
func (f *flow) enter(ctx context.Context) error {
	f.mu.Lock()
	if f.under < int(f.bound) {
		f.under++
		f.mu.Unlock()
		return nil
	}
	w := &waiter{turn: make(chan struct{})}
	f.waiting = append(f.waiting, w)
	f.live++
	f.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-w.turn: // meanwhile
		return nil
	default:
	}
	w.gone = true
	f.live--
	f.refused++
	f.tidy()
	return fmt.Errorf("%w: the store has too much to do", store.ErrUnavailable)
}

// leave notes that a statement has ended.
func (f *flow) leave(o outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch now := time.Now(); {
	case o == answered && f.under >= int(f.bound): // the bound is what holds them up
		f.bound = min(flowMost, f.bound+1/f.bound)
	case o == late && now.Sub(f.cut) >= f.pause:
		f.bound, f.cut = max(flowLeast, f.bound*flowCut), now
	}
	f.under--
	for f.under < int(f.bound) && len(f.waiting) > 0 {
		last := len(f.waiting) - 1
		w := f.waiting[last]
		f.waiting[last] = nil
		f.waiting = f.waiting[:last]
		if !w.gone {
			f.live--
			f.under++
			close(w.turn)
		}
	}
}

// busy reports whether more wait than a share of those that may be under way.
func (f *flow) busy(share float64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live > int(share*f.bound)
}

// tidy drops those who have gone from the waiting, when they are many: the oldest go first, and nobody else takes them out.
func (f *flow) tidy() {
	n := 0
	for n < len(f.waiting) && f.waiting[n].gone {
		n++
	}
	if n < 64 && n < len(f.waiting) {
		return
	}
	f.waiting = append(f.waiting[:0:0], f.waiting[n:]...)
}

// stats are the bound, how many wait, and how many have waited in vain.
func (f *flow) stats() (bound, waiting int, refused uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int(f.bound), f.live, f.refused
}
