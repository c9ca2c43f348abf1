package scenario

import "time"

// Scenario is one file.
type Scenario struct {
	Name  string `yaml:"name"`  // required; letters, digits, dashes
	About string `yaml:"about"` // a sentence or two for the report
	Seed  uint64 `yaml:"seed"`  // of population, behaviour and jitter; default 1

	Server   Server        `yaml:"server"`
	Network  Network       `yaml:"network"`
	Workers  Workers       `yaml:"workers"`
	Users    Users         `yaml:"users"`
	Groups   Groups        `yaml:"groups"`
	Ramp     Ramp          `yaml:"ramp"`
	Duration time.Duration `yaml:"duration"` // of the steady time, after the ramp; required
	Messages Messages      `yaml:"messages"`
	Reading  Reading       `yaml:"reading"`
	Typing   Typing        `yaml:"typing"`
	Churn    Churn         `yaml:"churn"`
	Storm    Storm         `yaml:"storm"`
	Restart  Restart       `yaml:"restart"`
	Check    Check         `yaml:"check"`
	Points   time.Duration `yaml:"points"` // between points of the series; default 1 s, 5 s in runs of 10 minutes and more

	Thresholds Thresholds `yaml:"thresholds"`

	text string
}

// Text is the file as it was read.
func (s *Scenario) Text() string { return s.text }

// Engines.
const (
	Embedded = "embedded" // one server of the harness's own, its store filled before it starts
	Cluster  = "cluster"  // a native cluster of the harness's own: Cassandra, Redis Cluster, gateways
	Targets  = "targets"  // gateways that run already; the population is written to their store
)

// Server says what is driven.
type Server struct {
	Engine   string   `yaml:"engine"`   // default embedded
	Gateways int      `yaml:"gateways"` // of a cluster; default 3
	Targets  []string `yaml:"targets"`  // host:port of gateways, IPv4; with engine targets
	Store    string   `yaml:"store"`    // cql://… that the targets use
	Secret   string   `yaml:"secret"`   // file with the HS256 secret that the targets accept (--jwt-secret-file)
	Admins   []string `yaml:"admins"`   // host:port of the targets' admin ports, for their memory; may be missing
	// HeapMB is the heap of the cluster's one Cassandra node, MiB; default 1,024. It takes about 250 more.
	HeapMB int `yaml:"cassandraHeapMB"`
	// MemoryLimit is the soft limit of each gateway's heap, as --memory-limit takes it; "": none.
	MemoryLimit string `yaml:"memoryLimit"`
	GOGC        int    `yaml:"gogc"` // of the gateways; default 50
	// Procs is on how many cores each gateway runs Go code at once (GOMAXPROCS); default 0: all. Where far more gateways than
	// cores share a machine, 1: each is woken for little, and would wake a second thread that finds nothing.
	Procs int      `yaml:"procs"`
	Flags []string `yaml:"flags"` // further flags of `murre serve`
}

// Network says in what network of this machine a run happens.
type Network struct {
	// Own is whether the run has a network namespace of its own, in which nothing else lives: a monitor that reads
	// /proc/net/tcp every few seconds reads two entries a connection there, half a core at a million. Needs root, and
	// everything of the run on this machine. The machine's settings under net are taken over.
	Own bool `yaml:"own"`
	// Buckets is how many the namespace's table of TCP connections has, rounded up to a power of two; default 0: it shares the
	// machine's, which goes with memory (262,144 on 24 GiB) and is looked through for every packet. At most 16,777,216.
	Buckets int `yaml:"buckets"`
}

// Workers says where the clients' processes run.
type Workers struct {
	// Each is how many connections one process holds at most; default 19,000, or less where the descriptor limit says so.
	Each int `yaml:"each"`
	// Machines are where workers run: "local", "ssh:user@host" (murre-load must be in its PATH), or "tcp:host:port" (a
	// `murre-load worker --listen` waits there, one connection a worker). Default local.
	Machines []string `yaml:"machines"`
	// Sources are networks from which clients dial, e.g. 10.1.0.0/16. Without any, clients of a server on the loopback are
	// spread over 127.0.0.0/8, others dial from the address that the system picks.
	Sources []string `yaml:"sources"`
	GOGC    int      `yaml:"gogc"`  // of the workers; default 50
	Procs   int      `yaml:"procs"` // of each worker, as of gateways; default 0: all cores
}

// Users says who is there. Everybody has one device and one connection, and somebody to write to.
type Users struct {
	Count  int     `yaml:"count"`  // required; even
	Active float64 `yaml:"active"` // share of those who write, 0..1; default 1
}

// Groups says in what groups people are. Sizes follow a Pareto distribution: many small ones, few large ones.
type Groups struct {
	Count int     `yaml:"count"` // default 0
	Min   int     `yaml:"min"`   // members of the smallest; default 3
	Max   int     `yaml:"max"`   // of the largest; default 100, at most 256
	Tail  float64 `yaml:"tail"`  // the distribution's exponent: smaller means larger groups; default 1.3
}

