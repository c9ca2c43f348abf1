package report

import (
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/murre-chat/murre/loadtest/notation"
)

// line is one curve of a plot; NaN is a gap.
type line struct {
	name   string
	colour int // which of the page's colours, 0..7
	x      []float64
	y      []float64
	dashed bool // of the run that is compared with
}

// mark is a moment that is drawn as a vertical line.
type mark struct {
	at    float64
	label string // a number of the table of events, short
}

// plot is one figure. Its x values are seconds, or with curve 1/(1-share) of a distribution.
type plot struct {
	title   string
	note    string
	unit    notation.Unit
	lines   []line
	marks   []mark
	log     bool // y is logarithmic; values that aren't positive are gaps
	stacked bool // lines are parts of a sum, drawn as areas upon each other; they share their x values
	curve   bool // a percentile curve
	counts  bool // x values are counts, of connections
	peaks   bool // thinned out, the largest of neighbours stays and not their mean
}

// The plot's room, in units of its own: text is readable where a page of a phone shows all of it.
const (
	width, height            = 460.0, 250.0
	left, right, top, bottom = 58.0, 10.0, 16.0, 24.0
	most                     = 480 // points of a line that are drawn
)

// empty reports whether there is nothing to draw.
func (p *plot) empty() bool {
	for _, l := range p.lines {
		for _, v := range l.y {
			if p.shows(v) {
				return false
			}
		}
	}
	return true
}

// shows reports whether a value is one that can be drawn; what is beyond absurd is a gap, as nothing is.
func (p *plot) shows(v float64) bool {
	return math.Abs(v) < absurd && (!p.log || v > 0)
}

const absurd = 1e18

// thinned is the line with so many points at most.
func (l line) thinned(peaks bool) line {
	n := min(len(l.x), len(l.y))
	if n <= most {
		l.x, l.y = l.x[:n], l.y[:n]
		return l
	}
	out := line{name: l.name, colour: l.colour, dashed: l.dashed}
	for i := range most {
		from, to := i*n/most, (i+1)*n/most
		sum, count, high := 0.0, 0, math.Inf(-1)
		for _, v := range l.y[from:to] {
			if !math.IsNaN(v) {
				sum, count, high = sum+v, count+1, math.Max(high, v)
			}
		}
		v := math.NaN()
		if count > 0 && peaks {
			v = high
		} else if count > 0 {
			v = sum / float64(count)
		}
		out.x, out.y = append(out.x, l.x[to-1]), append(out.y, v)
	}
	return out
}

// scales are the axes that hold all lines.
func (p *plot) scales(lines []line) (x, y axis) {
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for i, v := range l.y {
			if !p.shows(v) {
				continue
			}
			lowX, highX = math.Min(lowX, l.x[i]), math.Max(highX, l.x[i])
			lowY, highY = math.Min(lowY, v), math.Max(highY, v)
		}
	}
	switch {
	case p.curve:
		x = shares(highX)
	case p.counts:
		x = linear(0, highX, notation.Plain)
	default:
		x = times(math.Min(lowX, 0), highX)
	}
	if p.log {
		return x, decades(lowY, highY, p.unit)
	}
	return x, linear(lowY, highY, p.unit)
}

// stack adds up lines with the same x values, from the first.
func stack(lines []line) []line {
	out := make([]line, len(lines))
	for i, l := range lines {
		out[i] = l
		out[i].y = make([]float64, len(l.y))
		for j, v := range l.y {
			if math.IsNaN(v) {
				v = 0
			}
			if i > 0 && j < len(out[i-1].y) {
				v += out[i-1].y[j]
			}
			out[i].y[j] = v
		}
	}
	return out
}

