// Package notation writes measured numbers as people read them: three digits, a unit, thousands apart. The report, the live
// progress and the capacity model write numbers alike through it.
package notation

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Unit says how values are written.
type Unit int

const (
	Plain  Unit = iota // counts: 12, 3.4k, 1.2M
	Rate               // the same a second
	Millis             // milliseconds
	Size               // binary multiples
	Cores              // CPU seconds a second
)

// Text writes a value in a unit, three digits of it; "–" for what is no number.
func (u Unit) Text(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case u == Size:
		return Bytes(v)
	case u == Millis && math.Abs(v) >= 1000:
		return Digits(v/1000) + " s"
	case u == Millis:
		return Digits(v) + " ms"
	case u == Cores:
		return Digits(v)
	}
	suffix := ""
	if u == Rate {
		suffix = "/s"
	}
	switch a := math.Abs(v); {
	case a >= 1e9:
		return Digits(v/1e9) + "G" + suffix
	case a >= 1e6:
		return Digits(v/1e6) + "M" + suffix
	case a >= 1e4:
		return Digits(v/1e3) + "k" + suffix
	}
	return Digits(v) + suffix
}

// Digits writes three significant digits, more where they stand before the point, and no trailing zeros.
func Digits(v float64) string {
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

// Bytes writes a number of bytes in binary multiples.
func Bytes(v float64) string {
	for _, m := range []struct {
		size float64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if math.Abs(v) >= m.size {
			return Digits(v/m.size) + " " + m.name
		}
	}
	return Digits(v) + " B"
}

// Whole writes an integer with its thousands apart.
func Whole(v float64) string {
	s := strconv.FormatFloat(math.Abs(math.Round(v)), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if math.Round(v) < 0 {
		return "−" + s
	}
	return s
}

// wholeSeconds is what a clock can show: not below 0, and no number is 0.
func wholeSeconds(v float64) int64 {
	if !(v > 0) {
		return 0
	}
	return int64(math.Round(math.Min(v, 1e9)))
}

// Clock writes seconds as m:ss or h:mm:ss.
func Clock(seconds float64) string {
	s := wholeSeconds(seconds)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// Lasting writes how long something took, in words.
func Lasting(seconds float64) string {
	s := wholeSeconds(seconds)
	switch {
	case s < 100:
		return Digits(seconds) + " s"
	case s < 2*3600:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", s/60, s%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", s/3600, s%3600/60), " 0 min")
}

// Printable is a text without what a terminal would obey: error codes come from servers.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
