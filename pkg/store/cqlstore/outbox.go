package cqlstore

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// outboxVersion is the first byte of members.outbox.
const outboxVersion = 1

const (
	// pastChanges is how many changes an outbox remembers besides the last.
	pastChanges = 8
	// outboxHead is the most that is left of an outbox once it was told: version, done, nonce, stamp, past.
	outboxHead = 1 + 1 + 8 + 8 + 1 + 8*pastChanges
)

// nonce names one call of Change.
type nonce [8]byte

var errOutbox = errors.New("cqlstore: members.outbox doesn't decode")

// outbox is what a change of membership has still to tell, as kept in the same partition: it is written by the compare-and-set
// that makes the change, so whoever finds it can finish what its maker began. Once told, only its head stays.
type outbox struct {
	done  bool
	nonce nonce // tells one's own change when the outcome of its compare-and-set is unknown
	// past are the nonces of the changes before, the last first.
	past []nonce
	// stamp is the change's time in Unix µs, larger than that of every change of the conversation before: the write timestamp of
	// the lists, and the outbox's age.
	stamp    int64
	kind     chat.Kind
	listed   []chat.UserID
	unlisted []chat.UserID
	log      []store.ChangeEntry
	fanouts  []store.Fanout
}

// empty reports whether nothing is to be told.
func (o *outbox) empty() bool { return len(o.listed)+len(o.unlisted)+len(o.log)+len(o.fanouts) == 0 }

// told is the outbox after its work.
func (o *outbox) told() *outbox {
	return &outbox{done: true, nonce: o.nonce, past: o.past, stamp: o.stamp}
}

// follow makes the outbox of the change after another's.
func (o *outbox) follow(before *outbox, now int64) {
	o.stamp = max(now, before.stamp+1)
	o.past = nil
	if before.nonce != (nonce{}) {
		o.past = append(append(make([]nonce, 0, 1+len(before.past)), before.nonce), before.past...)
		o.past = o.past[:min(len(o.past), pastChanges)]
	}
}

// made reports whether a change was one of the last.
func (o *outbox) made(n nonce) bool { return o.nonce == n || slices.Contains(o.past, n) }

