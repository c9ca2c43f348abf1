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
	// least and most are bounds of how long the refused are asked to stay away at most; each is told another time, from least / 2 on.
	least = 2 * time.Second
	most  = time.Minute
	// apart is how long that is while as many are refused as are let in; it grows with how many more are. At 10 s those who wait
	// come a few times as often as they are let in, however many they are.
	apart = 10 * time.Second
	// outage is the most that is said when nothing can be done at all. While that lasts it grows to as long as it has lasted: when
	// it ends nobody shall be away for much longer, and those who wait shall not be what keeps it from ending.
	outage = 5 * time.Second
	// memory is over how long those let in and those refused are counted.
	memory = 5 * time.Second
)

// Signals say how much can be done. A nil one never says so.
type Signals struct {
	Busy func() bool // more is asked for than is done
	Down func() bool // nothing is done
}

// Any reports whether one of them says so.
func (s Signals) Any() bool { return s.Down != nil && s.Down() || s.Busy != nil && s.Busy() }

// Gate lets in, or refuses. Its methods are safe for concurrent use; a nil Gate lets everything in.
type Gate struct {
	load Signals
	now  func() time.Time

	mu          sync.Mutex
	in, refused float64 // of late: each counts less with time
	at          time.Time

	downSince, downLast time.Time // refusals while nothing could be done, with no more than memory between two
}

// NewGate makes a Gate that refuses while one of the signals says so. Without any it is nil.
func NewGate(load Signals) *Gate {
	if load.Busy == nil && load.Down == nil {
		return nil
	}
	return &Gate{load: load, now: time.Now}
}

// Busy reports whether Enter would refuse.
func (g *Gate) Busy() bool { return g != nil && g.load.Any() }

// Enter returns nil, or a *chat.Error of code UNAVAILABLE that says after how long to come again.
func (g *Gate) Enter() error {
	switch {
	case g == nil:
		return nil
	case g.load.Down != nil && g.load.Down():
		return refusal(g.outage())
	case g.load.Busy != nil && g.load.Busy():
		return refusal(g.away())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fade()
	g.in++
	return nil
}

// outage returns how long those are asked to stay away at most who come while nothing can be done.
func (g *Gate) outage() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if now.Sub(g.downLast) > memory {
		g.downSince = now
	}
	g.downLast = now
	return min(max(now.Sub(g.downSince), outage), most)
}

// away counts one more who is refused and returns how long they are asked to stay away at most.
func (g *Gate) away() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fade()
	g.refused++
	return min(max(time.Duration(float64(apart)*g.refused/max(g.in, 1)), least), most)
}

// refusal tells one of those who are to come again within a time, spread over all of it: all at once would be too much again, and
// nobody for a while would leave undone what could be done.
func refusal(within time.Duration) error {
	return &chat.Error{Code: chat.CodeUnavailable, Message: "too much to do, try again in a moment", RetryAfter: least/2 + rand.N(within-least/2)}
}

// fade lets what was counted before count less. g.mu is held.
func (g *Gate) fade() {
	now := g.now()
	if d := now.Sub(g.at); d > 0 {
		f := math.Exp(-d.Seconds() / memory.Seconds())
		g.in, g.refused, g.at = g.in*f, g.refused*f, now
	}
}
