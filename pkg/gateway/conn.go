package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/store"
)

const retrySoon = 2 * time.Second

// accompanied is no service.Sole, which counts from 1.
const accompanied = math.MaxUint32

// conn is one device's connection. It implements wsconn.Peer and inbox.Sink.
type conn struct {
	g       *Gateway
	ws      atomic.Pointer[wsconn.Conn]
	user    chat.UserID
	device  chat.DeviceID
	session [32]byte
	seq     int64        // also when it began, Unix µs
	unsure  atomic.Int64 // when a send last ended unknown, Unix µs
	expires int64        // Unix milliseconds; 0: the sign-in slides
	opening *opening
	ended   atomic.Uint32 // the code to close with as soon as it is open; 0: none
	sole    atomic.Uint32 // service.Sole of the device; accompanied once its user's devices have changed
	dev     inbox.Device
	pinged  atomic.Int64 // when a sign of life was asked for (Gateway.mono); 0: it isn't

	next     *conn // of the same user; guarded by the hub's shard
	listed   bool
	followed atomic.Bool

	mu     sync.Mutex
	work   *work // nil while idle
	gone   bool
	faults *faults
}

// opening is what an accepted connection starts with; dropped once it is open.
type opening struct {
	place   inbox.Place // read after the connection was entered everywhere
	back    chat.EventID
	pending bool
	listed  []store.ListedConversation // the first page of the user's conversations, read then too
	// Of the device's older connection, which may not have stored all it acked when place was read: the one here, the gateway
	// of one elsewhere, and whether there may be any at all.
	older *conn
	from  *session.GatewayID
	stale bool
}

// work is a connection's frames that wait to be handled, in order.
type work struct {
	queue  []*protocol.ClientFrame // nil entries: open the connection
	head   int
	paused bool
	at     []time.Time
}

// faults counts malformed frames in a minute.
type faults struct {
	count int
	since time.Time
}

var frames = sync.Pool{New: func() any { return new(protocol.ClientFrame) }}

// Open implements wsconn.Peer.
func (c *conn) Open(ws *wsconn.Conn) {
	c.ws.Store(ws)
	c.g.Stats.Connected.Add(1)
	c.g.Stats.Connects.Add(1)
	if c.expires != 0 {
		c.g.expect(c.expires)
	}
	if code := c.ended.Load(); code != 0 { // its end came before it
		c.close(protocol.CloseCode(code))
		c.endOlder()
		return
	}
	o := c.opening
	w := protocol.Welcome{
		User: c.user, Device: c.device, ServerTime: c.g.o.Now().UnixMilli(), Cursor: o.place.Device.AckedTo, Pending: o.pending,
		Limits: c.g.o.Limits, Heartbeat: c.g.o.Heartbeat,
	}
	c.send(wsconn.TextFrame(protocol.AppendWelcome(nil, &w)))
	c.enqueue(nil)
}

// Message implements wsconn.Peer: acks and pings are handled here and now, all else in order on a goroutine.
func (c *conn) Message(ws *wsconn.Conn, payload []byte, binary bool) {
	if binary {
		c.g.Stats.Frames[0].Add(1)
		c.fault(chat.Invalid("frame", "must be text"), chat.ClientMessageID{}, 0)
		return
	}
	f := frames.Get().(*protocol.ClientFrame)
	if err := protocol.Decode(payload, f); err != nil {
		c.g.Stats.Frames[0].Add(1)
		client, msg := f.About()
		frames.Put(f)
		c.fault(err, client, msg)
		return
	}
	c.g.Stats.Frames[f.Type].Add(1)
	switch f.Type {
	case protocol.TypeAck:
		if len(f.Ack.Messages) > 0 {
			c.dev.AckMessages(f.Ack.Messages...)
		}
		if len(f.Ack.Events) > 0 {
			c.dev.AckEvents(f.Ack.Events...)
		}
		if f.Ack.UpTo != 0 {
			c.dev.AckBatch(f.Ack.UpTo)
		}
		frames.Put(f)
	case protocol.TypePing:
		frames.Put(f)
		c.send(pong)
		if upTo, ok := c.dev.Synced(); ok {
			c.Synced(upTo)
		}
	default:
		c.enqueue(f)
	}
}

var pong = wsconn.TextFrame(protocol.AppendPong(nil))

// Pong implements wsconn.Peer.
func (c *conn) Pong(*wsconn.Conn) { c.pinged.Store(0) }

