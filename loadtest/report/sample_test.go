package report

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/murre-chat/murre/loadtest/result"
)

// sample is a made-up run of a cluster: a ramp, a steady time with two restarts and a storm, every field filled.
func sample(seed uint64, scale float64) *result.Run {
	rng := rand.New(rand.NewPCG(seed, 1))
	jitter := func(v, share float64) float64 { return v * (1 + share*(rng.Float64()*2-1)) * scale }
	const points, every, people = 240, 5, 200_000
	r := &result.Run{
		Format: result.Format, Name: "sample", About: "Made up for tests: two hundred thousand people, a ramp, chat, two restarts, a storm.",
		Scenario: "name: sample\nconnections: 200000\n", Seed: seed, Engine: "cluster",
		Began: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Seconds: points * every, Command: "murre-load run sample.yaml", Version: "murre version devel",
		Busy: "1.00 0.80 0.50", Gateways: 11, Users: people, Conversations: 300_000, Groups: 1000, LargestGroup: 256,
		Machines: []result.Machine{{Name: "local", CPU: "A processor", Cores: 2, MemoryBytes: 24 << 30, Kernel: "Linux 6.18"}},
		Series:   result.Series{EverySeconds: every}, OK: true,
		Check: result.Check{OK: true, Messages: 300_000, Receptions: 900_000, Conversations: 40_000, StateBytes: 90 << 20},
		Limits: []result.Threshold{
			{Name: "p99DeliveryMs", Limit: 100, Got: 61.2 * scale, Unit: "ms", OK: 61.2*scale <= 100},
			{Name: "lost", Limit: 0, Got: 0, OK: true},
			{Name: "memoryBytes", Limit: 20 << 30, Got: 8 << 30, Unit: "bytes", OK: true},
			{Name: "rampSeconds", Limit: 900, Got: 300, Unit: "s", OK: true},
			{Name: "messagesPerSecond", Limit: 300, Least: true, Got: 300.4, Unit: "/s", OK: true},
		},
		Events: []result.Event{
			{At: 2, Kind: result.EventRampBegins}, {At: 300, Kind: result.EventRampDone, Seconds: 300, N: people},
			{At: 600, Kind: result.EventRestart, Detail: "gateway-1"}, {At: 612, Kind: result.EventRestarted, Detail: "gateway-1", Seconds: 12},
			{At: 900, Kind: result.EventStorm, N: 20_000}, {At: 940, Kind: result.EventStormBack, Seconds: 40}, {At: 1150, Kind: result.EventSteadyDone},
		},
		Slopes: []result.Slope{{Group: result.GroupGateways, Quantity: "bytes", First: 1 << 30, Last: 1.01 * (1 << 30), PerHour: 12 << 20}, {Group: result.GroupGateways, Quantity: "goroutines", First: 900, Last: 898, PerHour: -2}},
	}
	for w := range 11 {
		r.Workers = append(r.Workers, result.Worker{ID: w, Machine: "local", Connections: 18_182, BytesAConnection: jitter(1300, 0.1)})
	}
	for i := range points {
		at := float64((i + 1) * every)
		up := int(math.Min(1, at/300) * people)
		p := result.Point{At: at, Connected: up, Wanted: up}
		if at <= 300 {
			p.Connects = people * every / 300
		}
		calm := 1.0
		if at > 900 && at < 940 {
			p.Connected -= int((940 - at) / 40 * 20_000)
			p.Connects, p.Errors, calm = 2500, map[string]int64{"close 1001": 3, "dial": 40}, 9
		}
		if at > 600 && at < 615 {
			calm = 3
		}
		if at > 300 {
			p.Due, p.Sent, p.Acked, p.Delivered, p.Receipts = 1500, 1500, 1500, int64(jitter(3900, 0.05)), 3000
		}
		if at > 300 {
			p.Ack = result.Quantiles{P50: jitter(6, 0.1), P99: jitter(40*calm, 0.3), P999: jitter(80*calm, 0.3), Max: jitter(150*calm, 0.4)}
			p.Delivery = result.Quantiles{P50: jitter(8, 0.1), P99: jitter(60*calm, 0.3), P999: jitter(95*calm, 0.3), Max: jitter(190*calm, 0.4)}
		}
		p.BytesIn, p.BytesOut = int64(jitter(4e6, 0.1)), int64(jitter(1e6, 0.1))
		conns := float64(p.Connected)
		p.Use = map[string]result.Use{
			result.GroupGateways:  {Processes: 11, Bytes: int64((500<<20)*scale + conns*2300), CPUSeconds: jitter(2.5*calm, 0.1), Descriptors: p.Connected + 400, Goroutines: 900, HeapBytes: int64(conns * 900)},
			result.GroupClients:   {Processes: 12, Bytes: int64(300<<20 + conns*1300), CPUSeconds: jitter(0.7, 0.1), Descriptors: p.Connected + 200},
			result.GroupRedis:     {Processes: 6, Bytes: int64(60<<20 + conns*700), CPUSeconds: jitter(0.6, 0.1)},
			result.GroupCassandra: {Processes: 1, Bytes: 2300 << 20, CPUSeconds: jitter(2, 0.1)},
			result.GroupKernel:    {Bytes: int64(conns * 7400), CPUSeconds: jitter(0.5, 0.1)},
		}
		r.Series.Points = append(r.Series.Points, p)
		r.Totals.Add(&p.Counts)
	}
	for i, name := range []string{result.LatencyAck, result.LatencyDelivery, result.LatencyReceipt, result.LatencyConnect, result.LatencyCatchup} {
		l := result.Latency{Name: name, Phase: "steady", Count: 250_000, Mean: 9 * scale, Min: 0.8, P50: 6 * scale, P90: 21 * scale, P99: 61.2 * scale, P999: 120 * scale, P9999: 300 * scale, Max: 900 * scale}
		for q := 0.0; q < 5.3; q += 0.1 {
			l.Curve = append(l.Curve, result.CurvePoint{Share: 1 - math.Pow(10, -q), Ms: (1 + float64(i)) * scale * math.Pow(10, 0.45*q)})
		}
		l.Curve = append(l.Curve, result.CurvePoint{Share: 1, Ms: 900 * scale})
		r.Latencies = append(r.Latencies, l)
	}
	parts := []result.MemoryPart{
		{Part: result.GroupGateways, Processes: 11, Bytes: 984 << 20, Note: "proportional set sizes"}, {Part: result.GroupClients, Processes: 12, Bytes: 560 << 20, Note: "proportional set sizes"},
		{Part: result.GroupRedis, Processes: 6, Bytes: 200 << 20}, {Part: result.GroupCassandra, Processes: 1, Bytes: 2300 << 20}, {Part: "kernel: slab", Bytes: 1410 << 20, Note: "sockets, inodes, epoll items"},
	}
	m := result.Memory{At: 301, Moment: "all connected", Connections: people, BeforeBytes: 900 << 20}
	for _, p := range parts {
		p.PerConn = float64(p.Bytes) / people
		m.SumBytes += p.Bytes
		m.Parts = append(m.Parts, p)
	}
	m.InUseBytes = m.BeforeBytes + m.SumBytes + 120<<20
	r.Memory = []result.Memory{m}
	return r
}
