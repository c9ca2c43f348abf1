package chat

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/murre-chat/murre/pkg/chat/id"
)

// ID is a UUID whose type parameter keeps the kinds of ids apart: a UserID can't be passed for a ConversationID.
// The zero value means "none". Its text form is the 36-character lower-case UUID.
type ID[K any] [16]byte

type (
	userKind          struct{}
	conversationKind  struct{}
	deviceKind        struct{}
	mediaKind         struct{}
	clientMessageKind struct{}
)

// The kinds of UUIDs that Murre uses.
type (
	// UserID names a person or a bot.
	UserID = ID[userKind]
	// ConversationID names a direct conversation, a group or a channel.
	ConversationID = ID[conversationKind]
	// DeviceID names one installation of a client of one user.
	DeviceID = ID[deviceKind]
	// MediaID names an uploaded blob.
	MediaID = ID[mediaKind]
	// ClientMessageID is the idempotency key that a client gives a message; v7 is advised.
	ClientMessageID = ID[clientMessageKind]
)

// ErrBadID is returned for text that is not an id.
var ErrBadID = errors.New("malformed id")

// String returns the 36-character form.
func (u ID[K]) String() string {
	var b [36]byte
	u.encode(b[:])
	return string(b[:])
}

// AppendTo appends the 36-character form to dst without allocating.
func (u ID[K]) AppendTo(dst []byte) []byte {
	var b [36]byte
	u.encode(b[:])
	return append(dst, b[:]...)
}

func (u ID[K]) encode(b []byte) {
	hex.Encode(b[0:8], u[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], u[10:16])
}

// IsZero reports whether the id is unset.
func (u ID[K]) IsZero() bool { return u == ID[K]{} }

// Compare orders ids bytewise.
func (u ID[K]) Compare(o ID[K]) int { return bytes.Compare(u[:], o[:]) }

// MarshalText implements encoding.TextMarshaler.
func (u ID[K]) MarshalText() ([]byte, error) { return u.AppendTo(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it accepts only the 36-character form, in either case.
func (u *ID[K]) UnmarshalText(b []byte) error {
	v, err := ParseIDBytes[K](b)
	if err != nil {
		return err
	}
	*u = v
	return nil
}

// Time returns the moment inside a v7 UUID, and false for any other version.
func (u ID[K]) Time() (time.Time, bool) {
	if u[6]>>4 != 7 || u[8]>>6 != 2 {
		return time.Time{}, false
	}
	ms := int64(u[0])<<40 | int64(u[1])<<32 | int64(u[2])<<24 | int64(u[3])<<16 | int64(u[4])<<8 | int64(u[5])
	return time.UnixMilli(ms), true
}

// ParseIDBytes parses the 36-character form.
func ParseIDBytes[K any](b []byte) (ID[K], error) {
	var u ID[K]
	if len(b) != 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return u, ErrBadID
	}
	var h [32]byte
	copy(h[0:8], b[0:8])
	copy(h[8:12], b[9:13])
	copy(h[12:16], b[14:18])
	copy(h[16:20], b[19:23])
	copy(h[20:32], b[24:36])
	if _, err := hex.Decode(u[:], h[:]); err != nil {
		return ID[K]{}, ErrBadID
	}
	return u, nil
}

// NewID makes a v7 UUID from a moment and 74 random bits.
func NewID[K any](at time.Time) ID[K] {
	var u ID[K]
	_, _ = rand.Read(u[6:]) // crypto/rand.Read never fails
	ms := at.UnixMilli()
	u[0], u[1], u[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	u[3], u[4], u[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Typed makers and parsers.
func NewUserID(at time.Time) UserID                   { return NewID[userKind](at) }
func NewConversationID(at time.Time) ConversationID   { return NewID[conversationKind](at) }
func NewDeviceID(at time.Time) DeviceID               { return NewID[deviceKind](at) }
func NewMediaID(at time.Time) MediaID                 { return NewID[mediaKind](at) }
func NewClientMessageID(at time.Time) ClientMessageID { return NewID[clientMessageKind](at) }

func ParseUserID(s string) (UserID, error) { return ParseIDBytes[userKind]([]byte(s)) }
func ParseConversationID(s string) (ConversationID, error) {
	return ParseIDBytes[conversationKind]([]byte(s))
}
func ParseDeviceID(s string) (DeviceID, error) { return ParseIDBytes[deviceKind]([]byte(s)) }
func ParseMediaID(s string) (MediaID, error)   { return ParseIDBytes[mediaKind]([]byte(s)) }
func ParseClientMessageID(s string) (ClientMessageID, error) {
	return ParseIDBytes[clientMessageKind]([]byte(s))
}

// MessageID is a hybrid-logical-clock id (see chat/id): positive, ordered, its own time inside. Zero means "none".
type MessageID int64

// EventID identifies one event of a user's inbox log; ids come from the same clock as MessageID. Zero means "the log's start".
type EventID int64

// String returns the 13-character text form, whose text order is id order.
func (m MessageID) String() string { return id.ID(m).String() }

// Time returns the moment the id was made, to the millisecond.
func (m MessageID) Time() time.Time { return id.ID(m).Time() }

// AppendTo appends the 13-character form without allocating.
func (m MessageID) AppendTo(dst []byte) []byte { return id.ID(m).AppendTo(dst) }

// MarshalText implements encoding.TextMarshaler.
func (m MessageID) MarshalText() ([]byte, error) { return id.ID(m).AppendTo(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MessageID) UnmarshalText(b []byte) error {
	v, err := id.Parse(b)
	*m = MessageID(v)
	return err
}

// String returns the 13-character text form.
func (e EventID) String() string { return id.ID(e).String() }

// Time returns the moment the id was made, to the millisecond.
func (e EventID) Time() time.Time { return id.ID(e).Time() }

// AppendTo appends the 13-character form without allocating.
func (e EventID) AppendTo(dst []byte) []byte { return id.ID(e).AppendTo(dst) }

// MarshalText implements encoding.TextMarshaler.
func (e EventID) MarshalText() ([]byte, error) { return id.ID(e).AppendTo(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *EventID) UnmarshalText(b []byte) error {
	v, err := id.Parse(b)
	*e = EventID(v)
	return err
}
