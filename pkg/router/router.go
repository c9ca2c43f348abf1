// Package router takes pushes to the gateways that hold their recipients: to this process's own at once, to others over
// the bus, one envelope a gateway. It is best effort by contract; what it drops is found in the log.
//
// It isn't the log and decides nothing about who may see what. A push waits in one of a few queues, chosen by its
// conversation so that what belongs together keeps its order; a worker looks up the recipients of all that waits in one
// round trip; each gateway has a queue of its own, published by one goroutine while there is something in it.
//
// Lock order: Router.mu, then destination.mu. Nothing is called under either. Start with router.go.
package router

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	// lookTimeout bounds one look-up of recipients, publishTimeout one publish.
	lookTimeout    = 2 * time.Second
	publishTimeout = 2 * time.Second
	// What can't be looked up or published is tried again after patience, then after twice as long each time, tries times in all:
	// what is lost makes gateways look into all their logs, which a store that is slow already had better be spared.
	patience = 100 * time.Millisecond
	tries    = 7
	// maxLooking is how many batches may wait for being looked up again; what is in further ones is left to the logs.
	maxLooking = 256
	// nowTimeout bounds how long an order that ends access is waited for.
	nowTimeout = time.Second
	// workers look up recipients at once; each has a queue of maxQueued pushes. What doesn't fit is left to the log.
	workers   = 4
	maxQueued = 8192
	// maxTogether is how many pushes are looked up in one round trip.
	maxTogether = 256
)

// Local shows a push to the recipients who are connected to this gateway. It must not block.
type Local interface {
	Deliver(p *chat.Push)
	// Reread looks into the logs of everyone connected, after something may have been lost.
	Reread(reason string)
}

// Options of a Router; all are required, Local by SetLocal.
type Options struct {
	Self     session.GatewayID
	Sessions session.Registry
	Bus      bus.Bus
	Log      *slog.Logger
	// Alone: there are no other gateways, nothing is looked up or published.
	Alone bool
}

// Router is safe for concurrent use.
type Router struct {
	o       Options
	local   atomic.Pointer[Local]
	queue   [workers]chan *chat.Push
	looking atomic.Int64 // batches that are looked up again
	lost    atomic.Bool  // something for a log didn't find its way, and nobody knows which gateway it was meant for
	holed   time.Time    // when all gateways were last told so; owned by repeat

	// Pushed counts pushes, Published envelopes to other gateways and Publishes the round trips they took, Failed what
	// could not be looked up or published, Dropped what found its queue full, Gaps what was lost on the way here.
	Pushed, Published, Publishes, Lookups, Failed, Dropped, Gaps atomic.Int64

	mu  sync.Mutex
	out map[session.GatewayID]*destination
	in  map[session.GatewayID]uint64 // last sequence number received
	ctx context.Context              // Run's; nil before
	wg  sync.WaitGroup
}

// New makes a Router. It subscribes to the bus, which delivers once it runs. Other gateways are told while Run runs.
func New(o Options) *Router {
	r := &Router{o: o, out: make(map[session.GatewayID]*destination), in: make(map[session.GatewayID]uint64)}
	for i := range r.queue {
		r.queue[i] = make(chan *chat.Push, maxQueued)
	}
	o.Bus.Subscribe(o.Self, r)
	return r
}

// SetLocal names the gateway of this process; until then only other gateways are told.
func (r *Router) SetLocal(l Local) { r.local.Store(&l) }

// Run tells other gateways until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	if r.o.Alone {
		<-ctx.Done()
		return nil
	}
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	var wg sync.WaitGroup
	for _, q := range r.queue {
		wg.Go(func() { r.work(ctx, q) })
	}
	wg.Go(func() { r.repeat(ctx) })
	wg.Wait()
	r.mu.Lock()
	r.ctx = nil // no publisher starts any more
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// Push shows p to its recipients, wherever they are connected. It never fails: what can't be shown is found in the log. It
// waits only with orders that end somebody's access, until the gateways concerned have them, at most nowTimeout. Nobody
// changes p afterwards.
func (r *Router) Push(ctx context.Context, p *chat.Push) {
	r.Pushed.Add(1)
	if l := r.local.Load(); l != nil {
		(*l).Deliver(p)
	}
	if r.o.Alone {
		return
	}
	if p.Kind == chat.PushControl && endsAccess(p.Control.Kind) {
		r.pushNow(ctx, p)
		return
	}
	select {
	case r.queue[lane(p)] <- p:
	default:
		r.Dropped.Add(1)
		r.lose(p)
	}
}

