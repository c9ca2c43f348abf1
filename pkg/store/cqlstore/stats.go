package cqlstore

import (
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/breaker"
)

// purpose says what a statement is for: the label under which it is counted.
type purpose uint8

// The purposes. purposeNames has their labels, in the same order.
const (
	forAppend   purpose = iota // message rows
	forClaim                   // claim rows of the usual way
	forBucket                  // first message of a bucket
	forInbox                   // inbox rows of others
	forOwnInbox                // inbox row of the sender's own other devices
	forUpdate                  // edits, deletions, burials
	forReact
	forLog     // reads of inbox logs: verify and catch-up
	forMessage // reads of single messages
	forHistory // reads of history pages, their buckets and reactions
	forClaimCAS
	forCursor // devices.acked_to, channel cursors
	forAcks   // devices.acked_beyond
	forDevice
	forMembers // reads
	forMemberChange
	forListing
	forHead
	forReceipt // watermark writes
	forReceipts
	forUser
	forSession
	forBlock
	forMedia
	forChangeLog // polls
	forChange    // writes
	forLease
	forSchema
	forCopy   // murre copy
	forCommit // rows of a message of more than one kind, in one batch
	purposes
)

var purposeNames = [purposes]string{
	"append", "claim", "bucket", "inbox", "own_inbox", "update", "react", "log", "message", "history", "claim_cas", "cursor",
	"acks", "device", "members", "member_change", "listing", "head", "receipt", "receipts", "user", "session", "block", "media",
	"change_log", "change", "lease", "schema", "copy", "commit",
}

type counters struct {
	begun  [purposes]atomic.Uint64
	failed [purposes]atomic.Uint64
	nanos  [purposes]atomic.Uint64
	// retried counts second attempts of any statement, batched the rows and changes that went as a part of a batch.
	retried, batched atomic.Uint64
}

func (c *counters) done(p purpose, took time.Duration, ok bool) {
	c.nanos[p].Add(uint64(took))
	if !ok {
		c.failed[p].Add(1)
	}
}

// Statement is what was counted for one purpose.
type Statement struct {
	Name    string // a bounded label
	Count   uint64 // statements begun: a batch of any size is one, a read of several pages is one
	Failed  uint64 // of which ended in an error other than not found
	Seconds float64
}

// Stats are counters since Open and gauges of now.
type Stats struct {
	Statements []Statement // one a purpose, always the same ones in the same order
	Retried    uint64      // second attempts on another node
	Batched    uint64      // rows and changes written as a part of a batch, which counts as one statement
	Bound      int         // how many statements may be under way at once; it follows how the store answers
	Waiting    int         // statements that wait for their turn
	Refused    uint64      // statements whose turn didn't come in time
	Breaker    breaker.State
	Trips      uint64 // how often the breaker opened
}

// Stats returns the counters. It does no I/O.
func (d *DB) Stats() Stats {
	s := Stats{Statements: make([]Statement, purposes), Retried: d.stats.retried.Load(), Batched: d.stats.batched.Load(), Breaker: d.guard.State(), Trips: d.guard.Trips()}
	s.Bound, s.Waiting, s.Refused = d.flow.stats()
	for p := range purposes {
		s.Statements[p] = Statement{
			Name: purposeNames[p], Count: d.stats.begun[p].Load(), Failed: d.stats.failed[p].Load(),
			Seconds: float64(d.stats.nanos[p].Load()) / 1e9,
		}
	}
	return s
}
