package gateway

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// maxQueued is how many frames of one connection wait to be handled before its socket isn't read any more.
	maxQueued = 64
	// commandTimeout bounds one frame's handling.
	commandTimeout = 15 * time.Second
	// expiryEvery is how often connections whose authentication has run out are looked for.
	expiryEvery = 2 * time.Second
)

// Authenticator checks tokens.
type Authenticator interface {
	// Confirm says who a token speaks for, as of now.
	Confirm(ctx context.Context, token string) (auth.Identity, error)
	// Ended reports whether a session is known to have been revoked.
	Ended(session [32]byte) bool
}

// Presence is told who is here.
type Presence interface {
	Connected(user chat.UserID, device chat.DeviceID)
	Disconnected(user chat.UserID, device chat.DeviceID)
}

// Observer takes latencies.
type Observer interface {
	Observe(d time.Duration)
}

// Options of a Gateway. All are required but those with a default.
type Options struct {
	Self     session.GatewayID
	Auth     Authenticator
	Origins  func(origin, host string) bool // whether a browser page of origin may connect
	Service  *service.Service
	Inbox    *inbox.Log
	Store    store.Store
	Sessions session.Registry
	Presence Presence
	Admit    admit.Admission
	Log      *slog.Logger

	Limits    protocol.Limits // as told to clients
	Heartbeat time.Duration   // as told to clients; default 55 s
	// Tell sends an order to one other gateway and returns once it is there, or an error; nil where there are no others.
	Tell func(ctx context.Context, to session.GatewayID, p *chat.Push) error

	// Load says when connections wait, and are then refused, to come again a little later.
	Load overload.Signals

	SendTime Observer // from a message frame read to its ack queued; may be nil
	Now      func() time.Time
}

// Gateway implements wsconn.Handler and router.Local.
type Gateway struct {
	o        Options
	hub      hub
	seq      atomic.Int64
	draining atomic.Bool
	unfit    atomic.Bool  // nobody is served well here: see Suspend
	soonest  atomic.Int64 // when the first connection's authentication runs out, Unix ms, or before that; 0: none does
	born     time.Time
	ctx      atomic.Pointer[context.Context]
	crew     crew
	gate     *overload.Gate // for connections
	leavers  crew           // takes connections that have ended out of everything

	following channelSet
	rechecks  channelSet
	handovers handovers
	joins     chan *chat.Push // membership changes of channels, found in a log
	rereads   chan string

	Stats Stats
}

// Stats count since the start.
type Stats struct {
	Frames    [protocol.Types]atomic.Int64 // by client frame type; 0: malformed
	Errors    atomic.Int64                 // error frames sent
	Pushed    atomic.Int64                 // frames pushed to connections
	Behind    atomic.Int64                 // pushes left to the log
	Connected atomic.Int64                 // connections open now
	Connects  atomic.Int64
	Refused   atomic.Int64
	Replaced  atomic.Int64
	Encoded   atomic.Int64 // frames encoded for pushes
}

// New makes a Gateway; Run starts its timers.
func New(o Options) *Gateway {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 55 * time.Second
	}
	g := &Gateway{o: o, born: time.Now(), joins: make(chan *chat.Push, maxJoins), rereads: make(chan string, 1), crew: crew{max: maxCrew}, leavers: crew{max: maxLeavers}, gate: overload.NewGate(o.Load)}
	g.following.kick, g.rechecks.kick = make(chan struct{}, 1), make(chan struct{}, 1)
	g.hub.init()
	return g
}

// Run ends connections whose authentication runs out, until ctx ends; it then waits for what connections still do.
func (g *Gateway) Run(ctx context.Context) error {
	g.ctx.Store(&ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { g.runFollowing(ctx) })
	wg.Go(func() { g.runRechecks(ctx) })
	wg.Go(func() { g.runJoins(ctx) })
	wg.Go(func() { g.runRereads(ctx) })
	t := time.NewTicker(expiryEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			g.leavers.wait()
			g.crew.wait() // what leavers say to other gateways
			return nil
		case <-t.C:
			g.endExpired()
		}
	}
}

// endExpired closes connections whose authentication has run out. As long as none can have, nobody is looked for among a million.
func (g *Gateway) endExpired() {
	now := g.o.Now().UnixMilli()
	if at := g.soonest.Load(); at == 0 || at > now {
		return
	}
	g.soonest.Store(0)
	g.hub.each(func(c *conn) {
		switch {
		case c.expires == 0:
		case c.expires <= now:
			c.close(protocol.CloseAuthExpired)
		default:
			g.expect(c.expires)
		}
	})
}

// expect notes that a connection's authentication runs out then.
func (g *Gateway) expect(at int64) {
	for {
		was := g.soonest.Load()
		if was != 0 && was <= at || g.soonest.CompareAndSwap(was, at) {
			return
		}
	}
}

// mono is milliseconds since the Gateway was made, from 1 on.
func (g *Gateway) mono() int64 { return time.Since(g.born).Milliseconds() + 1 }

// sendAway asks a client to come back after a time, and closes its connection.
func (g *Gateway) sendAway(c *conn, spread time.Duration) {
	after := time.Second + time.Duration(rand.Int64N(int64(max(spread, time.Second))))
	c.send(wsconn.TextFrame(protocol.AppendReconnect(nil, after)))
	c.close(protocol.CloseDrain)
}

// base is the context that work of connections runs under.
func (g *Gateway) base() context.Context {
	if p := g.ctx.Load(); p != nil {
		return *p
	}
	return context.Background()
}

// Suspend says whether clients are served better elsewhere: while on, new connections are refused and those that are open
// are asked to reconnect, spread over a time.
func (g *Gateway) Suspend(on bool, spread time.Duration) {
	if g.unfit.Swap(on) == on || !on {
		return
	}
	g.hub.each(func(c *conn) { g.sendAway(c, spread) })
}

// Draining reports whether Drain was called: new connections are refused.
func (g *Gateway) Draining() bool { return g.draining.Load() }

// Drain tells the clients, in waves over a time, to come back later, and closes their connections. It returns when all
// are gone or ctx ends.
func (g *Gateway) Drain(ctx context.Context, spread time.Duration) {
	g.draining.Store(true)
	var all []*conn
	g.hub.each(func(c *conn) { all = append(all, c) })
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	const waves = 20
	for w := range waves {
		for _, c := range all[w*len(all)/waves : (w+1)*len(all)/waves] {
			g.sendAway(c, spread)
		}
		if len(all) == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(spread / waves):
		}
	}
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for g.Stats.Connected.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Reread implements router.Local: it has the logs of everyone connected looked into, soon, spread over a few seconds, and
// not again before these are over.
func (g *Gateway) Reread(reason string) {
	select {
	case g.rereads <- reason:
	default: // one waits already
	}
}

// The re-reading of all logs is spread over rereadLeast, or longer where there are more than rereadRate of them a second; in
// rereadMost all are read.
const (
	rereadLeast = 5 * time.Second
	rereadMost  = 40 * time.Second
	rereadRate  = 250
)

func (g *Gateway) runRereads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case reason := <-g.rereads:
			g.o.Log.Warn("reading the logs of all connected devices again", "reason", reason)
		}
		spread := min(max(rereadLeast, time.Duration(g.Stats.Connected.Load())*time.Second/rereadRate), rereadMost)
		g.o.Inbox.ReadAll(spread)
		select {
		case <-ctx.Done():
			return
		case <-time.After(spread):
		}
	}
}
