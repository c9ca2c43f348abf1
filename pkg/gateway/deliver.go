package gateway

import (
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Deliver implements router.Local: it shows a push on the connections of its recipients here, encoded once.
func (g *Gateway) Deliver(p *chat.Push) {
	if p.Kind == chat.PushControl {
		g.control(p)
		return
	}
	d := delivery{g: g, p: p}
	if p.Channel {
		g.hub.ofChannel(p.Event.Conversation, d.show)
		return
	}
	for _, u := range p.Recipients {
		g.hub.of(u, d.show)
	}
	if p.Kind == chat.PushConversation {
		g.channelMembership(p) // last: who follows one more catches up with it first, and would miss this
	}
}

// delivery is one push on its way to connections.
type delivery struct {
	g          *Gateway
	p          *chat.Push
	frame, own []byte // for others, and for the sender's own devices
}

func (d *delivery) show(c *conn) {
	p := d.p
	if c.device == p.ExceptDevice && !c.device.IsZero() && d.asker(c) {
		return
	}
	if !p.OnlyDevice.IsZero() && c.device != p.OnlyDevice {
		return
	}
	durable := p.Event.ID != 0 || p.Channel
	if durable && !c.dev.Offer(p) {
		d.g.Stats.Behind.Add(1)
		return
	}
	if c.send(d.encoded(c)) {
		d.g.Stats.Pushed.Add(1)
	} else if durable {
		c.dev.Behind(p)
	}
}

// asker reports whether ExceptDevice speaks of this connection: device ids are a user's own, two users may share one.
func (d *delivery) asker(c *conn) bool {
	switch d.p.Kind {
	case chat.PushMessage:
		return c.user == d.p.Message.Sender
	case chat.PushStatus:
		return c.user == d.p.Status.User
	case chat.PushTyping:
		return c.user == d.p.Typing.User
	}
	return d.p.Event.Actor == c.user
}

func (d *delivery) encoded(c *conn) []byte {
	if d.p.Kind == chat.PushMessage && d.p.Message.Sender == c.user {
		if d.own == nil {
			d.own = encode(d.p, chat.Sent)
			d.g.Stats.Encoded.Add(1)
		}
		return d.own
	}
	if d.frame == nil {
		d.frame = encode(d.p, 0)
		d.g.Stats.Encoded.Add(1)
	}
	return d.frame
}

var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// framed copies what build appends into one complete frame of exactly its size.
func framed(build func(dst []byte) []byte) []byte {
	p := scratch.Get().(*[]byte)
	body := build((*p)[:0])
	out := wsconn.AppendHeader(make([]byte, 0, len(body)+10), ws.OpText, len(body))
	out = append(out, body...)
	if cap(body) <= 64<<10 {
		*p = body
		scratch.Put(p)
	}
	return out
}

func messageFrame(m *chat.Message, e chat.EventID, s chat.Status) []byte {
	return framed(func(b []byte) []byte { return protocol.AppendMessage(b, m, e, s) })
}

// encode makes the frame of a push.
func encode(p *chat.Push, status chat.Status) []byte {
	return framed(func(b []byte) []byte {
		switch p.Kind {
		case chat.PushMessage:
			return protocol.AppendMessage(b, p.Message, p.Event.ID, status)
		case chat.PushEdit:
			return protocol.AppendEdited(b, p.Message, p.Event.ID)
		case chat.PushDelete:
			return protocol.AppendDeleted(b, p.Event.Conversation, p.Event.Message, p.Event.ID)
		case chat.PushReaction:
			return protocol.AppendReaction(b, p.Event.Conversation, p.Event.Message, p.Reaction, p.Event.ID)
		case chat.PushConversation:
			return protocol.AppendConversation(b, p.Conversation, p.Event)
		case chat.PushStatus:
			return protocol.AppendStatus(b, p.Status)
		case chat.PushTyping:
			return protocol.AppendTyping(b, p.Typing)
		case chat.PushPresence:
			return protocol.AppendPresence(b, p.Presence)
		}
		return b
	})
}

// accompany notes that a connection's user has another device, or had one: what was known of them is to be read again.
func accompany(c *conn) { c.sole.Store(accompanied) }

// control carries out an order to gateways.
func (g *Gateway) control(p *chat.Push) {
	g.o.Service.Invalidate(p)
	switch p.Control.Kind {
	case chat.ControlNewDevice:
		for _, u := range p.Recipients {
			g.hub.of(u, accompany)
		}
		return
	case chat.ControlRevoked:
	case chat.ControlReplaced:
		g.replaced(p)
		return
	case chat.ControlReleased:
		for _, u := range p.Recipients {
			g.handovers.released(deviceKey{u, p.OnlyDevice}, p.Control.Seq)
		}
		return
	default:
		return
	}
	for _, u := range p.Recipients {
		g.hub.of(u, func(c *conn) {
			k := p.Control
			switch {
			case !p.OnlyDevice.IsZero() && c.device != p.OnlyDevice:
			case k.Session != ([32]byte{}) && c.session != k.Session:
			case k.KeepSession != ([32]byte{}) && c.session == k.KeepSession:
			default:
				c.close(protocol.CloseRevoked)
			}
		})
	}
}

// channelMembership lets connections follow or leave a channel as their user joins or leaves it.
func (g *Gateway) channelMembership(p *chat.Push) {
	ch := p.Conversation
	if ch.Conversation.Kind != chat.Channel {
		return
	}
	var joined, left []*conn
	switch ch.Change {
	case chat.ChangeCreated: // with all who are told
		for _, u := range p.Recipients {
			g.hub.of(u, func(c *conn) { joined = append(joined, c) })
		}
	case chat.ChangeMemberAdded:
		g.hub.of(ch.Subject, func(c *conn) { joined = append(joined, c) })
	case chat.ChangeMemberRemoved, chat.ChangeLeft:
		g.hub.of(ch.Subject, func(c *conn) { left = append(left, c) })
	}
	for _, c := range joined {
		if g.hub.follow(ch.Conversation.ID, c) {
			g.following.note(ch.Conversation.ID)
		}
		c.dev.Follow(ch.Conversation.ID, chat.EventID(p.Event.Message))
		c.dev.Start()
	}
	for _, c := range left {
		g.following.note(g.hub.unfollow(ch.Conversation.ID, c)...)
		c.dev.Unfollow(ch.Conversation.ID)
	}
}

// Batch implements inbox.Sink.
func (c *conn) Batch(b inbox.Batch) bool {
	var p protocol.Pending
	for i := range b.Items {
		it := &b.Items[i]
		switch it.Kind {
		case chat.PushMessage:
			status := chat.Status(0)
			if it.Message.Sender == c.user {
				status = chat.Sent
			}
			p.Message(it.Message, it.Event.ID, status)
		case chat.PushEdit:
			p.Edited(it.Message, it.Event.ID)
		case chat.PushDelete:
			p.Deleted(it.Event.Conversation, it.Event.Message, it.Event.ID)
		case chat.PushReaction:
			p.Reaction(it.Event.Conversation, it.Event.Message, it.Reaction, it.Event.ID)
		case chat.PushConversation:
			p.Conversation(it.Conversation, it.Event)
		}
	}
	return c.send(framed(func(dst []byte) []byte { return p.AppendTo(dst, b.Last, b.More) }))
}

// Push implements inbox.Sink. The live push of a membership may be what was lost.
func (c *conn) Push(p *chat.Push) bool {
	if p.Kind == chat.PushConversation && p.Conversation.Conversation.Kind == chat.Channel && (p.Conversation.Subject == c.user || p.Conversation.Change == chat.ChangeCreated) {
		own := *p
		own.Recipients = []chat.UserID{c.user}
		c.g.joinLater(&own)
	}
	status := chat.Status(0)
	if p.Kind == chat.PushMessage && p.Message.Sender == c.user {
		status = chat.Sent
	}
	return c.send(encode(p, status))
}

// Synced implements inbox.Sink.
func (c *conn) Synced(upTo int64) { c.send(wsconn.TextFrame(protocol.AppendSynced(nil, upTo))) }

// Gap implements inbox.Sink.
func (c *conn) Gap(from chat.EventID) { c.send(wsconn.TextFrame(protocol.AppendGap(nil, from))) }

// Stale implements inbox.Sink: it asks for a sign of life, and gives the connection up when none comes.
func (c *conn) Stale() {
	now := c.g.mono()
	switch asked := c.pinged.Load(); {
	case asked == 0:
		if ws := c.ws.Load(); ws != nil && ws.Ping() == nil {
			c.pinged.Store(now)
		} else if ws != nil && ws.Outbound() > 0 {
			c.pinged.Store(now) // it doesn't even read
		}
	case now-asked > staleClose.Milliseconds():
		c.close(protocol.CloseTooSlow)
	}
}

// staleClose is how long a connection may owe both acks and a pong.
const staleClose = 10 * time.Second
