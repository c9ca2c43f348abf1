package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// stepTimeout bounds the store calls of one step.
	stepTimeout = 15 * time.Second
	// saveEvery is how many seconds lie between two saves while something is acked beyond a trailing horizon. The connection's
	// end stores all; what was acked since the last save comes once more when a gateway is killed.
	saveEvery = 10
	// saveAfter is how old what was acked first must be for that: soon after the horizon a verify read moves the cursor past it, and
	// what was acked beyond need never be stored.
	saveAfter = 20 * time.Second // behind the horizon
	// gather is for how long after something went out to a device that was quiet its verify read may be put off by what follows.
	gather = 10 * time.Second
	// stepEvery is how long after a step a device that has more to do has its next, at least.
	stepEvery = int64(1000)
	// putOffEvery is that while verify reads are put off.
	putOffEvery = int64(6000)
	// verifyPage is how many events one verify read takes at a time, and maxVerifyPages how many such reads a step makes.
	verifyPage     = 500
	maxVerifyPages = 8
	// pageSlack bounds how many acked or unacked events a catch-up page may have to skip.
	pageSlack = 900
)

// step does what a device needs next: pending events, a verify read, saving. One step of a device runs at a time.
func (d *Device) step(ctx context.Context) {
	d.mu.Lock()
	d.waiting = false
	if d.state == closed && d.lingers {
		d.lingers = false
		d.mu.Unlock()
		d.afterwards(ctx)
		return
	}
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
		var putOff bool
		putOff, err = d.advance(ctx)
		d.mu.Lock()
		more = err == nil && d.again && d.state != closed && ctx.Err() == nil
		if !more {
			d.stepping = false
			if d.awaited {
				d.log.stepEnded(d)
			}
			d.planLocked(err != nil, putOff)
		}
		d.mu.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		d.log.o.Logger.Warn("read a device's log, will try again", "user", d.user.String(), "device", d.id.String(), "error", err)
	}
}

// planLocked schedules the step after one that failed, or that put off a verify read. d.mu is held, so that whatever happens next
// sees the plan, or is seen by it.
func (d *Device) planLocked(failed, putOff bool) {
	switch {
	case d.state == closed:
		d.log.unschedule(d)
	case d.waiting: // the step that waits plans
	case putOff && !d.quietLocked():
		d.log.scheduleBusy(d, d.log.mono()+putOffEvery)
	case !putOff && failed || d.state != live || d.batch || !d.quietLocked():
		d.log.scheduleBusy(d, d.nextLocked(failed))
	default:
		d.main.rest()
		for _, s := range d.channels {
			s.rest()
		}
		d.log.scheduleIdle(d, d.verified)
	}
}

// nextLocked is when a device that isn't quiet has something to do (Log.mono), stepEvery from now at the earliest. d.mu is held.
func (d *Device) nextLocked(failed bool) int64 {
	l := d.log
	now := l.mono()
	soon := now + stepEvery
	if l.lag == 0 || failed || d.state != live || d.batch || d.back || !d.synced || d.reread() {
		return soon
	}
	next := max(d.calm, d.verified+l.o.VerifyInterval.Milliseconds())
	if d.unacked() > 0 {
		next = min(next, d.progress+staleAfter.Milliseconds()+1)
	}
	if d.main.ackedBeyond() {
		next = min(next, now+d.main.w.acked[0].event.Time().Add(l.lag+saveAfter).Sub(l.o.Now()).Milliseconds())
	}
	return max(soon, next)
}

// reread reports whether the last verify read was made useless by ReadAll. d.mu is held.
func (d *Device) reread() bool { return d.verified <= d.log.all.Load() }

// advance reads, stores and says what is due. It reports whether a verify read was put off.
func (d *Device) advance(ctx context.Context) (putOff bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	d.mu.Lock()
	if d.state == behind && d.lightLoad() {
		d.state = catching
	}
	st, out, synced := d.state, d.batch, d.synced
	due := !d.synced || d.log.mono()-d.verified >= d.log.o.VerifyInterval.Milliseconds() || d.reread()
	if d.synced && d.calm > d.log.mono() {
		due = d.reread() // what is out is beyond the horizon still
	}
	d.mu.Unlock()
	switch {
	case st == closed:
		return false, nil
	case st == catching && !out:
		if err := d.catchUp(ctx); err != nil {
			return false, err
		}
	case st == live && due && synced && d.log.o.Load.Any():
		putOff = true
	case st == live && due:
		if err := d.verify(ctx); err != nil {
			return false, err
		}
	}
	if d.saveDue() {
		if err := d.save(ctx); err != nil {
			return putOff, err
		}
	}
	d.saySynced()
	d.sayStale()
	return putOff, nil
}

