package result

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Format is the version of the file; a reader refuses a newer one.
const Format = 1

// Run is one run of one scenario.
type Run struct {
	Format   int       `json:"format"`
	Name     string    `json:"name"`            // of the scenario
	About    string    `json:"about,omitempty"` // the scenario's own description, a sentence or two
	Scenario string    `json:"scenario"`        // the scenario file as it was read, YAML
	Seed     uint64    `json:"seed"`            // of population, behaviour and jitter
	Engine   string    `json:"engine"`          // "embedded", "cluster" (started by the harness) or "targets" (given addresses)
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"`           // from Began to the checker's end
	Command  string    `json:"command,omitempty"` // the command line, without paths of the machine
	Version  string    `json:"version,omitempty"` // of the server, as `murre --version` prints it; empty for targets
	Busy     string    `json:"busy,omitempty"`    // load averages (1, 5, 15 minutes) of the controller's machine before the run
	Machines []Machine `json:"machines"`
	Workers  []Worker  `json:"workers"`
	Gateways int       `json:"gateways"` // processes that clients dial
	// Population as it was loaded.
	Users         int `json:"users"`
	Conversations int `json:"conversations"`
	Groups        int `json:"groups"`                 // of them
	LargestGroup  int `json:"largestGroup,omitempty"` // members

	Registered int   `json:"registered,omitempty"` // sessions in the registry when all were connected
	Repeated   int64 `json:"repeated"`             // receptions of what a device had, under the same id: allowed, and limited by a threshold

	Totals    Counts      `json:"totals"`
	Latencies []Latency   `json:"latencies"` // in the order of a report's table
	Series    Series      `json:"series"`
	Events    []Event     `json:"events"`           // in order of At
	Memory    []Memory    `json:"memory"`           // at the moments that count: all connected, end of the steady time
	Slopes    []Slope     `json:"slopes,omitempty"` // growth over the steady time
	Check     Check       `json:"check"`
	Limits    []Threshold `json:"thresholds"`
	OK        bool        `json:"ok"`                // checker green and every threshold kept
	Failure   string      `json:"failure,omitempty"` // the run ended early: why
}

// Machine is one computer of a run.
type Machine struct {
	Name        string `json:"name"` // "local", or the address that it was reached by
	CPU         string `json:"cpu"`  // model
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memoryBytes"`
	Kernel      string `json:"kernel"`
	// TCPBuckets is how many the kernel's table of TCP connections has; 0: not known. OwnNetwork is whether the run had a
	// network namespace of its own, for which it is.
	TCPBuckets int  `json:"tcpBuckets,omitempty"`
	OwnNetwork bool `json:"ownNetwork,omitempty"`
}

// Worker is one process of clients.
type Worker struct {
	ID          int    `json:"id"`
	Machine     string `json:"machine"`
	Connections int    `json:"connections"` // asked of it
	// BytesAConnection is its resident memory at the end of the ramp less what it took before the first connection, by
	// connection: everything of ours, kernel memory not counted.
	BytesAConnection float64 `json:"bytesAConnection"`
}

// Latency is one distribution: recorded in HDR histograms (three digits) and merged over all workers. Times of sending
// are those at which the message was due, not those at which a busy client came to it.
type Latency struct {
	Name  string  `json:"name"`  // see the constants
	Phase string  `json:"phase"` // see the constants
	Count int64   `json:"count"`
	Mean  float64 `json:"meanMs"`
	Min   float64 `json:"minMs"`
	P50   float64 `json:"p50Ms"`
	P90   float64 `json:"p90Ms"`
	P99   float64 `json:"p99Ms"`
	P999  float64 `json:"p999Ms"`
	P9999 float64 `json:"p9999Ms"`
	Max   float64 `json:"maxMs"`
	// Curve is the distribution for a plot: upper bounds of growing buckets with how much lies at or below, in order.
	Curve []CurvePoint `json:"curve,omitempty"`
	// HDR is the histogram itself (V2, compressed, base64; microseconds).
	HDR string `json:"hdr,omitempty"`
}

// CurvePoint is one point of a distribution: the share (0..1) of values that are at most Ms.
type CurvePoint struct {
	Share float64 `json:"share"`
	Ms    float64 `json:"ms"`
}

// Phases of latencies.
const (
	PhaseSteady = "steady" // the time in which people chat, but for a storm
	PhaseCalm   = "calm"   // of it, the points in which no gateway was restarted or just had been; two digits
	PhaseStorm  = "storm"  // from the cut on until people are back
	PhaseAll    = "all"    // all that was sent, what came after the steady time too
)

// Names of latencies.
const (
	LatencyAck      = "ack"      // from when a message was due to its "sent" frame
	LatencyDelivery = "delivery" // from when it was due to its reception by a connected device, live or out of the log
	LatencyReceipt  = "receipt"  // from when it was due to the sender's "delivered", of direct messages whose two people one worker has
	LatencyConnect  = "connect"  // from dialing to welcome
	LatencyCatchup  = "catch-up" // from dialing again to synced
)

// Latency returns the distribution of a name and a phase.
func (r *Run) Latency(name, phase string) (Latency, bool) {
	for _, l := range r.Latencies {
		if l.Name == name && l.Phase == phase {
			return l, true
		}
	}
	return Latency{}, false
}

// Write writes the run to a file, whole or not at all; folders are made.
func (r *Run) Write(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(text, '\n'))
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// Read reads a run's file.
func Read(file string) (*Run, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read a result: %w", err)
	}
	var r Run
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read a result: %s: %w", file, err)
	}
	if r.Format < 1 || r.Format > Format {
		return nil, fmt.Errorf("read a result: %s: format %d, this is for 1 to %d", file, r.Format, Format)
	}
	return &r, nil
}