// Drained implements wsconn.Peer.
func (c *conn) Drained(*wsconn.Conn) { c.dev.Drained() }

// Closed implements wsconn.Peer.
func (c *conn) Closed(_ *wsconn.Conn, _ uint16, _ error) {
	opened := c.ws.Load() != nil
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	if opened {
		c.g.Stats.Connected.Add(-1)
	}
	c.leave()
}

// leave has the connection forgotten soon.
func (c *conn) leave() { c.g.leavers.do(task{c: c, forget: true}) }

// forget takes the connection out of hub, sessions and presence, and stores what its device acked.
func (c *conn) forget() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.g.base()), commandTimeout)
	defer cancel()
	key := deviceKey{c.user, c.device}
	c.g.handovers.begin(key)
	if c.g.hub.remove(c) {
		c.g.o.Presence.Disconnected(c.user, c.device)
	}
	c.g.following.note(c.g.hub.leave(c)...)
	// Stored before it is taken out of the registry: a gateway that finds no entry there finds all of it in the store.
	if err := c.dev.Close(ctx); err != nil {
		c.g.o.Log.Warn("store what a device acked", "user", c.user.String(), "device", c.device.String(), "error", err)
	}
	if _, err := c.g.o.Sessions.Remove(ctx, c.entry()); err != nil {
		c.g.o.Log.Debug("take a session out of the registry", "error", err)
	}
	if heirs := c.g.handovers.end(key); len(heirs) > 0 {
		c.g.release(key, heirs)
	}
	if c.ws.Load() == nil {
		c.endOlder()
	}
}

// endOlder has the device's older connection on another gateway end, when this one never opens: that one is in no registry any more.
func (c *conn) endOlder() {
	from := c.opening.from
	if from == nil {
		return
	}
	c.g.crew.do(task{release: func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.g.base()), handoverTime)
		defer cancel()
		c.g.takeOver(ctx, c, *from)
	}})
}

func (c *conn) entry() session.Entry {
	return session.Entry{User: c.user, Device: c.device, Gateway: c.g.o.Self, Seq: c.seq}
}

func (c *conn) caller() service.Caller {
	who := service.Caller{User: c.user, Device: c.device, Session: c.session}
	if sole := c.sole.Load(); sole != accompanied {
		who.Sole = service.Sole(sole)
	}
	return who
}

// enter puts the connection into hub, presence and registry, before anything of its device is read: what is sent from now on
// is pushed to it, or noted as missed. It doesn't wait for an older connection's end.
func (c *conn) enter(ctx context.Context) {
	g, o := c.g, c.opening
	older, newest := g.hub.add(c)
	if !newest { // it lost the race with the device's next connection
		c.close(protocol.CloseReplaced)
		return
	}
	if o.older = older; older != nil {
		g.Stats.Replaced.Add(1)
		older.close(protocol.CloseReplaced)
	} else {
		g.o.Presence.Connected(c.user, c.device)
	}
	o.stale = older != nil || g.handovers.underWay(deviceKey{c.user, c.device})
	replaced, err := g.o.Sessions.Register(ctx, c.entry())
	switch {
	case err != nil:
		g.o.Log.Debug("enter a session into the registry", "error", err)
		o.stale = o.stale || g.o.Tell != nil
	case replaced != nil && replaced.Gateway != g.o.Self:
		o.from, o.stale = &replaced.Gateway, true
	}
}

// open starts the catch-up, once all that the device acked before is stored.
func (c *conn) open(ctx context.Context) {
	g, o := c.g, c.opening
	c.opening = nil
	if o.older != nil {
		if err := o.older.dev.Close(ctx); err != nil {
			g.o.Log.Warn("store what a replaced device acked", "error", err)
		}
	}
	g.handovers.wait(ctx, deviceKey{c.user, c.device})
	if o.from != nil { // also for one that may not stay: the older one is in no registry any more
		g.takeOver(ctx, c, *o.from)
	}
	if !g.stillWelcome(c) {
		c.forget()
		return
	}
	if o.stale {
		if row, err := g.o.Store.Devices.Get(ctx, c.user, c.device); err == nil {
			o.place = g.o.Inbox.Place(row, o.back)
		}
	}
	c.dev.Hold()
	g.o.Inbox.Open(&c.dev, o.place, c)
	if o.pending || o.stale {
		c.dev.Start()
	}
	if c.followChannels(ctx, o.listed) {
		c.dev.Release(o.place)
	}
	c.mu.Lock()
	gone := c.gone
	c.mu.Unlock()
	if gone { // it went while it came: Closed may have found it in none of these places
		c.forget()
	}
}

