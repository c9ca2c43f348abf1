package result

import (
	"math"
	"strings"
)

// Series is what happened over time.
type Series struct {
	EverySeconds float64 `json:"everySeconds"` // between points: 1 in short runs, 5 in long ones
	Points       []Point `json:"points"`
}

// Point is one stretch of time. Counts and latencies are those of the stretch, the rest is as it was at its end.
type Point struct {
	At        float64 `json:"at"`        // its end, seconds since the run began
	Connected int     `json:"connected"` // sockets that stand and were welcomed
	Wanted    int     `json:"wanted"`    // that should, by ramp and churn
	Counts
	Ack      Quantiles `json:"ack"`
	Delivery Quantiles `json:"delivery"`
	// Use of memory and processors by group of processes; not in every point when reading them is costly.
	Use map[string]Use `json:"use,omitempty"`
}

// Counts are things that happened.
type Counts struct {
	Due       int64 `json:"due"`       // messages that the schedule asked for
	Sent      int64 `json:"sent"`      // first put on a wire
	Resent    int64 `json:"resent"`    // put on a wire again, unanswered
	Acked     int64 `json:"acked"`     // stored, says the server
	Refused   int64 `json:"refused"`   // answered with an error that isn't to be retried
	Delivered int64 `json:"delivered"` // first receptions by devices
	CaughtUp  int64 `json:"caughtUp"`  // of them out of pending_messages
	Receipts  int64 `json:"receipts"`  // message_status frames
	Connects  int64 `json:"connects"`  // welcomes
	Losses    int64 `json:"losses"`    // connections that ended unasked
	Leaves    int64 `json:"leaves"`    // connections that the scenario ended: churn, storm, or a gateway that was restarted and said so
	Typing    int64 `json:"typing"`    // typing frames received
	BytesIn   int64 `json:"bytesIn"`   // from servers, WebSocket payload and headers
	BytesOut  int64 `json:"bytesOut"`  // to servers
	// Errors by code: error frames by their code, "close 1001", "refused 429", "dial", "read", "timeout".
	Errors map[string]int64 `json:"errors,omitempty"`
}

// Add adds another's counts.
func (c *Counts) Add(o *Counts) {
	c.Due += o.Due
	c.Sent += o.Sent
	c.Resent += o.Resent
	c.Acked += o.Acked
	c.Refused += o.Refused
	c.Delivered += o.Delivered
	c.CaughtUp += o.CaughtUp
	c.Receipts += o.Receipts
	c.Connects += o.Connects
	c.Losses += o.Losses
	c.Leaves += o.Leaves
	c.Typing += o.Typing
	c.BytesIn += o.BytesIn
	c.BytesOut += o.BytesOut
	for code, n := range o.Errors {
		if c.Errors == nil {
			c.Errors = map[string]int64{}
		}
		c.Errors[code] += n
	}
}

// Quantiles of one stretch, in ms; all 0 when nothing was measured.
type Quantiles struct {
	P50  float64 `json:"p50Ms"`
	P99  float64 `json:"p99Ms"`
	P999 float64 `json:"p999Ms"`
	Max  float64 `json:"maxMs"`
}

// Use is what a group of processes takes.
type Use struct {
	Processes   int     `json:"processes"`
	Bytes       int64   `json:"bytes"`                // resident memory that isn't a file's, so that the program itself isn't counted once a process
	CPUSeconds  float64 `json:"cpuSeconds"`           // used in this stretch
	Descriptors int     `json:"fds,omitempty"`        // open
	Goroutines  int     `json:"goroutines,omitempty"` // of gateways, as their metrics say
	HeapBytes   int64   `json:"heapBytes,omitempty"`  // of gateways: live heap after the last collection
}

// Groups of processes.
const (
	GroupGateways  = "gateways"
	GroupClients   = "clients" // workers and controller
	GroupRedis     = "redis"
	GroupCassandra = "cassandra"
	GroupObjects   = "objects" // the object server
	// GroupKernel has no processes: memory of the machine that is neither free, nor cache, nor any process's: sockets and
	// their buffers, epoll items, page tables. Its CPU is time in softirq, outside of processes.
	GroupKernel = "kernel"
)

// Groups is the order of groups in reports.
func Groups() []string {
	return []string{GroupGateways, GroupClients, GroupRedis, GroupCassandra, GroupObjects, GroupKernel}
}

// Kinds of events.
const (
	EventRampBegins  = "ramp begins"
	EventRampDone    = "ramp done"
	EventSteadyDone  = "steady done"
	EventDrainDone   = "quiet"           // everything acked and received, nothing arrives any more
	EventRestart     = "gateway restart" // Detail names it
	EventRestarted   = "gateway restarted"
	EventStorm       = "storm"        // connections cut off at once; N of them
	EventStormOver   = "storm over"   // those who were cut off begin to come back
	EventStormBack   = "storm 99%"    // 99% of them connected, caught up and synced; Seconds since they began to come back
	EventGatewayLost = "gateway lost" // it ended by itself
	EventWorkerLost  = "worker lost"
	EventStockLoaded = "population loaded"
)

// Event is a moment that a plot marks.
type Event struct {
	At      float64 `json:"at"` // seconds since the run began
	Kind    string  `json:"kind"`
	Detail  string  `json:"detail,omitempty"`
	N       int     `json:"n,omitempty"`       // how many it concerned
	Seconds float64 `json:"seconds,omitempty"` // how long it took
}

// String is the event in one line.
func (e Event) String() string { return strings.TrimSpace(e.Kind + " " + e.Detail) }

// Steady calls f for each point between the end of the ramp and the end of the steady time, with the seconds since the point
// before it. Without an event of the ramp's end no point is.
func (r *Run) Steady(f func(p *Point, seconds float64)) {
	from, to := math.Inf(1), math.Inf(1)
	for _, e := range r.Events {
		switch e.Kind {
		case EventRampDone:
			from = e.At
		case EventSteadyDone:
			to = e.At
		}
	}
	last := 0.0
	for i := range r.Series.Points {
		p := &r.Series.Points[i]
		if last >= from && p.At <= to && p.At > last {
			f(p, p.At-last)
		}
		last = p.At
	}
}
