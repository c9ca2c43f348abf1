package cqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/store"
)

func TestFlowLetsTheNewestGoFirst(t *testing.T) {
	f := newFlow(time.Second)
	f.bound = 1
	if err := f.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	order := make(chan int, 3)
	for i := range 3 {
		go func() {
			if err := f.enter(t.Context()); err != nil {
				t.Error(err)
			}
			order <- i
		}()
		until(t, func() bool { _, waiting, _ := f.stats(); return waiting == i+1 })
	}
	for want := 2; want >= 0; want-- {
		f.leave(unasked)
		if got := <-order; got != want {
			t.Errorf("number %d went, want %d", got, want)
		}
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in ten seconds")
		}
	}
}

func TestFlowTurnsAwayWhoWaitsTooLong(t *testing.T) {
	f := newFlow(time.Second)
	f.bound = 1
	if err := f.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for range 200 {
		if err := f.enter(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("%v, want unavailable", err)
		}
	}
	if _, waiting, refused := f.stats(); waiting != 0 || refused != 200 || len(f.waiting) > 100 {
		t.Errorf("%d wait in %d places, %d turned away, want 0 and 200", waiting, len(f.waiting), refused)
	}
	f.leave(answered)
	if err := f.enter(t.Context()); err != nil {
		t.Errorf("the place of those who have gone is taken: %v", err)
	}
}

func TestFlowFollowsTheStore(t *testing.T) {
	f := newFlow(50 * time.Millisecond)
	f.bound, f.under = 100, 100
	f.leave(late)
	f.leave(late)
	if f.bound != 70 {
		t.Errorf("bound %v after two late ones at once, want 70", f.bound)
	}
	f.cut = time.Time{}
	f.leave(late)
	if f.bound < 48.9 || f.bound > 49.1 {
		t.Errorf("bound %v after another, want 49", f.bound)
	}
	for range 49 {
		f.under = 60
		f.leave(answered)
	}
	if f.bound < 49.9 || f.bound > 50.1 {
		t.Errorf("bound %v after 49 answers, want 50", f.bound)
	}
	f.under = 10
	f.leave(answered)
	if f.bound > 50.1 {
		t.Error("the bound grows though it holds nobody up")
	}
	for range 100 {
		f.under, f.cut = 1, time.Time{}
		f.leave(late)
	}
	if f.bound != flowLeast {
		t.Errorf("bound %v at least, want %d", f.bound, flowLeast)
	}
}

// Many at once: never more than the bound are under way, and everybody's turn comes or is given up.
func TestFlowUnderLoad(t *testing.T) {
	f := newFlow(time.Millisecond)
	f.bound = 16
	var under, most, done, turnedAway atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(2000))*time.Microsecond)
				err := f.enter(ctx)
				cancel()
				if err != nil {
					turnedAway.Add(1)
					continue
				}
				n := under.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
				under.Add(-1)
				done.Add(1)
				f.leave(unasked)
			}
		})
	}
	wg.Wait()
	if most.Load() > 16 {
		t.Errorf("%d under way at once, want at most 16", most.Load())
	}
	if f.under != 0 || done.Load()+turnedAway.Load() != 64*200 || done.Load() == 0 {
		t.Errorf("%d left under way; %d done, %d turned away", f.under, done.Load(), turnedAway.Load())
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want outcome
	}{
		{nil, answered}, {gocql.ErrNotFound, answered}, {gocql.ErrTimeoutNoResponse, late}, {&silent{gocql.ErrTimeoutNoResponse}, late},
		{context.DeadlineExceeded, late}, {context.Canceled, unasked}, {breaker.ErrOpen, unasked}, {gocql.ErrNoConnections, unasked},
	} {
		if got := outcomeOf(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}
