package protocol

import (
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// Ids of the samples: fixed, so that the vectors are the same for ever.
var (
	alice, _   = chat.ParseUserID("0190f3c2-7e3a-7b1c-8d2e-0123456789a1")
	bob, _     = chat.ParseUserID("0190f3c2-7e3a-7b1c-8d2e-0123456789b2")
	phone, _   = chat.ParseDeviceID("0190f3c2-7e3a-7b1c-8d2e-0123456789d3")
	room, _    = chat.ParseConversationID("0190f3c2-7e3a-7b1c-8d2e-0123456789c4")
	picture, _ = chat.ParseMediaID("0190f3c2-7e3a-7b1c-8d2e-0123456789e5")
	key, _     = chat.ParseClientMessageID("0190f3c2-7e3a-7b1c-8d2e-0123456789f6")
)

const sampleTime = 1_750_000_000_123 // 2025-06-15T15:06:40.123Z

func sampleMessageID(n int) chat.MessageID {
	return chat.MessageID(id.Make(sampleTime-id.EpochMillis, 5, n))
}

func sampleEventID(n int) chat.EventID { return chat.EventID(sampleMessageID(100 + n)) }

func sampleMessage() *chat.Message {
	return &chat.Message{ID: sampleMessageID(1), Conversation: room, Sender: alice, ClientMessageID: key, ContentType: chat.Text, Content: "Grüße 👋"}
}

func fullMessage() *chat.Message {
	m := sampleMessage()
	m.ContentType = chat.Image
	m.Content = "quote \" backslash \\ slash / newline \n tab \t nul \x00 del \x7f escape \x1b line \u2028 face 😀 html <b>&</b>"
	m.MediaID = picture
	m.Media = &chat.Media{ID: picture, ContentType: "image/png", Size: 12345, Name: "a \"b\".png", Width: 640, Height: 480, Thumb: true}
	m.ReplyTo = sampleMessageID(0)
	m.Reactions = []chat.Reaction{{User: alice, Emoji: "👍"}, {User: bob, Emoji: "🏳️‍🌈"}}
	m.EditedAt = sampleTime + 5000
	return m
}

// serverSample is one frame of a server; minimal has every optional field absent, full every one set.
type serverSample struct {
	name  string
	frame []byte
}

func serverSamples() []serverSample {
	deleted := sampleMessage()
	deleted.Content, deleted.Deleted = "", true
	file := sampleMessage()
	file.ContentType, file.Media = chat.File, &chat.Media{ID: picture, ContentType: "application/pdf", Size: 7, Name: "a.pdf"}
	ours := sampleMessage()
	ours.ClientMessageID = chat.ClientMessageID{}
	edited := sampleMessage()
	edited.Content, edited.EditedAt = "better", sampleTime+5000
	group := chat.Conversation{ID: room, Kind: chat.Group, Name: "Team \"A\""}
	direct := chat.Conversation{ID: room, Kind: chat.Direct}
	change := chat.Event{ID: sampleEventID(4), Kind: chat.EventConversation, Actor: alice}

	var pending Pending
	pending.Message(sampleMessage(), sampleEventID(1), 0)
	pending.Reaction(room, sampleMessageID(1), &chat.Reaction{User: bob, Emoji: "👍"}, sampleEventID(2))
	pending.Message(fullMessage(), sampleEventID(3), chat.Read)
	pending.Conversation(&chat.ConversationChange{Conversation: group, Change: chat.ChangeRenamed, At: sampleTime}, change)
	pending.Edited(edited, sampleEventID(5))
	pending.Deleted(room, sampleMessageID(1), sampleEventID(6))
	var empty Pending

	return []serverSample{
		{"welcome: full", AppendWelcome(nil, &Welcome{User: alice, Device: phone, ServerTime: sampleTime, Cursor: sampleEventID(0), Pending: true, Limits: withMedia(100 << 20), Heartbeat: 55 * time.Second})},
		{"welcome: first connect, nothing pending", AppendWelcome(nil, &Welcome{User: alice, Device: phone, ServerTime: sampleTime, Limits: DefaultLimits(), Heartbeat: 55 * time.Second})},
		{"message: minimal, to a recipient", AppendMessage(nil, sampleMessage(), sampleEventID(1), 0)},
		{"message: full", AppendMessage(nil, fullMessage(), sampleEventID(1), chat.Delivered)},
		{"message: the answer to the sender's only device", AppendMessage(nil, sampleMessage(), 0, chat.Sent)},
		{"message: deleted", AppendMessage(nil, deleted, sampleEventID(1), 0)},
		{"message: made by the server", AppendMessage(nil, ours, sampleEventID(1), 0)},
		{"message: file without dimensions", AppendMessage(nil, file, sampleEventID(1), 0)},
		{"message_status: delivered, one", AppendStatus(nil, &chat.StatusChange{Conversation: room, User: bob, Status: chat.Delivered, Messages: []chat.MessageID{sampleMessageID(1)}, At: sampleTime})},
		{"message_status: delivered, several", AppendStatus(nil, &chat.StatusChange{Conversation: room, User: bob, Status: chat.Delivered, Messages: []chat.MessageID{sampleMessageID(2), sampleMessageID(1)}, At: sampleTime})},
		{"message_status: read", AppendStatus(nil, &chat.StatusChange{Conversation: room, User: bob, Status: chat.Read, Messages: []chat.MessageID{sampleMessageID(1)}, At: sampleTime})},
		{"typing: on", AppendTyping(nil, &chat.Typing{Conversation: room, User: bob, Username: "bob", On: true})},
		{"typing: off", AppendTyping(nil, &chat.Typing{Conversation: room, User: bob, Username: "bob"})},
		{"presence: online", AppendPresence(nil, &chat.Presence{User: bob, Online: true})},
		{"presence: offline", AppendPresence(nil, &chat.Presence{User: bob, LastSeen: sampleTime})},
		{"pending_messages: messages and events", pending.AppendTo(nil, sampleEventID(6), true)},
		{"pending_messages: empty", empty.AppendTo(nil, sampleEventID(6), false)},
		{"synced", AppendSynced(nil, sampleTime)},
		{"gap", AppendGap(nil, sampleEventID(9))},
		{"conversation: created", AppendConversation(nil, &chat.ConversationChange{Conversation: direct, Change: chat.ChangeCreated, At: sampleTime}, chat.Event{})},
		{"conversation: member role, full", AppendConversation(nil, &chat.ConversationChange{Conversation: group, Change: chat.ChangeMemberRole, Subject: bob, Role: chat.RoleAdmin, At: sampleTime}, change)},
		{"reaction: set", AppendReaction(nil, room, sampleMessageID(1), &chat.Reaction{User: bob, Emoji: "👍"}, sampleEventID(2))},
		{"reaction: removed", AppendReaction(nil, room, sampleMessageID(1), &chat.Reaction{User: bob}, 0)},
		{"message_edited", AppendEdited(nil, edited, sampleEventID(5))},
		{"message_edited: without an event of the reader", AppendEdited(nil, edited, 0)},
		{"message_deleted", AppendDeleted(nil, room, sampleMessageID(1), sampleEventID(6))},
		{"message_deleted: without an event of the reader", AppendDeleted(nil, room, sampleMessageID(1), 0)},
		{"reconnect", AppendReconnect(nil, 1500*time.Millisecond)},
		{"error: minimal", AppendError(nil, chat.Forbidden("not a member"), chat.ClientMessageID{}, 0)},
		{"error: full", AppendError(nil, &chat.Error{Code: chat.CodeRateLimited, Field: "payload.content", Message: "too many \"messages\"", RetryAfter: 2 * time.Second}, key, sampleMessageID(1))},
		{"error: retryable without a time", AppendError(nil, &chat.Error{Code: chat.CodeUnavailable, Message: "try again"}, key, 0)},
		{"pong", AppendPong(nil)},
	}
}

func withMedia(n int) Limits {
	l := DefaultLimits()
	l.MediaBytes = n
	return l
}
