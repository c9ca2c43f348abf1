package router

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

// publishTimeout bounds the publishes of one push.
const publishTimeout = 2 * time.Second

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
}

// Router is safe for concurrent use.
type Router struct {
	o     Options
	local atomic.Pointer[Local]

	// Pushed counts pushes, Published envelopes to other gateways, Failed what could not be looked up or published.
	Pushed, Published, Failed, Gaps atomic.Int64

	mu  sync.Mutex
	out map[session.GatewayID]uint64 // last sequence number sent
	in  map[session.GatewayID]uint64 // last one received
}

// New makes a Router. It subscribes to the bus, which delivers once it runs.
func New(o Options) *Router {
	r := &Router{o: o, out: make(map[session.GatewayID]uint64), in: make(map[session.GatewayID]uint64)}
	o.Bus.Subscribe(o.Self, r)
	return r
}

// SetLocal names the gateway of this process; until then only other gateways are told.
func (r *Router) SetLocal(l Local) { r.local.Store(&l) }

// Push shows p to its recipients, wherever they are connected. It never fails: what can't be shown is found in the log.
func (r *Router) Push(ctx context.Context, p *chat.Push) {
	r.Pushed.Add(1)
	if l := r.local.Load(); l != nil {
		(*l).Deliver(p)
	}
	routes, err := r.o.Sessions.Routes(ctx, r.o.Self, p.Recipients)
	if err != nil {
		r.Failed.Add(1)
		return
	}
	if len(routes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	for _, to := range routes {
		r.publish(ctx, to, p)
	}
}

func (r *Router) publish(ctx context.Context, to session.Route, p *chat.Push) {
	part := *p
	part.Recipients = to.Users
	r.mu.Lock()
	r.out[to.Gateway]++
	seq := r.out[to.Gateway]
	r.mu.Unlock()
	err := r.o.Bus.Publish(ctx, to.Gateway, bus.Envelope{From: r.o.Self, Seq: seq, Push: &part})
	switch {
	case errors.Is(err, bus.ErrNoReceiver):
		r.mu.Lock()
		delete(r.out, to.Gateway) // gone: should it come back, it is another epoch
		r.mu.Unlock()
	case err != nil:
		r.Failed.Add(1)
	default:
		r.Published.Add(1)
	}
}

// Receive implements bus.Receiver.
func (r *Router) Receive(e bus.Envelope) {
	r.mu.Lock()
	last, known := r.in[e.From]
	r.in[e.From] = e.Seq
	r.mu.Unlock()
	l := r.local.Load()
	if l == nil {
		return
	}
	if e.Push != nil {
		(*l).Deliver(e.Push)
	}
	if known && e.Seq > last+1 {
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
