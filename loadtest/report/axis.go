package report

import (
	"math"

	"github.com/murre-chat/murre/loadtest/notation"
)

// tick is a mark on an axis.
type tick struct {
	at   float64 // in the axis's values
	text string
}

// axis maps values to 0..1.
type axis struct {
	low, high float64
	log       bool
	ticks     []tick
}

func (a *axis) pos(v float64) float64 {
	if a.log {
		v = math.Max(v, a.low)
		return (math.Log10(v) - math.Log10(a.low)) / (math.Log10(a.high) - math.Log10(a.low))
	}
	return (v - a.low) / (a.high - a.low)
}

// linear is an axis from 0 (or below, when values are) over the largest value.
func linear(low, high float64, u notation.Unit) axis {
	low = math.Min(0, low)
	if !(high > low) {
		high = low + 1
	}
	base := 1.0
	if u == notation.Size { // steps that are round in binary multiples
		for base*1024 <= high-low {
			base *= 1024
		}
	}
	step := niceStep((high-low)/base/4) * base
	a := axis{low: math.Floor(low/step) * step, high: math.Ceil(high/step) * step}
	for i := 0; i <= 12; i++ {
		v := a.low + float64(i)*step
		if v > a.high+step/2 {
			break
		}
		a.ticks = append(a.ticks, tick{v, u.Text(v)})
	}
	return a
}

// niceStep is the next of 1, 2, 5 times a power of ten.
func niceStep(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*p >= v*0.999 {
			return m * p
		}
	}
	return 10 * p
}

// decades is a logarithmic axis over positive values, in whole decades, twelve at most.
func decades(low, high float64, u notation.Unit) axis {
	if !(low > 0) {
		low = 1
	}
	if !(high > low) {
		high = low
	}
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	if to <= from {
		to = from + 1
	}
	from = math.Max(from, to-12)
	a := axis{low: math.Pow(10, from), high: math.Pow(10, to), log: true}
	for e := from; e <= to; e++ {
		v := math.Pow(10, e)
		a.ticks = append(a.ticks, tick{v, u.Text(v)})
	}
	return a
}

// spans are steps of a time axis that people count in, in seconds.
var spans = []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800}

// times is an axis of seconds since the run began.
func times(low, high float64) axis {
	if !(high > low) {
		high = low + 1
	}
	step := spans[len(spans)-1]
	for _, s := range spans {
		if (high-low)/s <= 6 {
			step = s
			break
		}
	}
	a := axis{low: low, high: high}
	first := math.Ceil(low/step) * step
	for i := range 12 {
		v := first + float64(i)*step
		if v > high {
			break
		}
		a.ticks = append(a.ticks, tick{v, notation.Clock(v)})
	}
	return a
}

// shares is the axis of a percentile curve: each tenth of what is left takes as much room.
func shares(high float64) axis {
	a := axis{low: 1, high: math.Max(10, high), log: true}
	for _, t := range []tick{{1, ""}, {2, "50 %"}, {10, "90 %"}, {100, "99 %"}, {1e3, "99.9 %"}, {1e4, "99.99 %"}, {1e5, "99.999 %"}} {
		if t.at <= a.high*1.01 {
			a.ticks = append(a.ticks, t)
		}
	}
	return a
}
