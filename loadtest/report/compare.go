package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// Verdicts on one metric of two runs.
const (
	Same   = "same"
	Better = "better"
	Worse  = "worse"
	Gone   = "gone" // the second run doesn't have it
	New    = "new"  // the first one didn't
)

// Metric is one figure of both runs.
type Metric struct {
	Name   string
	A, B   float64 // NaN: this run doesn't have it
	Ratio  float64 // B over A; NaN when that says nothing
	Limit  float64 // the ratio up to which B counts as no worse (for what should be large: down to 1 over it); 0: not judged
	Result string

	unit   notation.Unit
	higher bool // large is good
}

// Judged reports whether the metric decides about the comparison.
func (m *Metric) Judged() bool { return m.Limit > 0 }

// Comparison is what a second run is worth beside a first one.
type Comparison struct {
	A, B    *result.Run
	Metrics []Metric
	Notes   []string // what makes the two hard to compare
	OK      bool     // no judged metric is worse beyond its limit, and B's checker and thresholds are green
}

// Limits say how much worse a metric may get.
type Limits struct {
	All     float64            // ratio for all that is judged, such as 1.1
	ByName  map[string]float64 // for one metric by its name; it is judged then in any case
	Ignored []string           // names that aren't judged
}

// Compare compares two runs, metric by metric. A name in the limits that no metric has is an error.
func Compare(a, b *result.Run, limits Limits) (*Comparison, error) {
	c := &Comparison{A: a, B: b, OK: true}
	for _, d := range definitions(a, b) {
		m := Metric{Name: d.name, A: d.of(a), B: d.of(b), Ratio: math.NaN(), unit: d.unit, higher: d.higher}
		if math.IsNaN(m.A) && math.IsNaN(m.B) {
			continue
		}
		if d.judged {
			m.Limit = limits.All
		}
		if l, ok := limits.ByName[m.Name]; ok {
			m.Limit = l
		}
		if slices.Contains(limits.Ignored, m.Name) {
			m.Limit = 0
		}
		m.judge(limits.All)
		if m.Judged() && (m.Result == Worse || m.Result == Gone) {
			c.OK = false
		}
		c.Metrics = append(c.Metrics, m)
	}
	for name := range limits.ByName {
		if !slices.ContainsFunc(c.Metrics, func(m Metric) bool { return m.Name == name }) {
			return nil, fmt.Errorf("neither run has a metric %q", name)
		}
	}
	c.OK = c.OK && b.OK
	if a.Scenario != b.Scenario {
		c.Notes = append(c.Notes, "the scenarios differ")
	}
	if a.Seed != b.Seed {
		c.Notes = append(c.Notes, "the seeds differ")
	}
	if len(a.Machines) > 0 && len(b.Machines) > 0 && (a.Machines[0].CPU != b.Machines[0].CPU || a.Machines[0].Cores != b.Machines[0].Cores) {
		c.Notes = append(c.Notes, "the machines differ")
	}
	for name, r := range map[string]*result.Run{"A": a, "B": b} {
		if !r.OK {
			c.Notes = append(c.Notes, name+" failed by its own thresholds or its checker")
		}
	}
	slices.Sort(c.Notes)
	return c, nil
}

// judge compares the two values. What isn't judged is told apart by the same margin as everything.
func (m *Metric) judge(margin float64) {
	if m.Judged() {
		margin = m.Limit
	}
	switch {
	case math.IsNaN(m.B):
		m.Result = Gone
		return
	case math.IsNaN(m.A):
		m.Result = New
		return
	}
	if m.A > 0 {
		m.Ratio = m.B / m.A
	}
	rises, falls := m.B > m.A*margin, m.B*margin < m.A
	switch {
	case rises && m.higher, falls && !m.higher:
		m.Result = Better
	case rises, falls:
		m.Result = Worse
	default:
		m.Result = Same
	}
}

// definition says how a metric is read from a run.
type definition struct {
	name           string
	unit           notation.Unit
	higher, judged bool
	of             func(r *result.Run) float64
}

