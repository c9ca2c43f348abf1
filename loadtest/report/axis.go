package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// unit says how values are written.
type unit int

const (
	plain  unit = iota // counts: 12, 3.4k, 1.2M
	rate               // the same a second
	millis             // milliseconds
	size               // binary multiples
	cores              // CPU seconds a second
)

// text writes a value in a unit, three digits of it.
func (u unit) text(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case u == size:
		return bytesText(v)
	case u == millis && math.Abs(v) >= 1000:
		return digits(v/1000) + " s"
	case u == millis:
		return digits(v) + " ms"
	case u == cores:
		return digits(v)
	}
	suffix := ""
	if u == rate {
		suffix = "/s"
	}
	switch a := math.Abs(v); {
	case a >= 1e9:
		return digits(v/1e9) + "G" + suffix
	case a >= 1e6:
		return digits(v/1e6) + "M" + suffix
	case a >= 1e4:
		return digits(v/1e3) + "k" + suffix
	}
	return digits(v) + suffix
}

// digits writes three significant digits, more where they stand before the point, and no trailing zeros.
func digits(v float64) string {
	a := math.Abs(v)
	places := 0
	switch {
	case a == 0 || a >= 100:
	case a >= 10:
		places = 1
	case a >= 1:
		places = 2
	default:
		places = min(2-int(math.Floor(math.Log10(a))), 6)
	}
	s := strconv.FormatFloat(v, 'f', places, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

func bytesText(v float64) string {
	for _, m := range []struct {
		size float64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if math.Abs(v) >= m.size {
			return digits(v/m.size) + " " + m.name
		}
	}
	return digits(v) + " B"
}

// whole writes an integer with its thousands apart.
func whole(v float64) string {
	s := strconv.FormatFloat(math.Abs(math.Round(v)), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if math.Round(v) < 0 {
		return "−" + s
	}
	return s
}

// clock writes seconds as m:ss or h:mm:ss.
func clock(seconds float64) string {
	s := int64(math.Round(math.Max(0, math.Min(seconds, 1e9))))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// lasting writes how long something took, in words.
func lasting(seconds float64) string {
	s := int64(math.Round(math.Max(0, math.Min(seconds, 1e9))))
	switch {
	case s < 100:
		return digits(seconds) + " s"
	case s < 2*3600:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", s/60, s%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", s/3600, s%3600/60), " 0 min")
}

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
func linear(low, high float64, u unit) axis {
	low = math.Min(0, low)
	if !(high > low) {
		high = low + 1
	}
	base := 1.0
	if u == size { // steps that are round in binary multiples
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
		a.ticks = append(a.ticks, tick{v, u.text(v)})
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
func decades(low, high float64, u unit) axis {
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
		a.ticks = append(a.ticks, tick{v, u.text(v)})
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
		a.ticks = append(a.ticks, tick{v, clock(v)})
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
