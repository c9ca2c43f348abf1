package router

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	// maxWaiting is how many pushes wait for one gateway; beyond it they are left to the log, as a gap that it sees.
	maxWaiting = 16_384
	// maxEnvelopes is how many go out in one publish.
	maxEnvelopes = 256
	// A sequence number is repeated repeats times, repeatEvery apart, repeatAfter the last publish: so a lost last push
	// shows too. Where there are so many gateways that each says something to another less often than that, repeatAfter is
	// repeatEach for each of them: else more is repeated than said.
	repeats     = 3
	repeatAfter = 2 * time.Second
	repeatEach  = 100 * time.Millisecond
	repeatEvery = 5 * time.Second
	// holeEvery is how often at most all gateways are told that something was lost on the way to one of them.
	holeEvery = 10 * time.Second
	// forgetAfter is how long a gateway that nothing went to is remembered.
	forgetAfter = time.Hour
)

// item is a push that waits to be published; done, when there is one, gets the outcome and has room for it.
type item struct {
	push *chat.Push
	done chan error
}

func (i item) end(err error) {
	if i.done != nil {
		i.done <- err
	}
}

var errNotSent = errors.New("router: not published")

// destination is another gateway, and what waits to be published to it.
type destination struct {
	id session.GatewayID

	mu         sync.Mutex
	waiting    []item
	publishing bool
	seq        uint64    // of the last envelope
	last       time.Time // when it went out
	repeated   int       // times that it was said again
}

// enqueue hands a push to the publisher of a gateway, and starts it when it rests.
func (r *Router) enqueue(to session.GatewayID, p item) {
	r.mu.Lock()
	ctx := r.ctx
	if ctx == nil || ctx.Err() != nil {
		r.mu.Unlock()
		r.Dropped.Add(1)
		p.end(errNotSent)
		return
	}
	d := r.out[to]
	if d == nil {
		d = &destination{id: to}
		r.out[to] = d
	}
	d.mu.Lock()
	start := false
	if len(d.waiting) >= maxWaiting {
		d.seq++ // the hole tells the receiver to look into the log
		r.Dropped.Add(1)
		p.end(errNotSent)
	} else {
		d.waiting = append(d.waiting, p)
		start = !d.publishing
		d.publishing = true
	}
	d.mu.Unlock()
	if start {
		r.wg.Add(1)
		go r.publish(ctx, d)
	}
	r.mu.Unlock()
}

// publish sends what waits for a gateway until nothing does.
func (r *Router) publish(ctx context.Context, d *destination) {
	defer r.wg.Done()
	batch := make([]bus.Envelope, 0, 16)
	var items []item
	for {
		batch = batch[:0]
		d.mu.Lock()
		n := min(len(d.waiting), maxEnvelopes)
		items = append(items[:0], d.waiting[:n]...)
		for _, p := range items {
			d.seq++
			batch = append(batch, bus.Envelope{From: r.o.Self, Seq: d.seq, Push: p.push})
		}
		d.waiting = append(d.waiting[:0], d.waiting[n:]...)
		if n == 0 {
			d.publishing = false
			if cap(d.waiting) > maxEnvelopes {
				d.waiting = nil
			}
			d.mu.Unlock()
			return
		}
		d.last, d.repeated = time.Now(), 0
		d.mu.Unlock()
		// Under the same numbers each time: a receiver that has them already takes what is in it for what it knows.
		err := r.insist(ctx, 0, func() error { return r.send(ctx, d, batch) })
		for _, p := range items {
			p.end(err)
		}
		clear(batch)
		clear(items)
	}
}

// send publishes a batch. A gateway that isn't there any more is forgotten: should it come back, it is another epoch.
func (r *Router) send(ctx context.Context, d *destination, batch []bus.Envelope) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	r.Publishes.Add(1)
	err := r.o.Bus.Publish(ctx, d.id, batch...)
	switch {
	case errors.Is(err, bus.ErrNoReceiver):
		r.mu.Lock()
		if r.out[d.id] == d {
			delete(r.out, d.id)
			delete(r.in, d.id) // should it only have been deaf, its next number begins anew
		}
		r.mu.Unlock()
	case err != nil:
		r.Failed.Add(1)
	default:
		r.Published.Add(int64(len(batch)))
	}
	return err
}

// repeat says again how far the sequence numbers have come, until ctx ends.
func (r *Router) repeat(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			r.tellOfLost(now)
			r.repeatDue(ctx, now)
		}
	}
}

// tellOfLost leaves a hole in the numbers to every gateway known, after recipients couldn't be looked up or a queue was full:
// each looks into the logs of its own.
func (r *Router) tellOfLost(now time.Time) {
	if now.Sub(r.holed) < holeEvery || !r.lost.Swap(false) {
		return
	}
	r.holed = now
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.in {
		if r.out[id] == nil {
			r.out[id] = &destination{id: id}
		}
	}
	for _, d := range r.out {
		d.mu.Lock()
		d.seq++
		d.last, d.repeated = now, 0
		d.mu.Unlock()
	}
}

func (r *Router) repeatDue(ctx context.Context, now time.Time) {
	var due []*destination
	r.mu.Lock()
	after := max(repeatAfter, time.Duration(len(r.out))*repeatEach)
	every := max(repeatEvery, 3*after)
	for id, d := range r.out {
		d.mu.Lock()
		switch idle := now.Sub(d.last); {
		case d.publishing || d.seq == 0:
		case d.repeated < repeats && idle >= after+time.Duration(d.repeated)*every:
			due = append(due, d)
		case idle > forgetAfter:
			delete(r.out, id)
		}
		d.mu.Unlock()
	}
	r.mu.Unlock()
	for _, d := range due {
		r.sayAgain(ctx, d)
	}
}

// sayAgain says how far the numbers have come, as a publisher does: a push that overtook it would be taken for a hole.
func (r *Router) sayAgain(ctx context.Context, d *destination) {
	d.mu.Lock()
	if d.publishing {
		d.mu.Unlock()
		return
	}
	d.publishing = true
	d.repeated++
	e := bus.Envelope{From: r.o.Self, Seq: d.seq}
	d.mu.Unlock()
	err := r.send(ctx, d, []bus.Envelope{e})
	d.mu.Lock()
	if err != nil && !errors.Is(err, bus.ErrNoReceiver) {
		// It didn't go out, so it doesn't count: what was lost before must show once the bus is back.
		d.repeated = max(0, d.repeated-1)
	}
	d.mu.Unlock()
	r.wg.Add(1)
	go r.publish(ctx, d) // what came meanwhile
}
