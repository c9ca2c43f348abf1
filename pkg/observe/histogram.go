package observe

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The histogram's buckets: powers of two of 16 µs, from 16 µs to 34 s, and one above.
const (
	histogramShift   = 4 // 2^4 µs is the first bound
	histogramBuckets = 22
)

// Histogram counts durations. Observe is two atomic additions and may be called from anywhere. The zero value is ready.
type Histogram struct {
	buckets [histogramBuckets + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// Observe counts one duration; negative ones count as 0.
func (h *Histogram) Observe(d time.Duration) {
	if d < 0 {
		d = 0
	}
	us := uint64(d / time.Microsecond)
	i := 0
	if us > 0 {
		i = max(0, bits.Len64(us-1)-histogramShift)
		if us <= 1<<histogramShift {
			i = 0
		}
	}
	h.buckets[min(i, histogramBuckets)].Add(1)
	h.sum.Add(int64(d))
}

// Values is a histogram's state: cumulative counts by upper bound in the metric's unit, the count and the sum of all.
type Values struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64
}

// Values returns the counts by upper bound in seconds. Counts of one call may be a few observations apart.
func (h *Histogram) Values() Values {
	v := Values{Buckets: make(map[float64]uint64, histogramBuckets)}
	for i := range h.buckets {
		v.Count += h.buckets[i].Load()
		if i < histogramBuckets {
			v.Buckets[float64(uint64(1)<<(i+histogramShift))/1e6] = v.Count
		}
	}
	v.Sum = float64(h.sum.Load()) / 1e9
	return v
}

func (v Values) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstHistogram(d, v.Count, v.Sum, v.Buckets, labels...)
}