// encode writes the outbox. Users are written once each, in a table, and of lists that are the same only the first: events of
// one change mostly have the same recipients.
func (o *outbox) encode() []byte {
	b := make([]byte, 0, outboxHead+64)
	b = append(b, outboxVersion, boolByte(o.done))
	b = append(b, o.nonce[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(o.stamp))
	b = append(b, byte(len(o.past)))
	for i := range o.past {
		b = append(b, o.past[i][:]...)
	}
	if o.done {
		return b
	}
	t := userTable{index: make(map[chat.UserID]uint64)}
	listed, unlisted := t.list(nil, o.listed), t.list(nil, o.unlisted)
	var events []byte
	for i := range o.fanouts {
		f := &o.fanouts[i]
		events = putEvent(events, &f.Event)
		if i > 0 && slices.Equal(f.Recipients, o.fanouts[i-1].Recipients) {
			events = append(events, 1)
			continue
		}
		events = t.list(append(events, 0), f.Recipients)
	}
	b = append(b, byte(o.kind))
	b = binary.AppendUvarint(b, uint64(len(t.users)))
	for i := range t.users {
		b = append(b, t.users[i][:]...)
	}
	b = append(append(b, listed...), unlisted...)
	b = binary.AppendUvarint(b, uint64(len(o.log)))
	for i := range o.log {
		b = putChange(b, &o.log[i])
	}
	b = binary.AppendUvarint(b, uint64(len(o.fanouts)))
	return append(b, events...)
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// userTable numbers users.
type userTable struct {
	users []chat.UserID
	index map[chat.UserID]uint64
}

func (t *userTable) list(b []byte, users []chat.UserID) []byte {
	b = binary.AppendUvarint(b, uint64(len(users)))
	for _, u := range users {
		i, ok := t.index[u]
		if !ok {
			i = uint64(len(t.users))
			t.index[u] = i
			t.users = append(t.users, u)
		}
		b = binary.AppendUvarint(b, i)
	}
	return b
}

func putEvent(b []byte, e *chat.Event) []byte {
	b = append(b, byte(e.Kind), byte(e.Change))
	b = append(b, e.Conversation[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Message))
	b = append(b, e.Actor[:]...)
	return append(b, e.Subject[:]...)
}

func putChange(b []byte, c *store.ChangeEntry) []byte {
	b = append(b, byte(c.Kind), boolByte(c.Removed))
	b = append(b, c.Conversation[:]...)
	b = append(b, c.User[:]...)
	b = append(b, c.Other[:]...)
	b = append(b, c.Device[:]...)
	return append(b, c.Session[:]...)
}

// alreadyTold reports, without decoding it, that an outbox has nothing to tell.
func alreadyTold(b []byte) bool { return len(b) < 2 || b[1] == 1 }

// decodeOutbox reads members.outbox; nothing at all is one that was told.
func decodeOutbox(b []byte) (*outbox, error) {
	o := &outbox{done: true}
	if len(b) == 0 {
		return o, nil
	}
	s := &outboxScanner{b: b}
	if s.u8() != outboxVersion {
		return nil, errOutbox
	}
	if o.done = s.u8() == 1; o.done && len(b) > outboxHead {
		return nil, errOutbox
	}
	copy(o.nonce[:], s.take(8))
	o.stamp = s.i64()
	if n := int(s.u8()); n > 0 {
		o.past = make([]nonce, min(n, pastChanges))
		s.bad = s.bad || n > pastChanges
	}
	for i := range o.past {
		copy(o.past[i][:], s.take(8))
	}
	if o.done {
		return o, s.end()
	}
	o.kind = chat.Kind(s.u8())
	users := make([]chat.UserID, s.count(16))
	for i := range users {
		copy(users[i][:], s.take(16))
	}
	o.listed, o.unlisted = s.list(users), s.list(users)
	o.log = make([]store.ChangeEntry, s.count(2+4*16+32))
	for i := range o.log {
		c := &o.log[i]
		c.Kind, c.Removed = store.ChangeKind(s.u8()), s.u8() == 1
		copy(c.Conversation[:], s.take(16))
		copy(c.User[:], s.take(16))
		copy(c.Other[:], s.take(16))
		copy(c.Device[:], s.take(16))
		copy(c.Session[:], s.take(32))
	}
	o.fanouts = make([]store.Fanout, s.count(2+16+8+32+1))
	for i := range o.fanouts {
		f := &o.fanouts[i]
		f.Event.Kind, f.Event.Change = chat.EventKind(s.u8()), chat.Change(s.u8())
		copy(f.Event.Conversation[:], s.take(16))
		f.Event.Message = chat.MessageID(s.i64())
		copy(f.Event.Actor[:], s.take(16))
		copy(f.Event.Subject[:], s.take(16))
		if s.u8() == 1 && i > 0 {
			f.Recipients = o.fanouts[i-1].Recipients
			continue
		}
		f.Recipients = s.list(users)
	}
	return o, s.end()
}

// outboxScanner takes an outbox apart; the first fault sticks and is returned by end.
type outboxScanner struct {
	b   []byte
	bad bool
}

func (s *outboxScanner) take(n int) []byte {
	if s.bad || n > len(s.b) {
		s.bad = true
		return nil
	}
	out := s.b[:n]
	s.b = s.b[n:]
	return out
}

func (s *outboxScanner) u8() byte {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *outboxScanner) i64() int64 {
	if b := s.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// count reads a number of things of at least size bytes each: more than there can be is a fault.
func (s *outboxScanner) count(size int) int {
	v, n := binary.Uvarint(s.b)
	if s.bad || n <= 0 || v > uint64(len(s.b)-n)/uint64(size) {
		s.bad = true
		return 0
	}
	s.b = s.b[n:]
	return int(v)
}

func (s *outboxScanner) list(users []chat.UserID) []chat.UserID {
	out := make([]chat.UserID, s.count(1))
	for i := range out {
		v, n := binary.Uvarint(s.b)
		if s.bad || n <= 0 || v >= uint64(len(users)) {
			s.bad = true
			return nil
		}
		s.b = s.b[n:]
		out[i] = users[v]
	}
	return out
}

func (s *outboxScanner) end() error {
	if s.bad || len(s.b) != 0 {
		return errOutbox
	}
	return nil
}
