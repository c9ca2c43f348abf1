package inbox

import (
	"slices"
	"sort"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
)

// stream is one ordered source of events with a device's cursor in it: its user's log, or one channel.
//
// All events up to readTo were read from the store under its horizon; those among them that are neither in flight nor
// awaiting a join read were acked or are none of the device's business. So the cursor is just below the first of these.
type stream struct {
	conv   chat.ConversationID // zero: the inbox log; else the channel whose log it is
	readTo chat.EventID
	stored chat.EventID // the cursor as last written
	w      *traffic     // nil while idle: there may be a million devices
}

// traffic is what a stream holds while something is out or not yet stored.
type traffic struct {
	flight []flight       // pushed and unacked, in the order of pushing
	acked  []ack          // acked beyond the cursor, ascending by event
	joins  []join         // reads that a join still owes
	late   []ack          // messages passed by the cursor whose delivery isn't proved yet
	proof  chat.MessageID // messages up to it have no event beyond readTo
	since  int64          // when something went out after nothing (Log.mono)
	dirty  bool           // acked grew since it was last stored
	moved  bool           // the cursor passed something since it was last stored
	// What a verify read found missing, up to suspect, is overdue at suspectAt: its live push had its time.
	suspect   chat.EventID
	suspectAt int64
	// ahead is how far a catch-up under way has read beyond the horizon, 0 when it hasn't.
	ahead chat.EventID
}

type flight struct {
	event   chat.EventID
	message chat.MessageID // 0: not a message event
	conv    chat.ConversationID
	sender  chat.UserID
	batch   bool
	joined  bool // found by a join read: has no event of its own, and stands for that of the join
}

type ack struct {
	event   chat.EventID
	message chat.MessageID // 0: not a message event, or its message is not known
	conv    chat.ConversationID
}

type join struct {
	event chat.EventID
	conv  chat.ConversationID
	due   int64 // when what was written to the conversation just after the join has settled
}

// keptSlice is the largest slice, in entries, that an idle stream leaves in the pool.
const keptSlice = 128

var traffics = sync.Pool{New: func() any { return new(traffic) }}

// busy returns the stream's traffic, which it makes when there is none.
func (s *stream) busy() *traffic {
	if s.w == nil {
		s.w = traffics.Get().(*traffic)
	}
	return s.w
}

// rest gives the traffic of an idle stream back. Nobody may hold it.
func (s *stream) rest() {
	w := s.w
	s.w = nil
	if w == nil || cap(w.flight) > keptSlice || cap(w.acked) > keptSlice || cap(w.late) > keptSlice {
		return
	}
	*w = traffic{flight: w.flight[:0], acked: w.acked[:0], late: w.late[:0]}
	traffics.Put(w)
}

func (s *stream) idle() bool {
	w := s.w
	return w == nil || len(w.flight) == 0 && len(w.acked) == 0 && len(w.joins) == 0 && len(w.late) == 0 && !w.moved && w.suspect == 0
}

func (s *stream) cursor() chat.EventID {
	c := s.readTo
	if s.w == nil {
		return c
	}
	for i := range s.w.flight {
		c = min(c, s.w.flight[i].event-1)
	}
	for i := range s.w.joins {
		c = min(c, s.w.joins[i].event-1)
	}
	return c
}

func (s *stream) unacked() int {
	if s.w == nil {
		return 0
	}
	return len(s.w.flight)
}

func (s *stream) batchOut() bool {
	return s.w != nil && slices.ContainsFunc(s.w.flight, func(f flight) bool { return f.batch })
}

// at is where a catch-up reads on.
func (s *stream) at() chat.EventID {
	if s.w == nil {
		return s.readTo
	}
	return max(s.readTo, s.w.ahead)
}

// reach notes how far a page of a catch-up came, where that is beyond the horizon.
func (s *stream) reach(p page) {
	if p.next > s.readTo && p.more {
		s.busy().ahead = p.next
	}
}

// known returns how many events from readTo on a read has to skip, at most.
func (s *stream) known() int {
	if s.w == nil {
		return 0
	}
	return len(s.w.acked) + len(s.w.flight)
}

func (s *stream) isAcked(e chat.EventID) (int, bool) {
	if s.w == nil {
		return 0, false
	}
	acked := s.w.acked
	i := sort.Search(len(acked), func(i int) bool { return acked[i].event >= e })
	return i, i < len(acked) && acked[i].event == e
}

func (s *stream) inFlight(e chat.EventID) bool {
	if s.w == nil {
		return false
	}
	for i := range s.w.flight {
		if f := &s.w.flight[i]; f.event == e && !f.joined {
			return true
		}
	}
	return false
}