// lose notes that p didn't find its way: what is in a log is to be looked for there.
func (r *Router) lose(p *chat.Push) {
	if p.Event.ID != 0 || p.Channel {
		r.lost.Store(true)
	}
}

// endsAccess reports whether an order had better be carried out before whoever gave it is answered.
func endsAccess(k chat.ControlKind) bool {
	return k == chat.ControlRevoked || k == chat.ControlInvalidate || k == chat.ControlBlock
}

// pushNow tells other gateways before it returns.
func (r *Router) pushNow(ctx context.Context, p *chat.Push) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nowTimeout)
	defer cancel()
	r.Lookups.Add(1)
	routes, err := r.o.Sessions.Routes(ctx, r.o.Self, p.Recipients)
	if err != nil {
		r.Failed.Add(1)
		return
	}
	waits := make([]chan error, len(routes))
	for i, to := range routes {
		part := *p
		part.Recipients = to.Users
		waits[i] = make(chan error, 1)
		r.enqueue(to.Gateway, item{&part, waits[i]})
	}
	for _, done := range waits {
		select {
		case <-done: // how it ended doesn't matter: the change log tells everybody
		case <-ctx.Done():
			return
		}
	}
}

// Tell sends p to one gateway, whoever is connected there, and waits until it has it. bus.ErrNoReceiver: it is gone.
func (r *Router) Tell(ctx context.Context, to session.GatewayID, p *chat.Push) error {
	if to == r.o.Self || r.o.Alone {
		return nil
	}
	done := make(chan error, 1)
	r.enqueue(to, item{p, done})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("router: tell a gateway: %w", ctx.Err())
	}
}

// lane chooses a queue: one conversation's pushes, or one person's, stay in order.
func lane(p *chat.Push) int {
	var key [16]byte
	switch {
	case !p.Event.Conversation.IsZero():
		key = p.Event.Conversation
	case p.Status != nil:
		key = p.Status.Conversation
	case p.Typing != nil:
		key = p.Typing.Conversation
	case len(p.Recipients) > 0:
		key = p.Recipients[0]
	}
	return int(binary.LittleEndian.Uint32(key[12:]) % workers)
}

// work takes what waits in a queue and hands it to the gateways concerned.
func (r *Router) work(ctx context.Context, q chan *chat.Push) {
	var batch []*chat.Push
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-q:
			batch = append(batch[:0], p)
		}
		for more := true; more && len(batch) < maxTogether; {
			select {
			case p := <-q:
				batch = append(batch, p)
			default:
				more = false
			}
		}
		r.route(ctx, batch)
		clear(batch)
	}
}

// route finds the gateways of a batch's recipients.
func (r *Router) route(ctx context.Context, batch []*chat.Push) {
	l := lookup{r: r, batch: batch}
	seen := make(map[chat.UserID]struct{})
	for _, p := range batch {
		for _, u := range p.Recipients {
			if _, ok := seen[u]; !ok {
				seen[u] = struct{}{}
				l.users = append(l.users, u)
			}
		}
	}
	if l.try(ctx) == nil {
		return
	}
	r.lookAgain(ctx, l)
}

// lookAgain goes on with a batch whose first look-up failed, beside those that come after it.
func (r *Router) lookAgain(ctx context.Context, l lookup) {
	if r.looking.Add(1) > maxLooking {
		r.looking.Add(-1)
		l.lose()
		return
	}
	l.batch = slices.Clone(l.batch) // the caller uses it again
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		defer r.looking.Add(-1)
		if r.insist(ctx, 1, func() error { return l.try(ctx) }) != nil {
			l.lose()
		}
	}()
}

// lookup is a batch on its way to those concerned.
type lookup struct {
	r     *Router
	batch []*chat.Push
	users []chat.UserID
	// sent is what has gone out, of which all but a failed first try keep no account: not all of Redis may have answered.
	sent map[part]struct{}
}

