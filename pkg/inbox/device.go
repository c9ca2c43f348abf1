package inbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

type state uint8

const (
	catching state = iota // pending events are being sent from the store; live pushes are left to the log
	live                  // pushes go out as they come
	behind                // the connection took no more; it resumes from the log once it has acked
	closed
)

// What a device's beginning still has before it.
const (
	gapToSay uint8 = 1 << iota // at Start
	held                       // it isn't told that it's synced: see Hold
)

// Device is one connected device's place in the log. It is made by Log.Open and given up with Close.
type Device struct {
	log  *Log
	sink Sink
	user chat.UserID
	id   chat.DeviceID

	mu       sync.Mutex
	state    state
	missed   bool  // a push was left to the log since the last read
	waiting  bool  // a step waits for its turn
	stepping bool  // a step is running
	awaited  bool  // Close waits for that step's end
	again    bool  // another step is wanted after it
	batch    bool  // a batch is out, unacked
	synced   bool  // said since the last catch-up
	begin    uint8 // gapToSay, held
	lingers  bool  // closed; its cursor is moved once the horizon has passed what it acked
	back     bool  // the stored cursor is to be set, not moved forward, and what was acked beyond it forgotten

	// Guarded by Log.mu.
	where place
	index int32

	// withdrawn counts events taken out of flight unsent: a read that began before must not move past them. Guarded by mu,
	// as are the fields up to the next remark.
	withdrawn uint32
	saved     uint32 // when cursors were last stored (seconds of Log.mono)
	verified  int64  // when the log was last read (Log.mono)
	calm      int64  // no verify read before, unless everything is read again (Log.mono)
	progress  int64  // when a push went out after none, or was acked (Log.mono)
	main      stream
	channels  []*stream

	// Guarded by Log.mu.
	due        int64
	prev, next *Device
}

// Place says where a device's log reading starts.
type Place struct {
	Device chat.Device // as stored; AckedTo and what it acked beyond
	// Back, when not 0, is an earlier event the client asks to go back to: before the cursor, or before something that was
	// acked beyond it.
	Back chat.EventID
	// Gap: the cursor is older than what the log holds (see Log.Place).
	Gap bool

	caughtUp caughtUp
}

// caughtUp is a read that found nothing behind a device's cursor.
type caughtUp struct {
	upTo  chat.EventID // the log's horizon; 0: there was no such read
	proof chat.MessageID
	at    int64 // Log.mono
}

// Place decides where a stored device starts: at its cursor, at an earlier one it asks for, or, when the log no longer
// holds what it missed, at the horizon with Gap set. A device younger than what the log holds missed nothing.
func (l *Log) Place(d chat.Device, back chat.EventID) Place {
	p := Place{Device: d}
	switch {
	case back <= 0:
	case back < d.AckedTo:
		p.Back = back
		p.Device.AckedTo, p.Device.AckedBeyond, p.Device.AckedBeyondBase = back, nil, 0
	default: // the stored cursor trails what the client has: what it acked and lost lies between
		has := make([]chat.EventID, 0, len(d.AckedBeyond))
		for _, e := range d.AckedBeyond {
			if e <= back {
				has = append(has, e)
			}
		}
		if len(has) < len(d.AckedBeyond) {
			p.Back, p.Device.AckedBeyond = back, has
		}
	}
	kept := l.o.Store.Inbox.KeptSince()
	switch {
	case p.Device.AckedTo >= kept:
	case p.Back == 0 && chat.EventID(id.AtMillis(d.CreatedAt)) >= kept:
		p.Device.AckedTo = kept // what the log has dropped was before there was this device, and is history to it
	default:
		p.Gap = true
		p.Device.AckedTo, p.Device.AckedBeyond = l.o.Store.Inbox.Horizon(), nil
	}
	return p
}

