package protocol

import (
	"errors"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// Time is Unix milliseconds whose JSON is RFC 3339 UTC with milliseconds. Zero means "not there".
type Time int64

// Time returns it as a time.Time in UTC.
func (t Time) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return AppendTime(nil, int64(t)), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it takes any RFC 3339 time.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := parseTime(b)
	*t = v
	return err
}

var errTime = errors.New("malformed time: want RFC 3339")

func parseTime(b []byte) (Time, error) {
	if t, ok := parseMillis(b); ok {
		return t, nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return 0, errTime
	}
	return Time(at.UnixMilli()), nil
}

// parseMillis reads the very form that AppendTime writes.
func parseMillis(b []byte) (Time, bool) {
	if len(b) != 24 || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' || b[23] != 'Z' {
		return 0, false
	}
	ok := true
	num := func(i, j int) int {
		n := 0
		for ; i < j; i++ {
			c := b[i] - '0'
			ok = ok && c <= 9
			n = n*10 + int(c)
		}
		return n
	}
	year, month, day := num(0, 4), num(5, 7), num(8, 10)
	hour, minute, second, ms := num(11, 13), num(14, 16), num(17, 19), num(20, 23)
	if !ok || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, ms*1e6, time.UTC)
	return Time(at.UnixMilli()), at.Day() == day
}

// Message is a message as clients see it.
type Message struct {
	ID              chat.MessageID       `json:"id"`
	Conversation    chat.ConversationID  `json:"conversationId"`
	Sender          chat.UserID          `json:"senderId"`
	Content         string               `json:"content"`
	ContentType     string               `json:"contentType"`
	Media           *Media               `json:"media,omitempty"`
	ReplyTo         chat.MessageID       `json:"replyToId,omitzero"`
	Reactions       []MemberReaction     `json:"reactions,omitempty"`
	CreatedAt       Time                 `json:"createdAt"`
	EditedAt        Time                 `json:"editedAt,omitzero"`
	Deleted         bool                 `json:"deleted,omitempty"`
	ClientMessageID chat.ClientMessageID `json:"clientMessageId,omitzero"`
	Status          string               `json:"status,omitempty"` // to its sender: sent, delivered, read
	Event           chat.EventID         `json:"eventId,omitzero"`
}

// Media describes a blob as clients see it. The URLs may be paths of the server.
type Media struct {
	ID          chat.MediaID `json:"id"`
	ContentType string       `json:"contentType"` // MIME type
	Size        int64        `json:"size"`        // bytes
	Name        string       `json:"name"`
	Width       int          `json:"width,omitempty"` // pixels
	Height      int          `json:"height,omitempty"`
	ThumbURL    string       `json:"thumbUrl,omitempty"`
	URL         string       `json:"url"`
}

// MemberReaction is one member's reaction to a message.
type MemberReaction struct {
	User  chat.UserID `json:"userId"`
	Emoji string      `json:"emoji"`
}

// ServerFrame is a decoded frame of a server: Type says which of the parts is set, 0 is a type this version doesn't know.
// It is meant to be reused: a part is overwritten by the next frame of its type.
type ServerFrame struct {
	Type         Type
	Welcome      WelcomePayload
	Message      Message
	Status       StatusPayload
	Typing       TypingPayload
	Presence     PresencePayload
	Pending      PendingPayload
	Synced       SyncedPayload
	Gap          GapPayload
	Conversation ConversationPayload
	Reaction     ReactionPayload
	Edited       EditedPayload
	Deleted      DeletedPayload
	Reconnect    ReconnectPayload
	Error        ErrorPayload
}

// WelcomePayload is the payload of `welcome`.
type WelcomePayload struct {
	User             chat.UserID   `json:"userId"`
	Device           chat.DeviceID `json:"deviceId"`
	ServerTime       Time          `json:"serverTime"`
	Cursor           chat.EventID  `json:"cursor"`
	Pending          bool          `json:"pending"`
	Limits           Limits        `json:"limits"`
	HeartbeatSeconds int           `json:"heartbeatSeconds"`
}

