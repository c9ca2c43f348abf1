package inbox

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
)

type state uint8

const (
	catching state = iota // pending events are being sent from the store; live pushes are left to the log
	live                  // pushes go out as they come
	behind                // the connection took no more; it resumes from the log once it has acked
	closed
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
	stepping bool  // a step is running
	again    bool  // another step is wanted after it
	batch    bool  // a batch is out, unacked
	gap      bool  // to be said at Start
	synced   bool  // said since the last catch-up
	verified int64 // when the log was last read (Unix ms)
	progress int64 // when a push went out after none, or was acked (Unix ms)
	main     stream
	channels []*stream

	// Guarded by Log.mu.
	where      place
	index      int32
	due        int64
	prev, next *Device
}

// Place says where a device's log reading starts.
type Place struct {
	Device chat.Device // as stored; AckedTo and what it acked beyond
	// Back, when not 0, is an earlier event the client asks to go back to.
	Back chat.EventID
	// Gap: the cursor is older than what the log holds (see Log.Place).
	Gap bool
}

// Place decides where a stored device starts: at its cursor, at an earlier one it asks for, or, when the log no longer
// holds what it missed, at the horizon with Gap set.
func (l *Log) Place(d chat.Device, back chat.EventID) Place {
	p := Place{Device: d}
	if back > 0 && back < d.AckedTo {
		p.Back = back
		p.Device.AckedTo, p.Device.AckedBeyond, p.Device.AckedBeyondBase = back, nil, 0
	}
	if kept := l.o.Store.Inbox.KeptSince(); p.Device.AckedTo < kept {
		p.Gap = true
		p.Device.AckedTo, p.Device.AckedBeyond = l.o.Store.Inbox.Horizon(), nil
	}
	return p
}

// FirstCursor is where a new device of a user starts: at the highest cursor of the other devices, or at the log's start.
func (l *Log) FirstCursor(others []chat.Device) chat.EventID {
	c := l.o.Store.Inbox.KeptSince()
	for _, o := range others {
		c = max(c, o.AckedTo)
	}
	return c
}

// Open makes a device's state. Nothing is read or sent before Start.
func (l *Log) Open(d *Device, p Place, sink Sink) {
	d.log, d.sink, d.user, d.id = l, sink, p.Device.User, p.Device.ID
	d.main.readTo, d.main.stored = p.Device.AckedTo, p.Device.AckedTo
	d.gap = p.Gap
	if p.Gap || p.Back != 0 {
		d.main.stored = 0
	}
	for _, e := range p.Device.AckedBeyond {
		if e > d.main.readTo {
			d.main.acked = append(d.main.acked, ack{event: e})
		}
	}
	slices.SortFunc(d.main.acked, func(a, b ack) int { return int(min(max(a.event-b.event, -1), 1)) })
}

// Follow adds a channel whose messages the device gets, from its cursor there.
func (d *Device) Follow(c chat.ConversationID, from chat.MessageID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.channels {
		if s.conv == c {
			return
		}
	}
	if len(d.channels) < maxChannels {
		d.channels = append(d.channels, &stream{conv: c, readTo: chat.EventID(from), stored: chat.EventID(from)})
		d.missed = true
		if d.state == live {
			d.state = catching // what the channel held before is sent as pending
		}
	}
}

// Unfollow forgets a channel.
func (d *Device) Unfollow(c chat.ConversationID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.channels = slices.DeleteFunc(d.channels, func(s *stream) bool { return s.conv == c })
}

// Start begins the catch-up, or goes on with it after Follow.
func (d *Device) Start() {
	d.mu.Lock()
	gap := d.gap
	d.gap = false
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
	if f.event <= s.readTo {
		// A read has found and sent it already.
		d.mu.Unlock()
		return false
	}
	if len(s.flight) >= MaxInflight || len(s.acked) >= maxAcked {
		d.state, d.missed = behind, true
		d.mu.Unlock()
		d.log.stats.Behind.Add(1)
		return false
	}
	first := d.main.idle() && (s == &d.main || s.idle())
	if len(s.flight) == 0 {
		d.progress = d.log.o.Now().UnixMilli()
	}
	s.flight = append(s.flight, f)
	s.noteJoin(d.user, p.Event)
	d.mu.Unlock()
	if first {
		d.log.scheduleBusy(d, d.log.o.Now().Add(d.log.o.FirstVerify).UnixMilli())
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
			if p.Kind == chat.PushMessage {
				f.event = chat.EventID(p.Message.ID)
			}
			return s, f
		}
	}
	return nil, f
}

