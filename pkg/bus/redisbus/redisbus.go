package redisbus

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	defaultProbe   = 3 * time.Second
	defaultDeaf    = 30 * time.Second
	defaultTimeout = 2 * time.Second
	defaultQueue   = 8 << 20
)

// Options of a Bus.
type Options struct {
	Cluster *rediscluster.Cluster // required; its owner runs and closes it
	Log     *slog.Logger
	// Probe is the time between two probes of a gateway's own subscription; default 3 s. One that shows no probe for two
	// such intervals and a second is made anew.
	Probe time.Duration
	// Deaf is how often the receiver of a subscription that can't be made is told of the gap, so that it looks for itself
	// meanwhile; default 30 s.
	Deaf time.Duration
	// Timeout bounds one publish, whatever its callers' contexts say; default 2 s.
	Timeout time.Duration
	// Queue bounds the bytes that wait for one receiver while a publish to it is under way; default 8 MiB. Beyond it
	// Publish fails.
	Queue int
}

// Bus implements bus.Bus. Make it with New.
type Bus struct {
	cluster *rediscluster.Cluster
	log     *slog.Logger
	opt     Options
	self    [8]byte // tells this publisher's messages from others'
	counts  counts
	number  atomic.Uint64 // of the last message published

	mu      sync.Mutex
	out     map[session.GatewayID]*outbox // only receivers to whom something is under way
	subs    map[session.GatewayID]*subscription
	ending  map[*subscription]struct{} // stopped and not yet over
	running bool
	changed chan struct{} // capacity 1: subs changed
}

var _ bus.Bus = (*Bus)(nil)

// New makes a bus; it does no I/O.
func New(o Options) *Bus {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Probe <= 0 {
		o.Probe = defaultProbe
	}
	if o.Deaf <= 0 {
		o.Deaf = defaultDeaf
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	b := &Bus{
		cluster: o.Cluster, log: o.Log, opt: o,
		out: make(map[session.GatewayID]*outbox), subs: make(map[session.GatewayID]*subscription),
		ending: make(map[*subscription]struct{}), changed: make(chan struct{}, 1),
	}
	_, _ = rand.Read(b.self[:]) // crypto/rand.Read never fails
	return b
}

// channel is the name of a gateway's channel; the braces keep the whole name one slot.
func (b *Bus) channel(g session.GatewayID) string {
	return fmt.Sprintf("%sbus:{%s:%d}", b.cluster.Prefix(), g.Name, g.Epoch)
}

// Subscribe implements bus.Bus; a later receiver of the same gateway replaces the earlier, nil ends the subscription.
// Settled says when it is known to Redis.
func (b *Bus) Subscribe(self session.GatewayID, r bus.Receiver) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.subs[self]
	switch {
	case r == nil && s == nil:
		return
	case r == nil:
		delete(b.subs, self)
		close(s.stop)
		if s.started {
			b.ending[s] = struct{}{}
		}
		return
	case s != nil:
		s.replace(r)
		return
	}
	b.subs[self] = newSubscription(b, self, r)
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Settled waits until every subscription made before is confirmed by Redis, and every one ended is over.
func (b *Bus) Settled(ctx context.Context) error {
	var wait []chan struct{}
	b.mu.Lock()
	for _, s := range b.subs {
		wait = append(wait, s.ready)
	}
	for s := range b.ending {
		wait = append(wait, s.over)
	}
	b.mu.Unlock()
	for _, c := range wait {
		select {
		case <-c:
		case <-ctx.Done():
			return fmt.Errorf("redisbus: wait for subscriptions: %w", ctx.Err())
		}
	}
	return nil
}

// Run implements bus.Bus: it keeps the subscriptions until ctx ends and returns when all of them are over. Call it once.
func (b *Bus) Run(ctx context.Context) error {
	b.mu.Lock()
	again := b.running
	b.running = true
	b.mu.Unlock()
	if again {
		return errors.New("redisbus: Run was called twice")
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		b.mu.Lock()
		for _, s := range b.subs {
			if s.started {
				continue
			}
			s.started = true
			wg.Go(func() {
				s.run(ctx)
				b.mu.Lock()
				delete(b.ending, s)
				b.mu.Unlock()
			})
		}
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-b.changed:
		}
	}
}

// Stats counts since the start.
type Stats struct {
	Published    uint64 // envelopes that Redis took and somebody received
	Batches      uint64 // messages that carried them
	Unreceived   uint64 // envelopes that nobody listened for
	Failed       uint64 // envelopes that weren't published: Redis didn't answer, or too many waited
	Received     uint64 // envelopes
	Repeated     uint64 // messages received twice and dropped
	DecodeErrors uint64 // messages that couldn't be read
	Rebuilds     uint64 // subscriptions that broke
	ProbesSent   uint64
	ProbesMissed uint64 // probes that failed, that nobody received, or that weren't seen in time
	Subscribed   int    // subscriptions that are confirmed now
}

type counts struct {
	published, batches, unreceived, failed, received, repeated, decodeErrors, rebuilds, probesSent, probesMissed atomic.Uint64

	subscribed atomic.Int64
}

// Stats returns the counts so far.
func (b *Bus) Stats() Stats {
	c := &b.counts
	return Stats{
		Published: c.published.Load(), Batches: c.batches.Load(), Unreceived: c.unreceived.Load(), Failed: c.failed.Load(),
		Received: c.received.Load(), Repeated: c.repeated.Load(), DecodeErrors: c.decodeErrors.Load(), Rebuilds: c.rebuilds.Load(),
		ProbesSent: c.probesSent.Load(), ProbesMissed: c.probesMissed.Load(), Subscribed: int(c.subscribed.Load()),
	}
}

// A message is its kind, eight bytes that tell its sender from others, eight bytes of number, and for a batch the
// envelopes as bus.AppendEnvelopes writes them.
const (
	kindBatch = 'b'
	kindProbe = 'p'

	headSize = 17
)

func appendHead(dst []byte, kind byte, from [8]byte, number uint64) []byte {
	dst = append(append(dst, kind), from[:]...)
	return binary.BigEndian.AppendUint64(dst, number)
}

func cutHead(s string) (kind byte, from [8]byte, number uint64, body string, ok bool) {
	if len(s) < headSize {
		return 0, from, 0, "", false
	}
	copy(from[:], s[1:9])
	for i := range 8 {
		number = number<<8 | uint64(s[9+i])
	}
	return s[0], from, number, s[headSize:], true
}
