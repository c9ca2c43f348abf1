package capacity_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/capacity"
	"github.com/murre-chat/murre/loadtest/result"
)

// round are costs with which sums can be done in the head.
func round() *capacity.Costs {
	return &capacity.Costs{
		ConnectionBytes: 3000, KernelBytes: 1000, MessageGatewayCPU: 1e-3, RecipientGatewayCPU: 1e-4, ConnectGatewayCPU: 1e-3,
		MessageStoreCPU: 1e-3, RecipientStoreCPU: 1e-4, MessageRedisCPU: 1e-4, RecipientRedisCPU: 1e-5,
		MessageStatements: 10, RecipientStatements: 2, ConnectStatements: 5, MessageTrips: 4, RecipientTrips: 1, ConnectTrips: 1,
		MessageBytes: 5000, RecipientBytes: 1000, MessageClient: 2000, RecipientClient: 500,
		MessageRow: 100, ClaimRow: 100, InboxRow: 50, SessionBytes: 300, ClaimBytes: 200,
	}
}

// plain is a load without groups, second devices and reserves.
func plain(users, rate float64) capacity.Load {
	return capacity.Load{
		Users: users, Messages: rate, Devices: 1, MeanToPeak: 1, KeepDays: 10, LogDays: 10, ClaimHours: 1, Replicas: 3, Datacenters: 1,
	}
}

func shape() capacity.Shape {
	return capacity.Shape{
		GatewayCores: 10, GatewayBytes: 40e9, GatewayBits: 10e9, GatewayMost: 1e6, StoreCores: 10, StoreBytes: 1e12, RedisBytes: 1e10,
		RedisPerMachine: 2, FullCPU: 0.5, FullMemory: 0.5, FullDisk: 0.5, FullBits: 0.5, StoreFactor: 1,
	}
}

func compute(t *testing.T, l capacity.Load, s capacity.Shape) *capacity.Plan {
	t.Helper()
	p, err := capacity.Compute(l, round(), s)
	require.NoError(t, err)
	return p
}

