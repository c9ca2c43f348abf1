package conduct

import (
	"context"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/result"
)

// gather makes points out of ticks.
type gather struct {
	r      *run
	points map[int]*point // not all workers have told
	next   int            // the first that isn't finished
	cpu    int64          // of the workers, µs, at the last point
	all    map[[2]string]*hdrhistogram.Histogram
}

type point struct {
	result.Point
	told     int
	ack, dlv *hdrhistogram.Histogram
	clients  result.Use
	cpu      int64
}

const (
	longest  = 600_000_000 // µs; as the workers'
	lateTick = 10          // points that are given up on a worker that is so many behind
)

func (g *gather) init(r *run) {
	g.r, g.points, g.all, g.next = r, map[int]*point{}, map[[2]string]*hdrhistogram.Histogram{}, -1
	r.res.Series.EverySeconds = r.sc.Points.Seconds()
}

// add takes a tick, and finishes points that are complete.
func (g *gather) add(ctx context.Context, t *control.Tick) {
	if g.next < 0 {
		g.next = t.N
	}
	p := g.points[t.N]
	if p == nil {
		p = &point{ack: hdrhistogram.New(1, longest, 2), dlv: hdrhistogram.New(1, longest, 2)}
		p.At = float64(t.N+1) * g.r.sc.Points.Seconds()
		g.points[t.N] = p
	}
	p.told++
	p.Connected += t.Connected
	p.Wanted += t.Wanted
	p.Counts.Add(&t.Counts)
	merge(p.ack, t.Ack)
	merge(p.dlv, t.Delivery)
	p.clients.Processes++
	p.clients.Bytes += t.Bytes
	p.clients.Descriptors += t.FDs
	p.cpu += t.CPU
	for g.points[g.next] != nil && (g.points[g.next].told >= len(g.r.crew.hands) || t.N > g.next+lateTick) {
		g.finish(g.next)
		g.next++
		if len(g.r.res.Series.Points)%g.r.askEvery() == 0 {
			g.r.gauges.ask(ctx, g.r.stage.admins())
		}
	}
	if g.points[g.next] == nil && t.N > g.next+lateTick {
		g.next = t.N // nobody told
	}
}

// askEvery is how many points lie between two rounds of questions to the gateways: half a minute, less in short runs.
func (r *run) askEvery() int {
	return max(1, int(min(30*time.Second, r.sc.Duration/30)/r.sc.Points))
}

// flush finishes what is left.
func (g *gather) flush() {
	for len(g.points) > 0 {
		if g.points[g.next] != nil {
			g.finish(g.next)
		}
		g.next++
	}
}

func (g *gather) finish(n int) {
	p := g.points[n]
	delete(g.points, n)
	p.Ack, p.Delivery = quantiles(p.ack), quantiles(p.dlv)
	g.r.res.Totals.Add(&p.Counts)
	if g.r.calm(p.At) {
		g.into(result.LatencyAck, result.PhaseCalm).Merge(p.ack)
		g.into(result.LatencyDelivery, result.PhaseCalm).Merge(p.dlv)
	}
	p.Use = g.r.mach.point(g.r.stage.processes())
	if told := g.r.gauges.take(); told != nil {
		u := p.Use[result.GroupGateways]
		u.Goroutines, u.HeapBytes, u.Descriptors = told.Goroutines, told.HeapBytes, told.Descriptors
		if u.Processes == 0 { // elsewhere
			u.Processes, u.Bytes = len(g.r.stage.admins()), told.Bytes
		}
		p.Use[result.GroupGateways] = u
	}
	if p.told == len(g.r.crew.hands) {
		if g.cpu > 0 {
			p.clients.CPUSeconds = float64(max(p.cpu-g.cpu, 0)) / 1e6
		}
		g.cpu = p.cpu
		p.Use[result.GroupClients] = p.clients
	}
	g.r.res.Series.Points = append(g.r.res.Series.Points, p.Point)
	g.r.o.Display.Update(p.Point)
	for _, name := range g.r.stage.lost() {
		if !g.r.lost[name] {
			g.r.lost[name] = true
			g.r.event(result.Event{Kind: result.EventGatewayLost, Detail: name})
		}
	}
}

// merge adds a packed histogram; a broken one is as if it were empty.
func merge(into *hdrhistogram.Histogram, packed string) {
	if packed == "" {
		return
	}
	if h, err := hdrhistogram.Decode([]byte(packed)); err == nil {
		into.Merge(h)
	}
}

// ms is µs as ms.
func ms(micros int64) float64 { return float64(micros) / 1000 }

func quantiles(h *hdrhistogram.Histogram) result.Quantiles {
	if h.TotalCount() == 0 {
		return result.Quantiles{}
	}
	return result.Quantiles{P50: ms(h.ValueAtQuantile(50)), P99: ms(h.ValueAtQuantile(99)), P999: ms(h.ValueAtQuantile(99.9)), Max: ms(h.Max())}
}

// into is a distribution of the whole run.
func (g *gather) into(name, phase string) *hdrhistogram.Histogram {
	k := [2]string{name, phase}
	h := g.all[k]
	if h == nil {
		h = hdrhistogram.New(1, longest, 3)
		g.all[k] = h
	}
	return h
}

// afterRestart is how long people may take to be where they were once a gateway is back.
const afterRestart = 5 // seconds

// calm reports whether a point lies in the steady time of a run with restarts, and in none of them.
func (r *run) calm(at float64) bool {
	if r.steadyFrom == 0 || at-r.sc.Points.Seconds() < r.steadyFrom || r.steadyTo != 0 && at > r.steadyTo || r.sc.Restart.Share == 0 {
		return false
	}
	restarting, since := false, math.Inf(-1)
	for _, e := range r.res.Events {
		switch e.Kind {
		case result.EventRestart:
			restarting = true
		case result.EventRestarted:
			restarting, since = false, e.At
		}
	}
	return !restarting && at-r.sc.Points.Seconds() > since+afterRestart
}

// final takes what a worker knows in the end.
func (r *run) final(h *hand, f *control.Final) error {
	h.base, h.full = f.Base, f.Full
	r.repeated += f.Repeated
	r.state += f.StateBytes
	r.base += f.Base
	r.full += f.Full
	r.judge.Add(f.Found, f.Told)
	for _, packed := range f.Histograms {
		merge(r.g.into(packed.Name, packed.Phase), packed.HDR)
	}
	return nil
}

// latencies are the distributions of the whole run.
func (r *run) latencies() (out []result.Latency) {
	for _, phase := range []string{result.PhaseSteady, result.PhaseCalm, result.PhaseStorm, result.PhaseAll} {
		for _, name := range []string{result.LatencyAck, result.LatencyDelivery, result.LatencyReceipt, result.LatencyConnect, result.LatencyCatchup} {
			h := r.g.all[[2]string{name, phase}]
			if h == nil || h.TotalCount() == 0 {
				continue
			}
			q := func(p float64) float64 { return ms(h.ValueAtQuantile(p)) }
			l := result.Latency{
				Name: name, Phase: phase, Count: h.TotalCount(), Mean: math.Round(h.Mean()) / 1000, Min: ms(h.Min()), Max: ms(h.Max()),
				P50: q(50), P90: q(90), P99: q(99), P999: q(99.9), P9999: q(99.99),
			}
			for _, b := range h.CumulativeDistributionWithTicks(5) {
				l.Curve = append(l.Curve, result.CurvePoint{Share: b.Quantile / 100, Ms: ms(b.ValueAt)})
			}
			if b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase); err == nil {
				l.HDR = string(b)
			}
			out = append(out, l)
		}
	}
	return out
}