// StatusPayload is the payload of `message_status`. For delivered it names exactly Message and Messages, for read
// everything up to Message.
type StatusPayload struct {
	Conversation chat.ConversationID `json:"conversationId"`
	Status       string              `json:"status"`
	User         chat.UserID         `json:"userId"`
	Message      chat.MessageID      `json:"messageId"`
	Messages     []chat.MessageID    `json:"messageIds,omitempty"`
	At           Time                `json:"at"`
}

// TypingPayload is the payload of a server's `typing`.
type TypingPayload struct {
	Conversation chat.ConversationID `json:"conversationId"`
	User         chat.UserID         `json:"userId"`
	Username     string              `json:"username"`
	On           bool                `json:"isTyping"`
}

// PresencePayload is the payload of a server's `presence`.
type PresencePayload struct {
	User     chat.UserID `json:"userId"`
	Status   string      `json:"status"`
	LastSeen Time        `json:"lastSeen,omitzero"`
}

// PendingPayload is the payload of `pending_messages`: messages and events together are applied in event id order.
type PendingPayload struct {
	Messages []Message      `json:"messages"`
	Events   []PendingEvent `json:"events"`
	Event    chat.EventID   `json:"eventId"`
	More     bool           `json:"more"`
}

// PendingEvent is one entry of PendingPayload.Events: Frame.Type and its part say what happened.
type PendingEvent struct {
	Event chat.EventID
	Frame EventFrame
}

// EventFrame is a durable event that is not a message.
type EventFrame struct {
	Type         Type // TypeMessageEdited, TypeMessageDeleted, TypeReaction, TypeConversation; 0: unknown
	Edited       *EditedPayload
	Deleted      *DeletedPayload
	Reaction     *ReactionPayload
	Conversation *ConversationPayload
}

// SyncedPayload is the payload of `synced`.
type SyncedPayload struct {
	UpTo Time `json:"upTo"`
}

// GapPayload is the payload of `gap`.
type GapPayload struct {
	Cursor chat.EventID `json:"cursor"`
}

// ConversationPayload is the payload of `conversation`.
type ConversationPayload struct {
	Conversation chat.ConversationID `json:"conversationId"`
	Change       string              `json:"change"`
	Kind         string              `json:"conversationType"`
	Name         string              `json:"name"`
	Actor        chat.UserID         `json:"actorId,omitzero"`
	User         chat.UserID         `json:"userId,omitzero"`
	Role         string              `json:"role,omitempty"`
	At           Time                `json:"at"`
	Event        chat.EventID        `json:"eventId,omitzero"`
}

// ReactionPayload is the payload of `reaction`.
type ReactionPayload struct {
	Conversation chat.ConversationID `json:"conversationId"`
	Message      chat.MessageID      `json:"messageId"`
	User         chat.UserID         `json:"userId"`
	Emoji        string              `json:"emoji"`
	Event        chat.EventID        `json:"eventId,omitzero"`
}

// EditedPayload is the payload of `message_edited`.
type EditedPayload struct {
	Conversation chat.ConversationID `json:"conversationId"`
	Message      chat.MessageID      `json:"messageId"`
	Content      string              `json:"content"`
	EditedAt     Time                `json:"editedAt"`
	Event        chat.EventID        `json:"eventId,omitzero"`
}

// DeletedPayload is the payload of `message_deleted`.
type DeletedPayload struct {
	Conversation chat.ConversationID `json:"conversationId"`
	Message      chat.MessageID      `json:"messageId"`
	Event        chat.EventID        `json:"eventId,omitzero"`
}

// ReconnectPayload is the payload of `reconnect`.
type ReconnectPayload struct {
	AfterMs int64 `json:"afterMs"`
}

// ErrorPayload is the payload of `error`.
type ErrorPayload struct {
	Code          string               `json:"code"`
	Message       string               `json:"message"`
	Field         string               `json:"field,omitempty"`
	ClientMessage chat.ClientMessageID `json:"clientMessageId,omitzero"`
	MessageID     chat.MessageID       `json:"messageId,omitzero"`
	RetryAfterMs  int64                `json:"retryAfterMs,omitempty"`
}
