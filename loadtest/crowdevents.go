package loadtest

import (
	"fmt"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/check"
	"github.com/murre-chat/murre/pkg/protocol"
)

// nodeOf is the server process that made an id, as the checker counts them: ids increase by process.
func nodeOf(m chat.MessageID) int { return 1 + id.ID(m).Slot() }

// Welcome implements wire.Handler. It starts the outbox.
func (c *crowd) Welcome(cl *wire.Client, w *protocol.WelcomePayload) {
	st := c.byConn[cl]
	c.add(check.Event{Kind: check.Connected, User: st.p.id, Device: cl.Device, Cursor: w.Cursor})
	if w.User != st.p.id {
		c.refusal = fmt.Errorf("welcomed as user %s, not %s", w.User, st.p.id)
	}
	st.up = time.Now().UnixNano()
	for _, o := range st.unacked {
		if !o.done {
			c.put(st, o)
		}
	}
}

// Synced implements wire.Handler.
func (c *crowd) Synced(cl *wire.Client, s *protocol.SyncedPayload) {
	st := c.byConn[cl]
	c.add(check.Event{Kind: check.Synced, User: st.p.id, Device: cl.Device, UpTo: int64(s.UpTo)})
	st.synced = true
}

// Message implements wire.Handler.
func (c *crowd) Message(cl *wire.Client, m *protocol.Message, batch bool) {
	st := c.byConn[cl]
	c.got++
	if c.afterQuiescence != nil && batch {
		c.afterQuiescence[st]++
	}
	if c.drop > 0 && c.isDropped(reception{cl.Device, m.ID}) {
		c.dropped++
		return
	}
	st.last[m.Conversation] = max(st.last[m.Conversation], m.ID)
	via := check.Push
	if batch {
		via = check.Batch
	}
	c.add(check.Event{
		Kind: check.Received, Via: via, User: st.p.id, Device: cl.Device, Conversation: m.Conversation, Message: m.ID, Sender: m.Sender,
		Client: m.ClientMessageID, Event: m.Event, Digest: check.Digest(m.Content), ReplyTo: m.ReplyTo, Deleted: m.Deleted,
	})
	c.arrived(cl, m)
}

// arrived counts a first reception and times it.
func (c *crowd) arrived(cl *wire.Client, m *protocol.Message) {
	r := arrival{cl.Device, m.ClientMessageID}
	if _, again := c.received[r]; again || madeBy(m.ClientMessageID, cl) {
		return
	}
	c.received[r] = struct{}{}
	c.owed--
	if n, err := numberIn(m.Content); err == nil && n > 0 && n < int64(len(c.dueAt)) {
		c.samples = append(c.samples, sample{c.dueAt[n], time.Duration(time.Now().UnixNano() - c.dueAt[n])})
	}
}

// madeBy reports whether this very device wrote the message; the user's other device may have.
func madeBy(key chat.ClientMessageID, cl *wire.Client) bool {
	return key[10] == byte(cl.Data>>8) && key[11] == byte(cl.Data)
}

// isDropped picks one reception in so many, every copy of it: a message that comes twice would hide the loss of one.
func (c *crowd) isDropped(r reception) bool {
	gone, seen := c.picked[r]
	if !seen {
		gone = len(c.picked)%c.drop == c.drop/2
		c.picked[r] = gone
	}
	return gone
}