// afterwards moves the cursor of a device that has gone over what it acked last, which the horizon had not passed then: who
// looks finds nothing pending. Acks beyond the cursor are left as they are: the device may be back, here or on another
// gateway. Where it has gone back to something earlier the cursor is left to it, too.
func (d *Device) afterwards(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	d.mu.Lock()
	acked := d.ackedLocked()
	d.mu.Unlock()
	err := d.verify(ctx)
	holds := false
	if err == nil {
		holds, err = d.holds(ctx, acked)
	}
	if err == nil && holds {
		u := d.collect()
		u.acks, u.back = false, false
		for _, m := range u.marks {
			d.log.o.Receipts.MarkDelivered(d.user, m.conv, m.upTo)
		}
		err = d.write(ctx, &u)
	}
	if err != nil && ctx.Err() == nil {
		d.log.o.Logger.Warn("move the cursor of a device that has gone", "user", d.user.String(), "device", d.id.String(), "error", err)
	}
}

// ackedLocked is what the store should hold as acked beyond the cursor. d.mu is held.
func (d *Device) ackedLocked() (out []chat.EventID) {
	w := d.main.w
	if w == nil {
		return nil
	}
	owed := w.owed()
	for i := range w.acked {
		if e := w.acked[i].event; !slices.Contains(owed, e) {
			out = append(out, e)
		}
	}
	return out
}

// holds reports whether the stored device still has acked what it had when its connection ended.
func (d *Device) holds(ctx context.Context, acked []chat.EventID) (bool, error) {
	row, err := d.log.o.Store.Devices.Get(ctx, d.user, d.id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a device: %w", err)
	}
	d.mu.Lock()
	stored := d.main.stored
	d.mu.Unlock()
	if row.AckedTo < stored {
		return false, nil
	}
	beyond := make(map[chat.EventID]struct{}, len(row.AckedBeyond))
	for _, e := range row.AckedBeyond {
		beyond[e] = struct{}{}
	}
	for _, e := range acked {
		if _, ok := beyond[e]; !ok && e > row.AckedTo {
			return false, nil
		}
	}
	return true, nil
}

// saveDue reports whether to store the cursors now: once a second while batch follows batch, so that a long catch-up
// doesn't wait for a write at each.
func (d *Device) saveDue() bool {
	sec := uint32(d.log.mono() / 1000)
	d.mu.Lock()
	defer d.mu.Unlock()
	every := uint32(0)
	switch {
	case d.log.lag > 0 && d.main.ackedBeyond():
		if e := d.main.w.acked[0].event; !d.back && !d.batch && d.log.o.Now().Sub(e.Time()) < d.log.lag+saveAfter {
			return false
		}
		every = saveEvery
	case d.batch:
		every = 1
	}
	if !d.back && d.saved != 0 && sec-d.saved < every {
		return false
	}
	d.saved = sec
	return true
}

// finish does the last reading and saving of a closed device.
func (d *Device) finish(ctx context.Context) error {
	verr := d.verify(ctx)
	if verr != nil {
		verr = fmt.Errorf("last verify read of a device: %w", verr)
	}
	return errors.Join(verr, d.save(ctx)) // without the read the acks are stored beyond the cursor
}

// sayStale asks for a sign of life when pushes stay unacked.
func (d *Device) sayStale() {
	d.mu.Lock()
	stale := d.unacked() > 0 && d.state != closed && d.log.mono()-d.progress > staleAfter.Milliseconds()
	d.mu.Unlock()
	if stale {
		d.sink.Stale()
	}
}

// saySynced tells the client, once after each catch-up, that it has everything.
func (d *Device) saySynced() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != live || d.batch || d.synced || d.begin&held != 0 {
		return
	}
	d.synced = true
	d.sink.Synced(d.syncedLocked())
}

// Synced returns the time (Unix ms) up to which everything was delivered and acked, and false while it isn't known.
func (d *Device) Synced() (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.synced || d.state != live { // before Open there is no log to ask: a ping may come right behind the handshake
		return 0, false
	}
	return d.syncedLocked(), true
}

