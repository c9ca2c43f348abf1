package check

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/murre-chat/murre/pkg/chat"
)

// Kind says what happened.
type Kind uint8

// The kinds of events, and the fields beside At that each needs. Device implies User: both are always named.
const (
	// Joined: User became a member of Conversation. Began is when it was asked for, At when it was answered.
	Joined Kind = iota + 1
	// Left: User was removed from or left Conversation. Began and At as for Joined.
	Left
	// DeviceAdded: Device of User exists from now on; it must receive what is sent from now on.
	DeviceAdded
	// DeviceGone: nothing is expected of Device any more (removed, or not brought back before the end).
	DeviceGone
	// Connected: Device's connection stands; Cursor is what `welcome` said, 0 when it said none.
	Connected
	// Revoked: the session of Device, or the device, was revoked; At is when that was answered.
	Revoked
	// Restart: the server was stopped or killed and started again.
	Restart
	// Sent: User's Device put message Client to Conversation on the wire, the first time or again. Digest, ReplyTo.
	Sent
	// Acked: the sender saw `sent` for Client with id Message.
	Acked
	// Failed: the sender saw an error for Client. Retry: it may be sent again, its outcome is unknown.
	Failed
	// Received: Device of User got Message over Via. Sender, Client (zero when not told), Event, Digest, ReplyTo.
	Received
	// Shown: a client showed Message to its user after its own dedup.
	Shown
	// AckSent: Device acknowledged Message.
	AckSent
	// ReadSent: User said it has read everything up to Message in Conversation.
	ReadSent
	// StatusSeen: User saw that Sender (the other member) has Message in Status. Sampled: read from a message's own
	// status (history, REST), which must never move backward; live pushes may repeat.
	StatusSeen
	// ReceiptSeen: User saw the watermarks of Sender in Conversation: Message is deliveredTo, ReadTo is readTo.
	ReceiptSeen
	// Synced: Device was told that everything before UpTo (Unix ms, the server's clock) has been delivered to it.
	Synced
	// Row: User read Message in the history of Conversation, oldest first. Sender, Client, Digest, ReplyTo, Deleted; Began
	// is when it was asked for.
	Row
	// RowsEnd: User has read the whole history of Conversation that Row events gave; Began is when the reading began.
	RowsEnd
	// Edited: an edit of Message to the content of Digest was asked for (Retry set: its outcome is unknown), or answered.
	// Asking first and answering later under the same digest are one edit.
	Edited
	// Removed: a deletion of Message was asked for (Retry set), or answered.
	Removed
	// Pending: after quiescence Device was offered Count pending events.
	Pending

	kinds
)

var kindNames = [kinds]string{
	"", "joined", "left", "device_added", "device_gone", "connected", "revoked", "restart", "sent", "acked", "failed", "received",
	"shown", "ack_sent", "read_sent", "status", "receipt", "synced", "row", "rows_end", "edited", "removed", "pending",
}

// String returns the name used in recorded files.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "?"
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(b []byte) error {
	for i := Kind(1); i < kinds; i++ {
		if kindNames[i] == string(b) {
			*k = i
			return nil
		}
	}
	return fmt.Errorf("check: unknown kind of event %q", b)
}

// Via is the way a message took to a device.
type Via uint8

// The ways.
const (
	Push    Via = iota + 1 // a live frame
	Batch                  // pending_messages
	History                // fetched by the client to fill a gap
)

// Event is one thing that a client did or saw. Which fields count is said at each Kind.
type Event struct {
	At           int64                `json:"at"` // Unix microseconds, on the recorder's one clock
	Kind         Kind                 `json:"kind"`
	Via          Via                  `json:"via,omitempty"`
	Status       chat.Status          `json:"status,omitempty"`
	Sampled      bool                 `json:"sampled,omitempty"`
	Deleted      bool                 `json:"deleted,omitempty"`
	Retry        bool                 `json:"retry,omitempty"`
	Node         int                  `json:"node,omitempty"` // which server process the client speaks to; ids increase per node
	User         chat.UserID          `json:"user"`
	Device       chat.DeviceID        `json:"device"`
	Conversation chat.ConversationID  `json:"conversation"`
	Message      chat.MessageID       `json:"message,omitempty"`
	Client       chat.ClientMessageID `json:"client"`
	Sender       chat.UserID          `json:"sender"`
	Event        chat.EventID         `json:"event,omitempty"`
	Cursor       chat.EventID         `json:"cursor,omitempty"`
	ReplyTo      chat.MessageID       `json:"replyTo,omitempty"`
	ReadTo       chat.MessageID       `json:"readTo,omitempty"`
	Digest       uint64               `json:"digest,omitempty"` // see Digest; 0: not recorded
	UpTo         int64                `json:"upTo,omitempty"`   // Unix milliseconds
	Began        int64                `json:"began,omitempty"`  // Unix microseconds
	Count        int                  `json:"count,omitempty"`
}

// Digest condenses a message's content for comparison (FNV-1a); never 0.
func Digest[T ~string | ~[]byte](content T) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(content); i++ {
		h = (h ^ uint64(content[i])) * 1099511628211
	}
	return h | 1
}

// WriteLog writes events as JSON lines.
func WriteLog(w io.Writer, events []Event) error {
	b := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(b)
	for i := range events {
		if err := enc.Encode(&events[i]); err != nil {
			return fmt.Errorf("check: write event %d: %w", i, err)
		}
	}
	return b.Flush()
}

// ReadLog reads JSON lines and hands each event to add.
func ReadLog(r io.Reader, add func(Event)) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 1<<16))
	for n := 1; ; n++ {
		var e Event
		switch err := dec.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("check: read event %d: %w", n, err)
		}
		add(e)
	}
}
