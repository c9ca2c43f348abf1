package control

import (
	"github.com/murre-chat/murre/loadtest/ledger"
	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
)

// Version of the protocol; both ends must have the same.
const Version = 1

// Command is what a controller says.
type Command struct {
	Hello   *Hello   `json:"hello,omitempty"`
	Setup   *Setup   `json:"setup,omitempty"`
	Ramp    *Ramp    `json:"ramp,omitempty"`
	Chat    *Chat    `json:"chat,omitempty"`
	Storm   *Storm   `json:"storm,omitempty"`
	Calm    *Calm    `json:"calm,omitempty"`
	Quiet   *Quiet   `json:"quiet,omitempty"`
	Again   *Again   `json:"again,omitempty"`
	Account *Account `json:"account,omitempty"`
	Claims  []byte   `json:"claims,omitempty"`  // packed: ledger.Book.JudgeClaims
	Members []int    `json:"members,omitempty"` // numbers of conversations
	Finish  *Finish  `json:"finish,omitempty"`
}

// Hello measures the clocks.
type Hello struct {
	Version int `json:"version"`
}

// Setup says who a worker is.
type Setup struct {
	Worker   int              `json:"worker"` // from 0
	Workers  int              `json:"workers"`
	From     int              `json:"from"` // its users: From..To-1
	To       int              `json:"to"`
	Shape    population.Shape `json:"shape"`
	Scenario string           `json:"scenario"` // the file's text
	Targets  []string         `json:"targets"`  // host:port of the gateways
	Secret   []byte           `json:"secret"`   // of the tokens
	Offset   int64            `json:"offset"`   // µs to add to the worker's clock to have the controller's
	Began    int64            `json:"began"`    // of the run, Unix µs on the controller's clock
	Every    int64            `json:"every"`    // between ticks, µs; tick k covers Began+k·Every to Began+(k+1)·Every
}

// Ramp begins to connect.
type Ramp struct {
	Rate   float64 `json:"rate"`   // connections a second of this worker
	Window int     `json:"window"` // being made at once
	// Gateways is at how many people come at once; 0: all.
	Gateways int `json:"gateways,omitempty"`
}

// Chat begins the steady time.
type Chat struct {
	Rate float64 `json:"rate"` // messages a second of this worker
}

// Storm cuts off. The scenario says how.
type Storm struct{}

// Calm ends the storm.
type Calm struct{}

// Quiet ends the steady time.
type Quiet struct{}

// Again lets the first so many of the worker's users connect again.
type Again struct {
	Count int `json:"count"`
	// Judge: nothing may be pending. A message that was sent again may stand in a log twice, and only the first one was
	// acked: whoever comes again a first time acks the other.
	Judge bool `json:"judge"`
}

// Account asks for the ledger's lines and claims.
type Account struct {
	Bounds []int `json:"bounds"` // the first users of all workers, to say whose a claim is
}

// Finish ends the run.
type Finish struct{}

// Answer is what a worker says.
type Answer struct {
	Hello   *Clock          `json:"hello,omitempty"`
	Ready   *Ready          `json:"ready,omitempty"`
	Tick    *Tick           `json:"tick,omitempty"`
	Again   *Done           `json:"again,omitempty"`
	Account *Lines          `json:"account,omitempty"`
	Claims  *Claims         `json:"claims,omitempty"`
	Members *MemberAccounts `json:"members,omitempty"`
	Done    *Final          `json:"done,omitempty"`
	Failed  string          `json:"failed,omitempty"`
}

// Clock is a worker's clock.
type Clock struct {
	Version int   `json:"version"`
	Now     int64 `json:"now"` // Unix µs
}

// Ready says that a worker can connect.
type Ready struct {
	PID     int            `json:"pid"`
	Machine result.Machine `json:"machine"` // Name is left to the controller
}

// Tick is what happened in one stretch of the series.
type Tick struct {
	N         int           `json:"n"`
	Connected int           `json:"connected"` // at its end
	Wanted    int           `json:"wanted"`
	Synced    int           `json:"synced"` // connected, and synced since they connected
	Counts    result.Counts `json:"counts"`
	Ack       string        `json:"ack,omitempty"` // histogram of the stretch, HDR V2
	Delivery  string        `json:"delivery,omitempty"`
	Bytes     int64         `json:"bytes"` // resident memory of the worker, without pages of files
	CPU       int64         `json:"cpu"`   // µs that it has used since its start
	FDs       int           `json:"fds"`
	// Since the run began.
	Open      int              `json:"open"`            // messages that aren't answered
	Owed      int64            `json:"owed"`            // receptions that acked messages ask for
	Got       int64            `json:"got"`             // first receptions
	Stormed   int              `json:"stormed"`         // users whom the storm cut off
	StormBack int              `json:"stormBack"`       // of them those who are back and synced
	Found     map[string]int64 `json:"found,omitempty"` // violations by kind
}

// Done is an answer without more to say.
type Done struct{}

// Lines are packed lines of the ledger.
type Lines struct {
	Packed []byte `json:"packed"`
	Last   bool   `json:"last"`
}

// Claims are receipts about a worker's users, packed.
type Claims struct {
	Worker int    `json:"worker"`
	Packed []byte `json:"packed"`
	Last   bool   `json:"last"` // of all claims of this worker
}

// MemberAccounts are what the worker's users have of the conversations that were asked for.
type MemberAccounts struct {
	Accounts []ledger.MemberAccount `json:"accounts"`
}

// Final is what a worker knows in the end.
type Final struct {
	Histograms []Histogram        `json:"histograms"`
	Found      map[string]int64   `json:"found,omitempty"`
	Told       []result.Violation `json:"told,omitempty"`
	Repeated   int64              `json:"repeated"`
	StateBytes int64              `json:"stateBytes"`
	// Base is the worker's resident memory before its first connection, Full at the end of the ramp; without pages of files.
	Base int64 `json:"base"`
	Full int64 `json:"full"`
}

// Histogram is one latency of one phase; see result.Latency.
type Histogram struct {
	Name  string `json:"name"`
	Phase string `json:"phase"`
	HDR   string `json:"hdr"` // V2, compressed, base64; µs
}
