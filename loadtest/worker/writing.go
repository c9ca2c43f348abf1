package worker

import (
	"math"
	"time"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/ledger"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// maxOutbox is how many unanswered messages a user has at most; more aren't written, and counted.
const maxOutbox = 64

// traffic is what the steady time brings.
type traffic struct {
	rate   float64 // messages a second that nobody's message has caused
	next   float64 // when the next one is due, Unix ns
	full   float64 // when the rate has risen to that, Unix ns
	active int     // the first so many seats write
	churn  float64 // leaves a second
	gone   float64 // when the next one leaves
}

// item is a message that its sender hasn't seen answered.
type item struct {
	note    ledger.Note
	key     chat.ClientMessageID
	media   chat.MediaID
	floor   chat.MessageID
	retryAt int64 // Unix ns; 0: it isn't on this connection's wire
	puts    uint8 // how often it was on the wire
	tries   uint8 // errors that said to try again
	waits   bool  // for its upload
	left    bool  // its user went away before it was answered: how long it took is their own doing
}

// outbox holds a user's unanswered messages, in order.
type outbox struct{ items []*item }

func (b *outbox) each(do func(*item)) {
	for _, it := range b.items {
		do(it)
	}
}

func (b *outbox) offWire() {
	for _, it := range b.items {
		it.retryAt = 0
	}
}

func (b *outbox) find(key chat.ClientMessageID) *item {
	for _, it := range b.items {
		if it.key == key {
			return it
		}
	}
	return nil
}

// answered takes an item out of its user's box.
func (w *Worker) answered(s *seat, it *item) {
	w.open--
	for i, x := range s.box.items {
		if x == it {
			s.box.items = append(s.box.items[:i], s.box.items[i+1:]...)
			break
		}
	}
	if len(s.box.items) == 0 {
		s.box = nil
	}
}

// beginChat begins the steady time. What is caused by others' messages (answers) is part of the rate.
func (w *Worker) beginChat(c *control.Chat) {
	now := time.Now().UnixNano()
	w.phase = chatting
	full := now + int64(w.sc.Messages.Rise)
	w.tally.steadyFrom = w.micros(full)
	t := &w.traffic
	t.active = max(1, int(math.Round(w.sc.Users.Active*float64(len(w.seats)))))
	inGroups := 0
	for i := range t.active {
		if len(w.member.Of(w.setup.From+i)) > 0 {
			inGroups++
		}
	}
	direct := 1 - w.sc.Messages.GroupShare*float64(inGroups)/float64(t.active)
	t.rate = c.Rate * (1 - direct*w.sc.Messages.Reply*w.sc.Users.Active)
	t.churn = w.sc.Churn.PerHour * float64(len(w.seats)) / 3600
	t.full = float64(full)
	t.next, t.gone = w.after(now, t.rate*w.risen(float64(now))), w.after(now, t.churn)
}

// risen is the share of the rate that is reached at a moment (Unix ns): at least a twentieth, so that there is a next message.
func (w *Worker) risen(at float64) float64 {
	t := &w.traffic
	if at >= t.full {
		return 1
	}
	return max(0.05, 1-(t.full-at)/float64(w.sc.Messages.Rise))
}

// after is the next moment of a Poisson process.
func (w *Worker) after(now int64, rate float64) float64 {
	if rate <= 0 {
		return never
	}
	return float64(now) + w.rng.ExpFloat64()/rate*1e9
}

// moreTraffic does what is due and says when the next thing is.
func (w *Worker) moreTraffic(now int64) int64 {
	t := &w.traffic
	if w.phase != chatting {
		return never
	}
	for t.next <= float64(now) {
		due := int64(t.next)
		t.next += w.rng.ExpFloat64() / (t.rate * w.risen(t.next)) * 1e9
		if s := w.someone(); s != nil {
			w.begin(s, due)
		}
	}
	for t.gone <= float64(now) {
		t.gone += w.rng.ExpFloat64() / t.churn * 1e9
		if s := &w.seats[w.rng.IntN(len(w.seats))]; s.up && s.synced && !s.stormed {
			w.leave(s, w.rng.Float64() < w.sc.Churn.Rude)
			away := w.rng.ExpFloat64() * float64(w.sc.Churn.Away)
			w.timers.push(timer{at: now + int64(away), seat: uint32(s.c.Data), kind: toComeBack})
		}
	}
	next := min(t.next, t.gone)
	if next >= never {
		return never
	}
	return int64(next)
}

// someone is an active user who isn't away. One who lost the connection writes all the same; it is sent once there is one.
func (w *Worker) someone() *seat {
	for range 20 {
		if s := &w.seats[w.rng.IntN(w.traffic.active)]; s.wanted {
			return s
		}
	}
	return nil
}

// begin lets a user write to a group or to their partner: at once, or typing first.
func (w *Worker) begin(s *seat, due int64) {
	user := w.user(s)
	conv := w.p.DirectOf(user)
	if groups := w.member.Of(user); len(groups) > 0 && w.rng.Float64() < w.sc.Messages.GroupShare {
		conv = w.p.GroupConversation(int(groups[w.rng.IntN(len(groups))]))
	}
	w.typeFirst(s, conv, due)
}

// typeFirst announces some messages; those are due later.
func (w *Worker) typeFirst(s *seat, conv int, due int64) {
	if w.rng.Float64() >= w.sc.Typing.Share {
		w.write(s, conv, due)
		return
	}
	if s.up {
		s.c.Send(&protocol.ClientFrame{Type: protocol.TypeTyping, Typing: protocol.TypingFrame{Conversation: w.p.Conversation(conv), On: true}})
	}
	w.timers.push(timer{at: due + int64(w.sc.Typing.Before), seat: uint32(s.c.Data), conv: uint32(conv), kind: toWrite})
}

// write makes a message that was due at a moment (Unix ns, local).
func (w *Worker) write(s *seat, conv int, due int64) {
	w.tally.counts.Due++
	if s.box == nil {
		s.box = &outbox{}
	}
	if len(s.box.items) >= maxOutbox {
		w.tally.fail("outbox full")
		return
	}
	it := &item{note: w.book.Make(w.user(s), conv), key: chat.NewClientMessageID(time.Now())}
	it.note.Due = w.micros(due)
	s.box.items = append(s.box.items, it)
	w.open++
	if w.rng.Float64() < w.sc.Messages.MediaShare {
		it.waits = true
		w.uploads.begin(s, it, w.p.Conversation(conv))
		return
	}
	if s.up {
		w.put(s, it, time.Now().UnixNano())
	}
}

// uploaded gives a message its picture, or none when that could not be uploaded. It is due when it can go.
func (w *Worker) uploaded(s *seat, it *item, media chat.MediaID, err error) {
	it.waits, it.media = false, media
	if err != nil {
		w.tally.fail("upload")
	}
	it.note.Due = 0 // when it is put on the wire
	if s.up {
		w.put(s, it, time.Now().UnixNano())
	}
}

// put sends one message, the first time or again.
func (w *Worker) put(s *seat, it *item, now int64) {
	if it.waits {
		return
	}
	if it.note.Due == 0 {
		it.note.Due = w.micros(now)
	}
	f := &w.frame.Message
	w.text = it.note.AppendText(w.text[:0], w.textSize(&it.note))
	*f = protocol.SendFrame{
		Conversation: w.p.Conversation(it.note.Conversation), ClientMessage: it.key, Content: string(w.text), ContentType: chat.Text, Resend: it.puts > 0,
	}
	if !it.media.IsZero() {
		f.ContentType, f.Media = chat.Image, it.media
	}
	if it.puts > 0 {
		w.tally.counts.Resent++
	} else {
		w.tally.counts.Sent++
		it.floor = w.book.Floor(it.note.Sender, it.note.Conversation)
	}
	it.puts = min(it.puts+1, 200)
	it.retryAt = now + ackTimeout.Nanoseconds()
	s.c.Send(&w.frame)
	w.timers.push(timer{at: it.retryAt, seat: uint32(s.c.Data), kind: toRetry})
}

// textSize is the size of a message's text, the same each time it is sent: evenly from the shortest to as much above the
// average.
func (w *Worker) textSize(n *ledger.Note) int {
	spread := 2*(w.sc.Messages.Bytes-ledger.MinText) + 1
	return ledger.MinText + int((uint32(n.Sender)*2654435761+n.Number*40503)>>7)%spread
}

// retry sends again what is overdue.
func (w *Worker) retry(s *seat, now int64) {
	if s.box == nil || !s.up {
		return // it is sent again with the next welcome
	}
	s.box.each(func(it *item) {
		if it.retryAt != 0 && now >= it.retryAt {
			w.put(s, it, now)
		}
	})
}

// Sent implements wire.Handler.
func (w *Worker) Sent(c *wire.Client, m *protocol.Message) bool {
	s := w.seat(c)
	if s.box == nil {
		return true // answered before
	}
	it := s.box.find(m.ClientMessageID)
	if it == nil {
		return true
	}
	now := w.micros(time.Now().UnixNano())
	w.tally.counts.Acked++
	if !it.left {
		w.tally.latency(result.LatencyAck, it.note.Due, now)
	}
	w.book.Acked(&it.note, m.ID, it.floor, it.puts > 1)
	w.await(&it.note, m.ID)
	w.answered(s, it)
	return true
}

// Error implements wire.Handler. What may be sent again is, a little later each time.
func (w *Worker) Error(c *wire.Client, e *protocol.ErrorPayload) {
	s := w.seat(c)
	w.tally.fail(e.Code)
	if s.box == nil {
		return
	}
	it := s.box.find(e.ClientMessage)
	if it == nil {
		return
	}
	code, _ := chat.ParseCode(e.Code)
	if code == chat.CodeUnavailable || code == chat.CodeInternal || code == chat.CodeRateLimited {
		limit := min(backoffMin<<min(it.tries, 5), ackTimeout)
		it.tries++
		pause := limit/2 + time.Duration(w.rng.Int64N(int64(limit/2)))
		pause = max(pause, time.Duration(e.RetryAfterMs)*time.Millisecond)
		it.retryAt = time.Now().Add(pause).UnixNano()
		w.timers.push(timer{at: it.retryAt, seat: uint32(c.Data), kind: toRetry})
		return
	}
	w.tally.counts.Refused++
	if it.puts <= 1 {
		w.book.Refused(&it.note) // else an earlier attempt may have been stored: its outcome stays unknown
	}
	w.answered(s, it)
}
