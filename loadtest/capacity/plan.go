package capacity

import "math"

// Need is one of the things that a part must have enough of, and how many machines that alone asks for.
type Need struct {
	Name     string // "CPU", "memory", …
	Amount   float64
	Unit     string // of Amount
	Machines float64
}

// Part is one kind of machine in one datacenter.
type Part struct {
	Name  string
	Units int    // machines; of Redis shards, each a master and a replica
	Bound string // the need that decides
	Needs []Need
}

// Plan is what a load needs.
type Plan struct {
	Load Load
	// Of the whole load, all datacenters together, a second.
	Connections, Connects, Recipients, Statements, Trips float64
	// Of one datacenter, when it carries its share with as many others away as the load says.
	Gateways, Store, Redis Part
	RedisMachines          int
	ClientBits             float64 // in the direction that is more: to clients, of one datacenter
	GatewayBits            float64 // in and out of all its gateways, all peers
	BetweenBits            float64 // from one datacenter to the others
	DiskBytes              float64 // on all disks of one datacenter, all replicas
	KeepBytes              float64 // one copy of it
}

// Machines is how many machines there are in all datacenters.
func (p *Plan) Machines() int {
	return int(p.Load.Datacenters) * (p.Gateways.Units + p.Store.Units + p.RedisMachines)
}

// Packets of a message beside those of statements and round trips: the frame and its ack, then for each recipient the
// message, the ack, `read`, and the sender's two receipts.
const (
	framesMessage   = 2
	framesRecipient = 5
	framesConnect   = 8 // TCP's and the upgrade's, welcome, synced
	day             = 86400.0
	storeMultiple   = 3 // racks that replicas are spread over
)

// Compute plans a load.
//
// Rates are the peak's. Every datacenter holds every row, so the store of each does the work of all messages; what people
// do there (connections, frames, sessions, claims, reads) is its share, with SpareCenters of the datacenters away.
func Compute(l Load, c *Costs, s Shape) (*Plan, error) {
	if err := l.valid(); err != nil {
		return nil, err
	}
	if err := s.valid(); err != nil {
		return nil, err
	}
	p := &Plan{Load: l}
	share := 1 / (l.Datacenters - l.SpareCenters)
	p.Connections = l.Users * l.Devices
	p.Connects = p.Connections * l.Connects / 3600
	p.Recipients = l.Messages * l.Recipients()
	// each is the sum of a cost over a second of the load. With devices above 1 each recipient counts so often: that is what
	// gateways do, where rows are written once a user.
	each := func(message, recipient, connect, devices float64) float64 {
		further := math.Max(0, l.Recipients()*devices-1)
		return l.Messages*(message+recipient*further) + p.Connects*connect
	}
	p.Statements = each(c.MessageStatements, c.RecipientStatements, c.ConnectStatements, 1)
	p.Trips = each(c.MessageTrips, c.RecipientTrips, c.ConnectTrips, 1)

	p.gateways(c, s, share, each)
	p.store(c, s, share, each)
	p.redis(c, s, share, each)
	behind := each(c.MessageBytes-c.MessageClient, c.RecipientBytes-c.RecipientClient, 0, 1)
	// A coordinator sends a row to each other datacenter once, whatever its replicas there; half of what gateways exchange
	// with store and Redis is sent.
	p.BetweenBits = 8 * behind / 2 * (l.Datacenters - 1) / l.Datacenters
	return p, nil
}

// claims is how many Redis remembers. A short while may be all peak, a day isn't.
func (l *Load) claims() float64 {
	if l.ClaimHours <= busyHours {
		return l.Messages * 3600 * l.ClaimHours
	}
	return l.Messages * 3600 * math.Max(busyHours, l.ClaimHours*l.MeanToPeak)
}

// busyHours is how long a peak lasts.
const busyHours = 3

type summing func(message, recipient, connect, devices float64) float64

func (p *Plan) gateways(c *Costs, s Shape, share float64, each summing) {
	l := p.Load
	connections := p.Connections * share
	cpu := (each(c.MessageGatewayCPU, c.RecipientGatewayCPU, c.ConnectGatewayCPU, l.Devices) + p.Connections*c.IdleGatewayCPU) * share
	memory := connections * (c.ConnectionBytes + c.KernelBytes)
	frames := each(framesMessage+framesRecipient, framesRecipient, framesConnect, l.Devices)
	packets := frames + 2*(p.Statements+p.Trips)
	p.GatewayBits = 8 * (each(c.MessageBytes, c.RecipientBytes, c.ConnectBytes, l.Devices) + packets*l.PacketBytes) * share
	p.ClientBits = 8 * (each(c.MessageClient, c.RecipientClient, c.ConnectClient, l.Devices)/2 + frames/2*l.PacketBytes) * share
	p.Gateways = part("gateways", []Need{
		{"connections", connections, "", connections / s.GatewayMost},
		{"CPU", cpu, "cores", cpu / (s.GatewayCores*s.FullCPU - c.GatewayCPU)},
		{"memory", memory, "B", memory / (s.GatewayBytes*s.FullMemory - c.GatewayBytes)},
		{"network", p.GatewayBits / 2, "bit/s", p.GatewayBits / 2 / (s.GatewayBits * s.FullBits)},
	}, 1/(1-l.SpareGateways), 1, 2)
}

func (p *Plan) store(c *Costs, s Shape, share float64, each summing) {
	l := p.Load
	// Writes of every datacenter's messages land in each; connects and reads are local. The measured CPU isn't told apart
	// by reads and writes, so all of a message's is counted everywhere: an upper bound with several datacenters.
	cpu := (each(c.MessageStoreCPU, c.RecipientStoreCPU, 0, 1) + p.Connects*c.ConnectStoreCPU*share) * l.Replicas * s.StoreFactor
	rows := l.Messages * l.MeanToPeak * day
	p.KeepBytes = rows*c.MessageRow*l.KeepDays + rows*(c.ClaimRow+l.Recipients()*c.InboxRow)*l.LogDays
	p.DiskBytes = p.KeepBytes * l.Replicas
	p.Store = part("store", []Need{
		{"CPU", cpu, "cores", cpu / (s.StoreCores * s.FullCPU)},
		{"disk", p.DiskBytes, "B", p.DiskBytes / (s.StoreBytes * s.FullDisk)},
	}, 1, storeMultiple, math.Max(storeMultiple, l.Replicas))
}

func (p *Plan) redis(c *Costs, s Shape, share float64, each summing) {
	l := p.Load
	cpu := each(c.MessageRedisCPU, c.RecipientRedisCPU, c.ConnectRedisCPU, 1) * share
	memory := (p.Connections*c.SessionBytes + l.claims()*c.ClaimBytes) * share
	p.Redis = part("redis", []Need{
		{"CPU", cpu, "cores", cpu / s.FullCPU},
		{"memory", memory, "B", memory / (s.RedisBytes * s.FullMemory)},
	}, 1, 1, 3)
	p.RedisMachines = max(3, int(math.Ceil(float64(2*p.Redis.Units)/s.RedisPerMachine)))
}

// part takes the need that asks for most, with head room, in whole machines of a multiple and at least so many.
func part(name string, needs []Need, room, multiple, least float64) Part {
	p := Part{Name: name, Needs: needs}
	most := 0.0
	for _, n := range needs {
		if n.Machines > most || p.Bound == "" {
			most, p.Bound = n.Machines, n.Name
		}
	}
	want := math.Ceil(most * room)
	if want < least {
		p.Bound = "the least that stands a loss"
	}
	p.Units = int(math.Ceil(math.Max(want, least)/multiple) * multiple)
	return p
}
