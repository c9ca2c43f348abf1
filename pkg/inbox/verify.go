package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// pushGrace is how old an event must be before a verify read takes its live push for lost.
const pushGrace = 250 * time.Millisecond

// verify reads the log from where it was last read, pushes what was missed, and so lets the cursor move.
func (d *Device) verify(ctx context.Context) error {
	d.mu.Lock()
	d.verified = d.log.mono()
	d.mu.Unlock()
	for _, s := range d.streams() {
		if err := d.joinReads(ctx, s); err != nil {
			return err
		}
		from := chat.EventID(0)
		for n := 1; ; n++ {
			p, err := d.read(ctx, s, from, verifyPage)
			if err != nil {
				return err
			}
			d.log.stats.VerifyReads.Add(1)
			if stop := d.pushMissed(s, p); stop || !p.more {
				break
			}
			from = p.next
			if n == maxVerifyPages {
				d.mu.Lock()
				d.verified = 0 // not done: goes on at the next step, which comes soon
				d.mu.Unlock()
				return nil
			}
		}
	}
	return nil
}

// pushMissed sends what a verify read found that was neither acked nor in flight, and moves readTo. It reports whether
// the device can take no more now.
func (d *Device) pushMissed(s *stream, p page) bool {
	for i := range p.items {
		it := &p.items[i]
		d.mu.Lock()
		_, acked := s.isAcked(it.Event.ID)
		switch {
		case acked || s.inFlight(it.Event.ID): // it came live meanwhile
			d.mu.Unlock()
			continue
		case d.state != live || !d.overdue(s, p, it.Event.ID):
			// Its live push may be on its way (or the connection is gone): look again next time.
			d.passBefore(s, p, it.Event.ID)
			d.mu.Unlock()
			return true
		case s.unacked() >= MaxInflight || !d.sink.Push(it):
			d.state, d.missed = behind, true
			d.passBefore(s, p, it.Event.ID)
			d.mu.Unlock()
			d.log.stats.Behind.Add(1)
			return true
		}
		if d.unacked() == 0 {
			d.progress = d.log.mono()
		}
		w := s.busy()
		w.flight = append(w.flight, shown(it))
		d.noteJoin(s, it.Event)
		d.mu.Unlock()
		d.log.stats.Missed.Add(1)
	}
	d.mu.Lock()
	if w := s.w; w != nil && w.suspect <= p.readTo {
		w.suspect = 0
	}
	d.passTo(s, p)
	d.mu.Unlock()
	return false
}

// passBefore moves a stream up to an event that wasn't handled. d.mu is held.
func (d *Device) passBefore(s *stream, p page, e chat.EventID) {
	if e <= p.readTo {
		p.readTo, p.proof = e-1, 0
	}
	d.passTo(s, p)
}

// overdue reports whether the live push of a missing event had its time. The wall clock answers for most; where it was
// set back, an event counts as overdue when it is still missing pushGrace after it was first seen to be. d.mu is held.
func (d *Device) overdue(s *stream, p page, e chat.EventID) bool {
	if e <= chat.EventID(id.At(d.log.o.Now().Add(-pushGrace))) {
		return true
	}
	w, now := s.busy(), d.log.mono()
	if e <= w.suspect {
		return now >= w.suspectAt
	}
	if w.suspect == 0 || now >= w.suspectAt {
		w.suspect, w.suspectAt = max(p.readTo, e), now+pushGrace.Milliseconds()
	}
	return false
}

// joinReads sends what was written to a conversation just after the user joined it, once that is settled. Each message
// stands for the join's event until it is acked.
func (d *Device) joinReads(ctx context.Context, s *stream) error {
	d.mu.Lock()
	var due []join
	if s.w != nil && d.state == live {
		for _, j := range s.w.joins {
			if d.log.mono() >= j.due {
				due = append(due, j)
			}
		}
	}
	d.mu.Unlock()
	for _, j := range due {
		end := chat.MessageID(id.At(j.event.Time().Add(joinWindow)))
		for after := chat.MessageID(0); ; {
			msgs, err := d.joined(ctx, j, after, end)
			if err != nil {
				return err
			}
			if !d.pushJoined(s, j, msgs) {
				return nil
			}
			if len(msgs) < chat.MaxHistory {
				break
			}
			after = msgs[len(msgs)-1].ID
		}
		d.mu.Lock()
		for i := range s.w.joins {
			if s.w.joins[i] == j {
				s.w.joins = append(s.w.joins[:i], s.w.joins[i+1:]...)
				s.w.moved = true
				break
			}
		}
		d.mu.Unlock()
	}
	return nil
}

// pushJoined sends those of a page of messages that the device doesn't have. It reports whether the device took them.
func (d *Device) pushJoined(s *stream, j join, msgs []chat.Message) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range msgs {
		m := &msgs[i]
		if m.Sender == d.user || s.has(m.ID) {
			continue
		}
		if d.state != live {
			return false
		}
		it := chat.Push{Kind: chat.PushMessage, Message: m, Event: chat.Event{Kind: chat.EventMessage, Conversation: j.conv, Message: m.ID, Actor: m.Sender}}
		if s.unacked() >= MaxInflight || !d.sink.Push(&it) {
			d.state, d.missed = behind, true
			return false
		}
		f := shown(&it)
		f.event, f.joined = j.event, true
		if d.unacked() == 0 {
			d.progress = d.log.mono()
		}
		w := s.busy()
		w.flight = append(w.flight, f)
	}
	return true
}

func (d *Device) joined(ctx context.Context, j join, after, end chat.MessageID) ([]chat.Message, error) {
	m, err := d.log.o.Conversations.Membership(ctx, j.conv)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the membership of a joined conversation: %w", err)
	}
	me, ok := m.Find(d.user)
	if !ok || !me.Active() {
		return nil, nil
	}
	msgs, err := d.log.o.Store.Messages.History(ctx, store.History{
		Conversation: j.conv, Kind: m.Conversation.Kind, After: max(after, me.JoinedID), Before: end, Limit: chat.MaxHistory,
	})
	if err != nil {
		return nil, fmt.Errorf("read what came after a join: %w", err)
	}
	return msgs, d.log.o.Conversations.Hydrate(ctx, msgs)
}
