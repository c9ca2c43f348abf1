package worker

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestTimers: they come in order of time, each once, and none before its time.
func TestTimers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOfN(rapid.Int64Range(0, 100), 0, 300).Draw(t, "at")
		var h timers
		for i, v := range at {
			h.push(timer{at: v, seat: uint32(i)})
		}
		var got []int64
		seen := map[uint32]bool{}
		for now := int64(0); now <= 100; now += 7 {
			for {
				x, due := h.pop(now)
				if !due {
					break
				}
				if x.at > now || seen[x.seat] {
					t.Fatalf("timer %d of %d at %d", x.seat, x.at, now)
				}
				seen[x.seat] = true
				got = append(got, x.at)
			}
		}
		for {
			x, due := h.pop(1000)
			if !due {
				break
			}
			got = append(got, x.at)
		}
		want := slices.Sorted(slices.Values(at))
		if !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// TestWorkerOf: every user is the worker's whose range holds it.
func TestWorkerOf(t *testing.T) {
	bounds := []int{0, 10, 10, 25}
	require.Equal(t, 0, WorkerOf(bounds, 0))
	require.Equal(t, 0, WorkerOf(bounds, 9))
	require.Equal(t, 2, WorkerOf(bounds, 10))
	require.Equal(t, 2, WorkerOf(bounds, 24))
	require.Equal(t, 3, WorkerOf(bounds, 25))
	require.Equal(t, 0, WorkerOf([]int{0}, 7))
}
