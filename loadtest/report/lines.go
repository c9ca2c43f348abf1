package report

import (
	"fmt"
	"html"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// pictureStyle is what an SVG file of its own needs of the page's styles.
const pictureStyle = `
:root { --paper: #ffffff; --ink: #1d2126; --soft: #5c6570; --rule: #dfe2e6; --c0: #2563b8; --c1: #d9730d; --c2: #2c8a4b; --c3: #b8307a; --c4: #7a5cc2; --c5: #8a929c; --c6: #0d8a94; --c7: #8c6d1f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e6e8ea; --soft: #a0a8b1; --rule: #343a41; --c0: #6ea8f5; --c1: #f2a154; --c2: #6cc988; --c3: #ee7fb8; --c4: #b39bf0; --c5: #8f98a3; --c6: #54c6cf; --c7: #d3b565; } }
text { font: 12px system-ui, sans-serif; fill: var(--soft); } .head { font-weight: 600; font-size: 14px; fill: var(--ink); } .num { text-anchor: end; }
.paper { fill: var(--paper); } .grid { stroke: var(--rule); } .line { fill: none; stroke-width: 1.7; stroke-linejoin: round; } .dashed { stroke-dasharray: 5 3; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); } .c6 { stroke: var(--c6); } .c7 { stroke: var(--c7); }
circle { stroke-width: 3; } .cross { display: none; }
`

// dataValues are for the page's script, which an image doesn't have.
var dataValues = regexp.MustCompile(` data-plot="[^"]*"`)

// WriteLines writes an SVG file: memory by group of processes over connections, as it grew in the ramps of runs.
func WriteLines(w io.Writer, runs []*result.Run) error {
	p := &plot{title: "Memory by connections, in the ramp", unit: notation.Size, counts: true}
	for i, r := range runs {
		to := rampEnd(r)
		for _, name := range groupsOf(r) {
			if name == result.GroupCassandra || name == "objects" { // they don't go with connections
				continue
			}
			l := line{name: name, colour: groupColour(name), dashed: i%2 == 1}
			if len(runs) > 1 {
				l.name = r.Name + ": " + name
			}
			for j := range r.Series.Points {
				pt := &r.Series.Points[j]
				if u, ok := pt.Use[name]; ok && pt.At <= to && pt.Connected > 0 && u.Bytes > 0 {
					l.x, l.y = append(l.x, float64(pt.Connected)), append(l.y, float64(u.Bytes))
				}
			}
			if len(l.x) > 1 {
				p.lines = append(p.lines, l)
			}
		}
	}
	const head, row = 26.0, 17.0
	rows := (len(p.lines) + 1) / 2
	tall := head + height + row*float64(rows) + 8
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g"><style>%s</style><rect class="paper" width="100%%" height="100%%"/><text class="head" x="10" y="19">%s</text>`,
		width, tall, 1.5*width, pictureStyle, html.EscapeString(p.title))
	inner := string(p.SVG())
	if p.empty() {
		inner = `<text x="10" y="60">No run's result is there.</text>`
	}
	fmt.Fprintf(&b, `<svg y="%g" height="%g">%s</svg>`, head, height, dataValues.ReplaceAllString(inner, ""))
	for i, l := range p.lines {
		class := fmt.Sprintf("line c%d", l.colour%8)
		if l.dashed {
			class += " dashed"
		}
		x, y := 14+float64(i%2)*width/2, head+height+row*float64(i/2)+8
		fmt.Fprintf(&b, `<path class="%s" d="M%g %gh22"/><text x="%g" y="%g">%s</text>`, class, x, y, x+28, y+4, html.EscapeString(l.name))
	}
	b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the lines: %w", err)
	}
	return nil
}

// rampEnd is when everybody was there; without such an event the run's end.
func rampEnd(r *result.Run) float64 {
	if i := slices.IndexFunc(r.Events, func(e result.Event) bool { return e.Kind == result.EventRampDone }); i >= 0 {
		return r.Events[i].At + r.Series.EverySeconds
	}
	return r.Seconds
}
