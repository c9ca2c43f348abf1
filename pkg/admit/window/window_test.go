package window

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/murre-chat/murre/pkg/admit"
)

// TestWindowAgainstALog compares the window with a list of all events.
func TestWindowAgainstALog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := admit.Rate{Count: rapid.IntRange(1, 20).Draw(t, "count"), Window: rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "window")}
		w := New(r)
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
			wait := w.Take([16]byte{1}, now)
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

func TestKeysAreBounded(t *testing.T) {
	w := New(admit.Rate{Count: 1, Window: time.Hour})
	sh := &w.shards[0]
	for i := range maxPerShard {
		sh.keys[[16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}] = &window{}
	}
	n := 0
	for i := 0; n < 100; i++ {
		k := [16]byte{8: byte(i), 9: byte(i >> 8), 10: byte(i >> 16)}
		if w.of(k) != sh {
			continue
		}
		n++
		if w.Take(k, 1) != 0 {
			t.Fatal("a new key is refused")
		}
	}
	if len(sh.keys) != maxPerShard {
		t.Fatalf("%d keys", len(sh.keys))
	}
}
