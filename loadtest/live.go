package loadtest

import (
	"slices"
	"time"
)

// liveWithin is what counts as live: 99 of 100 receptions of one second's messages within so long of when they were due.
const liveWithin = time.Second

// liveness is how live delivery was around a fault, by the second in which messages were due.
type liveness struct {
	back  time.Duration // from the end of the cause to the end of the last second that wasn't live; 0: it never stopped
	out   time.Duration // the same from the blow
	bad   int           // seconds that weren't live, from the blow on
	worst time.Duration // the longest any reception took
	p50   time.Duration // before the blow
	p99   time.Duration
}

// judgeLive looks at all receptions of a run. Call it when nothing is owed any more.
// What was due before calm doesn't count.
func judgeLive(samples []sample, calm, blow, over time.Time) liveness {
	var l liveness
	seconds := map[int64][]time.Duration{}
	var before []time.Duration
	for _, s := range samples {
		if s.due < calm.UnixNano() {
			continue
		}
		l.worst = max(l.worst, s.took)
		if s.due < blow.UnixNano() {
			if s.due+int64(s.took) < blow.UnixNano() {
				before = append(before, s.took)
			}
			// A message of the moment before counts with those the fault met.
			if s.due+int64(liveWithin) < blow.UnixNano() {
				continue
			}
		}
		at := max(0, (s.due-blow.UnixNano())/int64(time.Second))
		seconds[at] = append(seconds[at], s.took)
	}
	l.p50, l.p99 = quantile(before, 50), quantile(before, 99)
	for at, took := range seconds {
		if quantile(took, 99) < liveWithin {
			continue
		}
		l.bad++
		l.out = max(l.out, time.Duration(at+1)*time.Second)
	}
	if l.bad > 0 {
		l.back = max(0, l.out-over.Sub(blow))
	}
	return l
}

// quantile is the smallest value that so many of a hundred don't exceed; 0 of none. It sorts the values.
func quantile(d []time.Duration, percent int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, len(d)*percent/100)]
}
