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

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/admittest"
	"github.com/murre-chat/murre/pkg/admit/window"
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
	if a.flying.Len() != 0 {
		t.Fatal("a claim flies")
	}
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
		time.Sleep(window.Shards*sweepEvery + 20*time.Second)
		cancel()
		<-done
		if n := a.windows[admit.LimitOther].Len(); n != 0 {
			t.Fatalf("%d idle keys", n)
		}
	})
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
