package id

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// hands are clocks moved by hand.
type hands struct {
	mu   sync.Mutex
	wall time.Time
	boot time.Duration
}

func newHands() *hands { return &hands{wall: time.UnixMilli(1_780_000_000_000)} }

func (h *hands) options() ClockOptions {
	return ClockOptions{Wall: h.Wall, Boot: h.Boot, Log: slog.New(slog.DiscardHandler)}
}

func (h *hands) Wall() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wall
}

func (h *hands) Boot() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.boot
}

// pass lets time go by; step only moves the wall clock.
func (h *hands) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wall, h.boot = h.wall.Add(d), h.boot+d
}

func (h *hands) step(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wall = h.wall.Add(d)
}

func mustNext(t interface {
	Helper()
	Fatal(...any)
}, c *Clock) ID {
	t.Helper()
	n, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFullSequenceMovesOn(t *testing.T) {
	h := newHands()
	o := h.options()
	o.Slot = 7
	c := NewClock(o)
	var last ID
	for i := range 3*(MaxSeq+1) + 5 {
		n := mustNext(t, c)
		if n <= last || n.Slot() != 7 {
			t.Fatalf("id %d: %s (slot %d) after %s", i, n, n.Slot(), last)
		}
		if want := h.wall.UnixMilli() + int64(i/(MaxSeq+1)); n.UnixMillis() != want {
			t.Fatalf("id %d is of ms %d, want %d", i, n.UnixMillis(), want)
		}
		last = n
	}
}

func TestTimeBetweenChecksIsMonotonic(t *testing.T) {
	h := newHands()
	c := NewClock(h.options())
	first := mustNext(t, c)
	for _, jump := range []time.Duration{-time.Hour, 2 * time.Hour} {
		h.step(jump)
		if n := mustNext(t, c); n.UnixMillis() != first.UnixMillis() {
			t.Fatalf("the wall clock's step of %s moved the clock by %d ms", jump, n.UnixMillis()-first.UnixMillis())
		}
	}
	h.pass(time.Minute) // asleep or not
	if n := mustNext(t, c); n.UnixMillis() != first.UnixMillis()+60_000 {
		t.Fatal("a minute didn't count")
	}
}

func TestWallClockThatStepsBackAcrossChecks(t *testing.T) {
	h := newHands()
	c := NewClock(h.options())
	last := mustNext(t, c)
	h.step(-time.Hour)
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		n := mustNext(t, c)
		if n <= last {
			t.Fatalf("%s after %s", n, last)
		}
		last = n
	}
}

// reservation is a durable high water.
type reservation struct {
	mu   sync.Mutex
	high ID
	err  error
	n    int
}

func (r *reservation) reserve(_ context.Context, upTo ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.n++
	r.high = max(r.high, upTo)
	return nil
}

func TestRestartNeverRepeatsWhateverTheWallClockDid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, r := newHands(), &reservation{}
		var last ID
		for range rapid.IntRange(2, 5).Draw(t, "starts") {
			o := h.options()
			o.HighWater, o.Reserve = r.high, r.reserve
			c := NewClock(o)
			if _, err := c.Next(); !errors.Is(err, ErrNotReady) {
				t.Fatalf("an id without a reservation: %v", err)
			}
			if err := c.Renew(context.Background()); err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(1, 2000).Draw(t, "ids") {
				n := mustNext(t, c)
				if n <= last {
					t.Fatalf("%s after %s", n, last)
				}
				if n >= r.high {
					t.Fatalf("%s is not below the reservation %s", n, r.high)
				}
				last = n
			}
			h.step(time.Duration(rapid.Int64Range(-int64(48*time.Hour), int64(48*time.Hour)).Draw(t, "step")))
		}
	})
}

