// Package overload decides what isn't begun while there is too much to do, and when it may come again.
//
// What takes several statements gets no further than some of them in an overloaded store, and is asked for again: so it is refused
// before the first. And who is refused must not come again at once, or refusing them is all that gets done.
package overload

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	// least and most bound how long the refused are asked to stay away.
	least = time.Second
	most  = time.Minute
	// more is how many times as many are asked to come as are let in at present: what can be done may have grown.
	more = 1.25
	// slowest is how many a second are asked to come at least, even if nobody is let in; of those who go last so many are let in
	// as long as others still are.
	slowest = 4
	// unknown is taken for how many are let in a second until that has been seen for a second.
	unknown = 20
	// outage is the most that is said when nothing can be done at all. While that lasts it grows to as long as it has lasted: when
	// it ends nobody shall be away for much longer, and those who wait shall not be what keeps it from ending.
	outage = 5 * time.Second
	// memory is over how long those let in are counted.
	memory = 5 * time.Second
)

// Signals say how much can be done. A nil one never says so.
type Signals struct {
	Busy func() bool // more is asked for than is done
	Near func() bool // the same, or nearly
	Down func() bool // nothing is done

	full func() bool // set by Sooner: what Busy was before
}

// Sooner is what they say to those who go last: people who come must not keep those who are there from being served.
func (s Signals) Sooner() Signals {
	return Signals{Busy: s.Near, Near: s.Near, Down: s.Down, full: s.Busy}
}

// Any reports whether one of them says so.
func (s Signals) Any() bool { return s.Down != nil && s.Down() || s.Busy != nil && s.Busy() }

// Gate lets in, or refuses. Its methods are safe for concurrent use; a nil Gate lets everything in.
type Gate struct {
	load Signals
	now  func() time.Time

	mu    sync.Mutex
	in    float64   // of late: each counts less with time
	at    time.Time // of that
	last  time.Time // when the last one was let in
	since time.Time // when people began to come
	next  time.Time // when the next one who is refused is asked to come again

	downSince, downLast time.Time // refusals while nothing could be done, with no more than memory between two
}

// NewGate makes a Gate that refuses while one of the signals says so. Without any it is nil.
func NewGate(load Signals) *Gate {
	if load.Busy == nil && load.Down == nil {
		return nil
	}
	return &Gate{load: load, now: time.Now}
}

// Busy reports whether Enter would refuse most.
func (g *Gate) Busy() bool { return g != nil && g.load.Any() }

// Enter returns nil, or a *chat.Error of code UNAVAILABLE that says after how long to come again.
func (g *Gate) Enter() error {
	switch {
	case g == nil:
		return nil
	case g.load.Down != nil && g.load.Down():
		return refusal(g.outage())
	case g.load.Busy != nil && g.load.Busy():
		if after := g.away(); after > 0 {
			return refusal(after)
		}
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fade()
	g.enter()
	return nil
}

// enter lets somebody in. g.mu is held.
func (g *Gate) enter() {
	g.in++
	g.last = g.at
}

// Away returns after how long somebody is to come again who waited for their turn to Enter in vain.
func (g *Gate) Away() time.Duration {
	if g == nil {
		return least
	}
	return max(g.away(), least)
}

// outage returns how long somebody is asked to stay away who comes while nothing can be done.
func (g *Gate) outage() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if now.Sub(g.downLast) > memory {
		g.downSince = now
	}
	g.downLast = now
	return least + rand.N(min(max(now.Sub(g.downSince), outage), most)-least)
}

// away returns how long the next one who is refused is asked to stay away. Each is given a time of their own, one behind the other,
// at the rate at which people are let in: what can be done is done by those whose time has come, and the others don't keep it from
// being done by asking. 0: they may come in all the same, being of those who go last, of whom nobody has for a while.
func (g *Gate) away() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fade()
	now := g.now()
	if g.load.full != nil && now.Sub(g.last) >= time.Second/slowest && !g.load.full() {
		g.enter()
		return 0
	}
	if soonest := now.Add(least); g.next.Before(soonest) {
		g.next = soonest
	}
	after := g.next.Sub(now)
	if after > most {
		return least + rand.N(most-least) // more wait than can come within most: some will be refused again
	}
	g.next = g.next.Add(time.Duration(float64(time.Second) / max(more*g.rate(now), slowest)))
	return after
}

// rate is how many are let in a second, as far as that is known. g.mu is held.
func (g *Gate) rate(now time.Time) float64 {
	age := now.Sub(g.since)
	if age < time.Second {
		return unknown
	}
	return g.in / (memory.Seconds() * (1 - math.Exp(-age.Seconds()/memory.Seconds())))
}

// refusal tells somebody when to come again.
func refusal(after time.Duration) error {
	return &chat.Error{Code: chat.CodeUnavailable, Message: "too much to do, try again in a moment", RetryAfter: after}
}

// fade lets what was counted before count less. g.mu is held.
func (g *Gate) fade() {
	now := g.now()
	if d := now.Sub(g.at); d > 0 {
		f := math.Exp(-d.Seconds() / memory.Seconds())
		if d > 2*memory {
			g.since = now
		}
		g.in, g.at = g.in*f, now
	}
}
