package capacity

import (
	"math"
	"strings"

	"github.com/murre-chat/murre/loadtest/result"
)

// Prediction is one figure of a run that was measured, beside what the costs say of it.
type Prediction struct {
	Run         string
	Connections int
	Rate        float64 // messages acked a second
	What        string
	Unit        string
	Predicted   float64
	Measured    float64
}

// Off is the prediction as a share of what was measured.
func (p Prediction) Off() float64 { return p.Predicted / p.Measured }

// Check predicts memory and CPU of a run on a cluster from what it was asked to do, and sets it beside what was measured. A
// run on another engine, or one whose series doesn't say, has no predictions.
func Check(r *result.Run, c *Costs) []Prediction {
	if r.Engine != "cluster" {
		return nil
	}
	var out []Prediction
	w := steadyOf(r)
	add := func(what, unit string, predicted, measured float64) {
		if measured > 0 && !math.IsNaN(predicted) {
			out = append(out, Prediction{Run: r.Name, Connections: w.connected, Rate: w.acked, What: what, Unit: unit, Predicted: predicted, Measured: measured})
		}
	}
	if m, ok := fullest(r); ok {
		n := float64(m.Connections)
		add("memory of gateways", "B", float64(r.Gateways)*c.GatewayBytes+n*c.ConnectionBytes, partBytes(m, result.GroupGateways))
		ends := 1.0
		for _, worker := range r.Workers {
			if worker.Machine == "local" {
				ends = 2
			}
		}
		add("memory of the kernel", "B", n*ends*c.KernelBytes, partBytes(m, result.GroupKernel))
	}
	if w.seconds == 0 {
		return out
	}
	further := math.Max(0, w.delivered-w.acked)
	add("CPU of gateways", "cores", float64(r.Gateways)*c.GatewayCPU+float64(w.connected)*c.IdleGatewayCPU+
		w.acked*c.MessageGatewayCPU+further*c.RecipientGatewayCPU+w.connects*c.ConnectGatewayCPU, w.cpu[result.GroupGateways])
	add("CPU of the store", "cores", c.StoreCPU+w.acked*c.MessageStoreCPU+further*c.RecipientStoreCPU+w.connects*c.ConnectStoreCPU, w.cpu[result.GroupCassandra])
	add("CPU of Redis", "cores", c.RedisCPU+w.acked*c.MessageRedisCPU+further*c.RecipientRedisCPU+w.connects*c.ConnectRedisCPU, w.cpu[result.GroupRedis])
	return out
}

// fullest is the account of memory with the most connections.
func fullest(r *result.Run) (best *result.Memory, ok bool) {
	for i := range r.Memory {
		if m := &r.Memory[i]; m.Connections > 0 && (best == nil || m.Connections > best.Connections) {
			best = m
		}
	}
	return best, best != nil
}

// partBytes sums up the lines of an account whose part begins with a name.
func partBytes(m *result.Memory, name string) (sum float64) {
	for _, p := range m.Parts {
		if strings.HasPrefix(p.Part, name) {
			sum += float64(p.Bytes)
		}
	}
	return sum
}

// steadyTime is what went on between the end of the ramp and the end of the steady time; rates are a second.
type steadyTime struct {
	seconds                    float64
	connected                  int
	acked, delivered, connects float64
	cpu                        map[string]float64 // cores by group
}

func steadyOf(r *result.Run) steadyTime {
	w := steadyTime{cpu: map[string]float64{}}
	r.Steady(func(p *result.Point, seconds float64) {
		w.seconds += seconds
		w.connected = max(w.connected, p.Connected)
		w.acked += float64(p.Acked)
		w.delivered += float64(p.Delivered)
		w.connects += float64(p.Connects)
		for name, u := range p.Use {
			w.cpu[name] += u.CPUSeconds
		}
	})
	if w.seconds == 0 {
		return w
	}
	w.acked, w.delivered, w.connects = w.acked/w.seconds, w.delivered/w.seconds, w.connects/w.seconds
	for name := range w.cpu {
		w.cpu[name] /= w.seconds
	}
	return w
}