// SVG draws the plot.
func (p *plot) SVG() template.HTML {
	lines := make([]line, 0, len(p.lines))
	for _, l := range p.lines {
		lines = append(lines, l.thinned(p.peaks))
	}
	drawn := lines
	if p.stacked {
		drawn = stack(lines)
	}
	x, y := p.scales(drawn)
	px := func(v float64) float64 { return left + math.Max(0, math.Min(1, x.pos(v)))*(width-left-right) }
	py := func(v float64) float64 {
		return height - bottom - math.Max(0, math.Min(1, y.pos(v)))*(height-top-bottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 %g %g" role="img" aria-label="%s" data-plot="%s">`,
		width, height, html.EscapeString(p.title), html.EscapeString(p.values(lines, px)))
	for _, t := range y.ticks {
		fmt.Fprintf(&b, `<path class="grid" d="M%g %.1fH%g"/><text class="num" x="%g" y="%.1f">%s</text>`, left, py(t.at), width-right, left-5, py(t.at)+4, html.EscapeString(t.text))
	}
	for _, t := range x.ticks {
		anchor := "middle"
		if px(t.at) > width-right-16 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %gV%g"/><text style="text-anchor:%s" x="%.1f" y="%g">%s</text>`, px(t.at), top, height-bottom, anchor, px(t.at), height-7, html.EscapeString(t.text))
	}
	if p.stacked {
		for i := len(drawn) - 1; i >= 0; i-- {
			b.WriteString(area(&drawn[i], px, py))
		}
	} else {
		for i := range drawn {
			b.WriteString(p.path(&drawn[i], px, py))
		}
	}
	p.drawMarks(&b, x, px)
	b.WriteString(`<path class="cross" d=""/></svg>`)
	return template.HTML(b.String()) // every text in it is escaped above
}

func (p *plot) drawMarks(b *strings.Builder, x axis, px func(float64) float64) {
	last := math.Inf(-1)
	for _, m := range p.marks {
		if m.at < x.low || m.at > x.high || math.IsNaN(m.at) {
			continue
		}
		at := px(m.at)
		fmt.Fprintf(b, `<path class="mark" d="M%.1f %gV%g"/>`, at, top, height-bottom)
		if at-last > 14 { // the others' numbers would lie upon each other; the table of events has all
			fmt.Fprintf(b, `<text class="marked" x="%.1f" y="%g">%s</text>`, at, top-4, html.EscapeString(m.label))
			last = at
		}
	}
}

// path is a line with gaps where there is no value; a value alone is a dot.
func (p *plot) path(l *line, px, py func(float64) float64) string {
	var d, dots strings.Builder
	down := false
	for i, v := range l.y {
		if !p.shows(v) {
			down = false
			continue
		}
		switch {
		case down:
			fmt.Fprintf(&d, "L%.1f %.1f", px(l.x[i]), py(v))
		case i+1 < len(l.y) && p.shows(l.y[i+1]):
			fmt.Fprintf(&d, "M%.1f %.1f", px(l.x[i]), py(v))
			down = true
		default:
			fmt.Fprintf(&dots, `<circle class="c%d" r="2" cx="%.1f" cy="%.1f"/>`, l.colour%8, px(l.x[i]), py(v))
		}
	}
	class := fmt.Sprintf("line c%d", l.colour%8)
	if l.dashed {
		class += " dashed"
	}
	return fmt.Sprintf(`<path class="%s" d="%s"/>%s`, class, d.String(), dots.String())
}

// area is all that lies below a line.
func area(l *line, px, py func(float64) float64) string {
	if len(l.x) == 0 {
		return ""
	}
	var d strings.Builder
	fmt.Fprintf(&d, "M%.1f %.1f", px(l.x[0]), py(0))
	for i, v := range l.y {
		fmt.Fprintf(&d, "L%.1f %.1f", px(l.x[i]), py(v))
	}
	fmt.Fprintf(&d, "L%.1f %.1fZ", px(l.x[len(l.y)-1]), py(0))
	return fmt.Sprintf(`<path class="area c%d" d="%s"/>`, l.colour%8, d.String())
}

// values is what the page's script shows under the pointer, as JSON: places on the x axis, and texts by line.
func (p *plot) values(lines []line, px func(float64) float64) string {
	type values struct {
		Name string    `json:"n"`
		X    []float64 `json:"x"` // in units of the drawing
		At   []string  `json:"t"`
		Y    []string  `json:"y"`
	}
	var all []values
	for _, l := range lines {
		v := values{Name: l.name}
		for i, y := range l.y {
			if !p.shows(y) {
				continue
			}
			at := notation.Clock(l.x[i])
			switch {
			case p.curve:
				at = shareText(l.x[i])
			case p.counts:
				at = notation.Whole(l.x[i])
			}
			v.X, v.At, v.Y = append(v.X, math.Round(px(l.x[i])*10)/10), append(v.At, at), append(v.Y, p.unit.Text(y))
		}
		if len(v.X) > 0 {
			all = append(all, v)
		}
	}
	text, err := json.Marshal(all)
	if err != nil { // no value is NaN or infinite here
		return "[]"
	}
	return string(text)
}

// shareText writes 1/(1-share) as a percentile.
func shareText(v float64) string {
	return strconv.FormatFloat(100*(1-1/v), 'f', max(0, int(math.Ceil(math.Log10(v)-0.0001))-2), 64) + " %"
}

// Legend lists the lines, each with its colour and its name.
func (p *plot) Legend() template.HTML {
	var b strings.Builder
	for _, l := range p.lines {
		class := fmt.Sprintf("key c%d", l.colour%8)
		if l.dashed {
			class += " dashed"
		}
		fmt.Fprintf(&b, `<span class="%s"><i></i>%s</span>`, class, html.EscapeString(l.name))
	}
	return template.HTML(b.String()) // names are escaped
}

// Title and Note are for the template.
func (p *plot) Title() string { return p.title }

// Note says how to read the plot, or nothing.
func (p *plot) Note() string { return p.note }
