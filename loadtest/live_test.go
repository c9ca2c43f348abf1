package loadtest

import (
	"testing"
	"time"
)

func TestJudgeLive(t *testing.T) {
	blow := time.Unix(1_800_000_000, 0)
	at := func(s float64, took time.Duration) (out []sample) {
		for range 200 {
			out = append(out, sample{blow.Add(time.Duration(s * float64(time.Second))).UnixNano(), took})
		}
		return out
	}
	var all []sample
	for s := -10.0; s < 30; s += 0.5 {
		took := 5 * time.Millisecond
		switch {
		case s == 2 || s == 4.5:
			took = 3 * time.Second
		case s == 20:
			took = 900 * time.Millisecond
		}
		all = append(all, at(s, took)...)
	}
	l := judgeLive(all, blow.Add(-time.Hour), blow, blow.Add(3*time.Second))
	if l.bad != 2 || l.out != 5*time.Second || l.back != 2*time.Second || l.worst != 3*time.Second || l.p99 != 5*time.Millisecond {
		t.Errorf("%+v", l)
	}
	// One slow reception in 200 leaves a second live; none at all was ever stopped.
	calm := append(at(1, time.Millisecond), sample{blow.Add(time.Second).UnixNano(), 5 * time.Second})
	if l := judgeLive(calm, blow.Add(-time.Hour), blow, blow); l.bad != 0 || l.back != 0 || l.worst != 5*time.Second {
		t.Errorf("%+v", l)
	}
	// What was under way at the blow counts.
	if l := judgeLive(at(-0.5, 2*time.Second), blow.Add(-time.Hour), blow, blow); l.bad != 1 || l.back != time.Second {
		t.Errorf("%+v", l)
	}
	if l := judgeLive(nil, blow.Add(-time.Hour), blow, blow); l != (liveness{}) {
		t.Errorf("%+v", l)
	}
}
