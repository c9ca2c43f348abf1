package localadmit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/admittest"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

func claims(t testing.TB) store.Claims {
	db, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db.Ports().Claims
}

func TestSuite(t *testing.T) {
	admittest.Run(t, func(t *testing.T, rates [admit.NumLimits]admit.Rate) admittest.Engine {
		c := claims(t)
		start := time.Now()
		var ahead atomic.Int64
		return admittest.Engine{
			Admission: New(Options{Claims: c, Rates: rates, Now: func() time.Time { return start.Add(time.Duration(ahead.Load())) }}),
			Claims:    c,
			Advance:   func(d time.Duration) { ahead.Add(int64(d)) },
		}
	})
}

func TestClaimsThatCantBeReadAdmitNothing(t *testing.T) {
	a := New(Options{Claims: admittest.Never{}})
	c := store.Claim{User: chat.NewUserID(time.Now()), ClientMessage: chat.NewClientMessageID(time.Now()), Message: 1}
	if _, err := a.Admit(t.Context(), admit.Request{Claim: c}); !errors.Is(err, admittest.ErrNever) {
		t.Fatal(err)
	}
	for i := range a.flying {
		if len(a.flying[i].held) != 0 {
			t.Fatal("a claim flies")
		}
	}
}

// TestWindowAgainstALog compares the window with a list of all events.
func TestWindowAgainstALog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := admit.Rate{Count: rapid.IntRange(1, 20).Draw(t, "count"), Window: rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "window")}
		w := newWindows(r)
		slack := w.step
		var log []int64
		now := int64(0)
		for range 200 {
			now += rapid.Int64Range(0, w.width/10).Draw(t, "step")
			exact, lenient := 0, 0
			for _, at := range log {
				if at > now-w.width {
					exact++
				}
				if at > now-w.width+slack {
					lenient++
				}
			}
			wait := w.take([16]byte{1}, now)
			switch {
			case wait == 0 && lenient >= r.Count:
				t.Fatalf("admitted %d in a window of %d", lenient+1, r.Count)
			case wait > 0 && exact < r.Count:
				t.Fatalf("refused at %d of %d", exact, r.Count)
			case wait > r.Window:
				t.Fatalf("waits %v", wait)
			}
			if wait == 0 {
				log = append(log, now)
			}
		}
	})
}

func TestIdleKeysAreSwept(t *testing.T) {
	c := claims(t) // outside of the bubble: the store has goroutines of its own
	synctest.Test(t, func(t *testing.T) {
		var rates [admit.NumLimits]admit.Rate
		rates[admit.LimitOther] = admit.Rate{Count: 5, Window: 10 * time.Second}
		a := New(Options{Claims: c, Rates: rates})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = a.Run(ctx) }()
		for i := range 5000 {
			if _, err := a.Allow(ctx, admit.LimitOther, [16]byte{byte(i), byte(i >> 8)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(shards*sweepEvery + 20*time.Second)
		cancel()
		<-done
		for i := range a.windows[admit.LimitOther].shards {
			if n := len(a.windows[admit.LimitOther].shards[i].keys); n != 0 {
				t.Fatalf("%d idle keys", n)
			}
		}
	})
}

func TestKeysAreBounded(t *testing.T) {
	w := newWindows(admit.Rate{Count: 1, Window: time.Hour})
	sh := &w.shards[0]
	for i := range maxPerShard {
		sh.keys[[16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}] = &window{}
	}
	n := 0
	for i := 0; n < 100; i++ {
		k := [16]byte{8: byte(i), 9: byte(i >> 8), 10: byte(i >> 16)}
		if w.shard(k) != sh {
			continue
		}
		n++
		if w.take(k, 1) != 0 {
			t.Fatal("a new key is refused")
		}
	}
	if len(sh.keys) != maxPerShard {
		t.Fatalf("%d keys", len(sh.keys))
	}
}

func BenchmarkAllow(b *testing.B) {
	var rates [admit.NumLimits]admit.Rate
	rates[admit.LimitOther] = admit.Rate{Count: 100, Window: time.Minute}
	a := New(Options{Rates: rates})
	b.ReportAllocs()
	for b.Loop() {
		_, _ = a.Allow(b.Context(), admit.LimitOther, [16]byte{1})
	}
}

func BenchmarkAdmit(b *testing.B) {
	var rates [admit.NumLimits]admit.Rate
	rates[admit.LimitMessage] = admit.Rate{Count: 1 << 30, Window: time.Minute}
	a := New(Options{Claims: claims(b), Rates: rates})
	c := store.Claim{User: chat.NewUserID(time.Now()), Message: 1}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.ClientMessage = chat.ClientMessageID{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24), 12: byte(i)}
		d, err := a.Admit(b.Context(), admit.Request{Claim: c})
		if err != nil || !d.Fresh {
			b.Fatal(d, err)
		}
		a.Done(c)
	}
}
