package result

// Memory is one account of where memory is.
type Memory struct {
	At          float64      `json:"at"`     // seconds since the run began
	Moment      string       `json:"moment"` // "before", "all connected", "end"
	Connections int          `json:"connections"`
	Parts       []MemoryPart `json:"parts"`
	SumBytes    int64        `json:"sumBytes"`    // of the parts
	InUseBytes  int64        `json:"inUseBytes"`  // of the machine: MemTotal - MemAvailable
	BeforeBytes int64        `json:"beforeBytes"` // of the machine, before anything of the run had started
}

// MemoryPart is one line of the account.
type MemoryPart struct {
	Part      string  `json:"part"` // a group of processes, or a kind of kernel memory
	Processes int     `json:"processes,omitempty"`
	Bytes     int64   `json:"bytes"`
	PerConn   float64 `json:"bytesAConnection"` // Bytes over Memory.Connections; 0 without connections
	Note      string  `json:"note,omitempty"`   // how it was found
}

// Slope is the growth of a quantity over the steady time: a straight line through the series, by least squares.
type Slope struct {
	Group    string  `json:"group"`    // of processes
	Quantity string  `json:"quantity"` // "bytes", "fds", "goroutines", "heapBytes"
	First    float64 `json:"first"`    // the line's value at the begin of the steady time
	Last     float64 `json:"last"`     // at its end
	PerHour  float64 `json:"perHour"`
}

// Check is what the checker says.
type Check struct {
	OK            bool   `json:"ok"`
	Messages      int64  `json:"messages"`      // acked ones that were judged
	Receptions    int64  `json:"receptions"`    // judged
	Conversations int    `json:"conversations"` // with messages
	Unknown       int64  `json:"unknown"`       // sent, never answered: neither expected nor forbidden
	StateBytes    int64  `json:"stateBytes"`    // the most that the checker held, over all workers
	Found         []Find `json:"found"`         // one line a kind, in order of severity; empty: green
	// Examples of what is wrong, at most 100 over all kinds.
	Examples []Violation `json:"examples,omitempty"`
}

// Find counts one kind of violation.
type Find struct {
	Kind      string `json:"kind"`      // see the constants
	Invariant int    `json:"invariant"` // its number in the delivery design
	Count     int64  `json:"count"`
}

// Kinds of violations.
const (
	Lost           = "lost"            // acked, and missing at a member's device that is connected and quiet (1)
	Doubled        = "doubled"         // one message shown under two ids, or one id twice live (2)
	Reordered      = "reordered"       // one sender's messages under ids, or live, out of send order (3)
	Altered        = "altered"         // the content isn't what was sent (11)
	StatusBack     = "status back"     // read and then delivered, or an older watermark after a newer one (4)
	StatusFalse    = "status false"    // a receipt of what its member hasn't acked or read (4)
	WrongRecipient = "wrong recipient" // somebody who isn't a member received it (5)
	Rejected       = "rejected stored" // refused, and received all the same (6)
	SyncedLied     = "synced lied"     // a message from before synced.upTo came only after that synced, or never (8)
	PendingLeft    = "pending left"    // offered again after it was acked and all was quiet (8)
	Ghost          = "ghost"           // received and never sent (11)
)

// Violation is one broken promise.
type Violation struct {
	Kind         string  `json:"kind"`
	At           float64 `json:"at"` // seconds since the run began
	User         string  `json:"user,omitempty"`
	Conversation string  `json:"conversation,omitempty"`
	Message      string  `json:"message,omitempty"`
	Detail       string  `json:"detail"`
}

// Threshold is one limit of the scenario and what came of it.
type Threshold struct {
	Name  string  `json:"name"`            // its field in the scenario: "p99DeliveryMs", "lost", "rampSeconds", "memoryBytes", …
	Limit float64 `json:"limit"`           // in Unit
	Least bool    `json:"least,omitempty"` // the limit is a least value, not a most
	Got   float64 `json:"got"`
	Unit  string  `json:"unit"`
	OK    bool    `json:"ok"`
}
