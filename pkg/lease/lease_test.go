package lease

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// rows is a table of slots in memory; fail makes writes fail before or after they took place.
type rows struct {
	mu     sync.Mutex
	m      map[int]store.Lease
	before int
	after  int
	late   bool
	waits  func()
	listed []store.Lease // a list that stays behind; nil: the rows as they are
}

// table is an empty table, in a bubble whose time is one that ids can tell.
func table() *rows {
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	return &rows{m: map[int]store.Lease{}}
}

var errTimeout = errors.New("timeout")

func (r *rows) Get(_ context.Context, dc string, slot int) (store.Lease, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.m[slot]; ok {
		return l, nil
	}
	return store.Lease{DC: dc, Slot: slot}, nil
}

func (r *rows) Put(_ context.Context, prev, next store.Lease) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late { // it waits in the store while its sender gives up, and takes place before the next write
		r.late = false
		r.waits = func() {
			if r.m[next.Slot] == prev {
				r.m[next.Slot] = next
			}
		}
		return errTimeout
	}
	if r.waits != nil {
		r.waits()
		r.waits = nil
	}
	if r.before > 0 {
		r.before--
		return errTimeout
	}
	have, ok := r.m[next.Slot]
	if !ok {
		have = store.Lease{DC: prev.DC, Slot: prev.Slot}
	}
	if have != prev {
		return store.ErrConflict
	}
	r.m[next.Slot] = next
	if r.after > 0 {
		r.after--
		return errTimeout
	}
	return nil
}

func (r *rows) List(context.Context, string) ([]store.Lease, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listed != nil {
		return slices.Clone(r.listed), nil
	}
	out := make([]store.Lease, 0, len(r.m))
	for _, l := range r.m {
		out = append(out, l)
	}
	return out, nil
}

func (r *rows) Now(context.Context) (int64, error) { return time.Now().UnixMilli(), nil }

func options(r *rows, name, nonce string) Options {
	began := time.Now()
	return Options{
		Leases: r, DC: "dc1", Name: name, Nonce: nonce, Log: slog.New(slog.DiscardHandler),
		Boot: func() time.Duration { return time.Since(began) },
	}
}

func take(t *testing.T, o Options) *Lease {
	t.Helper()
	l, err := Take(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// running keeps a lease as a gateway does: the clock reserves every five seconds.
func running(t *testing.T, l *Lease) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Second):
				_ = l.Reserve(ctx, id.At(time.Now().Add(id.DefaultAhead)))
			}
		}
	}()
	return func() error {
		cancel()
		<-renewed
		return <-done
	}
}

func TestSlotsDifferAndAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		a, b := take(t, options(r, "a", "1")), take(t, options(r, "b", "1"))
		if a.Slot() == b.Slot() {
			t.Fatal("one slot for two")
		}
		stop := running(t, a)
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		high := r.m[a.Slot()].HighWater
		c := take(t, options(r, "c", "1"))
		if c.Slot() != a.Slot() || int64(c.HighWater()) != high || high == 0 {
			t.Fatalf("slot %d with high water %d; released: %d with %d", c.Slot(), c.HighWater(), a.Slot(), high)
		}
		if err := a.Reserve(t.Context(), id.At(time.Now().Add(time.Hour))); !errors.Is(err, ErrLost) {
			t.Fatalf("a released lease reserves: %v", err)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		var mu sync.Mutex
		got := map[int]bool{}
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				l := take(t, options(r, string(rune('a'+i)), "1"))
				mu.Lock()
				defer mu.Unlock()
				if got[l.Slot()] {
					t.Errorf("slot %d twice", l.Slot())
				}
				got[l.Slot()] = true
			})
		}
		wg.Wait()
	})
}