// Behind says that the connection refused a push that Offer had counted: the device resumes from the log.
func (d *Device) Behind(p *chat.Push) {
	d.mu.Lock()
	if s, f := d.streamOf(p); s != nil && f.event != 0 {
		s.flight = slices.DeleteFunc(s.flight, func(x flight) bool { return x.event == f.event })
		// What was read up to must not claim the refused event.
		s.readTo = min(s.readTo, f.event-1)
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
	d.ack(func(s *stream, got func(*flight)) {
		for _, id := range ids {
			s.takeFirst(func(f *flight) bool { return f.message == id }, got)
		}
	})
}

// AckEvents acks single events.
func (d *Device) AckEvents(ids ...chat.EventID) {
	d.ack(func(s *stream, got func(*flight)) {
		for _, id := range ids {
			s.takeFirst(func(f *flight) bool { return f.event == id }, got)
		}
	})
}

// AckBatch acks the batch that is out, all up to an event.
func (d *Device) AckBatch(upTo chat.EventID) {
	d.ack(func(s *stream, got func(*flight)) {
		s.take(func(f *flight) bool { return f.batch && f.event <= upTo }, got)
	})
}

func (d *Device) ack(take func(s *stream, got func(*flight))) {
	var buf [32]flight
	acked := buf[:0]
	got := func(f *flight) { acked = append(acked, *f) }
	d.mu.Lock()
	take(&d.main, got)
	for _, s := range d.channels {
		take(s, got)
	}
	step := false
	if len(acked) > 0 {
		d.progress = d.log.o.Now().UnixMilli()
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
	}
}

// batchOut reports whether events of a batch are unacked. d.mu is held.
func (d *Device) batchOut() bool {
	out := func(f flight) bool { return f.batch }
	if slices.ContainsFunc(d.main.flight, out) {
		return true
	}
	for _, s := range d.channels {
		if slices.ContainsFunc(s.flight, out) {
			return true
		}
	}
	return false
}

// lightLoad reports whether a device that was behind has acked enough to go on. d.mu is held.
func (d *Device) lightLoad() bool {
	n := len(d.main.flight)
	for _, s := range d.channels {
		n += len(s.flight)
	}
	return n <= MaxInflight/4
}

// Unacked returns how many pushed events the device has not acked.
func (d *Device) Unacked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.main.flight)
	for _, s := range d.channels {
		n += len(s.flight)
	}
	return n
}

// Close ends the device's connection: what was acked is read once more, where the horizon allows, and stored.
func (d *Device) Close(ctx context.Context) error {
	d.mu.Lock()
	if d.state == closed {
		d.mu.Unlock()
		return nil
	}
	started := d.log != nil
	d.state = closed
	d.mu.Unlock()
	if !started {
		return nil
	}
	d.log.unschedule(d)
	if d.quiet() {
		return nil
	}
	if err := d.verify(ctx); err != nil {
		return fmt.Errorf("last verify read of a device: %w", err)
	}
	return d.save(ctx)
}

func (d *Device) quiet() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.channels {
		if !s.idle() {
			return false
		}
	}
	return d.main.idle()
}

// save stores the cursors and what was acked beyond them, as far as they changed.
func (d *Device) save(ctx context.Context) error {
	devices := d.log.o.Store.Devices
	d.mu.Lock()
	type mark struct {
		conv chat.ConversationID
		upTo chat.MessageID
	}
	var marks []mark
	add := func(s *stream) {
		for c, m := range s.pass() {
			marks = append(marks, mark{c, m})
		}
	}
	add(&d.main)
	cursor, back := d.main.cursor(), d.main.stored == 0 && d.main.readTo != 0
	move := cursor > d.main.stored
	var beyond []chat.EventID
	saveAcks := d.main.dirty && len(d.main.acked) > 0
	d.main.dirty = false
	for i := 0; i < len(d.main.acked) && i < maxSavedAcks; i++ {
		beyond = append(beyond, d.main.acked[i].event)
	}
	type channelMark struct {
		s  *stream
		to chat.EventID
	}
	var chans []channelMark
	for _, s := range d.channels {
		s.pass()
		if c := s.cursor(); c > s.stored {
			chans = append(chans, channelMark{s, c})
		}
	}
	d.mu.Unlock()
	for _, m := range marks {
		d.log.o.Receipts.MarkDelivered(d.user, m.conv, m.upTo)
	}
	if move {
		if err := devices.SetCursor(ctx, d.user, d.id, cursor, back); err != nil {
			return fmt.Errorf("store a cursor: %w", err)
		}
		d.log.stats.CursorWrites.Add(1)
	}
	if saveAcks {
		if err := devices.SaveAcks(ctx, d.user, d.id, cursor, beyond); err != nil {
			d.mu.Lock()
			d.main.dirty = true
			d.mu.Unlock()
			return fmt.Errorf("store acks: %w", err)
		}
		d.log.stats.AckWrites.Add(1)
	}
	for _, c := range chans {
		if err := d.log.o.Store.Channels.SetChannelCursor(ctx, d.user, d.id, c.s.conv, chat.MessageID(c.to)); err != nil {
			return fmt.Errorf("store a channel cursor: %w", err)
		}
	}
	d.mu.Lock()
	if move {
		d.main.stored = max(d.main.stored, cursor)
	}
	for _, c := range chans {
		c.s.stored = max(c.s.stored, c.to)
	}
	d.mu.Unlock()
	return nil
}
