package conduct

import (
	"context"
	"fmt"
	"time"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/result"
)

// account has the ledger judged: what all workers say is compared, then conversations that don't agree are looked into.
func (r *run) account(ctx context.Context) error {
	bounds := make([]int, len(r.crew.hands))
	for i, h := range r.crew.hands {
		bounds[i] = h.from
	}
	r.crew.left = 2 * len(r.crew.hands) // lines and claims
	if err := r.crew.all(control.Command{Account: &control.Account{Bounds: bounds}}); err != nil {
		return err
	}
	if err := r.pump(ctx, 5*time.Minute, func() bool { return r.crew.left == 0 }); err != nil {
		return fmt.Errorf("the workers' accounts: %w", err)
	}
	if err := r.suspects(ctx); err != nil {
		return err
	}
	if err := r.watch.histories(ctx, r.judge.Sample(r.sc.Check.Histories)); err != nil {
		return err
	}
	r.judge.Add(r.watch.marks.Found())
	r.watch.marks.Claims(func(member int, packed []byte) {
		h := r.crew.of(member)
		h.claims = append(h.claims, packed...)
	})
	for _, h := range r.crew.hands {
		for from := 0; from < len(h.claims); from += claimsPart {
			if err := h.tell(control.Command{Claims: h.claims[from:min(from+claimsPart, len(h.claims))]}); err != nil {
				return err
			}
		}
		h.claims = nil
	}
	return nil
}

// suspects looks into the conversations that don't agree.
func (r *run) suspects(ctx context.Context) error {
	suspects := r.judge.Suspects()
	if len(suspects) == 0 {
		return nil
	}
	const looked = 1000 // so many are looked into; all others of that kind are like them
	r.crew.left = len(r.crew.hands)
	if err := r.crew.all(control.Command{Members: suspects[:min(len(suspects), looked)]}); err != nil {
		return err
	}
	if err := r.pump(ctx, 2*time.Minute, func() bool { return r.crew.left == 0 }); err != nil {
		return fmt.Errorf("the members' accounts: %w", err)
	}
	return nil
}

// claimsPart is how many bytes of claims go in one command: whole claims of 24 bytes.
const claimsPart = 24 * 40000

// of is the worker of a user.
func (c *crew) of(user int) *hand {
	for _, h := range c.hands {
		if user < h.to {
			return h
		}
	}
	return c.hands[len(c.hands)-1]
}

// finish writes down what was found.
func (r *run) finish() {
	res := r.res
	r.g.flush()
	res.Seconds = r.now()
	res.Machines, res.Workers = nil, nil
	if r.crew != nil {
		known := map[string]bool{}
		for _, h := range r.crew.hands {
			if !known[h.where] {
				known[h.where] = true
				m := h.machine
				m.Name = h.where
				res.Machines = append(res.Machines, m)
			}
			w := result.Worker{ID: h.n, Machine: h.where, Connections: h.to - h.from}
			if h.full > 0 {
				w.BytesAConnection = float64(h.full-h.base) / float64(h.to-h.from)
			}
			res.Workers = append(res.Workers, w)
		}
	}
	res.Latencies = r.latencies()
	res.Slopes = slopes(res.Series.Points, r.steadyFrom, r.steadyTo)
	r.judge.Suspects() // counts
	res.Check = r.judge.Check(r.state)
	res.Repeated = r.repeated
	res.Registered = r.registered
	res.Limits = r.thresholds()
	res.OK = res.Check.OK
	for _, t := range res.Limits {
		res.OK = res.OK && t.OK
	}
}