// With all slots held one is taken only from a holder that was still for a whole term.
func TestFromTheDeadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		one := func(name string) Options {
			o := options(r, name, "1")
			o.First, o.Last = 1, 2
			return o
		}
		stop := running(t, take(t, one("alive")))
		dead := take(t, one("dead"))
		began := time.Now()
		l := take(t, one("new"))
		if l.Slot() != dead.Slot() || time.Since(began) < Term {
			t.Fatalf("slot %d after %v", l.Slot(), time.Since(began))
		}
		if err := dead.Reserve(t.Context(), id.At(time.Now().Add(time.Hour))); !errors.Is(err, ErrLost) {
			t.Fatalf("the dead one reserves: %v", err)
		}
		if err := dead.Run(t.Context()); !errors.Is(err, ErrLost) {
			t.Fatalf("the dead one runs: %v", err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// A list that stays behind shows slots as released or never used that others hold: each is asked for once.
func TestListBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		r.m[0] = store.Lease{DC: "dc1", Slot: 0, Holder: "other/1", Counter: 3}
		r.m[1] = store.Lease{DC: "dc1", Slot: 1, Holder: "other/2", Counter: 1}
		r.m[2] = store.Lease{DC: "dc1", Slot: 2, Counter: 5, HighWater: 70}
		r.listed = []store.Lease{{DC: "dc1", Slot: 0, Counter: 2}}
		l := take(t, options(r, "me", "1"))
		if l.Slot() != 2 || l.HighWater() != 70 {
			t.Errorf("slot %d from %d", l.Slot(), l.HighWater())
		}
	})
}

func TestSecondOfANameEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		first := running(t, take(t, options(r, "g1", "100")))
		time.Sleep(7 * time.Second)
		second := take(t, options(r, "g1", "200"))
		renew := running(t, second)
		began := time.Now()
		<-second.Lost()
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("noticed after %v", took)
		}
		if err := renew(); !errors.Is(err, ErrNameTaken) {
			t.Errorf("the second ended with %v", err)
		}
		time.Sleep(time.Minute)
		if err := first(); err != nil {
			t.Errorf("the first ended with %v", err)
		}
	})
}

func TestRestartAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		crashed := take(t, options(r, "g1", "100"))
		if err := crashed.Reserve(t.Context(), id.At(time.Now().Add(id.DefaultAhead))); err != nil {
			t.Fatal(err)
		}
		l := take(t, options(r, "g1", "200"))
		stop := running(t, l)
		time.Sleep(releaseAfter + time.Minute)
		if err := stop(); err != nil {
			t.Fatalf("the restarted one ended with %v", err)
		}
		if h := r.m[crashed.Slot()].Holder; h != "" {
			t.Fatalf("the slot of the crashed one is still held by %q", h)
		}
	})
}

func TestUnknownOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		l := take(t, options(r, "g1", "100"))
		for i := range 20 {
			if i%2 == 0 {
				r.before = 1
			} else {
				r.after = 1
			}
			upTo := id.At(time.Now().Add(time.Duration(i) * time.Second))
			if err := l.Reserve(t.Context(), upTo); err == nil {
				t.Fatal("a timeout is unknown, not well")
			}
			if err := l.Reserve(t.Context(), upTo); err != nil {
				t.Fatalf("after an unknown outcome: %v", err)
			}
			if r.m[l.Slot()].HighWater < int64(upTo) {
				t.Fatal("reserved, but not durable")
			}
		}
	})
}

// TestLateWrite: a renewal that takes place only after its holder had looked whether it did costs one attempt, not the slot.
func TestLateWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := table()
		l := take(t, options(r, "gw", "1"))
		r.late = true
		upTo := id.At(time.Now().Add(id.DefaultAhead))
		if err := l.Reserve(t.Context(), upTo); err == nil {
			t.Fatal("a timeout is unknown, not well")
		}
		upTo += 1 << 30
		if err := l.Reserve(t.Context(), upTo); err == nil || errors.Is(err, ErrLost) {
			t.Fatalf("the earlier write came in between: %v", err)
		}
		if err := l.Reserve(t.Context(), upTo); err != nil {
			t.Fatalf("after the earlier write had come: %v", err)
		}
		if l.HighWater() < upTo || r.m[l.Slot()].HighWater < int64(upTo) {
			t.Fatalf("reserved up to %s, the row says %d", l.HighWater(), r.m[l.Slot()].HighWater)
		}
	})
}
