package inbox

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// stepTimeout bounds the store calls of one step.
	stepTimeout = 15 * time.Second
	// pushGrace is how old an event must be before a verify read takes its live push for lost.
	pushGrace = 250 * time.Millisecond
	// verifyPage is how many events one verify read takes at a time, and maxVerifyPages how many such reads a step makes.
	verifyPage     = 500
	maxVerifyPages = 8
	// pageSlack bounds how many acked or unacked events a catch-up page may have to skip.
	pageSlack = 900
)

// step does what a device needs next: pending events, a verify read, saving. One step of a device runs at a time.
func (d *Device) step(ctx context.Context) {
	d.mu.Lock()
	if d.stepping || d.state == closed {
		d.again = true
		d.mu.Unlock()
		return
	}
	d.stepping = true
	d.mu.Unlock()
	var err error
	for more := true; more; {
		d.mu.Lock()
		d.again = false
		d.mu.Unlock()
		err = d.advance(ctx)
		d.mu.Lock()
		more = err == nil && d.again && d.state != closed && ctx.Err() == nil
		if !more {
			d.stepping = false
		}
		d.mu.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		d.log.o.Logger.Warn("read a device's log, will try again", "user", d.user.String(), "device", d.id.String(), "error", err)
	}
	d.plan(err != nil)
}

// plan schedules the next step.
func (d *Device) plan(failed bool) {
	quiet := d.quiet()
	d.mu.Lock()
	gone := d.state == closed
	unfinished := d.state != live || d.batch
	d.mu.Unlock()
	switch {
	case gone:
		d.log.unschedule(d)
	case quiet && !unfinished && !failed:
		d.log.scheduleIdle(d)
	default:
		d.log.scheduleBusy(d, d.log.o.Now().Add(time.Second).UnixMilli())
	}
	d.mu.Lock()
	gone = d.state == closed
	d.mu.Unlock()
	if gone { // closed while it was being planned
		d.log.unschedule(d)
	}
}

func (d *Device) advance(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	d.mu.Lock()
	if d.state == behind && d.lightLoad() {
		d.state = catching
	}
	st, out := d.state, d.batch
	d.mu.Unlock()
	switch {
	case st == closed:
		return nil
	case st == catching && !out:
		if err := d.catchUp(ctx); err != nil {
			return err
		}
	case st == live:
		now := d.log.o.Now().UnixMilli()
		d.mu.Lock()
		due := !d.synced || now-d.verified >= d.log.o.VerifyInterval.Milliseconds() || d.verified == 0
		d.mu.Unlock()
		if due {
			if err := d.verify(ctx); err != nil {
				return err
			}
		}
	}
	if err := d.save(ctx); err != nil {
		return err
	}
	d.saySynced()
	d.sayStale()
	return nil
}

// sayStale asks for a sign of life when pushes stay unacked.
func (d *Device) sayStale() {
	d.mu.Lock()
	out := len(d.main.flight) > 0
	for _, s := range d.channels {
		out = out || len(s.flight) > 0
	}
	stale := out && d.state != closed && d.log.o.Now().UnixMilli()-d.progress > staleAfter.Milliseconds()
	d.mu.Unlock()
	if stale {
		d.sink.Stale()
	}
}

// saySynced tells the client, once after each catch-up, that it has everything.
func (d *Device) saySynced() {
	d.mu.Lock()
	say := d.state == live && !d.batch && !d.synced
	if say {
		d.synced = true
	}
	upTo := d.syncedLocked()
	d.mu.Unlock()
	if say {
		d.sink.Synced(upTo)
	}
}

// Synced returns the time (Unix ms) up to which everything was delivered and acked, and false while it isn't known.
func (d *Device) Synced() (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncedLocked(), d.synced && d.state == live
}

func (d *Device) syncedLocked() int64 {
	c := d.main.cursor()
	for _, s := range d.channels {
		c = min(c, s.cursor())
	}
	// After a crash ids run ahead of the wall clock, from the high water that was reserved before it: the time of an id
	// alone could promise what hasn't been sent yet. What was read when it was last read is a promise that holds.
	return min(id.ID(c).UnixMillis(), d.verified)
}

// streams returns the device's streams, its own log first.
func (d *Device) streams() []*stream {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*stream{&d.main}, d.channels...)
}

// catchUp sends the next batch of pending events, or goes live when there is none.
func (d *Device) catchUp(ctx context.Context) error {
	for {
		d.mu.Lock()
		d.missed, d.synced = false, false
		d.mu.Unlock()
		all := d.streams()
		for i, s := range all {
			for {
				p, err := d.read(ctx, s, chat.MaxBatch)
				if err != nil {
					return err
				}
				if len(p.items) > 0 {
					d.sendBatch(s, p, i == len(all)-1)
					return nil
				}
				d.mu.Lock()
				d.passTo(s, p)
				d.mu.Unlock()
				if !p.more {
					break
				}
			}
		}
		d.mu.Lock()
		if !d.missed {
			if d.state == catching {
				d.state = live
			}
			d.verified = d.log.o.Now().UnixMilli()
			d.mu.Unlock()
			return nil
		}
		d.mu.Unlock()
	}
}

// passTo moves a stream over a page that was handled. d.mu is held.
func (d *Device) passTo(s *stream, p page) {
	if p.readTo >= s.readTo {
		s.readTo, s.proof = p.readTo, max(s.proof, p.proof)
	}
}