// Sent implements wire.Handler.
func (c *crowd) Sent(cl *wire.Client, m *protocol.Message) bool {
	st := c.byConn[cl]
	if !madeBy(m.ClientMessageID, cl) {
		return false
	}
	o := st.byKey[m.ClientMessageID]
	c.add(check.Event{Kind: check.Acked, Node: nodeOf(m.ID), User: st.p.id, Device: cl.Device, Conversation: m.Conversation, Client: m.ClientMessageID, Message: m.ID})
	if o == nil {
		return true // acked before
	}
	if o.attempts == 0 && st.up != 0 && m.ID.Time().UnixNano() > st.up {
		st.node = nodeOf(m.ID)
	}
	if made := m.ID.Time().UnixNano(); made < o.firstAt-int64(clockSlack) || made > time.Now().Add(clockSlack).UnixNano() {
		c.offClock++
	}
	c.acked++
	c.owed += c.devices[m.Conversation] - 1
	delete(st.byKey, m.ClientMessageID)
	o.done = true
	if len(st.mine) < maxOwn {
		st.mine = append(st.mine, own{m.Conversation, m.ID})
	}
	for len(st.unacked) > 0 && st.unacked[0].done {
		st.unacked = st.unacked[1:]
	}
	return true
}

// Event implements wire.Handler. An edit or deletion counts as answered once its event has come to anybody: it is stored.
func (c *crowd) Event(cl *wire.Client, f *protocol.EventFrame) {
	st := c.byConn[cl]
	c.got++
	e := check.Event{User: st.p.id, Device: cl.Device}
	switch f.Type {
	case protocol.TypeMessageEdited:
		e.Kind, e.Conversation, e.Message, e.Digest = check.Edited, f.Edited.Conversation, f.Edited.Message, check.Digest(f.Edited.Content)
	case protocol.TypeMessageDeleted:
		e.Kind, e.Conversation, e.Message = check.Removed, f.Deleted.Conversation, f.Deleted.Message
	default:
		return
	}
	c.add(e)
}

// Status implements wire.Handler.
func (c *crowd) Status(cl *wire.Client, s *protocol.StatusPayload) {
	st := c.byConn[cl]
	status := chat.Delivered
	if s.Status == "read" {
		status = chat.Read
	}
	ids := s.Messages
	if len(ids) == 0 {
		ids = []chat.MessageID{s.Message}
	}
	for _, m := range ids {
		c.add(check.Event{Kind: check.StatusSeen, User: st.p.id, Device: cl.Device, Conversation: s.Conversation, Sender: s.User, Message: m, Status: status})
	}
}

// Error implements wire.Handler. What may be sent again is, a little later each time.
func (c *crowd) Error(cl *wire.Client, e *protocol.ErrorPayload) {
	st := c.byConn[cl]
	o := st.byKey[e.ClientMessage]
	c.codes[e.Code]++
	if o == nil {
		c.refusal = fmt.Errorf("error frame: %s %s %s", e.Code, e.Field, e.Message)
		return
	}
	code, _ := chat.ParseCode(e.Code)
	retry := code == chat.CodeUnavailable || code == chat.CodeInternal
	c.add(check.Event{Kind: check.Failed, Retry: retry, User: st.p.id, Device: cl.Device, Conversation: o.conv, Client: o.key})
	c.refusal = fmt.Errorf("a message was refused: %s %s %s", e.Code, e.Field, e.Message)
	if !retry {
		o.retryAt = 0 // asked no more: what is wrong is for the checker, and for whoever reads the refusal
		return
	}
	limit := min(backoffMin<<min(o.attempts, 5), ackTimeout)
	o.attempts++
	o.retryAt = time.Now().UnixNano() + int64(limit/2) + c.rng.Int64N(int64(limit/2))
}

// Closed implements wire.Handler.
func (c *crowd) Closed(cl *wire.Client, err error) {
	st := c.byConn[cl]
	now := time.Now().UnixNano()
	if st.up != 0 && now-st.up > steady.Nanoseconds() {
		st.attempts = 0
	}
	st.down()
	if !c.alive {
		st.retryAt = now
		return
	}
	c.refusal = err
	c.codes[wire.Ending(err)]++
	c.comeBack(st, now)
}

// Reconnect implements wire.Drainer: the device leaves when it was told to, and is back at once, elsewhere.
func (c *crowd) Reconnect(cl *wire.Client, after time.Duration) {
	st := c.byConn[cl]
	c.drained++
	st.retryAt = time.Now().Add(after).UnixNano() // Connect cuts the old connection
}
