package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

func fail(b *Breaker, n int) {
	for range n {
		_ = b.Do(func() error { return errDown })
	}
}

func TestOpensHalfOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Name: "x"})
		fail(b, 4)
		if err := b.Do(func() error { return nil }); err != nil || b.State() != Closed {
			t.Fatal(err, b.State())
		}
		fail(b, 4) // a success in between: they don't add up
		if b.State() != Closed {
			t.Fatal(b.State())
		}
		fail(b, 1)
		called := false
		if err := b.Do(func() error { called = true; return nil }); !errors.Is(err, ErrOpen) || called || b.State() != Open || b.Trips() != 1 {
			t.Fatal(err, called, b.State(), b.Trips())
		}
		time.Sleep(defaultReset + time.Millisecond)
		done, err := b.Allow()
		if err != nil || b.State() != HalfOpen {
			t.Fatal(err, b.State())
		}
		if _, err := b.Allow(); !errors.Is(err, ErrOpen) {
			t.Fatal("a second request while half-open", err)
		}
		done(errDown)
		if b.State() != Open || b.Trips() != 2 {
			t.Fatal(b.State(), b.Trips())
		}
		time.Sleep(defaultReset + time.Millisecond)
		if err := b.Do(func() error { return nil }); err != nil || b.State() != Closed {
			t.Fatal(err, b.State())
		}
	})
}

func TestWhatCounts(t *testing.T) {
	b := New(Options{Threshold: 2, Failure: func(err error) bool { return errors.Is(err, errDown) }})
	other := errors.New("the peer answered: no")
	for range 10 {
		if err := b.Do(func() error { return other }); !errors.Is(err, other) {
			t.Fatal(err)
		}
		fail(b, 1)
		_ = b.Do(func() error { return other })
	}
	if b.State() != Closed {
		t.Fatal(b.State())
	}
	fail(b, 1)
	_ = b.Do(func() error { return fmt.Errorf("ask: %w", context.Canceled) }) // says nothing about the peer
	fail(b, 1)
	if b.State() != Open {
		t.Fatal(b.State())
	}
}

func TestCanceledTrialFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Threshold: 1})
		fail(b, 1)
		time.Sleep(defaultReset + time.Millisecond)
		_ = b.Do(func() error { return context.Canceled })
		if err := b.Do(func() error { return nil }); err != nil || b.State() != Closed {
			t.Fatal(err, b.State())
		}
		fail(b, 1)
		time.Sleep(defaultReset + time.Millisecond)
		func() {
			defer func() { _ = recover() }()
			_ = b.Do(func() error { panic("x") })
		}()
		if b.State() != Open {
			t.Fatal("a panic counts as a failure", b.State())
		}
	})
}

func TestRestoreEndsTheWait(t *testing.T) {
	b := New(Options{Threshold: 1})
	late, _ := b.Allow()
	fail(b, 1)
	b.Restore()
	late(errDown) // begun before: says nothing about now
	if b.State() != Closed || b.Trips() != 1 {
		t.Fatal(b.State(), b.Trips())
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				fail(b, 1)
				b.Restore()
				_ = b.State()
			}
		})
	}
	wg.Wait()
	b.Restore()
	if err := b.Do(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
}
