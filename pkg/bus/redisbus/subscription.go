package redisbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second
	// confirmWithin bounds the wait for Redis to confirm a subscription, and an unsubscription.
	confirmWithin = time.Second
	// grace comes on top of two intervals without a probe.
	grace = time.Second
	// quiet is how often gaps are announced and warned of for messages that can't be read.
	quiet = 30 * time.Second

	maxPublishers = 1024
	forgetAfter   = 10 * time.Minute
)

// What ends a subscription.
var (
	errDeaf     = errors.New("no probe was seen")
	errUnheard  = errors.New("redis says that nobody receives our probe")
	errMovedOff = errors.New("redis ended the subscription: the slot moves")
	errStopped  = errors.New("stopped")
)

// subscription is one gateway's channel. run owns it but for what stands under mu.
type subscription struct {
	b       *Bus
	self    session.GatewayID
	channel string
	stop    chan struct{} // closed by Subscribe(nil)
	ready   chan struct{} // closed when the first probe came
	over    chan struct{} // closed when run returns
	started bool          // guarded by Bus.mu

	mu       sync.Mutex
	receiver bus.Receiver

	proven     bool // ever
	publishers map[[8]byte]heard
	complained time.Time // of a message that couldn't be read
}

// heard is the last message of one publisher.
type heard struct {
	number uint64
	at     time.Time
}

func newSubscription(b *Bus, self session.GatewayID, r bus.Receiver) *subscription {
	return &subscription{
		b: b, self: self, channel: b.channel(self), receiver: r, publishers: make(map[[8]byte]heard),
		stop: make(chan struct{}), ready: make(chan struct{}), over: make(chan struct{}),
	}
}

func (s *subscription) replace(r bus.Receiver) {
	s.mu.Lock()
	s.receiver = r
	s.mu.Unlock()
}

func (s *subscription) to() bus.Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.receiver
}

// run subscribes again and again until ctx ends or the subscription is stopped.
func (s *subscription) run(ctx context.Context) {
	defer close(s.over)
	ctx, cancel := context.WithCancel(ctx)
	var stopper sync.WaitGroup
	defer stopper.Wait()
	defer cancel()
	stopper.Go(func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	reason := ""
	told := time.Now()
	for failures := 0; ctx.Err() == nil; {
		begun := time.Now()
		if reason != "" && begun.Sub(told) >= s.b.opt.Deaf {
			told = begun
			s.to().Gap(reason)
		}
		proven, err := s.listen(ctx, reason)
		if ctx.Err() != nil {
			return
		}
		s.b.cluster.Client().ReloadState(ctx)
		if proven {
			told = time.Now()
			s.b.counts.rebuilds.Add(1)
			s.b.log.Warn("bus subscription broke", "after", time.Since(begun), "error", err)
		} else if failures == 0 {
			s.b.log.Warn("bus subscription can't be made, trying on", "error", err)
		}
		if lasted := time.Since(begun); proven && lasted > s.b.opt.Probe {
			failures = 0
		} else {
			failures++
		}
		reason = fmt.Sprintf("subscription lost: %v", err)
		backoff := min(minBackoff<<min(failures, 10), maxBackoff)
		select {
		case <-ctx.Done():
		case <-time.After(backoff/2 + rand.N(backoff/2)):
		}
	}
}

// listen makes one subscription and reads it until it breaks. lost says why there may be a gap before it, "" at first. The
// subscription is proven, and the gap announced, when its first probe has come.
func (s *subscription) listen(ctx context.Context, lost string) (proven bool, err error) {
	ps := s.b.cluster.Client().SSubscribe(ctx)
	var closing sync.Once
	closePS := func() { closing.Do(func() { _ = ps.Close() }) }
	var helpers sync.WaitGroup
	defer helpers.Wait()
	over, end := context.WithCancel(ctx)
	defer end()
	defer closePS()
	helpers.Go(func() { // also a read that is under way ends with ctx; Redis is told first, so that publishers see it at once
		<-over.Done()
		if ctx.Err() == nil {
			return
		}
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmWithin)
		defer cancel()
		if ps.SUnsubscribe(bye, s.channel) != nil {
			closePS()
		}
	})
	if err := s.subscribe(ctx, ps); err != nil {
		return false, err
	}
	s.b.counts.subscribed.Add(1)
	defer s.b.counts.subscribed.Add(-1)
	var nonce [8]byte
	binary.BigEndian.PutUint64(nonce[:], rand.Uint64())
	unheard := make(chan struct{})
	helpers.Go(func() {
		if s.probe(over, nonce) {
			close(unheard)
			closePS()
		}
	})
	err = s.read(ctx, ps, nonce, func() {
		proven = true
		if lost != "" {
			s.to().Gap(lost)
		}
		if !s.proven {
			s.proven = true
			close(s.ready)
		}
	})
	select {
	case <-unheard:
		err = errUnheard
	default:
	}
	return proven, err
}