func definitions(runs ...*result.Run) []definition {
	out := []definition{
		{"connected at once", notation.Plain, true, true, func(r *result.Run) float64 {
			most := math.NaN()
			for i := range r.Series.Points {
				most = math.Max(orZero(most), float64(r.Series.Points[i].Connected))
			}
			return most
		}},
		{"ramp, s", notation.Plain, false, true, func(r *result.Run) float64 { return eventSeconds(r, result.EventRampDone) }},
		{"99 % back after a storm, s", notation.Plain, false, true, func(r *result.Run) float64 { return eventSeconds(r, result.EventStormBack) }},
		{"messages acked a second, steady", notation.Rate, true, true, func(r *result.Run) float64 {
			return steady(r, func(p *result.Point) float64 { return float64(p.Acked) })
		}},
		{"receptions a second, steady", notation.Rate, true, false, func(r *result.Run) float64 {
			return steady(r, func(p *result.Point) float64 { return float64(p.Delivered) })
		}},
	}
	phases := []string{result.PhaseSteady, result.PhaseStorm}
	for _, phase := range phases {
		for _, name := range []string{result.LatencyAck, result.LatencyDelivery, result.LatencyReceipt, result.LatencyConnect, result.LatencyCatchup} {
			for i, q := range []string{"p50", "p99", "p99.9"} {
				out = append(out, definition{name + " " + q + ", " + phase, notation.Millis, false, i < 2 && name != result.LatencyReceipt, func(r *result.Run) float64 {
					l, ok := r.Latency(name, phase)
					if !ok || l.Count == 0 {
						return math.NaN()
					}
					return []float64{l.P50, l.P99, l.P999}[i]
				}})
			}
		}
	}
	out = append(out, definition{"memory of everything", notation.Size, false, true, func(r *result.Run) float64 {
		if n := len(r.Memory); n > 0 {
			return foundBytes(&r.Memory[n-1])
		}
		return math.NaN()
	}})
	out = append(out, byGroup(runs)...)
	return append(out,
		definition{"gateway CPU for 100,000 messages, steady, s", notation.Plain, false, true, func(r *result.Run) float64 {
			cpu := steady(r, func(p *result.Point) float64 { return p.Use[result.GroupGateways].CPUSeconds })
			acked := steady(r, func(p *result.Point) float64 { return float64(p.Acked) })
			if !(acked > 0) || cpu == 0 {
				return math.NaN()
			}
			return cpu / acked * 1e5
		}},
		definition{"errors", notation.Plain, false, false, func(r *result.Run) float64 {
			sum := int64(0)
			for _, n := range r.Totals.Errors {
				sum += n
			}
			return float64(sum)
		}},
		definition{"connections lost", notation.Plain, false, false, func(r *result.Run) float64 { return float64(r.Totals.Losses) }},
		definition{"broken promises", notation.Plain, false, true, func(r *result.Run) float64 {
			sum := int64(0)
			for _, f := range r.Check.Found {
				sum += f.Count
			}
			return float64(sum)
		}},
	)
}

// byGroup are memory and CPU of each group of processes that a run knows.
func byGroup(runs []*result.Run) (out []definition) {
	var names []string
	for _, r := range runs {
		for _, name := range groupsOf(r) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		out = append(out,
			definition{"memory of " + name + ", most", notation.Size, false, name == result.GroupGateways, func(r *result.Run) float64 {
				most := math.NaN()
				for i := range r.Series.Points {
					if u, ok := r.Series.Points[i].Use[name]; ok {
						most = math.Max(orZero(most), float64(u.Bytes))
					}
				}
				return most
			}},
			definition{"CPU of " + name + ", cores, steady", notation.Cores, false, false, func(r *result.Run) float64 {
				return orGap(steady(r, func(p *result.Point) float64 { return p.Use[name].CPUSeconds }))
			}})
	}
	return out
}

func orZero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

func eventSeconds(r *result.Run, kind string) float64 {
	for _, e := range r.Events {
		if e.Kind == kind && e.Seconds > 0 {
			return e.Seconds
		}
	}
	return math.NaN()
}

// steady is the mean of something a second, from the end of the ramp to the end of the steady time.
func steady(r *result.Run, of func(p *result.Point) float64) float64 {
	sum, took := 0.0, 0.0
	r.Steady(func(p *result.Point, seconds float64) {
		sum += of(p)
		took += seconds
	})
	if took == 0 {
		return math.NaN()
	}
	return sum / took
}