// sendBatch sends one page; last says that no stream follows, so that with nothing missed the device is live behind it.
func (d *Device) sendBatch(s *stream, p page, last bool) {
	size := 0
	for i := range p.items {
		if m := p.items[i].Message; m != nil {
			size += len(m.Content)
		}
		if size > maxBatchBytes && i > 0 {
			p.items, p.more = p.items[:i], true
			p.readTo = min(p.readTo, p.items[i-1].Event.ID)
			break
		}
	}
	b := Batch{Items: p.items, More: p.more || !last}
	d.mu.Lock()
	if d.state != catching {
		d.mu.Unlock()
		return
	}
	for i := range p.items {
		it := &p.items[i]
		b.Last = max(b.Last, it.Event.ID)
		f := flight{event: it.Event.ID, conv: it.Event.Conversation, batch: true}
		if it.Message != nil && it.Kind == chat.PushMessage {
			f.message, f.sender = it.Message.ID, it.Message.Sender
		}
		s.flight = append(s.flight, f)
		s.noteJoin(d.user, it.Event)
	}
	before := s.readTo
	d.passTo(s, p)
	d.batch, d.progress = true, d.log.o.Now().UnixMilli()
	if last && !p.more && !d.missed {
		d.state = live
		d.verified = d.log.o.Now().UnixMilli()
	}
	// The batch goes out under the lock so that no live push gets before it.
	ok := d.sink.Batch(b)
	if !ok {
		s.flight = s.flight[:len(s.flight)-len(p.items)]
		s.readTo, d.batch, d.missed = before, false, true
		if d.state != closed {
			d.state = behind
		}
	}
	d.mu.Unlock()
	if ok {
		d.log.stats.Batches.Add(1)
		d.log.stats.BatchItems.Add(int64(len(p.items)))
	} else {
		d.log.stats.Behind.Add(1)
	}
}

// verify reads the log from where it was last read, pushes what was missed, and so lets the cursor move.
func (d *Device) verify(ctx context.Context) error {
	d.mu.Lock()
	d.verified = d.log.o.Now().UnixMilli()
	d.mu.Unlock()
	for _, s := range d.streams() {
		if err := d.joinReads(ctx, s); err != nil {
			return err
		}
		for range maxVerifyPages {
			p, err := d.read(ctx, s, verifyPage)
			if err != nil {
				return err
			}
			d.log.stats.VerifyReads.Add(1)
			done := d.pushMissed(s, p)
			if done || !p.more {
				break
			}
		}
	}
	return nil
}

// pushMissed sends what a verify read found that was neither acked nor in flight, and moves readTo. It reports whether
// the device can take no more now.
func (d *Device) pushMissed(s *stream, p page) bool {
	young := chat.EventID(id.At(d.log.o.Now().Add(-pushGrace)))
	for i := range p.items {
		it := &p.items[i]
		d.mu.Lock()
		if it.Event.ID > young || d.state != live {
			// Its live push may be on its way (or the connection is gone): look again next time.
			p.readTo = min(p.readTo, it.Event.ID-1)
			d.passTo(s, p)
			d.mu.Unlock()
			return true
		}
		if s.inFlight(it.Event.ID) { // it came live meanwhile
			d.mu.Unlock()
			continue
		}
		if _, ok := s.isAcked(it.Event.ID); ok {
			d.mu.Unlock()
			continue
		}
		f := flight{event: it.Event.ID, conv: it.Event.Conversation}
		if it.Message != nil && it.Kind == chat.PushMessage {
			f.message, f.sender = it.Message.ID, it.Message.Sender
		}
		if len(s.flight) >= MaxInflight || !d.sink.Push(it) {
			d.state, d.missed = behind, true
			p.readTo = min(p.readTo, it.Event.ID-1)
			d.passTo(s, p)
			d.mu.Unlock()
			d.log.stats.Behind.Add(1)
			return true
		}
		s.flight = append(s.flight, f)
		s.noteJoin(d.user, it.Event)
		d.mu.Unlock()
		d.log.stats.Missed.Add(1)
	}
	d.mu.Lock()
	d.passTo(s, p)
	d.mu.Unlock()
	return false
}

// joinReads sends what was written to a conversation just after the user joined it, once that is settled.
func (d *Device) joinReads(ctx context.Context, s *stream) error {
	d.mu.Lock()
	joins := append([]join(nil), s.joins...)
	d.mu.Unlock()
	for _, j := range joins {
		end := chat.MessageID(id.At(j.event.Time().Add(joinWindow)))
		if d.log.o.Now().Before(end.Time().Add(time.Second)) {
			continue
		}
		msgs, err := d.joined(ctx, j, end)
		if err != nil {
			return err
		}
		for i := range msgs {
			d.sink.Push(&chat.Push{Kind: chat.PushMessage, Message: &msgs[i], Event: chat.Event{Kind: chat.EventMessage, Conversation: j.conv, Message: msgs[i].ID, Actor: msgs[i].Sender}})
		}
		d.mu.Lock()
		for i := range s.joins {
			if s.joins[i] == j {
				s.joins = append(s.joins[:i], s.joins[i+1:]...)
				break
			}
		}
		d.mu.Unlock()
	}
	return nil
}

func (d *Device) joined(ctx context.Context, j join, end chat.MessageID) ([]chat.Message, error) {
	m, err := d.log.o.Conversations.Membership(ctx, j.conv)
	if err != nil {
		return nil, err
	}
	me, ok := m.Find(d.user)
	if !ok || !me.Active() {
		return nil, nil
	}
	msgs, err := d.log.o.Store.Messages.History(ctx, store.History{
		Conversation: j.conv, Kind: m.Conversation.Kind, After: me.JoinedID, Before: end, Limit: chat.MaxHistory,
	})
	if err != nil {
		return nil, err
	}
	return msgs, d.log.o.Conversations.Hydrate(ctx, msgs)
}