// stillWelcome closes a connection that a drain or the end of its sign-in missed, because it was between its admission
// and the hub, and reports whether it may stay.
func (g *Gateway) stillWelcome(c *conn) bool {
	if g.draining.Load() || g.unfit.Load() {
		g.sendAway(c, 0)
		return false
	}
	if c.session == ([32]byte{}) {
		return true
	}
	if g.o.Auth.Ended(c.session) {
		c.close(protocol.CloseRevoked)
		return false
	}
	return true
}

// followChannels subscribes the device to the channels its user is a member of; page is the first of the user's conversations. When the store doesn't say which they are the
// client is sent away, and false returned: without its channels it would be told that it has everything.
func (c *conn) followChannels(ctx context.Context, page []store.ListedConversation) bool {
	for {
		var err error
		for i := 0; i < len(page) && err == nil; i++ {
			if page[i].Kind == chat.Channel && page[i].Listed {
				err = c.follow(ctx, page[i].Conversation)
			}
		}
		if err == nil && len(page) == listPage {
			page, err = c.g.o.Store.Listing.Conversations(ctx, c.user, page[listPage-1].Conversation, listPage)
		} else if err == nil {
			return true
		}
		if err != nil {
			c.g.o.Log.Warn("read a user's channels", "user", c.user.String(), "error", err)
			c.g.sendAway(c, awaySpread)
			return false
		}
	}
}

const (
	listPage = 500
	// awaySpread is over how long those come back who were sent away because of the store.
	awaySpread = 5 * time.Second
)

func (c *conn) follow(ctx context.Context, ch chat.ConversationID) error {
	from, err := c.g.o.Store.Channels.ChannelCursor(ctx, c.user, c.device, ch)
	if err == nil && from == 0 {
		var me chat.Member
		me, err = c.g.o.Store.Members.Member(ctx, ch, c.user)
		if errors.Is(err, store.ErrNotFound) {
			return nil // the list is behind
		}
		from = chat.EventID(me.JoinedID)
	}
	if err != nil {
		return fmt.Errorf("read a channel's cursor: %w", err)
	}
	if c.g.hub.follow(ch, c) {
		c.g.following.note(ch)
	}
	c.dev.Follow(ch, from)
	return nil
}

// send queues a frame that belongs to no log. It reports whether the connection took it.
func (c *conn) send(frame []byte) bool {
	ws := c.ws.Load()
	if ws == nil {
		return false
	}
	err := ws.Send(frame)
	if errors.Is(err, wsconn.ErrBehind) {
		c.g.Stats.Behind.Add(1)
	}
	return err == nil
}

// close closes the connection, or has Open do it.
func (c *conn) close(code protocol.CloseCode) {
	c.ended.Store(uint32(code))
	if ws := c.ws.Load(); ws != nil {
		ws.Close(uint16(code), code.Reason())
	}
}

// fault answers a malformed frame; too many of them in a minute close the connection.
func (c *conn) fault(e *chat.Error, client chat.ClientMessageID, msg chat.MessageID) {
	now := c.g.o.Now()
	c.mu.Lock()
	if c.faults == nil || now.Sub(c.faults.since) > time.Minute {
		c.faults = &faults{since: now}
	}
	c.faults.count++
	n := c.faults.count
	c.mu.Unlock()
	c.fail(e, client, msg)
	if n >= protocol.MaxMalformedPerMinute {
		c.close(protocol.ClosePolicy)
	}
}

// fail sends an error frame. What is internal about it stays in the log.
func (c *conn) fail(err error, client chat.ClientMessageID, msg chat.MessageID) {
	c.g.Stats.Errors.Add(1)
	var e *chat.Error
	if !errors.As(err, &e) {
		e = &chat.Error{Code: chat.CodeInternal, Message: "something went wrong on our side", Cause: err}
	}
	if e.Cause != nil {
		c.g.o.Log.Warn("a frame failed", "user", c.user.String(), "code", e.Code.String(), "error", e.Cause)
	}
	c.send(wsconn.TextFrame(protocol.AppendError(nil, e, client, msg)))
}
