package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/murre-chat/murre/pkg/chat"
)

// valueVersion is the first byte of every value; a layout that can't be told from the old one gets the next.
const valueVersion = 1

// errCorrupt: a stored value doesn't decode. It never happens short of a bug or a broken disk.
var errCorrupt = errors.New("corrupt value")

// scanner takes a value apart; the first fault sticks and is returned by end.
type scanner struct {
	b   []byte
	bad bool
}

// scan begins a value: it checks the version byte.
func scan(b []byte) scanner {
	s := scanner{b: b}
	if s.u8() != valueVersion {
		s.bad = true
	}
	return s
}

func (s *scanner) take(n int) []byte {
	if s.bad || n < 0 || n > len(s.b) {
		s.bad = true
		return nil
	}
	out := s.b[:n:n]
	s.b = s.b[n:]
	return out
}

func (s *scanner) u8() byte {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) i64() int64 {
	if b := s.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (s *scanner) uvarint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.bad = true
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *scanner) text() string {
	n := s.uvarint()
	if n > uint64(len(s.b)) {
		s.bad = true
		return ""
	}
	return string(s.take(int(n)))
}

func (s *scanner) rest() string {
	if s.bad {
		return ""
	}
	out := string(s.b)
	s.b = nil
	return out
}

func (s *scanner) hash() (h [32]byte) {
	copy(h[:], s.take(32))
	return h
}

// end returns errCorrupt unless everything was there and nothing is left.
func (s *scanner) end(what string) error {
	if s.bad || len(s.b) != 0 {
		return fmt.Errorf("pebblestore: %s: %w", what, errCorrupt)
	}
	return nil
}

func putText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func putBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// Flags of a message value; the optional fields follow the fixed ones in this order.
const (
	flagDeleted byte = 1 << iota
	flagBuried
	flagMedia
	flagReply
	flagEdited
)

func messageLen(m *chat.Message) int {
	n := 1 + 1 + 1 + 16 + 16 + len(m.Content)
	if !m.MediaID.IsZero() {
		n += 16
	}
	if m.ReplyTo != 0 {
		n += 8
	}
	if m.Version != 0 || m.EditedAt != 0 {
		n += 16
	}
	return n
}

func putMessage(b []byte, m *chat.Message) []byte {
	var flags byte
	if m.Deleted {
		flags |= flagDeleted
	}
	if !m.MediaID.IsZero() {
		flags |= flagMedia
	}
	if m.ReplyTo != 0 {
		flags |= flagReply
	}
	if m.Version != 0 || m.EditedAt != 0 {
		flags |= flagEdited
	}
	b = append(b, valueVersion, flags, byte(m.ContentType))
	b = append(b, m.Sender[:]...)
	b = append(b, m.ClientMessageID[:]...)
	if flags&flagMedia != 0 {
		b = append(b, m.MediaID[:]...)
	}
	if flags&flagReply != 0 {
		b = put64(b, m.ReplyTo)
	}
	if flags&flagEdited != 0 {
		b = put64(put64(b, m.Version), m.EditedAt)
	}
	return append(b, m.Content...)
}

// buriedMessage is the row of an id that must never appear.
func buriedMessage() []byte { return []byte{valueVersion, flagBuried} }

// scanMessage decodes a message row; buried rows are told by the second result.
func scanMessage(v []byte, c chat.ConversationID, id chat.MessageID) (m chat.Message, buried bool, err error) {
	s := scan(v)
	flags := s.u8()
	if !s.bad && flags&flagBuried != 0 {
		return m, true, nil
	}
	m.ID, m.Conversation = id, c
	m.Deleted = flags&flagDeleted != 0
	m.ContentType = chat.ContentType(s.u8())
	copy(m.Sender[:], s.take(16))
	copy(m.ClientMessageID[:], s.take(16))
	if flags&flagMedia != 0 {
		copy(m.MediaID[:], s.take(16))
	}
	if flags&flagReply != 0 {
		m.ReplyTo = chat.MessageID(s.i64())
	}
	if flags&flagEdited != 0 {
		m.Version = chat.MessageID(s.i64())
		m.EditedAt = s.i64()
	}
	m.Content = s.rest()
	return m, false, s.end("message")
}

const (
	flagActor byte = 1 << iota
	flagSubject
)

// putEvent encodes an inbox row's value: the same for every recipient.
func putEvent(b []byte, e *chat.Event) []byte {
	var flags byte
	if !e.Actor.IsZero() {
		flags |= flagActor
	}
	if !e.Subject.IsZero() {
		flags |= flagSubject
	}
	b = append(b, valueVersion, byte(e.Kind), byte(e.Change), flags)
	b = append(b, e.Conversation[:]...)
	b = put64(b, e.Message)
	if flags&flagActor != 0 {
		b = append(b, e.Actor[:]...)
	}
	if flags&flagSubject != 0 {
		b = append(b, e.Subject[:]...)
	}
	return b
}

func scanEvent(v []byte, id chat.EventID, e *chat.Event) error {
	s := scan(v)
	e.ID = id
	e.Kind, e.Change = chat.EventKind(s.u8()), chat.Change(s.u8())
	flags := s.u8()
	copy(e.Conversation[:], s.take(16))
	e.Message = chat.MessageID(s.i64())
	if flags&flagActor != 0 {
		copy(e.Actor[:], s.take(16))
	}
	if flags&flagSubject != 0 {
		copy(e.Subject[:], s.take(16))
	}
	return s.end("event")
}