// Look reports whether anything is pending behind a place: in the log, and not acked. Where it found nothing, Release takes
// the device for caught up, so what is sent to the user from before Look on must be offered to the device, open or not.
func (l *Log) Look(ctx context.Context, p *Place) (pending bool, err error) {
	if p.Gap {
		return true, nil
	}
	log, d := l.o.Store.Inbox, &p.Device
	if log.Horizon() <= d.AckedTo {
		return false, nil
	}
	// What was acked beyond the cursor isn't pending; nor is more looked at than that and one.
	c, beyond := caughtUp{proof: l.o.Conversations.MessageHorizon(), at: l.mono()}, d.AckedBeyond
	page, err := log.Read(ctx, d.User, d.AckedTo, min(len(beyond)+1, 1000))
	if err != nil {
		return false, fmt.Errorf("read the log: %w", err)
	}
	if len(page.Events) == 0 && !page.More {
		c.upTo = page.Horizon
		p.caughtUp = c
	}
	return slices.ContainsFunc(page.Events, func(e chat.Event) bool { return !slices.Contains(beyond, e.ID) }) || page.More && len(beyond) >= 1000, nil
}

// Open makes a device's state. Nothing is read or sent before Start or Release. A device that was closed before stays closed.
func (l *Log) Open(d *Device, p Place, sink Sink) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log, d.sink, d.user, d.id = l, sink, p.Device.User, p.Device.ID
	d.main.readTo, d.main.stored = p.Device.AckedTo, p.Device.AckedTo
	if p.Gap {
		d.begin |= gapToSay
	}
	d.back = p.Gap || p.Back != 0
	if p.Device.AckedBeyondBase > p.Device.AckedTo {
		return // saved before the client went back: it may have lost what it acked then
	}
	for _, e := range p.Device.AckedBeyond {
		if e > d.main.readTo {
			w := d.main.busy()
			w.acked = append(w.acked, ack{event: e})
			w.dirty = w.dirty || d.back // what is stored instead
		}
	}
	if w := d.main.w; w != nil {
		slices.SortFunc(w.acked, func(a, b ack) int { return int(min(max(a.event-b.event, -1), 1)) })
	}
}

// Hold keeps a device from being told that it's synced, until Release: its channels aren't known yet.
func (d *Device) Hold() {
	d.mu.Lock()
	d.begin |= held
	d.mu.Unlock()
}

// Release starts a device whose channels are known now, as Start does. Where Look found nothing behind its place, and nothing came
// since, it is live at once.
func (d *Device) Release(p Place) {
	d.mu.Lock()
	d.begin &^= held
	d.startLive(p.caughtUp)
	d.mu.Unlock()
	d.Start()
}

// startLive lets a device be live from its beginning, when nothing is pending and nothing came since. d.mu is held.
func (d *Device) startLive(c caughtUp) {
	if c.upTo == 0 || d.log == nil || d.state != catching || d.stepping || d.missed || d.withdrawn != 0 || d.begin != 0 || d.back || len(d.channels) > 0 {
		return
	}
	d.passTo(&d.main, page{readTo: c.upTo, proof: c.proof})
	d.state, d.verified, d.synced = live, c.at, true
	d.sink.Synced(d.syncedLocked())
}

// Follow adds a channel whose log the device gets, from its cursor there. What the log holds no longer is left to history.
func (d *Device) Follow(c chat.ConversationID, from chat.EventID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log != nil {
		from = max(from, d.log.o.Store.Inbox.KeptSince())
	}
	for _, s := range d.channels {
		if s.conv == c {
			return
		}
	}
	if len(d.channels) < maxChannels {
		d.channels = append(d.channels, &stream{conv: c, readTo: from, stored: from})
		d.missed = true
		if d.state == live {
			d.state = catching // what the channel held before is sent as pending
		}
	}
}

// Unfollow forgets a channel, and what of it is out.
func (d *Device) Unfollow(c chat.ConversationID) {
	d.mu.Lock()
	d.channels = slices.DeleteFunc(d.channels, func(s *stream) bool { return s.conv == c })
	step := d.batch && !d.batchOut() || d.state == behind && d.lightLoad()
	d.batch = d.batch && d.batchOut()
	d.mu.Unlock()
	if step { // the acks it waited for won't come
		d.kick()
	}
}

