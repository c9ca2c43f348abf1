package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// Line is how the memory of a group of processes goes with connections: a straight line through the points of a run's
// ramp, by least squares.
type Line struct {
	Group         string
	Base          float64 // bytes at no connection
	PerConnection float64 // bytes
	Points        int
	Fit           float64 // how much of the differences the line explains, 0..1
	// Settled is the least that the group took after the ramp, once heaps had been collected; 0: unknown.
	Settled float64
}

// Lines fits one line a group over the points up to the end of a run's ramp; a group with fewer than three has none.
func Lines(r *result.Run) []Line {
	to := math.Inf(1)
	for _, e := range r.Events {
		if e.Kind == result.EventRampDone {
			to = e.At
			break
		}
	}
	var out []Line
	for _, name := range result.Groups() {
		var x, y []float64
		for i := range r.Series.Points {
			p := &r.Series.Points[i]
			u, ok := p.Use[name]
			if ok && p.At <= to+r.Series.EverySeconds && u.Bytes > 0 {
				x, y = append(x, float64(p.Connected)), append(y, float64(u.Bytes))
			}
		}
		if l, ok := fit(x, y); ok {
			l.Group, l.Settled = name, settled(r, name, to)
			out = append(out, l)
		}
	}
	return out
}

// settled is the least memory of a group while at least as many were connected as at the end of the ramp, less a hundredth.
func settled(r *result.Run, group string, ramp float64) (least float64) {
	most := 0
	for i := range r.Series.Points {
		p := &r.Series.Points[i]
		if p.At <= ramp+r.Series.EverySeconds {
			most = max(most, p.Connected)
			continue
		}
		u, ok := p.Use[group]
		if ok && u.Bytes > 0 && p.Connected >= most-most/100 && (least == 0 || float64(u.Bytes) < least) {
			least = float64(u.Bytes)
		}
	}
	return least
}

func fit(x, y []float64) (Line, bool) {
	n := float64(len(x))
	if n < 3 {
		return Line{}, false
	}
	var sx, sy, sxx, sxy, syy float64
	for i := range x {
		sx, sy = sx+x[i], sy+y[i]
	}
	mx, my := sx/n, sy/n
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		sxx, sxy, syy = sxx+dx*dx, sxy+dx*dy, syy+dy*dy
	}
	if sxx == 0 {
		return Line{}, false
	}
	l := Line{PerConnection: sxy / sxx, Points: len(x), Fit: 1}
	l.Base = my - l.PerConnection*mx
	if syy > 0 {
		l.Fit = sxy * sxy / (sxx * syy)
	}
	return l, true
}

// LineTable lists the lines of runs.
func LineTable(runs []*result.Run) string {
	rows := [][]string{{"run", "connections", "group", "at none", "a connection, while they come", "fit", "all, once settled", "of it a connection"}}
	for _, r := range runs {
		most := 0
		for i := range r.Series.Points {
			most = max(most, r.Series.Points[i].Connected)
		}
		for _, l := range Lines(r) {
			rows = append(rows, []string{r.Name, notation.Whole(float64(most)), l.Group, notation.Bytes(l.Base), notation.Bytes(l.PerConnection), notation.Digits(math.Round(l.Fit*1000) / 1000),
				notation.Bytes(l.Settled), notation.Bytes(l.Settled / math.Max(1, float64(most)))})
		}
	}
	if len(rows) == 1 {
		return "No run's result is there.\n"
	}
	return table(rows)
}

// settledLine is the line through what a group took once settled, over runs of one kind.
type settledLine struct {
	Line
	engine   string
	gateways int
	runs     []string
}

// settledLines are those of each engine and number of gateways that three runs or more have.
func settledLines(runs []*result.Run) []settledLine {
	var kinds []settledLine
	var x, y [][]float64
	for _, r := range runs {
		most := 0
		for i := range r.Series.Points {
			most = max(most, r.Series.Points[i].Connected)
		}
		for _, l := range Lines(r) {
			if l.Settled == 0 {
				continue
			}
			at := slices.IndexFunc(kinds, func(k settledLine) bool {
				return k.engine == r.Engine && k.gateways == r.Gateways && k.Group == l.Group
			})
			if at < 0 {
				at = len(kinds)
				kinds = append(kinds, settledLine{Line: Line{Group: l.Group}, engine: r.Engine, gateways: r.Gateways})
				x, y = append(x, nil), append(y, nil)
			}
			kinds[at].runs = append(kinds[at].runs, r.Name)
			x[at], y[at] = append(x[at], float64(most)), append(y[at], l.Settled)
		}
	}
	var out []settledLine
	for i, k := range kinds {
		if l, ok := fit(x[i], y[i]); ok {
			l.Group = k.Group
			k.Line = l
			out = append(out, k)
		}
	}
	return out
}

// SettledTable lists the lines through what groups took once settled, over runs of different sizes.
func SettledTable(runs []*result.Run) string {
	rows := [][]string{{"runs", "group", "at none", "a connection", "fit"}}
	for _, l := range settledLines(runs) {
		rows = append(rows, []string{strings.Join(l.runs, ", "), l.Group, notation.Bytes(l.Base), notation.Bytes(l.PerConnection), notation.Digits(math.Round(l.Fit*1000) / 1000)})
	}
	if len(rows) == 1 {
		return "There aren't three runs of one kind.\n"
	}
	return table(rows)
}