// subscribe asks for the channel and waits until Redis confirms it.
func (s *subscription) subscribe(ctx context.Context, ps *redis.PubSub) error {
	ctx, cancel := context.WithTimeout(ctx, 2*confirmWithin)
	defer cancel()
	if err := ps.SSubscribe(ctx, s.channel); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	got, err := ps.ReceiveTimeout(ctx, confirmWithin)
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	if c, ok := got.(*redis.Subscription); !ok || c.Kind != "ssubscribe" {
		return fmt.Errorf("confirm: unexpected %T", got)
	}
	return nil
}

// read hands on what arrives until the subscription breaks or no probe came for too long. A read that times out may have cut
// a message in two, so it ends the connection as well.
func (s *subscription) read(ctx context.Context, ps *redis.PubSub, nonce [8]byte, proven func()) error {
	limit := 2*s.b.opt.Probe + grace
	heardAt, first := time.Now(), true
	for {
		left := limit - time.Since(heardAt)
		if left <= 0 {
			s.b.counts.probesMissed.Add(1)
			return errDeaf
		}
		if ctx.Err() != nil {
			left = min(left, confirmWithin) // for the end of the subscription to be confirmed
		}
		got, err := ps.ReceiveTimeout(ctx, left)
		if err != nil {
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() {
				s.b.counts.probesMissed.Add(1)
				return errDeaf
			}
			return err
		}
		switch m := got.(type) {
		case *redis.Subscription:
			if m.Kind == "sunsubscribe" {
				if ctx.Err() != nil {
					return errStopped
				}
				return errMovedOff
			}
		case *redis.Message:
			if ctx.Err() != nil {
				continue // stopped: what still comes isn't wanted any more
			}
			if s.take(m.Payload, nonce) {
				heardAt = time.Now()
				if first {
					first = false
					proven()
				}
			}
		}
	}
}

// take handles one message; it reports whether that was a probe of this subscription.
func (s *subscription) take(payload string, nonce [8]byte) (probe bool) {
	kind, from, number, body, ok := cutHead(payload)
	switch {
	case ok && kind == kindProbe:
		return from == nonce
	case !ok || kind != kindBatch:
		s.unreadable(errors.New("no message of ours"))
		return false
	}
	if !s.isNew(from, number) {
		s.b.counts.repeated.Add(1)
		return false
	}
	batch, err := bus.DecodeEnvelopes(body)
	if err != nil {
		s.unreadable(err)
		return false
	}
	s.b.counts.received.Add(uint64(len(batch)))
	r := s.to()
	for _, e := range batch {
		r.Receive(e)
	}
	return false
}

// unreadable counts, and says now and then that something was lost: the gateways may be of two versions.
func (s *subscription) unreadable(err error) {
	s.b.counts.decodeErrors.Add(1)
	if now := time.Now(); now.Sub(s.complained) >= quiet {
		s.complained = now
		s.b.log.Warn("a bus message can't be read; more may follow unmentioned", "error", err)
		s.to().Gap("a message can't be read")
	}
}

// isNew reports whether a publisher's message is later than its last one.
func (s *subscription) isNew(from [8]byte, number uint64) bool {
	now := time.Now()
	h, known := s.publishers[from]
	if known && number <= h.number {
		return false
	}
	if !known && len(s.publishers) >= maxPublishers {
		for k, h := range s.publishers {
			if now.Sub(h.at) > forgetAfter {
				delete(s.publishers, k)
			}
		}
		if len(s.publishers) >= maxPublishers {
			clear(s.publishers)
		}
	}
	s.publishers[from] = heard{number: number, at: now}
	return true
}

// probe publishes to the subscription's own channel, by another connection, until ctx ends. It returns true when Redis
// says that nobody received it: publishers reach another node than the one we listen at.
func (s *subscription) probe(ctx context.Context, nonce [8]byte) (unheard bool) {
	ctx = rediscluster.For(ctx, rediscluster.Probe)
	t := time.NewTimer(0)
	defer t.Stop()
	next := s.b.opt.Probe / 8
	for number := uint64(1); ; number++ {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
		one, cancel := context.WithTimeout(ctx, s.b.opt.Timeout)
		n, err := s.b.cluster.Client().SPublish(one, s.channel, appendHead(nil, kindProbe, nonce, number)).Result()
		cancel()
		s.b.counts.probesSent.Add(1)
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil: // Redis is in trouble; whether our connection is too shows when no probe comes
			s.b.counts.probesMissed.Add(1)
		case n == 0:
			s.b.counts.probesMissed.Add(1)
			return true
		default:
			next = s.b.opt.Probe // the first one is tried faster until it goes out
		}
		t.Reset(next - next/8 + rand.N(next/4))
	}
}