// has reports whether the device has, or was sent, a message whose event the cursor hasn't passed.
func (s *stream) has(m chat.MessageID) bool {
	if s.w == nil {
		return false
	}
	return slices.ContainsFunc(s.w.flight, func(f flight) bool { return f.message == m }) ||
		slices.ContainsFunc(s.w.acked, func(a ack) bool { return a.message == m })
}

// ackedBeyond reports whether something is acked that the cursor has not passed.
func (s *stream) ackedBeyond() bool {
	return s.w != nil && len(s.w.acked) > 0 && s.w.acked[len(s.w.acked)-1].event > s.cursor()
}

// owed returns the joins that must be shown again after a reconnect, acked or not, because something that hangs on them
// is open.
func (w *traffic) owed() (events []chat.EventID) {
	for i := range w.joins {
		events = append(events, w.joins[i].event)
	}
	for i := range w.flight {
		if w.flight[i].joined {
			events = append(events, w.flight[i].event)
		}
	}
	return events
}

// wanted is what an ack names.
type wanted struct {
	messages []chat.MessageID // sorted when there are many
	events   []chat.EventID   // likewise
	batchTo  chat.EventID     // a batch, up to this event
}

// searchFrom is the number of ids from which on a sorted search beats a look at each.
const searchFrom = 8

func (a *wanted) hit(f *flight) bool {
	switch {
	case a.messages != nil:
		return f.message != 0 && contains(a.messages, f.message)
	case a.events != nil:
		return !f.joined && contains(a.events, f.event)
	}
	return f.batch && f.event <= a.batchTo
}

func contains[T ~int64](ids []T, id T) bool {
	if len(ids) >= searchFrom {
		_, ok := slices.BinarySearch(ids, id)
		return ok
	}
	return slices.Contains(ids, id)
}

// sorted returns ids as contains wants them, the caller's own slice untouched.
func sorted[T ~int64](ids []T) []T {
	if len(ids) < searchFrom || slices.IsSorted(ids) {
		return ids
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

// take acks what is wanted, in one pass, and appends it to out. One message may be in flight twice, when its log rows
// were written again: both are acked by its id.
func (s *stream) take(a *wanted, out []flight) []flight {
	w := s.w
	if w == nil {
		return out
	}
	kept := 0
	for i := range w.flight {
		f := &w.flight[i]
		if !a.hit(f) {
			if kept != i {
				w.flight[kept] = *f
			}
			kept++
			continue
		}
		out = append(out, *f)
		if f.joined {
			continue
		}
		if at, ok := s.isAcked(f.event); !ok {
			w.acked = slices.Insert(w.acked, at, ack{event: f.event, message: f.message, conv: f.conv})
			w.dirty = true
		}
	}
	w.flight = w.flight[:kept]
	return out
}

// pass drops what the cursor has passed and returns what may be marked as delivered: per conversation the highest message.
//
// A mark claims every earlier message of the conversation too. Commit order isn't id order, so a message counts only once
// the cursor stands at the end of a read that began when no smaller id was still being stored (proof).
func (s *stream) pass() map[chat.ConversationID]chat.MessageID {
	w := s.w
	if w == nil {
		return nil
	}
	c := s.cursor()
	n := 0
	for n < len(w.acked) && w.acked[n].event <= c {
		if w.acked[n].message != 0 {
			w.late = append(w.late, w.acked[n])
		}
		n++
	}
	if n > 0 {
		w.acked = slices.Delete(w.acked, 0, n)
		w.moved = true
	}
	if len(w.late) > maxLate {
		w.late = compact(w.late)
	}
	if len(w.late) == 0 || c < s.readTo || w.proof == 0 {
		return nil
	}
	marks := make(map[chat.ConversationID]chat.MessageID)
	late := w.late[:0]
	for _, a := range w.late {
		if a.message <= w.proof {
			marks[a.conv] = max(marks[a.conv], a.message)
		} else {
			late = append(late, a)
		}
	}
	w.late = late
	return marks
}

// compact keeps the highest message of each conversation, which is all that a mark needs, and at most maxLate of those.
func compact(late []ack) []ack {
	highest := make(map[chat.ConversationID]chat.MessageID, len(late))
	for _, a := range late {
		highest[a.conv] = max(highest[a.conv], a.message)
	}
	out := late[:0]
	for c, m := range highest {
		if len(out) == maxLate/2 {
			break
		}
		out = append(out, ack{message: m, conv: c})
	}
	return out
}