// Ramp says how people come.
type Ramp struct {
	Rate   float64 `yaml:"rate"`   // connections a second; default 1,000
	Window int     `yaml:"window"` // connections being made at once, over all workers; default 500
	// Gateways is at how many gateways people come at once: one after the other is filled, in as many rows. Default 0, at all. A
	// process that many come to does more for each waking than many that few come to.
	Gateways int `yaml:"gateways"`
	// Within is when the ramp must be done, or the run ends; default three times what Rate promises, and a minute.
	Within time.Duration `yaml:"within"`
	Settle time.Duration `yaml:"settle"` // quiet time between ramp and chat; default 2 s
}

// Messages says what people write. Everything is open loop: a message is due when the schedule says so, however long the
// one before takes, and its latency counts from then.
type Messages struct {
	// PerUserHour is how many messages each user writes an hour, active or not, on average.
	PerUserHour float64 `yaml:"perUserHour"`
	Rate        float64 `yaml:"rate"` // messages a second over all; in place of PerUserHour
	// Rise is over how long the rate climbs to that, evenly, before the steady time begins; default 0. A store that has just
	// started compiles and caches meanwhile what the first messages need.
	Rise  time.Duration `yaml:"rise"`
	Bytes int           `yaml:"bytes"` // of a text, on average; default 120, 80..4,000
	// GroupShare is the share of messages that go to a group of their writer, who is in one; default 0.2.
	GroupShare float64 `yaml:"groupShare"`
	MediaShare float64 `yaml:"mediaShare"` // share of messages that carry a picture, uploaded before; default 0
	MediaBytes int     `yaml:"mediaBytes"` // size of a picture; default 20,000
	// Reply is the share of direct messages that are answered; they count as part of the rate. Default 0.3.
	Reply float64       `yaml:"reply"`
	Think time.Duration `yaml:"think"` // before an answer, exponentially distributed around it; default 4 s
}

// Reading says how people read what they get.
type Reading struct {
	Share float64       `yaml:"share"` // of messages that are read while the run lasts; default 0.5
	After time.Duration `yaml:"after"` // exponentially distributed around it; default 2 s
}

// Typing says how people type.
type Typing struct {
	Share  float64       `yaml:"share"`  // of messages that are announced by a typing frame; default 0.2
	Before time.Duration `yaml:"before"` // how long before; default 2 s
}

// Churn says how people come and go while the steady time lasts.
type Churn struct {
	// PerHour is how often each user leaves an hour, on average; default 0.
	PerHour float64       `yaml:"perHour"`
	Away    time.Duration `yaml:"away"` // exponentially distributed around it; default 20 s
	// Rude is the share of leaves without a goodbye; default 0.5.
	Rude float64 `yaml:"rude"`
}

// Storm cuts many off at once.
type Storm struct {
	At     time.Duration `yaml:"at"`     // after the beginning of the steady time
	Count  int           `yaml:"count"`  // of users; 0: no storm
	Away   time.Duration `yaml:"away"`   // how long they stay away; default 0: they come back at once
	Spread time.Duration `yaml:"spread"` // over which their first attempts are spread; default 10 s
	// Pending is how many messages each of them is written while away, by who writes to them and is there.
	Pending int `yaml:"pending"`
}

// Restart restarts gateways one after the other, each as an operator does: SIGTERM, drain, start.
type Restart struct {
	At    time.Duration `yaml:"at"`    // after the beginning of the steady time
	Share float64       `yaml:"share"` // of the gateways, at least one; 0: none
	Pause time.Duration `yaml:"pause"` // between one being ready and the next being stopped; default 5 s
}

// Check says what is looked at in the end.
type Check struct {
	Quiet     time.Duration `yaml:"quiet"`     // at most, until everything is acked and received; default 2 min
	Again     int           `yaml:"again"`     // users who connect again in the end, twice: then nothing may be pending; default 1,000
	Histories int           `yaml:"histories"` // conversations whose history and receipts are read back; default 200
}

// Thresholds are what must hold beside the checker's verdict, which always counts. What is missing isn't asked.
type Thresholds struct {
	RampSeconds      *float64 `yaml:"rampSeconds"`      // at most
	P99AckMs         *float64 `yaml:"p99AckMs"`         // steady, at most
	P99DeliveryMs    *float64 `yaml:"p99DeliveryMs"`    // steady, at most
	P50DeliveryMs    *float64 `yaml:"p50DeliveryMs"`    // steady, at most
	StormSeconds     *float64 `yaml:"stormSeconds"`     // from coming back to 99% synced, at most
	Rate             *float64 `yaml:"rate"`             // messages acked a second over the steady time, at least
	Connected        *float64 `yaml:"connected"`        // connections at the end of the ramp, at least
	Registered       *float64 `yaml:"registered"`       // sessions in the registry at the end of the ramp, at least
	MemoryBytes      *float64 `yaml:"memoryBytes"`      // of everything of the run, at the end of the steady time, at most
	BytesAConnection *float64 `yaml:"bytesAConnection"` // of the workers', at most
	ErrorShare       *float64 `yaml:"errorShare"`       // error frames over messages, at most
	// RepeatedShare is receptions that were not the first, over all, at most: a message may come again after it was sent
	// again, or when a push and the log both bring it. A server that shows everything twice has 1. Default 0.5.
	RepeatedShare *float64 `yaml:"repeatedShare"`
	GrowthPerHour *float64 `yaml:"growthPerHour"` // of the gateways' memory, as a share of it, at most
}
