// Package progress shows a running load run: in a terminal a block of lines that is drawn over, elsewhere one line every
// ten seconds, which a log keeps.
//
// It shows what it is given and computes rates from it, no more; the moments come from the run's controller.
package progress

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// Progress is the display of one run. Its methods may be called from many goroutines.
type Progress struct {
	// Columns says how wide the terminal is now; nil, or an answer of 0: a hundred characters. Set it before the first Update.
	Columns func() int

	w     io.Writer
	tty   bool
	total float64 // seconds

	mu     sync.Mutex // guards what follows, and writing
	drawn  int        // lines of the block on the screen
	last   float64    // At of the last point
	up     int        // connections then
	said   float64    // At of the last line, without a terminal
	totals result.Counts
	closed bool
}

// usual is a terminal's width when nobody knows it.
const usual = 100

// every is how often a line comes where there is no terminal, in seconds of the run.
const every = 10.0

// New shows a run of so long on w. With tty w must be a terminal that understands ANSI's cursor movements.
func New(w io.Writer, tty bool, total time.Duration) *Progress {
	return &Progress{w: w, tty: tty, total: total.Seconds(), said: math.Inf(-1)}
}

// Update shows a new point of the run.
func (p *Progress) Update(pt result.Point) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	took := pt.At - p.last
	if !(took > 0) {
		took = math.NaN() // rates are unknown then
	}
	p.totals.Add(&pt.Counts)
	grown := float64(pt.Connected-p.up) / took
	p.last, p.up = pt.At, pt.Connected
	if p.tty {
		p.draw(p.block(&pt, took, grown))
		return
	}
	if pt.At-p.said < every {
		return
	}
	p.said = pt.At
	p.write(p.line(&pt, took) + "\n")
}

// Event tells a moment of the run on a line of its own, which stays.
func (p *Progress) Event(e result.Event) {
	text := notation.Printable(e.String())
	if e.N != 0 {
		text += " " + notation.Whole(float64(e.N))
	}
	if e.Seconds != 0 {
		text += ", took " + notation.Lasting(e.Seconds)
	}
	p.Say(notation.Clock(e.At) + "  " + text)
}

// Say writes a line that stays above the block.
func (p *Progress) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(p.erase() + notation.Printable(text) + "\n")
}

// Close ends the display; what it showed last stays.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn, p.closed = 0, true
}

// write gives up quietly: a run isn't worth less because nobody watches.
func (p *Progress) write(text string) { _, _ = io.WriteString(p.w, text) }

// erase moves to the block's first line and clears from there.
func (p *Progress) erase() string {
	n := p.drawn
	p.drawn = 0
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", n)
}

// draw puts lines where the last block was. Longer ones than the terminal is wide are cut, for a line that wraps is two.
func (p *Progress) draw(lines []string) {
	width := 0
	if p.Columns != nil {
		width = p.Columns()
	}
	if width <= 0 {
		width = usual
	}
	var b strings.Builder
	b.WriteString(p.erase())
	for _, l := range lines {
		b.WriteString(cut(l, width-1))
		b.WriteByte('\n')
	}
	p.drawn = len(lines)
	p.write(b.String())
}

func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(0, width-1)]) + "…"
}

