package ledger

import (
	"time"

	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Received notes that a message came to a user's device. syncedTo is the highest time (Unix ms) that a synced of this device
// said before. first: it is the first time, and the note is the message's.
func (b *Book) Received(user int, m *protocol.Message, syncedTo int64) (n Note, first bool) {
	n, ok := ParseText(m.Content)
	if !ok {
		b.violate(result.Altered, user, m.Conversation, m.ID, "its text isn't what any sender wrote")
		return n, false
	}
	switch {
	case !b.p.Holds(n.Conversation, n.Sender) || b.p.User(n.Sender) != m.Sender:
		b.violate(result.Ghost, user, m.Conversation, m.ID, "its text is user %d's to conversation %d, its sender is %s", n.Sender, n.Conversation, m.Sender)
		return n, false
	case !b.p.Holds(n.Conversation, user):
		b.violate(result.WrongRecipient, user, m.Conversation, m.ID, "the user is no member of conversation %d", n.Conversation)
		return n, false
	case b.p.Conversation(n.Conversation) != m.Conversation:
		b.violate(result.WrongRecipient, user, m.Conversation, m.ID, "it was written to conversation %s", b.p.Conversation(n.Conversation))
		return n, false
	case n.Sender == user:
		return n, false // one's own, to another device or out of the log
	}
	s := b.received(user, n.Conversation)
	if again := b.compare(s, user, &n, m); again {
		b.Repeated++
		return n, false
	}
	s.remember(reception{uint32(n.Sender), n.Number, n.Barrier, m.ID})
	s.count++
	s.sum += digest(&n, m.ID)
	s.max = max(s.max, m.ID)
	b.Got++
	if m.Event != 0 && m.Event.Time().UnixMilli() < syncedTo-slack.Milliseconds() {
		b.violate(result.SyncedLied, user, m.Conversation, m.ID, "its event %s is %d ms older than what a synced had said was all there",
			m.Event, syncedTo-m.Event.Time().UnixMilli())
	}
	return n, true
}

func (b *Book) received(user, conv int) *incoming {
	k := entry{uint32(conv), uint32(user)}
	s := b.in[k]
	if s == nil {
		s = &incoming{}
		b.in[k] = s
	}
	return s
}

// compare holds a reception against those in the window and reports whether it was there before.
func (b *Book) compare(s *incoming, user int, n *Note, m *protocol.Message) (again bool) {
	for i := range s.ring {
		r := &s.ring[i]
		if r.id == m.ID && (r.sender != uint32(n.Sender) || r.number != n.Number) {
			b.violate(result.Doubled, user, m.Conversation, m.ID, "two messages have this id")
		}
		if r.sender != uint32(n.Sender) {
			continue
		}
		switch {
		case r.number == n.Number:
			if r.id != m.ID {
				b.violate(result.Doubled, user, m.Conversation, m.ID, "the same message came as %s before", r.id)
			}
			return true
		case r.number <= n.Barrier && r.id > m.ID, n.Number <= r.barrier && r.id < m.ID:
			b.violate(result.Reordered, user, m.Conversation, m.ID, "number %d of its sender; number %d has the id %s", n.Number, r.number, r.id)
		}
	}
	// What has left the window can't be told from what comes very late. Windows are as long as a device may have
	// unacked: what is older than all of it has been acked, and comes again.
	return len(s.ring) == Window && m.ID <= s.gone
}

func (s *incoming) remember(r reception) {
	if len(s.ring) < Window {
		if len(s.ring) == cap(s.ring) { // grown by hand: many hold one or two
			ring := make([]reception, len(s.ring), max(1, 2*len(s.ring)))
			copy(ring, s.ring)
			s.ring = ring
		}
		s.ring = append(s.ring, r)
		return
	}
	old := &s.ring[s.at%Window]
	s.gone = max(s.gone, old.id)
	*old = r
	s.at++
}

// Read notes that a user says to have read a conversation up to a message.
func (b *Book) Read(user, conv int, m chat.MessageID) {
	s := b.received(user, conv)
	s.read = max(s.read, m)
}

// Batch notes events out of the log: each must lie behind the one before it, of which the last came at a moment (Unix ms; before is 0
// for none on this connection). Only what may still have been on its way into the log then, by Late, may come behind it.
func (b *Book) Batch(user int, before chat.EventID, at int64, events []chat.EventID) {
	for _, e := range events {
		if e <= before && (b.Late == 0 || e.Time().UnixMilli() < at-b.Late.Milliseconds()) {
			b.violate(result.Reordered, user, chat.ConversationID{}, 0, "the log gave event %s after %s", e, before)
		}
		before = max(before, e)
	}
}

// PendingLeft notes that a device was offered so many events again after all was acked and quiet.
func (b *Book) PendingLeft(user, n int) {
	b.violate(result.PendingLeft, user, chat.ConversationID{}, 0, "was offered %d pending events after it had acked everything", n)
}

// SyncedBack notes a synced: it never goes back. before and to are Unix ms.
func (b *Book) SyncedBack(user int, before, to int64) {
	if to < before-slack.Milliseconds() {
		b.violate(result.SyncedLied, user, chat.ConversationID{}, 0, "synced went back by %s", time.Duration(before-to)*time.Millisecond)
	}
}
