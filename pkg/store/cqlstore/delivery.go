package cqlstore

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// lag is D + S: how far the horizon of the logs trails the clock. D (10 s) is how long after its event's id was made a
	// write may still succeed, S (2 s) how far two gateways' clocks may lie apart.
	lag = 12 * time.Second
	// maxHelpers bounds the statements that large writes and reads have under way at once, over the whole DB.
	maxHelpers = 512
	// knownBuckets bounds the memory of windows whose row is written (about 100 bytes each).
	knownBuckets = 1 << 17
	// knownCursors bounds the memory of devices' cursor generations.
	knownCursors = 1 << 17
)

// deliveryState is what the ports of delivery keep in memory, all of it bounded.
type deliveryState struct {
	boot    func() time.Duration // monotonic, counts time asleep
	helpers chan struct{}        // a token each for the goroutines of large writes and reads
	buckets *recent[bucketKey, struct{}]
	cursors *recent[deviceKey, int64] // the generation of a device's cursor

	horizon atomic.Int64 // the largest that was told: it never goes back
	stamped atomic.Int64 // the last wall timestamp given, Unix µs

	finishMu  sync.Mutex
	finishing map[chat.ConversationID]struct{} // outboxes being finished for a reader; at most maxFinishing
}

func (s *deliveryState) init(*DB) {
	s.boot = id.NewBoot()
	s.helpers = make(chan struct{}, maxHelpers)
	s.buckets = newRecent[bucketKey, struct{}](knownBuckets)
	s.cursors = newRecent[deviceKey, int64](knownCursors)
	s.finishing = make(map[chat.ConversationID]struct{})
}

// deliveryPorts sets the ports of messages, logs and membership.
func (d *DB) deliveryPorts(s *store.Store) {
	s.Messages, s.Inbox, s.Claims = messages{d}, inbox{d}, claims{d}
	s.Devices, s.Channels = devices{d}, channels{d}
	s.Conversations, s.Members, s.Watermarks = conversations{d}, members{d}, watermarks{d}
}

// patience is D: a write that took longer, counted from the making of its event's id, is told again under a new id.
func (d *DB) patience() time.Duration { return d.o.Lag * 5 / 6 }

// event makes an event's id; an event id that can't be made is no answer about what was asked.
func (d *DB) event() (chat.EventID, error) {
	ev, err := d.nextEvent()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return ev, nil
}

// stamp is the present as a write timestamp (Unix µs), larger than every one that this DB gave before.
func (d *DB) stamp() int64 {
	now := d.now().UnixMicro()
	for {
		last := d.stamped.Load()
		next := max(now, last+1)
		if d.stamped.CompareAndSwap(last, next) {
			return next
		}
	}
}

// now is the clock's time where it may be trusted, or else the machine's.
func (d *DB) now() time.Time {
	if c := d.clock.Load(); c != nil {
		if t, err := (*c).Time(); err == nil {
			return t
		}
	}
	return time.Now()
}

// uuid is an id as the driver binds it without reflection.
func uuid[T ~[16]byte](v T) any { return [16]byte(v) }
