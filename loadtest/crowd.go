package loadtest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/check"
	"github.com/murre-chat/murre/pkg/protocol"
)

// crowd is the people of one kill -9 round: each writes on, keeps what isn't acked, and after the crash sends that again
// under the same clientMessageId. Its fields belong to the loop while it runs.
type crowd struct {
	r   *rig
	o   CrashOptions
	rng *rand.Rand
	// picked says of each reception whether it is dropped; used with CrashOptions.Drop only.
	picked map[reception]bool
	res    *CrashRound

	check  *check.Checker
	log    []check.Event
	ps     []*person
	convs  []chat.ConversationID // of the pairs of those online
	group  chat.ConversationID
	seats  []*seat
	byConn map[*wire.Client]*seat
	seq    uint32

	writing, alive  bool // messages are made; the server (as far as we know) lives
	due             int64
	turn            int
	onWire          int64
	changes         int   // edits and deletions asked for
	got             int64 // receipts, for progress
	acked           int64
	frame           protocol.ClientFrame
	refusal         error
	afterQuiescence map[*seat]int // pending offered to a device after everything was acked
}

// seat is one device of one person.
type seat struct {
	p       *person
	n       int // index of the person
	c       *wire.Client
	primary bool
	online  bool // should be connected
	retry   bool // connect again on the next turn
	synced  bool
	unacked []*outgoing // in order of sending
	byKey   map[chat.ClientMessageID]*outgoing
	last    map[chat.ConversationID]chat.MessageID // newest message received
	mine    []own                                  // acked messages that may be edited and deleted
}

// own is a stored message of one's own.
type own struct {
	conv chat.ConversationID
	id   chat.MessageID
}

// maxOwn is how many of its own messages a device remembers for edits and deletions.
const maxOwn = 20

// outgoing is a message that its sender hasn't seen acked.
type outgoing struct {
	conv    chat.ConversationID
	key     chat.ClientMessageID
	content string
	replyTo chat.MessageID
	done    bool
	again   bool // was on the wire before
}

func (c *crowd) add(e check.Event) {
	e.At = time.Now().UnixMicro()
	c.log = append(c.log, e)
	c.check.Add(e)
}

// missing counts devices that should be connected and synced and aren't.
func (c *crowd) missing() int {
	n := 0
	for _, st := range c.seats {
		if !st.c.Connected() || !st.synced {
			n++
		}
	}
	return n
}

// tick connects who should be, and writes what is due.
func (c *crowd) tick(int64) time.Duration {
	now := time.Now().UnixNano()
	if c.alive {
		for _, st := range c.seats {
			if st.retry {
				st.retry, st.synced = false, false
				if err := st.c.Connect(); err != nil {
					c.refusal, st.retry = err, true
				}
			}
		}
	}
	if !c.writing {
		return 5 * time.Millisecond
	}
	interval := int64(time.Second) / crashRate
	for ; c.due <= now; c.due += interval {
		c.write()
	}
	return time.Duration(c.due - now)
}

// write makes the next message. Who has no connection writes all the same: it is sent once there is one.
func (c *crowd) write() {
	c.turn++
	st := c.seats[c.turn%(crashOnline+crashDevices)]
	if c.rng.IntN(editShare) == 0 && len(st.mine) > 0 && st.c.Connected() {
		c.change(st)
	}
	if len(st.unacked) > 200 {
		return // bounded, as a client's outbox is
	}
	conv := c.convs[st.n/2]
	if c.rng.IntN(groupShare) == 0 {
		conv = c.group
	}
	c.seq++
	o := &outgoing{conv: conv, key: clientID(time.Now().UnixNano(), uint32(st.c.Data), c.seq), content: text(int64(c.seq))}
	if c.rng.IntN(replyShare) == 0 {
		o.replyTo = st.last[conv]
	}
	if read := st.last[conv]; read != 0 && c.rng.IntN(readShare) == 0 && st.c.Connected() {
		c.add(check.Event{Kind: check.ReadSent, User: st.p.id, Device: st.c.Device, Conversation: conv, Message: read})
		st.c.Send(&protocol.ClientFrame{Type: protocol.TypeRead, Read: protocol.ReadFrame{Conversation: conv, UpTo: read}})
	}
	st.unacked = append(st.unacked, o)
	st.byKey[o.key] = o
	if st.c.Connected() && st.synced {
		c.put(st, o)
	}
}