// Start begins the catch-up, or goes on with it after Follow.
func (d *Device) Start() {
	d.mu.Lock()
	if d.log == nil { // not open yet: whoever opens it starts it
		d.mu.Unlock()
		return
	}
	gap := d.begin&gapToSay != 0
	d.begin &^= gapToSay
	from := d.main.readTo
	d.mu.Unlock()
	if gap {
		d.log.stats.Gaps.Add(1)
		d.sink.Gap(from)
	}
	d.kick()
}

// kick asks for a step now.
func (d *Device) kick() {
	d.mu.Lock()
	if d.stepping {
		d.again = true
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	d.log.unschedule(d)
	d.log.start(d)
}

// Offer asks whether a live push may go out now, and if so counts it as in flight. The caller then sends it, and calls
// Behind if the connection didn't take it. A push without an event id is neither counted nor refused while live.
func (d *Device) Offer(p *chat.Push) bool {
	d.mu.Lock()
	if d.state != live {
		d.missed = true
		d.mu.Unlock()
		return false
	}
	s, f := d.streamOf(p)
	if s == nil || f.event == 0 {
		d.mu.Unlock()
		return s != nil
	}
	if _, acked := s.isAcked(f.event); acked || f.event <= s.readTo || s.inFlight(f.event) {
		// A read has found and sent it already.
		d.mu.Unlock()
		return false
	}
	first := d.quietLocked()
	w := s.busy()
	if lag := d.log.lag; lag > 0 {
		// A read now would stop at the horizon, before this event: wait until it may pass, and what comes meanwhile, too.
		now := d.log.mono()
		if w.since == 0 {
			w.since = now
		}
		d.calm = max(d.calm, min(now, w.since+gather.Milliseconds())+(lag+time.Second).Milliseconds())
	}
	if len(w.flight) >= MaxInflight || len(w.acked) >= maxAcked {
		d.state, d.missed = behind, true
		d.mu.Unlock()
		d.log.stats.Behind.Add(1)
		return false
	}
	if len(w.flight) == 0 {
		d.progress = d.log.mono()
	}
	w.flight = append(w.flight, f)
	d.noteJoin(s, p.Event)
	d.mu.Unlock()
	if first {
		d.log.scheduleBusy(d, d.log.mono()+d.log.o.FirstVerify.Milliseconds())
	}
	return true
}

// streamOf returns the stream a push belongs to and its in-flight entry. d.mu is held.
func (d *Device) streamOf(p *chat.Push) (*stream, flight) {
	f := flight{event: p.Event.ID, conv: p.Event.Conversation}
	if p.Kind == chat.PushMessage {
		f.message, f.sender = p.Message.ID, p.Message.Sender
	}
	if !p.Channel {
		return &d.main, f
	}
	for _, s := range d.channels {
		if s.conv == p.Event.Conversation {
			return s, f
		}
	}
	return nil, f
}

// noteJoin remembers that a join of the user's own owes a read: senders with an older membership may have left them out.
// d.mu is held.
func (d *Device) noteJoin(s *stream, e chat.Event) {
	if e.Kind != chat.EventConversation || e.Change != chat.ChangeMemberAdded || e.Subject != d.user {
		return
	}
	w := s.busy()
	for _, j := range w.joins {
		if j.event == e.ID {
			return
		}
	}
	// How long to wait is told by the wall clock, but never longer than a join that was made now would.
	settled := joinWindow + max(joinSlack, d.log.lag)
	wait := max(0, min(e.ID.Time().Add(settled).Sub(d.log.o.Now()), settled))
	w.joins = append(w.joins, join{event: e.ID, conv: e.Conversation, due: d.log.mono() + wait.Milliseconds()})
}

// Behind says that the connection refused a push that Offer had counted: the device resumes from the log.
func (d *Device) Behind(p *chat.Push) {
	d.mu.Lock()
	if s, f := d.streamOf(p); s != nil && f.event != 0 {
		if s.w != nil {
			s.w.flight = slices.DeleteFunc(s.w.flight, func(x flight) bool { return x.event == f.event && !x.joined })
		}
		// What was read up to must not claim the refused event, nor what a read under way returns.
		s.readTo = min(s.readTo, f.event-1)
		d.startOverLocked()
		d.withdrawn++
	}
	if d.state == live || d.state == catching {
		d.state = behind
	}
	d.missed = true
	d.mu.Unlock()
	d.log.stats.Behind.Add(1)
}

// Drained says that the connection takes frames again.
func (d *Device) Drained() {
	d.mu.Lock()
	resume := d.state == behind
	d.mu.Unlock()
	if resume {
		d.kick()
	}
}

// AckMessages acks the message events of ids.
func (d *Device) AckMessages(ids ...chat.MessageID) {
	if len(ids) > 0 {
		d.ack(wanted{messages: sorted(ids)})
	}
}

// AckEvents acks single events.
func (d *Device) AckEvents(ids ...chat.EventID) {
	if len(ids) > 0 {
		d.ack(wanted{events: sorted(ids)})
	}
}

// AckBatch acks the batch that is out, all up to an event.
func (d *Device) AckBatch(upTo chat.EventID) { d.ack(wanted{batchTo: upTo}) }

func (d *Device) ack(a wanted) {
	var buf [8]flight
	d.mu.Lock()
	acked := d.main.take(&a, buf[:0])
	for _, s := range d.channels {
		acked = s.take(&a, acked)
	}
	step, moved := false, false
	if len(acked) > 0 {
		moved = d.log.lag > 0 && d.state != closed && slices.ContainsFunc(acked, func(f flight) bool { return f.event <= d.main.readTo })
		d.progress = d.log.mono()
		if d.batch && !d.batchOut() {
			d.batch, step = false, true
		}
		if d.state == behind && d.lightLoad() {
			step = true
		}
	}
	d.mu.Unlock()
	for i := range acked {
		if f := &acked[i]; f.message != 0 && f.sender != d.user {
			d.log.o.Receipts.Delivered(d.user, f.sender, f.conv, f.message)
		}
	}
	if step {
		d.kick()
	} else if moved { // the cursor, which is to be stored
		d.log.scheduleBusy(d, d.log.mono()+stepEvery)
	}
}

// batchOut reports whether events of a batch are unacked. d.mu is held.
func (d *Device) batchOut() bool {
	return d.main.batchOut() || slices.ContainsFunc(d.channels, (*stream).batchOut)
}

// lightLoad reports whether a device that was behind has acked enough to go on. d.mu is held.
func (d *Device) lightLoad() bool { return d.unacked() <= MaxInflight/4 }

func (d *Device) unacked() int {
	n := d.main.unacked()
	for _, s := range d.channels {
		n += s.unacked()
	}
	return n
}

// Unacked returns how many pushed events the device has not acked.
func (d *Device) Unacked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unacked()
}