// thresholds are the scenario's limits with what came of them. What wasn't reached is a limit that wasn't kept.
func (r *run) thresholds() []result.Threshold {
	out := []result.Threshold{}
	t := &r.sc.Thresholds
	most := func(name, unit string, limit *float64, got float64, known bool) {
		if limit != nil {
			out = append(out, result.Threshold{Name: name, Limit: *limit, Got: got, Unit: unit, OK: known && got <= *limit})
		}
	}
	least := func(name, unit string, limit *float64, got float64) {
		if limit != nil {
			out = append(out, result.Threshold{Name: name, Limit: *limit, Least: true, Got: got, Unit: unit, OK: got >= *limit})
		}
	}
	none := 0.0
	most("gatewaysLost", "", &none, float64(len(r.lost)), true)
	res := r.res
	steady := r.steadyTo - r.steadyFrom
	ack, acked := res.Latency(result.LatencyAck, result.PhaseSteady)
	delivery, delivered := res.Latency(result.LatencyDelivery, result.PhaseSteady)
	var errors, acks, connected float64
	for _, n := range res.Totals.Errors {
		errors += float64(n)
	}
	peak := 0
	for _, p := range res.Series.Points {
		peak = max(peak, p.Connected)
		if p.At > r.steadyFrom && (r.steadyTo == 0 || p.At <= r.steadyTo) {
			acks += float64(p.Acked)
		}
	}
	if r.rampDone > 0 {
		connected = float64(peak)
	}
	var memory, each float64
	for _, m := range res.Memory {
		if m.Moment == "end" {
			memory = float64(m.InUseBytes - m.BeforeBytes)
		}
	}
	for _, w := range res.Workers {
		each += w.BytesAConnection * float64(w.Connections) / float64(max(res.Users, 1))
	}
	growth, grew := r.growth()
	receptions := float64(max(res.Check.Receptions, 1))
	most("rampSeconds", "s", t.RampSeconds, r.rampDone-r.rampBegan, r.rampDone > 0)
	least("connected", "", t.Connected, connected)
	least("registered", "", t.Registered, float64(r.registered))
	least("rate", "/s", t.Rate, acks/max(steady, 1))
	most("p99AckMs", "ms", t.P99AckMs, ack.P99, acked)
	most("p50DeliveryMs", "ms", t.P50DeliveryMs, delivery.P50, delivered)
	most("p99DeliveryMs", "ms", t.P99DeliveryMs, delivery.P99, delivered)
	most("stormSeconds", "s", t.StormSeconds, r.stormBack-r.stormBegan, r.stormBack > 0)
	most("memoryBytes", "bytes", t.MemoryBytes, memory, memory > 0)
	most("bytesAConnection", "bytes", t.BytesAConnection, each, each > 0)
	most("errorShare", "", t.ErrorShare, errors/float64(max(res.Totals.Sent, 1)), true)
	most("repeatedShare", "", t.RepeatedShare, float64(r.repeated)/receptions, true)
	most("growthPerHour", "", t.GrowthPerHour, growth, grew)
	return out
}

// growth is how much the gateways' memory grew an hour, as a share of it.
func (r *run) growth() (float64, bool) {
	for _, s := range r.res.Slopes {
		if s.Group == result.GroupGateways && s.Quantity == "bytes" && s.First > 0 {
			return s.PerHour / s.First, true
		}
	}
	return 0, false
}

// slopes are straight lines through what groups of processes took over a stretch of the series.
func slopes(points []result.Point, from, to float64) (out []result.Slope) {
	quantities := []struct {
		name string
		of   func(result.Use) float64
	}{
		{"bytes", func(u result.Use) float64 { return float64(u.Bytes) }},
		{"fds", func(u result.Use) float64 { return float64(u.Descriptors) }},
		{"goroutines", func(u result.Use) float64 { return float64(u.Goroutines) }},
		{"heapBytes", func(u result.Use) float64 { return float64(u.HeapBytes) }},
	}
	for _, group := range result.Groups() {
		for _, q := range quantities {
			var n, sx, sy, sxx, sxy float64
			for _, p := range points {
				v := q.of(p.Use[group])
				if p.At < from || p.At > to || v == 0 {
					continue
				}
				x := p.At - from
				n, sx, sy, sxx, sxy = n+1, sx+x, sy+v, sxx+x*x, sxy+x*v
			}
			if den := n*sxx - sx*sx; n >= 3 && den > 0 {
				b := (n*sxy - sx*sy) / den
				a := (sy - b*sx) / n
				out = append(out, result.Slope{Group: group, Quantity: q.name, First: a, Last: a + b*(to-from), PerHour: b * 3600})
			}
		}
	}
	return out
}
