package inbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// freshenAfter is how far the stored cursor of a device without events may lag behind what was read: so that a return
// after weeks doesn't probe the empty days, and an idle device costs at most a write a day.
const freshenAfter = 24 * time.Hour

// unsaved is what of a device must be written.
type unsaved struct {
	marks    []deliveredMark
	cursor   chat.EventID
	move     bool
	back     bool
	acks     bool
	base     chat.EventID // the cursor in the store, which beyond is counted from
	beyond   []chat.EventID
	channels []channelCursor
}

type deliveredMark struct {
	conv chat.ConversationID
	upTo chat.MessageID
}

type channelCursor struct {
	s  *stream
	to chat.EventID
}

// stale reports whether a stream's cursor must be written.
func (s *stream) stale() bool {
	c := s.cursor()
	return c > s.stored && (s.w != nil && s.w.moved || id.ID(c).Time().Sub(id.ID(s.stored).Time()) > freshenAfter)
}

func (d *Device) collect() (u unsaved) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c, m := range d.main.pass() {
		u.marks = append(u.marks, deliveredMark{c, m})
	}
	u.cursor, u.back = d.main.cursor(), d.back
	u.move = u.back || d.main.stale()
	// A cursor that moved over nothing isn't written, so it can't be the base: who reads the row takes acks with a base beyond
	// the cursor for those of before a going back.
	if u.base = u.cursor; !u.move {
		u.base = d.main.stored
	}
	if w := d.main.w; w != nil {
		most := maxSavedAcks
		if d.state == closed {
			most = maxAcked // the last time: what isn't stored now is sent again
		}
		u.acks = (w.dirty || u.back || d.state == closed && len(w.acked) > maxSavedAcks) && len(w.acked) > 0
		w.dirty = false
		owed := w.owed()
		for i := 0; i < len(w.acked) && len(u.beyond) < most && u.acks; i++ {
			if e := w.acked[i].event; !slices.Contains(owed, e) {
				u.beyond = append(u.beyond, e)
			}
		}
	}
	for _, s := range d.channels {
		s.pass()
		if s.w != nil {
			s.w.late = s.w.late[:0] // receipts of channels are counts
		}
		if s.stale() {
			u.channels = append(u.channels, channelCursor{s, s.cursor()})
		}
	}
	return u
}

// save stores the cursors and what was acked beyond them, as far as they changed.
func (d *Device) save(ctx context.Context) error {
	u := d.collect()
	for _, m := range u.marks {
		d.log.o.Receipts.MarkDelivered(d.user, m.conv, m.upTo)
	}
	err := d.write(ctx, &u)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if u.acks {
			d.main.busy().dirty = true
		}
		return err
	}
	if u.move {
		d.back = d.back && !u.back
		d.main.saved(u.cursor)
	}
	for _, c := range u.channels {
		c.s.saved(c.to)
	}
	// What moved without the cursor having to is stored already.
	d.main.settle()
	for _, s := range d.channels {
		s.settle()
	}
	return nil
}

func (s *stream) saved(c chat.EventID) { s.stored = max(s.stored, c) }

// settle forgets that the cursor moved once it is stored.
func (s *stream) settle() {
	if s.w != nil && s.stored >= s.cursor() {
		s.w.moved = false
	}
}

func (d *Device) write(ctx context.Context, u *unsaved) error {
	devices := d.log.o.Store.Devices
	if u.back { // first: with the cursor set back, what was acked beyond it would hide what the client asks for
		if err := devices.SaveAcks(ctx, d.user, d.id, u.cursor, u.beyond); err != nil {
			return fmt.Errorf("store acks: %w", err)
		}
	}
	if u.move {
		if err := devices.SetCursor(ctx, d.user, d.id, u.cursor, u.back); err != nil {
			return fmt.Errorf("store a cursor: %w", err)
		}
		d.log.stats.CursorWrites.Add(1)
	}
	if u.acks && !u.back {
		if err := devices.SaveAcks(ctx, d.user, d.id, u.base, u.beyond); err != nil {
			return fmt.Errorf("store acks: %w", err)
		}
		d.log.stats.AckWrites.Add(1)
	}
	for _, c := range u.channels {
		if err := d.log.o.Store.Channels.SetChannelCursor(ctx, d.user, d.id, c.s.conv, c.to); err != nil {
			return fmt.Errorf("store a channel cursor: %w", err)
		}
	}
	return nil
}
