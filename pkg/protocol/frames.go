package protocol

import "github.com/murre-chat/murre/pkg/chat"

// Type is the type of a frame. Some names are used in both directions, with different payloads.
type Type uint8

// The frame types. The first nine are what clients send.
const (
	TypeMessage Type = iota + 1
	TypeTyping
	TypeAck
	TypeRead
	TypeEdit
	TypeDelete
	TypeReact
	TypePresence
	TypePing
	TypeWelcome
	TypeMessageStatus
	TypePendingMessages
	TypeSynced
	TypeGap
	TypeConversation
	TypeReaction
	TypeMessageEdited
	TypeMessageDeleted
	TypeReconnect
	TypeError
	TypePong

	// Types is one more than the largest type: the size of an array indexed by Type.
	Types = iota + 1
)

var typeNames = [Types]string{
	TypeMessage: "message", TypeTyping: "typing", TypeAck: "ack", TypeRead: "read", TypeEdit: "edit", TypeDelete: "delete",
	TypeReact: "react", TypePresence: "presence", TypePing: "ping", TypeWelcome: "welcome", TypeMessageStatus: "message_status",
	TypePendingMessages: "pending_messages", TypeSynced: "synced", TypeGap: "gap", TypeConversation: "conversation",
	TypeReaction: "reaction", TypeMessageEdited: "message_edited", TypeMessageDeleted: "message_deleted",
	TypeReconnect: "reconnect", TypeError: "error", TypePong: "pong",
}

// String returns the protocol's name, "" for no type.
func (t Type) String() string {
	if t < Types {
		return typeNames[t]
	}
	return ""
}

func parseType(b []byte) Type {
	for t := TypeMessage; t < Types; t++ {
		if string(b) == typeNames[t] {
			return t
		}
	}
	return 0
}

// ClientFrame is a decoded frame of a client: Type says which of the parts is set. It is meant to be reused for one
// frame after another; the slices in it are overwritten by the next Decode, the strings are the caller's to keep.
type ClientFrame struct {
	Type     Type
	Message  SendFrame
	Typing   TypingFrame
	Ack      AckFrame
	Read     ReadFrame
	Edit     EditFrame
	Delete   DeleteFrame
	React    ReactFrame
	Presence PresenceFrame
}

// SendFrame is the payload of a client's `message`.
type SendFrame struct {
	Conversation  chat.ConversationID
	ClientMessage chat.ClientMessageID
	Content       string           // at most chat.MaxContent code points; empty only with Media
	ContentType   chat.ContentType // absent: text
	Media         chat.MediaID     // zero: none
	ReplyTo       chat.MessageID   // 0: none
	Resend        bool             // the client says it sent this before
}

// TypingFrame is the payload of a client's `typing`.
type TypingFrame struct {
	Conversation chat.ConversationID
	On           bool // absent: true
}

// AckFrame is the payload of an `ack`. At least one of the three is set; together they hold at most chat.MaxAckIDs
// message ids and as many event ids.
type AckFrame struct {
	Messages []chat.MessageID // messageId and messageIds
	Events   []chat.EventID   // eventIds
	UpTo     chat.EventID     // eventId: all of the pending batch up to it; 0: none
}

// ReadFrame is the payload of a `read`.
type ReadFrame struct {
	Conversation chat.ConversationID
	UpTo         chat.MessageID
}

// EditFrame is the payload of an `edit`.
type EditFrame struct {
	Conversation chat.ConversationID
	Message      chat.MessageID
	Content      string // 1 to chat.MaxContent code points
}

// DeleteFrame is the payload of a `delete`.
type DeleteFrame struct {
	Conversation chat.ConversationID
	Message      chat.MessageID
}

// ReactFrame is the payload of a `react`.
type ReactFrame struct {
	Conversation chat.ConversationID
	Message      chat.MessageID
	Emoji        string // at most chat.MaxEmoji code points; empty removes the reaction
}

// PresenceFrame is the payload of a client's `presence`.
type PresenceFrame struct {
	Users []chat.UserID // at most chat.MaxPresenceUsers
}

// About returns the ids that an error answering this frame should name, as far as they could be read; zeros otherwise.
func (f *ClientFrame) About() (chat.ClientMessageID, chat.MessageID) {
	switch f.Type {
	case TypeMessage:
		return f.Message.ClientMessage, 0
	case TypeEdit:
		return chat.ClientMessageID{}, f.Edit.Message
	case TypeDelete:
		return chat.ClientMessageID{}, f.Delete.Message
	case TypeReact:
		return chat.ClientMessageID{}, f.React.Message
	case TypeRead:
		return chat.ClientMessageID{}, f.Read.UpTo
	}
	return chat.ClientMessageID{}, 0
}

// reset empties the frame and keeps its slices for reuse.
func (f *ClientFrame) reset() {
	messages, events, users := f.Ack.Messages[:0], f.Ack.Events[:0], f.Presence.Users[:0]
	*f = ClientFrame{}
	f.Ack.Messages, f.Ack.Events, f.Presence.Users = messages, events, users
}