func (d *Device) syncedLocked() int64 {
	c := d.main.cursor()
	for _, s := range d.channels {
		c = min(c, s.cursor())
	}
	// After a crash ids run ahead of the wall clock, from the high water that was reserved before it: the time of an id
	// alone would promise what hasn't been sent yet. The promise ends with the last read of the log, too.
	now := d.log.o.Now().UnixMilli()
	ahead := max(0, id.ID(d.log.o.Store.Inbox.Horizon()).UnixMillis()-now)
	return min(id.ID(c).UnixMillis()-ahead, now-(d.log.mono()-d.verified))
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
		began := d.log.mono()
		d.mu.Unlock()
		all := d.streams()
		for i, s := range all {
			for {
				d.mu.Lock()
				from := s.at()
				d.mu.Unlock()
				p, err := d.read(ctx, s, from, chat.MaxBatch)
				if err != nil {
					return err
				}
				if len(p.items) > 0 && d.full(s, p) {
					return nil
				}
				if len(p.items) > 0 {
					d.sendBatch(s, p, i == len(all)-1, began)
					return nil
				}
				d.mu.Lock()
				d.passTo(s, p)
				s.reach(p)
				d.mu.Unlock()
				if !p.more {
					break
				}
			}
		}
		d.mu.Lock()
		if d.missed {
			d.startOverLocked()
		} else {
			if d.state == catching {
				d.state = live
			}
			d.startOverLocked()
			d.verified = began
			d.mu.Unlock()
			return nil
		}
		d.mu.Unlock()
	}
}

// full reports whether so much is acked beyond the cursor that what a page holds has to wait until the horizon moves.
func (d *Device) full(s *stream, p page) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.w == nil || len(s.w.acked) < 2*maxAcked {
		return false
	}
	d.passBefore(s, p, p.items[0].Event.ID)
	s.w.ahead = 0 // from where it was read under the horizon, which may have moved
	return true
}

// startOverLocked lets the next catch-up read from the horizon's side again. d.mu is held.
func (d *Device) startOverLocked() {
	for _, s := range append([]*stream{&d.main}, d.channels...) {
		if s.w != nil {
			s.w.ahead = 0
		}
	}
}

// passTo moves a stream over a page that was handled, unless something in it was withdrawn meanwhile. d.mu is held.
func (d *Device) passTo(s *stream, p page) {
	if p.withdrawn != d.withdrawn || p.readTo < s.readTo {
		return
	}
	s.readTo = p.readTo
	if s.w != nil {
		s.w.proof = max(s.w.proof, p.proof)
	}
}

// shown is the in-flight entry of an event read from the store.
func shown(it *chat.Push) flight {
	f := flight{event: it.Event.ID, conv: it.Event.Conversation}
	if it.Message != nil && it.Kind == chat.PushMessage {
		f.message, f.sender = it.Message.ID, it.Message.Sender
	}
	return f
}

// cut shortens a page to what a batch may hold.
func (p *page) cut() {
	size := 0
	for i := range p.items {
		if m := p.items[i].Message; m != nil {
			size += len(m.Content)
		}
		if size > maxBatchBytes && i > 0 {
			p.items, p.more, p.proof = p.items[:i], true, 0
			p.next = p.items[i-1].Event.ID
			p.readTo = min(p.readTo, p.next)
			return
		}
	}
}

// sendBatch sends one page; last says that no stream follows, so that with nothing missed the device is live behind it.
func (d *Device) sendBatch(s *stream, p page, last bool, began int64) {
	p.cut()
	b := Batch{Items: p.items, More: p.more || !last}
	d.mu.Lock()
	if d.state != catching {
		d.mu.Unlock()
		return
	}
	for i := range p.items {
		b.Last = max(b.Last, p.items[i].Event.ID)
	}
	// The batch goes out under the lock so that no live push gets before it, and no ack.
	ok := d.sink.Batch(b)
	if ok {
		w := s.busy()
		for i := range p.items {
			f := shown(&p.items[i])
			f.batch = true
			w.flight = append(w.flight, f)
			d.noteJoin(s, p.items[i].Event)
		}
		d.passTo(s, p)
		s.reach(p)
		d.batch, d.progress = true, d.log.mono()
		if last && !p.more && !d.missed {
			d.state = live
			d.verified = began
			d.startOverLocked()
		}
	} else {
		d.state, d.missed = behind, true
		d.startOverLocked()
	}
	d.mu.Unlock()
	if ok {
		d.log.stats.Batches.Add(1)
		d.log.stats.BatchItems.Add(int64(len(p.items)))
	} else {
		d.log.stats.Behind.Add(1)
	}
}