// part is a push of the batch on its way to a gateway.
type part struct {
	push int
	to   session.GatewayID
	user chat.UserID // zero: all who follow the channel
}

// try looks up who is connected where and hands on what hasn't been. Where only a part was found, that goes out.
func (l *lookup) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	r := l.r
	var failed error
	at := make(map[chat.UserID][]session.GatewayID, len(l.users))
	if len(l.users) > 0 {
		r.Lookups.Add(1)
		routes, err := r.o.Sessions.Routes(ctx, r.o.Self, l.users)
		failed = err
		for _, to := range routes {
			for _, u := range to.Users {
				at[u] = append(at[u], to.Gateway)
			}
		}
	}
	followers := make(map[chat.ConversationID][]session.GatewayID)
	for i, p := range l.batch {
		if p.Channel {
			if err := l.toFollowers(ctx, i, followers); err != nil {
				failed = err
			}
			continue
		}
		parts := make(map[session.GatewayID][]chat.UserID)
		for _, u := range p.Recipients {
			for _, g := range at[u] {
				if _, ok := l.sent[part{i, g, u}]; !ok {
					parts[g] = append(parts[g], u)
				}
			}
		}
		for g, us := range parts {
			part := *p
			part.Recipients = us
			r.enqueue(g, item{push: &part})
		}
	}
	if failed != nil {
		r.Failed.Add(1)
		l.note(at, followers)
	}
	return failed
}

// note remembers what was found, and so has gone out.
func (l *lookup) note(at map[chat.UserID][]session.GatewayID, followers map[chat.ConversationID][]session.GatewayID) {
	if l.sent == nil {
		l.sent = make(map[part]struct{})
	}
	for i, p := range l.batch {
		for _, g := range followers[p.Event.Conversation] {
			l.sent[part{push: i, to: g}] = struct{}{}
		}
		for _, u := range p.Recipients {
			for _, g := range at[u] {
				l.sent[part{i, g, u}] = struct{}{}
			}
		}
	}
}

// lose has everybody told of what didn't find its way.
func (l *lookup) lose() {
	for _, p := range l.batch {
		l.r.lose(p)
	}
}

// insist tries something, that has failed n times already, until it succeeds or has failed as often as is to be tried.
func (r *Router) insist(ctx context.Context, n int, do func() error) error {
	for {
		if n > 0 {
			pause := patience << (n - 1)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause/2 + rand.N(pause)):
			}
		}
		err := do()
		if n++; err == nil || n == tries || errors.Is(err, bus.ErrNoReceiver) {
			return err
		}
	}
}

// toFollowers hands the event of a channel, the push of a number, to every gateway with connected members.
func (l *lookup) toFollowers(ctx context.Context, push int, known map[chat.ConversationID][]session.GatewayID) error {
	r, p := l.r, l.batch[push]
	ch := p.Event.Conversation
	gs, ok := known[ch]
	if !ok {
		r.Lookups.Add(1)
		var err error
		if gs, err = r.o.Sessions.Followers(ctx, r.o.Self, ch); err != nil {
			return err
		}
		known[ch] = gs
	}
	for _, g := range gs {
		if _, ok := l.sent[part{push: push, to: g}]; !ok {
			r.enqueue(g, item{push: p})
		}
	}
	return nil
}

// Receive implements bus.Receiver.
func (r *Router) Receive(e bus.Envelope) {
	r.mu.Lock()
	last := r.in[e.From]
	r.in[e.From] = e.Seq
	r.mu.Unlock()
	l := r.local.Load()
	if l == nil {
		return
	}
	if e.Push != nil {
		(*l).Deliver(e.Push)
	}
	// A smaller number than the last begins anew: its sender thought us gone.
	next := last + 1
	if e.Push == nil {
		next = last
	}
	if e.Seq > next {
		r.Gaps.Add(1)
		(*l).Reread("an envelope was lost")
	}
}

// Gap implements bus.Receiver.
func (r *Router) Gap(reason string) {
	r.Gaps.Add(1)
	if l := r.local.Load(); l != nil {
		(*l).Reread(reason)
	}
}
