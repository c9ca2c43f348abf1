package redisbus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	// maxMessage is how large a message of several envelopes may be; one envelope alone may be larger.
	maxMessage = 64 << 10
	// maxFlight is how many bytes one round trip carries, unless one caller's envelopes alone are more.
	maxFlight = 512 << 10
)

// outbox is what goes to one receiver. It exists only while something is under way. One of the callers leads: it sends what
// waits, its own first, and hands the lead to the first of those who came meanwhile.
type outbox struct {
	queue []*parcel
	bytes int
}

// parcel is one caller's envelopes.
type parcel struct {
	parts [][]byte // each at most maxMessage, or one envelope
	count int      // envelopes
	size  int
	state parcelState // guarded by Bus.mu
	lead  chan struct{}
	done  chan error // capacity 1
}

type parcelState uint8

const (
	waiting parcelState = iota
	leading
	flying
)

// wrap encodes envelopes in parts that fit a message. The version byte is left out: a message has one.
func wrap(batch []bus.Envelope) *parcel {
	p := &parcel{count: len(batch), lead: make(chan struct{}), done: make(chan error, 1)}
	var e bus.Encoder
	for _, env := range batch {
		before := e.Len()
		e.Add(env)
		if before > 0 && e.Len() > maxMessage {
			p.add(e.Bytes()[:before])
			e = bus.Encoder{}
			e.Add(env)
		}
	}
	p.add(e.Bytes())
	return p
}

func (p *parcel) add(batch []byte) {
	part := batch[1:]
	p.parts = append(p.parts, part)
	p.size += len(part)
}

// Publish implements bus.Bus. It returns when Redis has answered for all of the batch, at the latest the bus's timeout after
// ctx ended. An error leaves unknown whether the batch is received; ErrNoReceiver says that it wasn't, at least in part.
func (b *Bus) Publish(ctx context.Context, to session.GatewayID, batch ...bus.Envelope) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisbus: publish: %w", err)
	}
	if len(batch) == 0 {
		return nil
	}
	p := wrap(batch)
	leads, err := b.enqueue(to, p)
	if err != nil {
		b.counts.failed.Add(uint64(p.count))
		return err
	}
	if !leads {
		select {
		case err := <-p.done:
			return err
		case <-p.lead:
		case <-ctx.Done():
			if b.leave(to, p) {
				b.counts.failed.Add(uint64(p.count))
				return fmt.Errorf("redisbus: publish: %w", ctx.Err())
			}
			// It leads, and so must send for those behind it.
		}
	}
	b.fly(ctx, to)
	return <-p.done
}

// enqueue adds a parcel; the first one leads.
func (b *Bus) enqueue(to session.GatewayID, p *parcel) (leads bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.out[to]
	if o == nil {
		p.state = leading
		b.out[to] = &outbox{queue: []*parcel{p}, bytes: p.size}
		return true, nil
	}
	if o.bytes+p.size > b.opt.Queue {
		return false, fmt.Errorf("redisbus: publish: %w: too much waits for %s", bus.ErrUnavailable, to.Name)
	}
	o.queue = append(o.queue, p)
	o.bytes += p.size
	return false, nil
}

// leave takes a parcel back whose caller gives up. It returns false when the parcel has been made the leader.
func (b *Bus) leave(to session.GatewayID, p *parcel) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.state == leading {
		return false
	}
	if o := b.out[to]; o != nil && p.state == waiting {
		if i := slices.Index(o.queue, p); i >= 0 {
			o.queue = slices.Delete(o.queue, i, i+1)
			o.bytes -= p.size
		}
	}
	return true
}

// fly sends what waits, hands on the lead, and answers those whose parcels were sent.
func (b *Bus) fly(ctx context.Context, to session.GatewayID) {
	taken := b.take(to)
	messages := b.pack(taken)
	// The flight carries others' envelopes too, so it doesn't end with the leader's context.
	ctx, cancel := context.WithTimeout(rediscluster.For(context.WithoutCancel(ctx), rediscluster.Publish), b.opt.Timeout)
	defer cancel()
	b.send(ctx, b.channel(to), messages)
	b.handOn(to)
	for _, p := range taken {
		var err error
		for _, m := range messages {
			if err == nil && m.carries(p) {
				err = m.err
			}
		}
		switch {
		case err == nil:
			b.counts.published.Add(uint64(p.count))
		case errors.Is(err, bus.ErrNoReceiver):
			b.counts.unreceived.Add(uint64(p.count))
		default:
			b.counts.failed.Add(uint64(p.count))
		}
		p.done <- err
	}
}

func (b *Bus) take(to session.GatewayID) []*parcel {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.out[to]
	n, size := 0, 0
	for n < len(o.queue) && (n == 0 || size+o.queue[n].size <= maxFlight) {
		o.queue[n].state = flying
		size += o.queue[n].size
		n++
	}
	taken := slices.Clone(o.queue[:n])
	o.queue = slices.Delete(o.queue, 0, n)
	o.bytes -= size
	return taken
}

func (b *Bus) handOn(to session.GatewayID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.out[to]
	if len(o.queue) == 0 {
		delete(b.out, to)
		return
	}
	o.queue[0].state = leading
	close(o.queue[0].lead)
}

// message is one SPUBLISH.
type message struct {
	body  []byte
	of    []*parcel
	err   error
	count *redis.IntCmd
}

func (m *message) carries(p *parcel) bool { return slices.Contains(m.of, p) }

// pack puts parcels into as few messages as their size allows, in order.
func (b *Bus) pack(parcels []*parcel) []*message {
	var out []*message
	var m *message
	for _, p := range parcels {
		for _, part := range p.parts {
			if m == nil || len(m.body)+len(part) > maxMessage {
				m = &message{body: make([]byte, 0, headSize+1+len(part))}
				m.body = appendHead(m.body, kindBatch, b.self, b.number.Add(1))
				m.body = append(m.body, bus.WireVersion)
				out = append(out, m)
			}
			m.body = append(m.body, part...)
			if n := len(m.of); n == 0 || m.of[n-1] != p {
				m.of = append(m.of, p)
			}
		}
	}
	return out
}

// send publishes the messages in one round trip and leaves each one's outcome in it.
func (b *Bus) send(ctx context.Context, channel string, messages []*message) {
	client := b.cluster.Client()
	if len(messages) == 1 {
		messages[0].count = client.SPublish(ctx, channel, messages[0].body)
	} else {
		pipe := client.Pipeline()
		for _, m := range messages {
			m.count = pipe.SPublish(ctx, channel, m.body)
		}
		_, _ = pipe.Exec(ctx) // each command holds its own error
	}
	for _, m := range messages {
		n, err := m.count.Result()
		switch {
		case err != nil: // the driver's error ends here
			m.err = fmt.Errorf("redisbus: publish: %w: %v", bus.ErrUnavailable, err)
		case n == 0:
			m.err = bus.ErrNoReceiver
		default:
			b.counts.batches.Add(1)
		}
	}
}