// ExpectTable says what so many connections to so many gateways of a cluster take by the settled lines of smaller runs. What
// processes take without connections counts for each of them; the store's memory is what it is in the runs.
func ExpectTable(runs []*result.Run, connections, gateways, clients int) string {
	rows := [][]string{{"group", "without connections", "with them", "together"}}
	sum := 0.0
	for _, l := range settledLines(runs) {
		if l.engine != "cluster" {
			continue
		}
		base, each := math.Max(0, l.Base), math.Max(0, l.PerConnection)*float64(connections)
		switch l.Group {
		case result.GroupGateways:
			base *= float64(gateways) / float64(l.gateways)
		case result.GroupClients:
			base *= float64(clients)
		case result.GroupRedis, result.GroupKernel:
		default: // the store and its like, whose size is set
			each = 0
		}
		sum += base + each
		rows = append(rows, []string{l.Group, notation.Bytes(base), notation.Bytes(each), notation.Bytes(base + each)})
	}
	if len(rows) == 1 {
		return "There aren't three runs of one kind.\n"
	}
	return table(append(rows, []string{"**sum**", "", "", "**" + notation.Bytes(sum) + "**"}))
}

// AccountTable sets the accounts of memory of runs beside each other: bytes a connection of each part, at the moment with
// the most connections.
func AccountTable(runs []*result.Run) string {
	var parts []string
	var accounts []*result.Memory
	rows := [][]string{{"a connection"}}
	for _, r := range runs {
		m, ok := fullest(r)
		if !ok {
			continue
		}
		accounts = append(accounts, m)
		rows[0] = append(rows[0], r.Name+", "+notation.Whole(float64(m.Connections)))
		for _, p := range m.Parts {
			if !strings.Contains("\n"+strings.Join(parts, "\n")+"\n", "\n"+p.Part+"\n") {
				parts = append(parts, p.Part)
			}
		}
	}
	if len(accounts) == 0 {
		return "No run's result is there.\n"
	}
	for _, name := range parts {
		row := []string{name}
		for _, m := range accounts {
			text := ""
			for _, p := range m.Parts {
				if p.Part == name {
					text = notation.Bytes(p.PerConn)
				}
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	sum, all := []string{"**sum of what was found**"}, []string{"that in all"}
	for _, m := range accounts {
		sum = append(sum, "**"+notation.Bytes(found(m)/float64(m.Connections))+"**")
		all = append(all, notation.Bytes(found(m)))
	}
	return table(append(rows, sum, all))
}

// found is the sum of an account's parts without the line that stands for what is in none of them: that one holds whatever
// other programs on the machine did meanwhile.
func found(m *result.Memory) (sum float64) {
	for _, p := range m.Parts {
		if p.Part != "not found" {
			sum += float64(p.Bytes)
		}
	}
	return sum
}

// RunTable lists runs, one a line: what was held, how fast, and whether it was right.
func RunTable(runs []*result.Run) string {
	rows := [][]string{{"run", "engine", "gateways", "connected at once", "ramp", "messages/s", "delivery p50", "p99", "p99 apart from restarts", "memory in all", "checker", "load before"}}
	for _, r := range runs {
		w := steadyOf(r)
		most, ramp, p50, p99, calm, memory := 0, "–", "–", "–", "–", "–"
		for i := range r.Series.Points {
			most = max(most, r.Series.Points[i].Connected)
		}
		for _, e := range r.Events {
			if e.Kind == result.EventRampDone {
				ramp = notation.Lasting(e.Seconds)
			}
		}
		if l, ok := r.Latency(result.LatencyDelivery, result.PhaseSteady); ok && l.Count > 0 {
			p50, p99 = notation.Millis.Text(l.P50), notation.Millis.Text(l.P99)
		}
		if l, ok := r.Latency(result.LatencyDelivery, result.PhaseCalm); ok && l.Count > 0 {
			calm = notation.Millis.Text(l.P99)
		}
		if m, ok := fullest(r); ok {
			memory = notation.Bytes(found(m))
		}
		rows = append(rows, []string{
			r.Name, r.Engine, notation.Whole(float64(r.Gateways)), notation.Whole(float64(most)), ramp, notation.Digits(w.acked), p50, p99, calm, memory,
			map[bool]string{true: "green", false: "red"}[r.Check.OK], r.Busy,
		})
	}
	if len(rows) == 1 {
		return "No run's result is there.\n"
	}
	return table(rows)
}

// descriptorsBeside are those of a gateway that are no clients' connections: to the store, Redis, the admin port, files.
const descriptorsBeside = 1200

// HoldTable says how many connections machines hold by their memory: idle ones with the costs measured, and by the line
// through runs of a cluster where there is one; and how many processes the first takes that have so many descriptors.
func HoldTable(c *Costs, s Shape, runs []*result.Run, limit int) string {
	each := []float64{c.ConnectionBytes}
	rows := [][]string{{"memory", "idle connections", fmt.Sprintf("gateways with %s descriptors each", notation.Whole(float64(limit)))}}
	for _, l := range settledLines(runs) {
		if l.engine == "cluster" && l.Group == result.GroupGateways && l.PerConnection > 0 {
			each = append(each, l.PerConnection)
			rows[0] = append(rows[0], "connections by the line through "+strings.Join(l.runs, ", "))
		}
	}
	for _, gib := range []float64{1, 4, 8, 16, 32, 64, 128} {
		row := []string{fmt.Sprintf("%g GiB", gib)}
		for i, bytes := range each {
			n := math.Max(0, gib*(1<<30)*s.FullMemory-c.GatewayBytes) / (bytes + c.KernelBytes)
			n = math.Floor(n/1000) * 1000
			row = append(row, notation.Whole(n))
			if i == 0 {
				row = append(row, notation.Whole(math.Ceil(n/float64(limit-descriptorsBeside))))
			}
		}
		rows = append(rows, row)
	}
	return table(rows)
}
