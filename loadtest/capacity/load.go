package capacity

import "fmt"

// Load is what people do at the busiest time, and how long what they wrote is kept. Its zero value is nobody.
type Load struct {
	Users    float64 // connected at once
	Messages float64 // sent a second, all users together

	Devices       float64 // connected devices a connected user
	GroupShare    float64 // of the messages that go to a group
	GroupOthers   float64 // members of such a group besides the sender
	Connects      float64 // connects an hour and device
	MeanToPeak    float64 // messages of a whole day as a share of the peak going on all day
	KeepDays      float64 // messages are kept so long
	LogDays       float64 // claim rows and inbox rows are (the tables' TTL)
	ClaimHours    float64 // Redis keeps claims so long
	PacketBytes   float64 // TCP, IP and TLS around each frame, and the peer's bare TCP ack
	Replicas      float64 // of a row in each datacenter
	Datacenters   float64 // each with all rows; users are spread evenly
	SpareCenters  float64 // datacenters that may be away while the others carry everybody
	SpareGateways float64 // share of a datacenter's gateways that may be away (a restart, a crash)
}

// People are the assumptions about one user that no measurement of ours can give. Say your own.
func People() Load {
	return Load{
		Devices: 1.2, GroupShare: 0.2, GroupOthers: 9, Connects: 4, MeanToPeak: 0.5, KeepDays: 365, LogDays: 30,
		ClaimHours: 24, PacketBytes: 130, Replicas: 3, Datacenters: 1, SpareCenters: 0, SpareGateways: 0.1,
	}
}

// In puts the load into several datacenters, of which one may be away.
func (l Load) In(datacenters int) Load {
	l.Datacenters, l.SpareCenters = float64(datacenters), 0
	if datacenters > 1 {
		l.SpareCenters = 1
	}
	return l
}

func (l *Load) slots() []slot {
	return []slot{
		{"users", "", "users connected at once", &l.Users},
		{"messages", "/s", "messages sent, at the peak", &l.Messages},
		{"devices", "", "connected devices a user", &l.Devices},
		{"group-share", "", "share of messages that go to groups", &l.GroupShare},
		{"group-others", "", "recipients of a group message", &l.GroupOthers},
		{"connects", "/h", "connects a device", &l.Connects},
		{"mean-to-peak", "", "a day's mean rate of messages as a share of the peak", &l.MeanToPeak},
		{"keep-days", "d", "messages are kept", &l.KeepDays},
		{"log-days", "d", "logs and claims are kept (TTL of the tables)", &l.LogDays},
		{"claim-hours", "h", "claims are kept in Redis", &l.ClaimHours},
		{"packet", "B", "TCP, IP and TLS around a frame, and the bare ack back", &l.PacketBytes},
		{"replicas", "", "replicas of a row in a datacenter", &l.Replicas},
		{"datacenters", "", "datacenters, each with all rows", &l.Datacenters},
		{"spare-datacenters", "", "datacenters that may be away", &l.SpareCenters},
		{"spare-gateways", "", "share of the gateways that may be away", &l.SpareGateways},
	}
}

// Quantities lists the load's numbers.
func (l Load) Quantities() []Quantity {
	return quantities(l.slots(), func(string) string { return "assumed" })
}

// Recipients is the mean number of recipients of a message.
func (l Load) Recipients() float64 { return 1 - l.GroupShare + l.GroupShare*l.GroupOthers }

func (l *Load) valid() error {
	for _, s := range l.slots() {
		if *s.at < 0 {
			return fmt.Errorf("%s is negative", s.name)
		}
	}
	switch {
	case l.Users == 0:
		return fmt.Errorf("no users")
	case l.GroupShare > 1 || l.MeanToPeak > 1 || l.SpareGateways >= 1:
		return fmt.Errorf("group-share, mean-to-peak and spare-gateways are shares, at most 1")
	case l.Datacenters < 1 || l.SpareCenters >= l.Datacenters:
		return fmt.Errorf("one datacenter at least must be there")
	case l.Replicas < 1 || l.Devices < 1:
		return fmt.Errorf("replicas and devices are 1 at least")
	}
	return nil
}

// Shape is what is bought, and how full it may get at the load's peak.
type Shape struct {
	GatewayCores, GatewayBytes, GatewayBits float64 // a gateway's machine; bits of its network a second, each way
	GatewayMost                             float64 // connections that one gateway may hold: so many come back when it dies
	StoreCores, StoreBytes                  float64 // a store node; bytes of its disks
	RedisBytes                              float64 // of a shard's memory; a shard is one core
	RedisPerMachine                         float64 // shards' processes, masters or replicas, on one machine
	FullCPU, FullMemory, FullDisk, FullBits float64 // shares that may be used
	StoreFactor                             float64 // CPU of the store that is bought as a multiple of the measured one's
}

// Machines are common sizes of 2026: 16 cores with 64 GiB and 10 Gbit/s for gateways, 32 cores with 7.5 TB of NVMe for
// the store, Redis shards of 16 GiB, 8 to a machine.
func Machines() Shape {
	return Shape{
		GatewayCores: 16, GatewayBytes: 64 << 30, GatewayBits: 10e9, GatewayMost: 500_000, StoreCores: 32, StoreBytes: 7.5e12,
		RedisBytes: 16 << 30, RedisPerMachine: 8, FullCPU: 0.5, FullMemory: 0.6, FullDisk: 0.5, FullBits: 0.5, StoreFactor: 1,
	}
}

func (s *Shape) slots() []slot {
	return []slot{
		{"gateway-cores", "", "cores of a gateway's machine", &s.GatewayCores},
		{"gateway-memory", "B", "its memory", &s.GatewayBytes},
		{"gateway-network", "bit/s", "its network, each way", &s.GatewayBits},
		{"gateway-most", "", "connections that one gateway may hold", &s.GatewayMost},
		{"store-cores", "", "cores of a store node", &s.StoreCores},
		{"store-disk", "disk", "its disks", &s.StoreBytes},
		{"redis-memory", "B", "memory of a Redis shard", &s.RedisBytes},
		{"redis-per-machine", "", "shards (masters and replicas) on a machine", &s.RedisPerMachine},
		{"full-cpu", "", "share of the cores that is used at the peak", &s.FullCPU},
		{"full-memory", "", "share of the memory", &s.FullMemory},
		{"full-disk", "", "share of the disks (compaction needs the rest)", &s.FullDisk},
		{"full-network", "", "share of the network", &s.FullBits},
		{"store-factor", "", "CPU of the store bought, as a multiple of the measured one's", &s.StoreFactor},
	}
}

// Quantities lists the shape's numbers.
func (s Shape) Quantities() []Quantity {
	return quantities(s.slots(), func(string) string { return "chosen" })
}

func (s *Shape) valid() error {
	for _, q := range s.slots() {
		if *q.at <= 0 {
			return fmt.Errorf("%s must be above 0", q.name)
		}
	}
	return nil
}
