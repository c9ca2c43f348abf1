package inbox

import (
	"slices"
	"sort"

	"github.com/murre-chat/murre/pkg/chat"
)

// stream is one ordered source of events with a device's cursor in it: its user's log, or one channel.
//
// All events up to readTo were read from the store under its horizon; those among them that are neither in flight nor
// awaiting a join read were acked or are none of the device's business. So the cursor is just below the first of these.
type stream struct {
	conv   chat.ConversationID // zero: the inbox log; else a channel, whose event ids are its message ids
	readTo chat.EventID
	proof  chat.MessageID // messages up to it have no event beyond readTo
	stored chat.EventID   // the cursor as last written
	flight []flight       // pushed and unacked, in the order of pushing
	acked  []ack          // acked beyond the cursor, ascending by event
	dirty  bool           // acked grew since it was last stored
	joins  []join         // reads that a join still owes
	late   []ack          // messages passed by the cursor whose delivery isn't proved yet
}

type flight struct {
	event   chat.EventID
	message chat.MessageID // 0: not a message event
	conv    chat.ConversationID
	sender  chat.UserID
	batch   bool
}

type ack struct {
	event   chat.EventID
	message chat.MessageID // 0: not a message event, or its message is not known
	conv    chat.ConversationID
}

type join struct {
	event chat.EventID
	conv  chat.ConversationID
}

func (s *stream) idle() bool {
	return len(s.flight) == 0 && len(s.acked) == 0 && len(s.joins) == 0 && len(s.late) == 0 && s.stored >= s.cursor()
}

func (s *stream) cursor() chat.EventID {
	c := s.readTo
	for i := range s.flight {
		c = min(c, s.flight[i].event-1)
	}
	for i := range s.joins {
		c = min(c, s.joins[i].event-1)
	}
	return c
}

func (s *stream) isAcked(e chat.EventID) (int, bool) {
	i := sort.Search(len(s.acked), func(i int) bool { return s.acked[i].event >= e })
	return i, i < len(s.acked) && s.acked[i].event == e
}

func (s *stream) inFlight(e chat.EventID) bool {
	for i := range s.flight {
		if s.flight[i].event == e {
			return true
		}
	}
	return false
}

// take acks the in-flight events that match and calls got for each.
func (s *stream) take(match func(*flight) bool, got func(*flight)) {
	kept := s.flight[:0]
	for i := range s.flight {
		f := &s.flight[i]
		if !match(f) {
			kept = append(kept, *f)
			continue
		}
		got(f)
		if i, ok := s.isAcked(f.event); !ok {
			s.acked = slices.Insert(s.acked, i, ack{event: f.event, message: f.message, conv: f.conv})
			s.dirty = true
		}
	}
	s.flight = kept
}

// takeFirst is take for one id; it looks from the oldest on, where an ack nearly always is.
func (s *stream) takeFirst(match func(*flight) bool, got func(*flight)) bool {
	for i := range s.flight {
		f := s.flight[i]
		if !match(&f) {
			continue
		}
		s.flight = slices.Delete(s.flight, i, i+1)
		got(&f)
		if i, ok := s.isAcked(f.event); !ok {
			s.acked = slices.Insert(s.acked, i, ack{event: f.event, message: f.message, conv: f.conv})
			s.dirty = true
		}
		return true
	}
	return false
}

// pass drops what the cursor has passed and returns what may be marked as delivered: per conversation the highest message.
//
// A mark claims every earlier message of the conversation too. Commit order isn't id order, so a message counts only once
// the cursor stands at the end of a read that began when no smaller id was still being stored (proof).
func (s *stream) pass() map[chat.ConversationID]chat.MessageID {
	c := s.cursor()
	n := 0
	for n < len(s.acked) && s.acked[n].event <= c {
		if s.acked[n].message != 0 {
			s.late = append(s.late, s.acked[n])
		}
		n++
	}
	s.acked = slices.Delete(s.acked, 0, n)
	if len(s.late) > maxAcked { // a later mark covers what is dropped here
		s.late = slices.Delete(s.late, 0, len(s.late)-maxAcked)
	}
	if len(s.late) == 0 || c < s.readTo {
		return nil
	}
	marks := make(map[chat.ConversationID]chat.MessageID)
	late := s.late[:0]
	for _, a := range s.late {
		if a.message <= s.proof {
			marks[a.conv] = max(marks[a.conv], a.message)
		} else {
			late = append(late, a)
		}
	}
	s.late = late
	return marks
}

// noteJoin remembers that a join of the user's own owes a read: senders with an older membership may have left them out.
func (s *stream) noteJoin(user chat.UserID, e chat.Event) {
	if e.Kind == chat.EventConversation && e.Change == chat.ChangeMemberAdded && e.Subject == user {
		s.joins = append(s.joins, join{event: e.ID, conv: e.Conversation})
	}
}