// quietLocked reports whether nothing is out, owed or unstored. d.mu is held.
func (d *Device) quietLocked() bool {
	for _, s := range d.channels {
		if !s.idle() {
			return false
		}
	}
	return d.main.idle() && !d.back
}

// Close ends the device's connection: what was acked is read once more, where the horizon allows, and stored.
func (d *Device) Close(ctx context.Context) error {
	d.mu.Lock()
	done := d.state == closed || d.log == nil
	d.state = closed
	var stepped <-chan struct{}
	if !done && d.stepping {
		d.awaited = true
		stepped = d.log.stepEnd(d)
	}
	d.mu.Unlock()
	if done {
		return nil
	}
	d.log.unschedule(d)
	if stepped != nil { // what a step under way stores is older than what is stored here, and must not come after it
		select {
		case <-stepped:
		case <-ctx.Done():
		}
	}
	d.mu.Lock()
	quiet := d.quietLocked()
	d.mu.Unlock()
	if quiet {
		return nil
	}
	err := d.finish(ctx)
	if lag := d.log.lag; lag > 0 {
		d.mu.Lock()
		d.lingers = !d.quietLocked()
		lingers := d.lingers
		d.mu.Unlock()
		if lingers {
			d.log.scheduleBusy(d, d.log.mono()+(lag+time.Second).Milliseconds())
		}
	}
	return err
}
