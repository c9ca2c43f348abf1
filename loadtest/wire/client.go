//go:build linux

package wire

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Handler is what a scenario does with what comes. All calls are on the loop; frames and their parts are valid during the
// call only.
type Handler interface {
	// Welcome: the connection stands.
	Welcome(c *Client, w *protocol.WelcomePayload)
	// Message: a message of somebody else, or of one's own other device. batch: out of the log, not live. It is acked
	// afterwards by itself, unless Manual.
	Message(c *Client, m *protocol.Message, batch bool)
	// Sent: the server acknowledged an own message. False: this device didn't send it, another of the user's did.
	Sent(c *Client, m *protocol.Message) bool
	// Event: an edit, a deletion, a reaction or a change of a conversation, live or out of the log. It is acked by itself.
	Event(c *Client, e *protocol.EventFrame)
	// Status: a receipt.
	Status(c *Client, s *protocol.StatusPayload)
	// Synced: everything up to a time has come.
	Synced(c *Client, s *protocol.SyncedPayload)
	// Error: an error frame.
	Error(c *Client, e *protocol.ErrorPayload)
	// Closed: the connection ended, or never stood. The client may Connect again.
	Closed(c *Client, reason error)
}

// Drainer is a Handler that wants to know when the server asks its clients to come back later, because it is about to end.
type Drainer interface {
	// Reconnect: the server drains; the client should come back after so long.
	Reconnect(c *Client, after time.Duration)
}

// Typist is a Handler that looks at who types.
type Typist interface {
	// Typing: somebody types, or stopped.
	Typing(c *Client, t *protocol.TypingPayload)
}

// Target is where a server listens.
type Target struct {
	Addr netip.AddrPort // IPv4
	Path string         // "/ws"
}

// Client is one device of one user.
type Client struct {
	Loop    *Loop
	Target  Target
	Token   string
	Device  chat.DeviceID
	User    chat.UserID // known after the first welcome
	Handler Handler
	Manual  bool // acks are the handler's job
	Data    int  // the scenario's own number

	conn  *conn
	acks  []chat.MessageID
	inbox bool // waits in Loop.acking
}

// Connect starts to connect; Welcome or Closed will follow. An older connection is cut.
func (c *Client) Connect() error {
	c.Cut()
	cn, err := dial(c.Loop, c.Target.Addr, c)
	if err != nil {
		return err
	}
	c.conn = cn
	return nil
}

// Cut drops the connection without a word. Closed isn't called.
func (c *Client) Cut() {
	if cn := c.conn; cn != nil {
		c.conn = nil
		cn.end(errors.New("cut"))
	}
	c.acks = c.acks[:0]
}

// Close says goodbye (1000) after what is queued and drops the connection. Closed isn't called.
func (c *Client) Close() {
	if cn := c.conn; cn != nil && cn.phase == open {
		c.FlushAcks()
		cn.send(ws.OpClose, []byte{0x03, 0xe8})
		cn.flush()
	}
	c.Cut()
}

// Connected reports whether the connection stands.
func (c *Client) Connected() bool { return c.conn != nil && c.conn.phase == open }

// Send puts a frame on the wire at the end of the turn. It does nothing when there is no connection.
func (c *Client) Send(f *protocol.ClientFrame) {
	if !c.Connected() {
		return
	}
	c.Loop.scratch = protocol.AppendClientFrame(c.Loop.scratch[:0], f)
	c.conn.send(ws.OpText, c.Loop.scratch)
}

// Ack gathers an acknowledgement; it goes out within 200 ms.
func (c *Client) Ack(m chat.MessageID) {
	c.acks = append(c.acks, m)
	if len(c.acks) == chat.MaxAckIDs {
		c.FlushAcks()
		return
	}
	if !c.inbox {
		c.inbox = true
		c.Loop.acking = append(c.Loop.acking, c)
	}
}

