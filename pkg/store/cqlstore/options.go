package cqlstore

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"github.com/murre-chat/murre/pkg/chat/id"
)

// Clock makes ids for events; the service's message ids come from the same one. *id.Clock is one.
type Clock interface {
	Next() (id.ID, error)
	Merge(id.ID) error
	Last() id.ID
	// Time is the time without the ids that were met; an error when it can't be trusted. The logs' horizon trails it.
	Time() (time.Time, error)
}

// Consistency of reads and writes.
type Consistency uint8

// The consistencies that keep the promises of the ports: what was written is seen by every read begun afterwards.
const (
	LocalQuorum Consistency = iota // default: a majority of the replicas of the own datacenter
	Quorum                         // a majority of all replicas, wherever they are
)

// Options say how a DB is opened. Hosts and Keyspace are required.
type Options struct {
	// Hosts are some nodes of the cluster, with or without port; the others are found through them.
	Hosts []string
	// Port is that of hosts named without one, default 9042.
	Port     int
	Keyspace string
	// DC is the datacenter whose nodes are asked, and no others. Empty: that of the first host that answers.
	DC       string
	Username string
	Password string
	TLS      *tls.Config // nil: none
	// Timeout bounds one statement, its retry included, default 5 s. One attempt gets a little less than half of it.
	Timeout time.Duration
	// Clock makes the ids of events. It may come later by SetClock, as its lease is kept in this store.
	Clock Clock
	// Consistency of plain reads and writes, default LocalQuorum.
	Consistency Consistency
	// GlobalSerial makes compare-and-set serial over all datacenters (SERIAL) rather than in the own one (LOCAL_SERIAL).
	GlobalSerial bool
	// Conns is the number of connections to a node (on ScyllaDB: at least one a shard), default 2.
	Conns int
	// AnySchema skips the check of the schema's version: for the migrator and the doctor.
	AnySchema bool
	// Lag replaces the log's lag of D + S (12 s). Only for tests: with less, a slow write may be missed by a log's reader.
	Lag time.Duration
	// Log gets what the driver has to say, and the circuit breaker's changes; default slog.Default().
	Log *slog.Logger
}

// The defaults of Options.
const (
	DefaultPort    = 9042
	DefaultTimeout = 5 * time.Second
	defaultConns   = 2
)

func (o Options) withDefaults() (Options, error) {
	if len(o.Hosts) == 0 {
		return o, errors.New("cqlstore: no hosts")
	}
	if !validKeyspace(o.Keyspace) {
		return o, errors.New("cqlstore: a keyspace's name is 1 to 48 lower-case letters, digits and _, beginning with a letter")
	}
	if o.Port == 0 {
		o.Port = DefaultPort
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Conns <= 0 {
		o.Conns = defaultConns
	}
	if o.Lag <= 0 {
		o.Lag = lag
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}

// validKeyspace holds names to what needs no quotes anywhere, as they can't be bound.
func validKeyspace(s string) bool {
	if s == "" || len(s) > 48 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// attempt is what one attempt of a statement gets, so that a second one on another node fits into Timeout.
func (o *Options) attempt() time.Duration { return o.Timeout * 9 / 20 }