func need(t *testing.T, p capacity.Part, name string) capacity.Need {
	t.Helper()
	for _, n := range p.Needs {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("%s has no need %q", p.Name, name)
	return capacity.Need{}
}

// TestCompute: the formulas, by numbers that were worked out by hand.
func TestCompute(t *testing.T) {
	p := compute(t, plain(50e6, 10_000), shape())
	require.InDelta(t, 50e6, p.Connections, 1)
	require.InDelta(t, 100_000, p.Statements, 1)
	require.InDelta(t, 40_000, p.Trips, 1)
	require.InDelta(t, 10, need(t, p.Gateways, "CPU").Amount, 1e-9)        // 10,000 × 1 ms
	require.InDelta(t, 200e9, need(t, p.Gateways, "memory").Amount, 1)     // 50 M × 4,000 B
	require.InDelta(t, 10, need(t, p.Gateways, "memory").Machines, 1e-9)   // 20 GB each
	require.InDelta(t, 50, need(t, p.Gateways, "connections").Machines, 1) // a million each
	require.Equal(t, 50, p.Gateways.Units)
	require.Equal(t, "connections", p.Gateways.Bound)
	require.InDelta(t, 30, need(t, p.Store, "CPU").Amount, 1e-9) // three replicas
	// 864 M messages a day × 10 days × (100 + 100 + 50) B = 2.16 TB a copy, 6.48 TB on disks, half a TB a node.
	require.InDelta(t, 2.16e12, p.KeepBytes, 1)
	require.InDelta(t, 12.96, need(t, p.Store, "disk").Machines, 1e-6)
	require.Equal(t, 15, p.Store.Units, "a multiple of three")
	require.Equal(t, "disk", p.Store.Bound)
	// 50 M × 300 B + 36 M claims × 200 B = 22.2 GB, 5 GB a shard.
	require.InDelta(t, 22.2e9, need(t, p.Redis, "memory").Amount, 1)
	require.Equal(t, 5, p.Redis.Units)
	require.Equal(t, 5, p.RedisMachines, "ten processes, two a machine")
	require.Equal(t, 70, p.Machines())
	require.Zero(t, p.BetweenBits)
}

// TestGroups: a message to a group costs its recipients.
func TestGroups(t *testing.T) {
	l := plain(1e6, 1000)
	l.GroupShare, l.GroupOthers, l.Devices = 0.5, 9, 2
	p := compute(t, l, shape())
	require.InDelta(t, 5000, p.Recipients, 1e-6)
	require.InDelta(t, 1000*(10+4*2), p.Statements, 1e-6)
	require.InDelta(t, 1000*(1e-3+9*1e-4), need(t, p.Gateways, "CPU").Amount, 1e-9, "ten devices receive, the first is the message's")
}

// TestDatacenters: the store does everything everywhere, what people do is shared, and the others carry one that is away.
func TestDatacenters(t *testing.T) {
	one, three := compute(t, plain(60e6, 10_000), shape()), compute(t, plain(60e6, 10_000).In(3), shape())
	require.InDelta(t, 30, need(t, three.Store, "CPU").Amount, 1e-9)
	require.InDelta(t, one.DiskBytes, three.DiskBytes, 1)
	require.InDelta(t, need(t, one.Gateways, "memory").Amount/2, need(t, three.Gateways, "memory").Amount, 1, "of three, two are left")
	require.Positive(t, three.BetweenBits)
	require.Equal(t, 3*(three.Gateways.Units+three.Store.Units+three.RedisMachines), three.Machines())
}

// TestMore: more people, messages or costs never need fewer machines.
func TestMore(t *testing.T) {
	s, last := capacity.Machines(), 0
	for _, users := range []float64{1, 1e3, 1e6, 1e7, 5e8, 5e9} {
		p := compute(t, func() capacity.Load { l := capacity.People(); l.Users, l.Messages = users, users/500; return l }(), s)
		require.GreaterOrEqual(t, p.Machines(), last)
		last = p.Machines()
		for _, part := range []capacity.Part{p.Gateways, p.Store, p.Redis} {
			require.Positive(t, part.Units)
			require.NotEmpty(t, part.Bound)
		}
	}
	require.Equal(t, 2+3+3, compute(t, plain(1, 0), s).Machines(), "the least that stands a loss")
}

// TestSensitivity: what decides is named first; what doesn't is last.
func TestSensitivity(t *testing.T) {
	m := &capacity.Measured{Costs: *round()}
	effects, err := capacity.Sensitivity(plain(50e6, 10_000), m, shape())
	require.NoError(t, err)
	require.Equal(t, "devices", effects[0].Quantity.Name, "twice as many connections, with all they bring")
	require.Equal(t, 70, effects[0].Half, "nobody has less than one")
	i := slices.IndexFunc(effects, func(e capacity.Effect) bool { return e.Quantity.Name == "gateway-most" })
	require.Equal(t, 1, i)
	require.Equal(t, capacity.Effect{Quantity: effects[i].Quantity, Base: 70, Half: 120, Double: 45}, effects[i])
	require.Equal(t, *round(), m.Costs, "costs are as before")
	for i := range effects[1:] {
		require.LessOrEqual(t, effects[i+1].Size(), effects[i].Size())
	}
}

// TestRefused: what can't be is an error, not a number.
func TestRefused(t *testing.T) {
	for name, spoil := range map[string]func(l *capacity.Load, s *capacity.Shape){
		"nobody":    func(l *capacity.Load, _ *capacity.Shape) { l.Users = 0 },
		"negative":  func(l *capacity.Load, _ *capacity.Shape) { l.Messages = -1 },
		"all away":  func(l *capacity.Load, _ *capacity.Shape) { l.SpareCenters = 1 },
		"no spare":  func(l *capacity.Load, _ *capacity.Shape) { l.SpareGateways = 1 },
		"share":     func(l *capacity.Load, _ *capacity.Shape) { l.GroupShare = 1.5 },
		"no disk":   func(_ *capacity.Load, s *capacity.Shape) { s.StoreBytes = 0 },
		"no copies": func(l *capacity.Load, _ *capacity.Shape) { l.Replicas = 0 },
	} {
		l, s := plain(1e6, 1), shape()
		spoil(&l, &s)
		_, err := capacity.Compute(l, round(), s)
		require.Error(t, err, name)
	}
	l, s, m := plain(1, 1), shape(), &capacity.Measured{}
	require.ErrorContains(t, capacity.Set("nonsense", 1, m, &l, &s), "nonsense")
}

// rampRun is a run of 1,000 connections whose memory grows by 2 KiB a connection from 64 MiB.
func rampRun() *result.Run {
	r := &result.Run{
		Format: 1, Name: "ramp", Engine: "cluster", Gateways: 2, Users: 1000, Series: result.Series{EverySeconds: 1},
		Workers: []result.Worker{{Machine: "local"}}, Machines: []result.Machine{},
		Events: []result.Event{{At: 10, Kind: result.EventRampDone}, {At: 20, Kind: result.EventSteadyDone}},
		Memory: []result.Memory{{Connections: 1000, SumBytes: 5 << 20, Parts: []result.MemoryPart{{Part: result.GroupGateways, Bytes: 4 << 20, PerConn: 4194}, {Part: "kernel: slab", Bytes: 2e6, PerConn: 2000}}}},
	}
	for at := 1.0; at <= 25; at++ {
		n := int(math.Min(at, 10) * 100)
		p := result.Point{At: at, Connected: n, Use: map[string]result.Use{result.GroupGateways: {Bytes: int64(64<<20 + n*2048), CPUSeconds: 0.2}}}
		if at > 10 {
			p.Acked, p.Delivered = 100, 300
		}
		r.Series.Points = append(r.Series.Points, p)
	}
	return r
}

// TestCheck: a run is predicted from what it did.
func TestCheck(t *testing.T) {
	found := map[string]capacity.Prediction{}
	for _, p := range capacity.Check(rampRun(), round()) {
		found[p.What] = p
	}
	require.InDelta(t, 100*1e-3+200*1e-4, found["CPU of gateways"].Predicted, 1e-9)
	require.InDelta(t, 0.2, found["CPU of gateways"].Measured, 1e-9)
	require.InDelta(t, 1000*1000*2, found["memory of the kernel"].Predicted, 1e-6, "both ends are on the machine")
	require.InDelta(t, 1, found["memory of the kernel"].Off(), 1e-9)
	require.Equal(t, 1000, found["memory of gateways"].Connections)
	r := rampRun()
	r.Engine = "embedded"
	require.Empty(t, capacity.Check(r, round()))
}

// TestLines: the line through a ramp is found again.
func TestLines(t *testing.T) {
	lines := capacity.Lines(rampRun())
	require.Len(t, lines, 1)
	require.InDelta(t, 2048, lines[0].PerConnection, 1e-6)
	require.InDelta(t, 64<<20, lines[0].Base, 1)
	require.InDelta(t, 1, lines[0].Fit, 1e-9)
	require.Contains(t, capacity.LineTable([]*result.Run{rampRun()}), "| ramp | 1,000 | gateways | 64 MiB | 2 KiB | 1 | 66 MiB | 67.5 KiB |")
	require.Contains(t, capacity.SettledTable([]*result.Run{rampRun()}), "aren't three")
	var three []*result.Run
	for i, n := range []int{500, 1000, 2000} {
		run := rampRun()
		run.Name = string(rune('a' + i))
		for j := range run.Series.Points {
			p := &run.Series.Points[j]
			p.Connected = p.Connected * n / 1000
			p.Use = map[string]result.Use{result.GroupGateways: {Bytes: int64(32<<20 + p.Connected*3072)}}
		}
		three = append(three, run)
	}
	require.Contains(t, capacity.SettledTable(three), "| a, b, c | gateways | 32 MiB | 3 KiB | 1 |")
	require.Contains(t, capacity.ExpectTable(three, 1<<20, 4, 1), "| gateways | 64 MiB | 3 GiB | 3.06 GiB |")
	hold := capacity.HoldTable(round(), shape(), three, 20_000)
	require.Contains(t, hold, "| 8 GiB | 1,073,000 | 58 | 1,054,000 |", "half of the memory, 4,000 B each; and 4,072 by the line")
	r := rampRun()
	r.Memory[0].Parts = append(r.Memory[0].Parts, result.MemoryPart{Part: "not found", Bytes: -9e9})
	accounts := capacity.AccountTable([]*result.Run{r})
	require.Contains(t, accounts, "| kernel: slab | 1.95 KiB |")
	require.Contains(t, accounts, "| **sum of what was found** | **6.05 KiB** |")
	require.Contains(t, capacity.RunTable([]*result.Run{r}), "| ramp | cluster | 2 | 1,000 |")
}

// TestReadRuns: results are found among other JSON files.
func TestReadRuns(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, rampRun().Write(filepath.Join(dir, "runs", "a.json")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bench.json"), []byte(`{"figures": []}`), 0o600))
	runs, err := capacity.ReadRuns(dir)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Equal(t, "ramp", runs[0].Name)
}

// TestReadMissing: a figure that no file has is named.
func TestReadMissing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "costs.json"), []byte(`{"figures": [{"name": "Redis bytes a claim", "median": 3}]}`), 0o600))
	_, err := capacity.Read(dir)
	require.ErrorContains(t, err, `"connect: CQL statements"`)
	require.NotContains(t, err.Error(), "Redis bytes a claim")
}

// TestFill: blocks are replaced, and only known ones.
func TestFill(t *testing.T) {
	text := "a\n<!-- computed: x -->\nold\n<!-- end -->\nb\n<!-- computed: x -->\n<!-- end -->\n"
	got, err := capacity.Fill(text, map[string]string{"x": "new\n"})
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- computed: x -->\nnew\n<!-- end -->\nb\n<!-- computed: x -->\nnew\n<!-- end -->\n", got)
	_, err = capacity.Fill(text, map[string]string{"y": ""})
	require.ErrorContains(t, err, `"x"`)
}