func TestReservationUsedUp(t *testing.T) {
	h, r := newHands(), &reservation{}
	o := h.options()
	o.Reserve = r.reserve
	c := NewClock(o)
	if err := c.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustNext(t, c)
	if err := c.Renew(t.Context()); err != nil || r.n != 1 {
		t.Fatalf("renewed early: %d times, %v", r.n, err)
	}
	r.err = errors.New("store down")
	h.pass(DefaultAhead/2 + time.Second)
	if err := c.Renew(t.Context()); err == nil {
		t.Fatal("no error")
	}
	mustNext(t, c)
	h.pass(DefaultAhead)
	if _, err := c.Next(); !errors.Is(err, ErrNotReady) {
		t.Fatalf("an id beyond the reservation: %v", err)
	}
	if err := c.Ready(); !errors.Is(err, ErrNotReady) {
		t.Fatal(err)
	}
	r.err = nil
	if err := c.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustNext(t, c)
}

func TestRunRenewsWhenAsked(t *testing.T) {
	h, r := newHands(), &reservation{}
	o := h.options()
	o.Reserve = r.reserve
	c := NewClock(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	wait := func() {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for c.Ready() != nil {
			if _, err := c.Next(); err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("never ready")
			}
		}
	}
	wait()
	h.pass(time.Hour) // the machine slept
	wait()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestMerge(t *testing.T) {
	h := newHands()
	o := h.options()
	o.Slot = 5
	c := NewClock(o)
	own := mustNext(t, c)
	for _, slot := range []int{0, 4, 5, 6, MaxSlot} {
		met := Make(int64(own)>>(SlotBits+SeqBits)+1500, slot, MaxSeq)
		if err := c.Merge(met); err != nil {
			t.Fatal(err)
		}
		if n := mustNext(t, c); n <= met {
			t.Fatalf("%s doesn't sort after %s (slot %d)", n, met, slot)
		}
	}
	before := c.Last()
	if err := c.Merge(own); err != nil || c.Last() != before {
		t.Fatal("an old id moved the clock")
	}
	poison := Make(MaxMillis-1, 1, 1)
	if err := c.Merge(poison); !errors.Is(err, ErrFuture) || c.Last() != before {
		t.Fatalf("a poisoned id was merged: %v", err)
	}
	if n := mustNext(t, c); n.Time().Sub(own.Time()) > 2*time.Second {
		t.Fatalf("the clock ran away to %s", n.Time())
	}
}

func TestChecks(t *testing.T) {
	h := newHands()
	var offset time.Duration
	var refErr error
	o := h.options()
	o.References = []Reference{
		func(context.Context) (time.Time, error) { return h.Wall().Add(offset), refErr },
		func(context.Context) (time.Time, error) { return time.Time{}, errors.New("peer down") },
	}
	c := NewClock(o)
	unready := func(why string) {
		t.Helper()
		if _, err := c.Next(); !errors.Is(err, ErrNotReady) {
			t.Fatalf("%s: made an id (%v)", why, err)
		}
	}
	unready("before the first check")
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := mustNext(t, c)
	for _, off := range []time.Duration{1100 * time.Millisecond, -1100 * time.Millisecond} {
		offset = off
		if err := c.Check(t.Context()); !errors.Is(err, ErrNotReady) {
			t.Fatalf("offset %s: %v", off, err)
		}
		unready("clock is off")
		offset = off * 9 / 11
		if err := c.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refErr = errors.New("store down")
	h.pass(CheckLife - time.Second)
	if err := c.Check(t.Context()); err == nil {
		t.Fatal("a check nobody answered")
	}
	if n := mustNext(t, c); n <= last {
		t.Fatal("went back")
	}
	h.pass(2 * time.Second)
	unready("last check too long ago")
	refErr = nil
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustNext(t, c)
}

func TestSlowAnswerIsNoCheck(t *testing.T) {
	h := newHands()
	o := h.options()
	o.References = []Reference{func(context.Context) (time.Time, error) { h.pass(time.Second); return h.Wall(), nil }}
	c := NewClock(o)
	if err := c.Check(t.Context()); err == nil {
		t.Fatal("took an answer that was under way for a second")
	}
}

func TestUniqueAcrossGoroutines(t *testing.T) {
	c := NewClock(ClockOptions{Slot: MaxSlot})
	const n, each = 8, 5000
	all := make([][]ID, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for range each {
				v, err := c.Next()
				if err != nil {
					t.Error(err)
					return
				}
				all[i] = append(all[i], v)
			}
		})
	}
	wg.Wait()
	seen := make(map[ID]bool)
	for _, ids := range all {
		last := ID(0)
		for _, v := range ids {
			if v <= last || seen[v] {
				t.Fatalf("%s after %s, seen %v", v, last, seen[v])
			}
			last, seen[v] = v, true
		}
	}
}

