package worker

import (
	"time"

	"github.com/murre-chat/murre/loadtest/ledger"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Message implements wire.Handler: a message of somebody else came, live or out of the log.
func (w *Worker) Message(c *wire.Client, m *protocol.Message, batch bool) {
	s, user := w.seat(c), 0
	user = w.user(s)
	if batch {
		w.book.Batch(user, s.batch, s.batchAt, []chat.EventID{m.Event})
		s.batch, s.batchAt = max(s.batch, m.Event), time.Now().UnixMilli()
		if s.again {
			s.offered++
		}
	}
	note, first := w.book.Received(user, m, s.syncedTo)
	if !first {
		return
	}
	now := time.Now().UnixNano()
	w.tally.counts.Delivered++
	if batch {
		w.tally.counts.CaughtUp++
	}
	if s.synced && w.micros(s.at) <= note.Due { // it was there when the message was due
		w.tally.latency(result.LatencyDelivery, note.Due, w.micros(now))
	}
	if w.phase != chatting {
		return
	}
	if w.rng.Float64() < w.sc.Reading.Share {
		after := w.rng.ExpFloat64() * float64(w.sc.Reading.After)
		w.timers.push(timer{at: now + int64(after), seat: uint32(c.Data), conv: uint32(note.Conversation), msg: m.ID, kind: toRead})
	}
	if !batch && c.Data < w.traffic.active && !w.p.IsGroup(note.Conversation) && w.rng.Float64() < w.sc.Messages.Reply {
		think := w.rng.ExpFloat64() * float64(w.sc.Messages.Think)
		w.timers.push(timer{at: now + int64(think), seat: uint32(c.Data), conv: uint32(note.Conversation), kind: toWrite})
	}
}

// readUpTo says that a user has read a conversation.
func (w *Worker) readUpTo(s *seat, conv int, m chat.MessageID) {
	if !s.up {
		return
	}
	w.book.Read(w.user(s), conv, m)
	s.c.Send(&protocol.ClientFrame{Type: protocol.TypeRead, Read: protocol.ReadFrame{Conversation: w.p.Conversation(conv), UpTo: m}})
}

// Status implements wire.Handler.
func (w *Worker) Status(c *wire.Client, p *protocol.StatusPayload) {
	s := w.seat(c)
	user := w.user(s)
	w.tally.counts.Receipts++
	conv := w.conversation(user, p.Conversation)
	member := -1
	if conv >= 0 {
		member = w.memberOf(conv, p.User)
	}
	read := p.Status == chat.Read.String()
	w.seen(user, conv, member, read, p.Message)
	for _, m := range p.Messages {
		w.seen(user, conv, member, read, m)
	}
}

// seen notes one receipt.
func (w *Worker) seen(user, conv, member int, read bool, m chat.MessageID) {
	w.book.Status(user, conv, member, read, m)
	if due, ok := w.awaited[m]; ok && !read {
		delete(w.awaited, m)
		w.tally.record(result.LatencyReceipt, due, w.micros(time.Now().UnixNano())-due)
	}
}

// maxAwaited is how many receipts are timed at once.
const maxAwaited = 4096

// await times the receipt of a direct message whose two people are both here and connected: of others this worker can't know
// whether the receiver was there. They are as good as any, for pairs are picked by chance.
func (w *Worker) await(n *ledger.Note, m chat.MessageID) {
	if w.p.IsGroup(n.Conversation) || len(w.awaited) >= maxAwaited {
		return
	}
	partner := w.p.Partner(n.Sender)
	if partner < w.setup.From || partner >= w.setup.To {
		return
	}
	if s := &w.seats[partner-w.setup.From]; s.synced && w.micros(s.at) <= n.Due {
		w.awaited[m] = n.Due
	}
}

// conversation is the number of one of a user's conversations; -1: it is none of theirs.
func (w *Worker) conversation(user int, id chat.ConversationID) int {
	if c := w.p.DirectOf(user); w.p.Conversation(c) == id {
		return c
	}
	for _, g := range w.member.Of(user) {
		if c := w.p.GroupConversation(int(g)); w.p.Conversation(c) == id {
			return c
		}
	}
	return -1
}

// memberOf is the number of a member by id; -1: there is none.
func (w *Worker) memberOf(conv int, id chat.UserID) int {
	for k := range w.p.Size(conv) {
		if m := w.p.Member(conv, k); w.p.User(m) == id {
			return m
		}
	}
	return -1
}

// Event implements wire.Handler: an event that isn't a message. None is asked for, so none is expected out of the log
// after all was quiet either.
func (w *Worker) Event(c *wire.Client, _ *protocol.EventFrame) {
	if s := w.seat(c); s.again {
		s.offered++
	}
}

// Typing implements wire.Typist.
func (w *Worker) Typing(*wire.Client, *protocol.TypingPayload) { w.tally.counts.Typing++ }
