package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// source is a run and how its lines are drawn.
type source struct {
	run    *result.Run
	prefix string // of names: "" for a run alone, "A " and "B " for two
	dashed bool
}

// groupColour gives each group of processes its colour on every plot.
func groupColour(name string) int {
	if i := slices.Index(result.Groups(), name); i >= 0 {
		return i
	}
	return len(result.Groups()) + 1
}

// over makes a line of something at each point.
func (s *source) over(name string, colour int, value func(p *result.Point, seconds float64) float64) line {
	l := line{name: s.prefix + name, colour: colour, dashed: s.dashed}
	last := 0.0
	for i := range s.run.Series.Points {
		p := &s.run.Series.Points[i]
		took := p.At - last
		if i == 0 && s.run.Series.EverySeconds > 0 {
			took = math.Min(took, s.run.Series.EverySeconds)
		}
		last = p.At
		if !(took > 0) {
			took = math.NaN()
		}
		l.x, l.y = append(l.x, p.At), append(l.y, value(p, took))
	}
	return l
}

// orGap is a value that is 0 when nothing was measured.
func orGap(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

// plots of one run, or of several upon each other.
func plots(sources ...*source) []*plot {
	all := []*plot{
		connections(sources), rates(sources),
		latency(sources, "From due to acknowledged, over time", func(p *result.Point) *result.Quantiles { return &p.Ack }),
		latency(sources, "From due to received, over time", func(p *result.Point) *result.Quantiles { return &p.Delivery }),
		percentiles(sources, result.PhaseSteady), percentiles(sources, result.PhaseCalm), percentiles(sources, result.PhaseStorm), percentiles(sources, result.PhaseAll),
		use(sources, "Memory by group of processes", notation.Size, func(u *result.Use, _ float64) float64 { return float64(u.Bytes) }),
		use(sources, "CPU by group of processes, in cores", notation.Cores, func(u *result.Use, s float64) float64 { return u.CPUSeconds / s }),
		churn(sources), errorsOver(sources), traffic(sources),
		use(sources, "Open descriptors", notation.Plain, func(u *result.Use, _ float64) float64 { return orGap(float64(u.Descriptors)) }),
		use(sources, "Goroutines", notation.Plain, func(u *result.Use, _ float64) float64 { return orGap(float64(u.Goroutines)) }),
		use(sources, "Live heap of the gateways", notation.Size, func(u *result.Use, _ float64) float64 { return orGap(float64(u.HeapBytes)) }),
	}
	marks := marksOf(sources)
	all = slices.DeleteFunc(all, func(p *plot) bool { return p.empty() })
	for _, p := range all {
		if !p.curve {
			p.marks = marks
		}
	}
	return all
}

func connections(sources []*source) *plot {
	p := &plot{title: "Connections", unit: notation.Plain, note: "wanted: what the ramp and people's coming and going ask for"}
	for _, s := range sources {
		if len(sources) == 1 { // below the other
			p.lines = append(p.lines, s.over("wanted", 5, func(p *result.Point, _ float64) float64 { return float64(p.Wanted) }))
		}
		p.lines = append(p.lines, s.over("connected", 0, func(p *result.Point, _ float64) float64 { return float64(p.Connected) }))
	}
	return p
}

func rates(sources []*source) *plot {
	p := &plot{title: "Messages a second", unit: notation.Rate, note: "due: what the schedule asks for, whatever the server does"}
	for _, s := range sources {
		for i, l := range []struct {
			name string
			of   func(c *result.Counts) int64
		}{
			{"due", func(c *result.Counts) int64 { return c.Due }},
			{"acked", func(c *result.Counts) int64 { return c.Acked }},
			{"received", func(c *result.Counts) int64 { return c.Delivered }},
			{"sent again", func(c *result.Counts) int64 { return c.Resent }},
		} {
			if len(sources) > 1 && (i == 0 || i == 3) {
				continue
			}
			colour := []int{5, 0, 1, 3}[i]
			p.lines = append(p.lines, s.over(l.name, colour, func(p *result.Point, took float64) float64 { return float64(l.of(&p.Counts)) / took }))
		}
	}
	return p
}

func latency(sources []*source, title string, of func(*result.Point) *result.Quantiles) *plot {
	p := &plot{title: title, unit: notation.Millis, log: true, peaks: true, note: "of each stretch, from when a message was due, not from when a busy client came to it"}
	for _, s := range sources {
		for i, q := range []struct {
			name string
			of   func(q *result.Quantiles) float64
		}{
			{"p50", func(q *result.Quantiles) float64 { return q.P50 }},
			{"p99", func(q *result.Quantiles) float64 { return q.P99 }},
			{"p99.9", func(q *result.Quantiles) float64 { return q.P999 }},
			{"largest", func(q *result.Quantiles) float64 { return q.Max }},
		} {
			if len(sources) > 1 && i > 1 {
				continue
			}
			p.lines = append(p.lines, s.over(q.name, i, func(p *result.Point, _ float64) float64 { return orGap(q.of(of(p))) }))
		}
	}
	return p
}

func curveTitle(phase string) string { return "Percentiles, " + phase }

// farthest is how deep into the tail a curve goes: the share above which fewer than one in a million lies.
const farthest = 1e6

func percentiles(sources []*source, phase string) *plot {
	p := &plot{title: curveTitle(phase), unit: notation.Millis, log: true, curve: true, peaks: true, note: "of all workers' merged histograms; each step to the right is a tenth of what is left"}
	for _, s := range sources {
		for i, name := range []string{result.LatencyAck, result.LatencyDelivery, result.LatencyReceipt, result.LatencyConnect, result.LatencyCatchup} {
			l, ok := s.run.Latency(name, phase)
			if _, steady := s.run.Latency(name, result.PhaseSteady); !ok || phase == result.PhaseAll && steady { // "all" is steady and what came after
				continue
			}
			one := line{name: s.prefix + name, colour: i, dashed: s.dashed}
			for _, c := range l.Curve {
				x := 1 / math.Max(1-c.Share, 1/farthest)
				if !(x >= 1) || c.Share >= 1 && l.Count > 0 { // the last one stands where one of all lies above
					x = math.Min(farthest, math.Max(1, float64(l.Count)))
				}
				if n := len(one.x); n > 0 && x < one.x[n-1] {
					continue
				}
				one.x, one.y = append(one.x, x), append(one.y, orGap(c.Ms))
			}
			p.lines = append(p.lines, one)
		}
	}
	return p
}

// use is a plot of what groups take; the parts of one run stand upon each other where that makes a sum.
func use(sources []*source, title string, u notation.Unit, of func(u *result.Use, seconds float64) float64) *plot {
	p := &plot{title: title, unit: u, stacked: len(sources) == 1 && (u == notation.Size || u == notation.Cores) && title[0] != 'L'}
	for _, s := range sources {
		for _, name := range groupsOf(s.run) {
			l := line{name: s.prefix + name, colour: groupColour(name), dashed: s.dashed}
			last, any := 0.0, false
			if len(s.run.Series.Points) > 0 {
				last = math.Max(0, s.run.Series.Points[0].At-s.run.Series.EverySeconds)
			}
			for i := range s.run.Series.Points {
				pt := &s.run.Series.Points[i]
				g, ok := pt.Use[name]
				if !ok { // not read at this point
					continue
				}
				v := of(&g, pt.At-last)
				last = pt.At
				any = any || v != 0 && !math.IsNaN(v)
				l.x, l.y = append(l.x, pt.At), append(l.y, v)
			}
			if any {
				p.lines = append(p.lines, l)
			}
		}
	}
	// Parts of a sum must stand at the same moments.
	for _, l := range p.lines {
		p.stacked = p.stacked && slices.Equal(l.x, p.lines[0].x)
	}
	return p
}

// groupsOf are the groups that the series knows, in the order of reports, then any others.
func groupsOf(r *result.Run) []string {
	seen := map[string]bool{}
	for i := range r.Series.Points {
		for name := range r.Series.Points[i].Use {
			seen[name] = true
		}
	}
	var out []string
	for _, name := range result.Groups() {
		if seen[name] {
			out = append(out, name)
			delete(seen, name)
		}
	}
	return append(out, slices.Sorted(maps.Keys(seen))...)
}

func churn(sources []*source) *plot {
	p := &plot{title: "Coming and going", unit: notation.Rate, note: "connects, connections that people ended, and those that ended unasked"}
	for _, s := range sources {
		p.lines = append(p.lines, s.over("connects", 0, func(p *result.Point, took float64) float64 { return float64(p.Connects) / took }))
		if len(sources) == 1 {
			p.lines = append(p.lines, s.over("left", 5, func(p *result.Point, took float64) float64 { return float64(p.Leaves) / took }))
		}
		p.lines = append(p.lines, s.over("lost", 3, func(p *result.Point, took float64) float64 { return float64(p.Losses) / took }))
	}
	return p
}

// errorsOver draws the commonest codes, and only when there were errors at all.
func errorsOver(sources []*source) *plot {
	p := &plot{title: "Errors a second, by code", unit: notation.Rate}
	for _, s := range sources {
		codes := codesOf(&s.run.Totals)
		for i, code := range codes[:min(len(codes), 6)] {
			p.lines = append(p.lines, s.over(code, i, func(p *result.Point, took float64) float64 { return float64(p.Errors[code]) / took }))
		}
	}
	return p
}

// codesOf are the codes of errors, the commonest first.
func codesOf(c *result.Counts) []string {
	return slices.SortedFunc(maps.Keys(c.Errors), func(a, b string) int {
		if d := c.Errors[b] - c.Errors[a]; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return map[bool]int{true: -1, false: 1}[a < b]
	})
}

func traffic(sources []*source) *plot {
	p := &plot{title: "Bytes a second of all clients", unit: notation.Size, note: "WebSocket frames, without TCP and IP"}
	for _, s := range sources {
		p.lines = append(p.lines,
			s.over("from servers", 1, func(p *result.Point, took float64) float64 { return float64(p.BytesIn) / took }),
			s.over("to servers", 0, func(p *result.Point, took float64) float64 { return float64(p.BytesOut) / took }))
	}
	return p
}

// marksOf numbers the events as the table of events does; of two runs those of the first are drawn.
func marksOf(sources []*source) []mark {
	var out []mark
	if len(sources) == 0 {
		return nil
	}
	for i, e := range sources[0].run.Events {
		out = append(out, mark{at: e.At, label: strconv.Itoa(i + 1)})
	}
	return out
}

func percent(part, all float64) string {
	if !(all > 0) {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*part/all)
}