// TestNeverBackwards lets any mix of events happen to a clock.
func TestNeverBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHands()
		o := h.options()
		o.Slot = rapid.IntRange(0, MaxSlot).Draw(t, "slot")
		c := NewClock(o)
		floor := ID(0)
		t.Repeat(map[string]func(*rapid.T){
			"next": func(*rapid.T) {
				n := mustNext(t, c)
				if n <= floor || n.Slot() != o.Slot {
					t.Fatalf("%s (slot %d) after %s", n, n.Slot(), floor)
				}
				if n.String() <= floor.String() {
					t.Fatalf("text order: %s after %s", n, floor)
				}
				floor = n
			},
			"pass": func(*rapid.T) {
				h.pass(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "pass")))
			},
			"step": func(*rapid.T) {
				h.step(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "step")))
			},
			"check": func(*rapid.T) {
				if err := c.Check(context.Background()); err != nil {
					t.Fatal(err)
				}
			},
			"merge": func(*rapid.T) {
				met := Make(c.Now().UnixMilli()-EpochMillis+rapid.Int64Range(-5000, 20_000).Draw(t, "ms"), rapid.IntRange(0, MaxSlot).Draw(t, "other slot"), rapid.IntRange(0, MaxSeq).Draw(t, "seq"))
				if err := c.Merge(met); err == nil {
					floor = max(floor, met)
				} else if !errors.Is(err, ErrFuture) {
					t.Fatal(err)
				}
			},
		})
	})
}

func TestTextOrderIsIDOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := ID(rapid.Int64Range(0, 1<<63-1).Draw(t, "a")), ID(rapid.Int64Range(0, 1<<63-1).Draw(t, "b"))
		if (a < b) != (a.String() < b.String()) {
			t.Fatalf("%d %d: %s %s", a, b, a, b)
		}
		if back, err := Parse(a.String()); err != nil || back != a {
			t.Fatal(back, err)
		}
		if Make(int64(a)>>(SlotBits+SeqBits), a.Slot(), a.Seq()) != a {
			t.Fatal("fields don't make the id again")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("0AKY5X810009Y")
	f.Add("8000000000000")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse(s)
		if err != nil {
			return
		}
		if v < 0 || len(s) != TextLen {
			t.Fatalf("%q is %d", s, v)
		}
		if again, err := Parse(v.String()); err != nil || again != v {
			t.Fatal(again, err)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	c := NewClock(ClockOptions{})
	for b.Loop() {
		if _, err := c.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestOffIsWhatACheckFound(t *testing.T) {
	var ahead time.Duration
	answers := true
	c := NewClock(ClockOptions{References: []Reference{func(context.Context) (time.Time, error) {
		if !answers {
			return time.Time{}, errors.New("no answer")
		}
		return time.Now().Add(ahead), nil
	}}})
	if err := c.Off(); err != nil {
		t.Fatalf("before any check: %v", err)
	}
	for _, step := range []struct {
		ahead   time.Duration
		answers bool
		off     bool
	}{{0, true, false}, {5 * time.Minute, true, true}, {0, false, true}, {0, true, false}, {0, false, false}, {-5 * time.Minute, true, true}} {
		ahead, answers = step.ahead, step.answers
		err := c.Check(t.Context())
		if got := c.Off(); (got != nil) != step.off {
			t.Fatalf("%+v: off %v after check %v", step, got, err)
		}
	}
}