// change edits or deletes one of a device's own messages. Whether it was done is known when the event comes; after a
// crash it may stay unknown.
func (c *crowd) change(st *seat) {
	i := c.rng.IntN(len(st.mine))
	m := st.mine[i]
	e := check.Event{Retry: true, User: st.p.id, Device: st.c.Device, Conversation: m.conv, Message: m.id}
	var f protocol.ClientFrame
	if c.rng.IntN(3) == 0 {
		st.mine = append(st.mine[:i], st.mine[i+1:]...)
		f.Type, f.Delete = protocol.TypeDelete, protocol.DeleteFrame{Conversation: m.conv, Message: m.id}
		e.Kind = check.Removed
	} else {
		c.seq++
		content := text(int64(c.seq))
		f.Type, f.Edit = protocol.TypeEdit, protocol.EditFrame{Conversation: m.conv, Message: m.id, Content: content}
		e.Kind, e.Digest = check.Edited, check.Digest(content)
	}
	c.add(e)
	c.changes++
	st.c.Send(&f)
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

// put sends one message, the first time or again.
func (c *crowd) put(st *seat, o *outgoing) {
	c.frame.Message = protocol.SendFrame{
		Conversation: o.conv, ClientMessage: o.key, Content: o.content, ContentType: chat.Text, Resend: o.again, ReplyTo: o.replyTo,
	}
	o.again = true
	c.add(check.Event{Kind: check.Sent, User: st.p.id, Device: st.c.Device, Conversation: o.conv, Client: o.key, Digest: check.Digest(o.content), ReplyTo: o.replyTo})
	if c.alive {
		c.onWire++
	}
	st.c.Send(&c.frame)
}

// Welcome implements wire.Handler.
func (c *crowd) Welcome(cl *wire.Client, w *protocol.WelcomePayload) {
	st := c.byConn[cl]
	c.add(check.Event{Kind: check.Connected, User: st.p.id, Device: cl.Device, Cursor: w.Cursor})
	if w.User != st.p.id {
		c.refusal = fmt.Errorf("welcomed as user %s, not %s", w.User, st.p.id)
	}
}

// Synced implements wire.Handler. The first one after connecting starts the outbox.
func (c *crowd) Synced(cl *wire.Client, s *protocol.SyncedPayload) {
	st := c.byConn[cl]
	c.add(check.Event{Kind: check.Synced, User: st.p.id, Device: cl.Device, UpTo: int64(s.UpTo)})
	if st.synced {
		return
	}
	st.synced = true
	for _, o := range st.unacked {
		c.put(st, o)
	}
}

// Message implements wire.Handler.
func (c *crowd) Message(cl *wire.Client, m *protocol.Message, batch bool) {
	st := c.byConn[cl]
	c.got++
	if c.afterQuiescence != nil && batch {
		c.afterQuiescence[st]++
	}
	if c.o.Drop > 0 && c.dropped(reception{cl.Device, m.ID}) {
		c.res.Dropped++
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
}

// reception is one message on one device.
type reception struct {
	device  chat.DeviceID
	message chat.MessageID
}

// dropped picks one reception in so many, every copy of it: a message that comes twice would hide the loss of one.
func (c *crowd) dropped(r reception) bool {
	gone, seen := c.picked[r]
	if !seen {
		gone = len(c.picked)%c.o.Drop == c.o.Drop/2
		c.picked[r] = gone
	}
	return gone
}

// Sent implements wire.Handler.
func (c *crowd) Sent(cl *wire.Client, m *protocol.Message) bool {
	st := c.byConn[cl]
	o := st.byKey[m.ClientMessageID]
	if m.ClientMessageID[10] != byte(cl.Data>>8) || m.ClientMessageID[11] != byte(cl.Data) {
		return false // the user's other device wrote it
	}
	c.add(check.Event{Kind: check.Acked, User: st.p.id, Device: cl.Device, Conversation: m.Conversation, Client: m.ClientMessageID, Message: m.ID})
	if o == nil {
		return true // acked before
	}
	c.acked++
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

// Error implements wire.Handler.
func (c *crowd) Error(cl *wire.Client, e *protocol.ErrorPayload) {
	st := c.byConn[cl]
	o := st.byKey[e.ClientMessage]
	if o == nil {
		c.refusal = fmt.Errorf("error frame: %s %s %s", e.Code, e.Field, e.Message)
		return
	}
	retry := e.Code == chat.CodeUnavailable.String() || e.Code == chat.CodeInternal.String()
	c.add(check.Event{Kind: check.Failed, Retry: retry, User: st.p.id, Device: cl.Device, Conversation: o.conv, Client: o.key})
	if !retry {
		c.refusal = fmt.Errorf("a message was refused: %s %s %s", e.Code, e.Field, e.Message)
		return
	}
	c.put(st, o)
}

// Closed implements wire.Handler.
func (c *crowd) Closed(cl *wire.Client, err error) {
	st := c.byConn[cl]
	st.synced = false
	st.retry = true
	if c.alive {
		c.refusal = err
	}
}
