package presence

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

func typistOf(n byte) Typist {
	return Typist{User: chat.UserID{n}, Conversation: chat.ConversationID{1}}
}

// heard collects stops with when they were announced.
type heard struct {
	mu   sync.Mutex
	list map[Typist]time.Time
}

func (h *heard) stop(_ context.Context, k Typist) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list[k] = time.Now()
}

func (h *heard) at(k Typist) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list[k]
}

func run(t *testing.T, f func(*Typing, *heard)) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{list: map[Typist]time.Time{}}
		ty := NewTyping(nil, h.stop)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = ty.Run(ctx) })
		f(ty, h)
		cancel()
		wg.Wait()
	})
}

func TestTypingStopsAfterSilence(t *testing.T) {
	run(t, func(ty *Typing, h *heard) {
		a, b := typistOf(1), typistOf(2)
		start := time.Now()
		if !ty.Start(a) {
			t.Error("a start is announced")
		}
		if ty.Start(a) {
			t.Error("at once again is not")
		}
		time.Sleep(2 * time.Second)
		if !ty.Start(a) {
			t.Error("after two seconds it is: clients show it for three")
		}
		ty.Start(b)
		time.Sleep(3400 * time.Millisecond)
		synctest.Wait()
		if !h.at(a).IsZero() || !h.at(b).IsZero() {
			t.Error("stopped too early")
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		for _, k := range []Typist{a, b} {
			if d := h.at(k).Sub(start); d != 5500*time.Millisecond {
				t.Errorf("stopped after %v", d)
			}
		}
		if ty.Stop(a) {
			t.Error("a stop is announced once")
		}
	})
}

func TestTypingStoppedByItself(t *testing.T) {
	run(t, func(ty *Typing, h *heard) {
		a := typistOf(1)
		ty.Start(a)
		if !ty.Stop(a) || ty.Stop(a) {
			t.Error("one stop for one start")
		}
		ty.Start(a)
		again := time.Now()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if d := h.at(a).Sub(again); d != TypingSilence {
			t.Errorf("stopped after %v", d)
		}
		if ty.tracked() != 0 {
			t.Error("something is left")
		}
	})
}

func TestTypingIsBounded(t *testing.T) {
	run(t, func(ty *Typing, h *heard) {
		for i := range maxTyping + 10 {
			k := Typist{User: chat.UserID{byte(i), byte(i >> 8), byte(i >> 16)}}
			if !ty.Start(k) {
				t.Fatal("a start is announced although it isn't tracked")
			}
			if i%2 == 0 {
				ty.Stop(k) // leaves its place in the queue behind
			}
		}
		if n := ty.tracked(); n > maxTyping {
			t.Errorf("%d tracked", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if ty.tracked() != 0 {
			t.Error("something is left")
		}
	})
}

func (t *Typing) tracked() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(len(t.queue), len(t.known))
}
