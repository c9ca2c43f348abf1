package overload

import (
	"errors"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

func TestANilGateLetsIn(t *testing.T) {
	g := NewGate(Signals{})
	if g.Busy() || g.Enter() != nil {
		t.Fatal("refused")
	}
}

func TestTheMoreAreRefusedTheLongerTheyStayAway(t *testing.T) {
	now, busy := time.Now(), false
	down := false
	g := NewGate(Signals{Busy: func() bool { return busy }, Down: func() bool { return down }})
	g.now = func() time.Time { return now }
	away := func() time.Duration {
		t.Helper()
		var e *chat.Error
		if err := g.Enter(); !errors.As(err, &e) || e.Code != chat.CodeUnavailable {
			t.Fatal(err)
		}
		return e.RetryAfter
	}
	for range 100 {
		if err := g.Enter(); err != nil {
			t.Fatal(err)
		}
	}
	busy = true
	if d := away(); d != least {
		t.Errorf("the first was told %v", d)
	}
	longest := func(n int) (d time.Duration) {
		for range n {
			d = max(d, away())
		}
		return d
	}
	// 100 were let in within the time that is remembered, 20 a second: 25 a second are asked to come.
	if d := longest(299); d < 11*time.Second || d > 14*time.Second {
		t.Errorf("the 300th was told %v", d)
	}
	if d := longest(10_000); d < most*9/10 || d > most {
		t.Errorf("of more than can come: %v", d)
	}
	down = true
	if d := longest(1000); d > outage {
		t.Errorf("while nothing can be done: %v", d)
	}
	for range 40 {
		now = now.Add(time.Second)
		away()
	}
	if d := longest(1000); d < 35*time.Second || d > 41*time.Second {
		t.Errorf("when nothing could be done for 40 s: %v", d)
	}
	now = now.Add(2 * memory)
	if d := longest(1000); d > outage {
		t.Errorf("in a new outage: %v", d)
	}
	down = false
	now = now.Add(time.Minute) // long ago
	if d := away(); d > 10*time.Second {
		t.Errorf("after a while: %v", d)
	}
}

// Those who go last are refused sooner, and yet a few are let in while others are.
func TestThoseWhoGoLast(t *testing.T) {
	now, full := time.Now(), false
	yes := func() bool { return true }
	g := NewGate(Signals{Busy: func() bool { return full }, Near: yes}.Sooner())
	g.now = func() time.Time { return now }
	in := func() (n int) {
		for range 100 {
			if g.Enter() == nil {
				n++
			}
			now = now.Add(100 * time.Millisecond)
		}
		return n
	}
	if n := in(); n < 30 || n > 40 {
		t.Errorf("%d of 100 in ten seconds, want %d a second", n, slowest)
	}
	full = true
	if n := in(); n != 0 {
		t.Errorf("%d while nobody else is let in", n)
	}
}

// However many wait, what they ask for stays near what can be done.
func TestThoseWhoWaitComeSeldom(t *testing.T) {
	const people, served = 5000, 50 // a second
	now, room := time.Now(), 0
	g := NewGate(Signals{Busy: func() bool { return room <= 0 }})
	g.now = func() time.Time { return now }
	due := make([]time.Time, people)
	for i := range due {
		due[i] = now
	}
	asked, done := 0, 0
	for s := 0; s < 60; s++ {
		room = served
		if s < 30 {
			asked = 0
		}
		for i := range due {
			if due[i].IsZero() || due[i].After(now) {
				continue
			}
			asked++
			var e *chat.Error
			if err := g.Enter(); errors.As(err, &e) {
				due[i] = now.Add(e.RetryAfter)
			} else {
				room--
				done++
				due[i] = time.Time{}
			}
		}
		now = now.Add(time.Second)
	}
	if done < 50*served {
		t.Errorf("%d were served in a minute", done)
	}
	if perSecond := asked / 30; perSecond > 2*served {
		t.Errorf("%d asked a second", perSecond)
	}
}
