package faultbus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/session"
)

// Options say what goes wrong. The zero value changes nothing.
type Options struct {
	DropOneIn  int           // each envelope is lost with probability 1 in so many; 0: none
	DelayOneIn int           // each publish is held up with probability 1 in so many; 0: none
	Delay      time.Duration // for at most so long, and those behind it to the same gateway with it
	Seed       uint64        // two buses with one seed and one sequence of calls lose the same envelopes
}

// Bus wraps a bus.Bus. Its methods may be called from many goroutines.
type Bus struct {
	inner bus.Bus
	o     Options

	published, dropped, delayed atomic.Int64

	mu    sync.Mutex // guards the two below; nothing is waited for under it
	rng   *rand.Rand
	lanes map[session.GatewayID]chan struct{}
}

var _ bus.Bus = (*Bus)(nil)

// Stats counts envelopes handed to the bus, those of them that were lost, and publishes held up.
type Stats struct{ Published, Dropped, Delayed int64 }

// Wrap puts faults before a bus.
func Wrap(b bus.Bus, o Options) *Bus {
	return &Bus{inner: b, o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x6d75727265)), lanes: make(map[session.GatewayID]chan struct{})}
}

// Stats returns what was counted so far.
func (b *Bus) Stats() Stats {
	return Stats{Published: b.published.Load(), Dropped: b.dropped.Load(), Delayed: b.delayed.Load()}
}

// Publish implements bus.Bus. A publish of which every envelope was lost succeeds, as it would on the wire.
func (b *Bus) Publish(ctx context.Context, to session.GatewayID, batch ...bus.Envelope) error {
	b.published.Add(int64(len(batch)))
	kept, wait, lane := b.roll(to, batch)
	b.dropped.Add(int64(len(batch) - len(kept)))
	if lane != nil {
		// Everything to this gateway goes through its lane, one publish after the other, so that a delay reorders nothing.
		select {
		case lane <- struct{}{}:
			defer func() { <-lane }()
		case <-ctx.Done():
			return fmt.Errorf("faultbus: publish: %w", ctx.Err())
		}
	}
	if wait > 0 {
		b.delayed.Add(1)
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("faultbus: publish: %w", ctx.Err())
		}
	}
	if len(kept) == 0 && len(batch) > 0 {
		return nil
	}
	return b.inner.Publish(ctx, to, kept...)
}

// roll decides about one publish. The batch itself is left as it is: it belongs to the caller.
func (b *Bus) roll(to session.GatewayID, batch []bus.Envelope) (kept []bus.Envelope, wait time.Duration, lane chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept = batch
	if b.o.DropOneIn > 0 {
		kept = make([]bus.Envelope, 0, len(batch))
		for _, e := range batch {
			if b.rng.IntN(b.o.DropOneIn) != 0 {
				kept = append(kept, e)
			}
		}
	}
	if b.o.DelayOneIn > 0 && b.o.Delay > 0 {
		if lane = b.lanes[to]; lane == nil {
			lane = make(chan struct{}, 1)
			b.lanes[to] = lane
		}
		if b.rng.IntN(b.o.DelayOneIn) == 0 {
			wait = time.Duration(1 + b.rng.Int64N(int64(b.o.Delay)))
		}
	}
	return kept, wait, lane
}

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(self session.GatewayID, r bus.Receiver) { b.inner.Subscribe(self, r) }

// Run implements bus.Bus.
func (b *Bus) Run(ctx context.Context) error { return b.inner.Run(ctx) }
