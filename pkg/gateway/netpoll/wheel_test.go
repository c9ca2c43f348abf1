package netpoll

import (
	"math/rand"
	"slices"
	"testing"
	"time"
)

// TestWheelAgainstMap runs random scripts on the wheel and on a map of deadlines.
func TestWheelAgainstMap(t *testing.T) {
	for seed := range int64(50) {
		random := rand.New(rand.NewSource(seed))
		w, due := newWheel(), map[int32]uint32{}
		now := uint32(0)
		if seed%2 == 1 { // around the wrap
			now = ^uint32(0) - 3000
			w.now = now
		}
		for range 3000 {
			slot := int32(random.Intn(40))
			switch random.Intn(5) {
			case 0, 1:
				ticks := uint32(random.Intn(50))
				if random.Intn(4) == 0 {
					ticks = uint32(random.Intn(3 * wheelBuckets))
				}
				w.set(slot, now, time.Duration(ticks)*Tick)
				due[slot] = now + ticks + 1
			case 2:
				w.stop(slot)
				delete(due, slot)
			default:
				idle := w.idle()
				for slot, at := range due {
					if int32(at-(w.now+idle)) < 0 && idle < wheelBuckets {
						t.Fatalf("seed %d: idle for %d ticks at %d, but slot %d is due at %d", seed, idle, w.now, slot, at)
					}
				}
				step := uint32(random.Intn(30))
				if random.Intn(20) == 0 {
					step = uint32(random.Intn(2 * wheelBuckets))
				}
				now += step
				var want []int32
				for slot, at := range due {
					if int32(at-now) <= 0 {
						want = append(want, slot)
						delete(due, slot)
					}
				}
				got := slices.Clone(w.advance(now))
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d: at %d fired %v, want %v", seed, now, got, want)
				}
			}
		}
	}
}

func TestWheelDoesNotAllocate(t *testing.T) {
	w := newWheel()
	w.set(99, 0, time.Second)
	if n := testing.AllocsPerRun(1000, func() {
		w.set(7, w.now, time.Second)
		w.stop(7)
		w.advance(w.now + 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWheel(b *testing.B) {
	w := newWheel()
	for i := range b.N {
		slot := int32(i % 100_000)
		w.set(slot, w.now, 55*time.Second)
		if slot == 0 {
			w.advance(w.now + 1)
		}
	}
}