// block is the run at a point, in lines.
func (p *Progress) block(pt *result.Point, took, grown float64) []string {
	const cells = 24
	share := 1.0
	if p.total > 0 {
		share = math.Max(0, math.Min(1, pt.At/p.total))
	}
	full := int(share * cells)
	lines := []string{fmt.Sprintf("%s of %s  %s%s  %3.0f %%  %s", notation.Clock(pt.At), notation.Clock(p.total),
		strings.Repeat("█", full), strings.Repeat("░", cells-full), 100*share, p.left(pt.At))}
	row := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%-12s", name)+fmt.Sprintf(format, args...))
	}
	row("connected", "%s of %s   %+.0f/s   lost %s", notation.Whole(float64(pt.Connected)), notation.Whole(float64(pt.Wanted)), zero(grown), notation.Whole(float64(p.totals.Losses)))
	row("messages", "due %s   acked %s   received %s   sent again %s", rate(pt.Due, took), rate(pt.Acked, took), rate(pt.Delivered, took), notation.Whole(float64(p.totals.Resent)))
	row("acknowledged", "%s", quantiles(&pt.Ack))
	row("received", "%s", quantiles(&pt.Delivery))
	row("memory", "%s", p.groups(pt, func(u *result.Use) string { return notation.Bytes(float64(u.Bytes)) }))
	row("cores", "%s", p.groups(pt, func(u *result.Use) string { return notation.Cores.Text(u.CPUSeconds / took) }))
	row("errors", "%s", p.errors())
	return lines
}

// left is how long the run still takes.
func (p *Progress) left(at float64) string {
	switch {
	case p.total <= 0:
		return ""
	case at >= p.total:
		return "ending"
	}
	return notation.Clock(p.total-at) + " left"
}

// line is the run at a point in one line, for a log.
func (p *Progress) line(pt *result.Point, took float64) string {
	var memory int64
	for _, u := range pt.Use {
		memory += u.Bytes
	}
	text := fmt.Sprintf("%s/%s connected %d/%d, acked %s, received %s, ack %s, delivery %s, errors %d", notation.Clock(pt.At), notation.Clock(p.total),
		pt.Connected, pt.Wanted, rate(pt.Acked, took), rate(pt.Delivered, took), brief(&pt.Ack), brief(&pt.Delivery), p.count())
	if memory > 0 {
		text += ", memory " + notation.Bytes(float64(memory))
	}
	return text
}

// groups writes something of each group of processes, in the order of reports.
func (p *Progress) groups(pt *result.Point, of func(u *result.Use) string) string {
	if len(pt.Use) == 0 {
		return "not read at this moment"
	}
	names := slices.SortedFunc(maps.Keys(pt.Use), func(a, b string) int {
		ia, ib := slices.Index(result.Groups(), a), slices.Index(result.Groups(), b)
		if ia != ib && ia >= 0 && ib >= 0 {
			return ia - ib
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, name := range names {
		u := pt.Use[name]
		parts = append(parts, notation.Printable(name)+" "+of(&u))
	}
	return strings.Join(parts, "   ")
}

func (p *Progress) count() (n int64) {
	for _, c := range p.totals.Errors {
		n += c
	}
	return n
}

// errors are those so far, the commonest codes first.
func (p *Progress) errors() string {
	n := p.count()
	if n == 0 {
		return "none"
	}
	codes := slices.SortedFunc(maps.Keys(p.totals.Errors), func(a, b string) int {
		if d := p.totals.Errors[b] - p.totals.Errors[a]; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, c := range codes[:min(len(codes), 4)] {
		parts = append(parts, fmt.Sprintf("%s %d", notation.Printable(c), p.totals.Errors[c]))
	}
	if len(codes) > 4 {
		parts = append(parts, "…")
	}
	return fmt.Sprintf("%s: %s", notation.Whole(float64(n)), strings.Join(parts, ", "))
}

func quantiles(q *result.Quantiles) string {
	if q.Max == 0 && q.P50 == 0 {
		return "–"
	}
	return fmt.Sprintf("p50 %s   p99 %s   largest %s", notation.Millis.Text(q.P50), notation.Millis.Text(q.P99), notation.Millis.Text(q.Max))
}

func brief(q *result.Quantiles) string {
	if q.Max == 0 && q.P50 == 0 {
		return "–"
	}
	return "p50 " + notation.Millis.Text(q.P50) + " p99 " + notation.Millis.Text(q.P99)
}

func rate(n int64, took float64) string { return notation.Rate.Text(float64(n) / took) }

func zero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}