// cells are a metric's values as texts: A, B, ratio, verdict.
func (m *Metric) cells() (a, b, ratio, verdict string) {
	ratio = "–"
	if !math.IsNaN(m.Ratio) {
		ratio = fmt.Sprintf("× %.2f", m.Ratio)
	}
	verdict = m.Result
	switch {
	case m.Judged() && (m.Result == Worse || m.Result == Gone):
		verdict = "✗ " + verdict
	case m.Judged():
		verdict = "✓ " + verdict
	default:
		verdict = "  " + verdict
	}
	return m.unit.Text(m.A), m.unit.Text(m.B), ratio, verdict
}

// WriteText writes the comparison as a table for the terminal.
func (c *Comparison) WriteText(w io.Writer) error {
	for _, r := range []struct {
		name string
		run  *result.Run
	}{{"A", c.A}, {"B", c.B}} {
		text := strings.TrimSuffix(fmt.Sprintf("%s  %s, %s, %s", r.name, notation.Printable(r.run.Name), r.run.Began.UTC().Format(time.DateTime), notation.Printable(r.run.Version)), ", ")
		if _, err := fmt.Fprintln(w, text); err != nil {
			return fmt.Errorf("write the comparison: %w", err)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n\tA\tB\tB/A\t\n")
	for i := range c.Metrics {
		a, b, ratio, verdict := c.Metrics[i].cells()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", notation.Printable(c.Metrics[i].Name), a, b, ratio, verdict)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the comparison: %w", err)
	}
	for _, n := range c.Notes {
		if _, err := fmt.Fprintln(w, "note:", n); err != nil {
			return fmt.Errorf("write the comparison: %w", err)
		}
	}
	return nil
}

// WriteHTML writes the comparison as a page like a run's, with both runs' lines in each plot.
func (c *Comparison) WriteHTML(w io.Writer) error {
	t := table{
		Title: "A and B", Head: heads("metric", "A", "B", "B/A"),
		Note: "✓ and ✗: metrics that decide. The others are there to be looked at.",
	}
	t.Head = append(t.Head, word(""))
	for i := range c.Metrics {
		m := &c.Metrics[i]
		a, b, ratio, text := m.cells()
		v := cell{Text: strings.TrimSpace(text)}
		if m.Judged() {
			v.Class = map[bool]string{true: "bad", false: "ok"}[m.Result == Worse || m.Result == Gone]
		}
		t.Rows = append(t.Rows, []cell{word(m.Name), number(a), number(b), number(ratio), v})
	}
	sides := table{Title: "The runs", Head: []cell{word(""), word("A"), word("B")}}
	for _, row := range []struct {
		name string
		of   func(r *result.Run) string
	}{
		{"scenario", func(r *result.Run) string { return r.Name }},
		{"began", func(r *result.Run) string { return r.Began.UTC().Format(time.DateTime) }},
		{"took", func(r *result.Run) string { return notation.Lasting(r.Seconds) }},
		{"server", func(r *result.Run) string { return r.Version }},
		{"engine", func(r *result.Run) string { return r.Engine }},
		{"gateways", func(r *result.Run) string { return notation.Whole(float64(r.Gateways)) }},
		{"load averages before", func(r *result.Run) string { return r.Busy }},
		{"checker and thresholds", func(r *result.Run) string { return map[bool]string{true: "green", false: "red"}[r.OK] }},
	} {
		sides.Rows = append(sides.Rows, []cell{word(row.name), word(row.of(c.A)), word(row.of(c.B))})
	}
	p := page{
		Title: c.A.Name + " and " + c.B.Name, Verdict: verdict(c.OK, "B is no worse", "B is worse"),
		Sub:   "A: " + c.A.Began.UTC().Format(time.DateTime) + " UTC, solid lines. B: " + c.B.Began.UTC().Format(time.DateTime) + " UTC, dashed lines.",
		About: strings.Join(c.Notes, "; "),
		Plots: plots(&source{run: c.A, prefix: "A "}, &source{run: c.B, prefix: "B ", dashed: true}), Tables: []table{t, sides},
	}
	if c.A.Name == c.B.Name {
		p.Title = c.A.Name + ", two runs"
	}
	return p.write(w)
}