// FlushAcks sends the gathered acks now.
func (c *Client) FlushAcks() {
	c.inbox = false
	if len(c.acks) == 0 {
		return
	}
	f := protocol.ClientFrame{Type: protocol.TypeAck}
	f.Ack.Messages = c.acks
	c.Send(&f)
	c.acks = c.acks[:0]
}

// request writes the upgrade.
func (c *Client) request(cn *conn) {
	var key [16]byte
	copy(key[:], c.Device[:])
	b := append(c.Loop.buffer(), "GET "...)
	b = append(b, c.Target.Path...)
	b = append(b, "?device="...)
	b = c.Device.AppendTo(b)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = c.Target.Addr.AppendTo(b)
	b = append(b, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	b = base64.StdEncoding.AppendEncode(b, key[:])
	b = append(b, "\r\nSec-WebSocket-Protocol: "+protocol.SubprotocolJSON+"\r\nAuthorization: Bearer "...)
	b = append(b, c.Token...)
	cn.out = append(b, "\r\n\r\n"...)
}

func (c *Client) ended(reason error) {
	c.conn = nil
	c.acks = c.acks[:0]
	c.Handler.Closed(c, reason)
}

// frame handles one text frame.
func (c *Client) frame(data []byte) {
	f := &c.Loop.frame
	if err := protocol.DecodeServer(data, f); err != nil {
		c.conn.end(err)
		return
	}
	switch f.Type {
	case protocol.TypeMessage:
		m := &f.Message
		if m.Status != "" && m.Sender == c.User && c.Handler.Sent(c, m) {
			if m.Event != 0 && !c.Manual { // the user has other devices, so the message is in this one's log too
				c.Ack(m.ID)
			}
			return
		}
		c.Handler.Message(c, m, false)
		if !c.Manual {
			c.Ack(m.ID)
		}
	case protocol.TypeMessageStatus:
		c.Handler.Status(c, &f.Status)
	case protocol.TypePendingMessages:
		p := &f.Pending
		for i := range p.Messages {
			c.Handler.Message(c, &p.Messages[i], true)
		}
		for i := range p.Events {
			c.Handler.Event(c, &p.Events[i].Frame)
		}
		if !c.Manual {
			ack := protocol.ClientFrame{Type: protocol.TypeAck}
			ack.Ack.UpTo = p.Event
			c.Send(&ack)
		}
	case protocol.TypeWelcome:
		c.User = f.Welcome.User
		c.Handler.Welcome(c, &f.Welcome)
	case protocol.TypeSynced:
		c.Handler.Synced(c, &f.Synced)
	case protocol.TypeError:
		c.Handler.Error(c, &f.Error)
	case protocol.TypeConversation, protocol.TypeMessageEdited, protocol.TypeMessageDeleted, protocol.TypeReaction:
		c.ackEvent(f)
	case protocol.TypeReconnect:
		if d, ok := c.Handler.(Drainer); ok {
			d.Reconnect(c, time.Duration(f.Reconnect.AfterMs)*time.Millisecond)
		}
	case protocol.TypeTyping:
		if t, ok := c.Handler.(Typist); ok {
			t.Typing(c, &f.Typing)
		}
	}
}

// ackEvent shows a live event that isn't a message and acknowledges it.
func (c *Client) ackEvent(f *protocol.ServerFrame) {
	var id chat.EventID
	e := protocol.EventFrame{Type: f.Type}
	switch f.Type {
	case protocol.TypeConversation:
		id, e.Conversation = f.Conversation.Event, &f.Conversation
	case protocol.TypeMessageEdited:
		id, e.Edited = f.Edited.Event, &f.Edited
	case protocol.TypeMessageDeleted:
		id, e.Deleted = f.Deleted.Event, &f.Deleted
	case protocol.TypeReaction:
		id, e.Reaction = f.Reaction.Event, &f.Reaction
	}
	c.Handler.Event(c, &e)
	if id == 0 || c.Manual {
		return
	}
	ack := protocol.ClientFrame{Type: protocol.TypeAck}
	ack.Ack.Events = []chat.EventID{id}
	c.Send(&ack)
}
