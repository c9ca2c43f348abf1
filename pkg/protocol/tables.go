package protocol

import "github.com/murre-chat/murre/pkg/chat"

// The tables below describe every frame as data. They are the one source of AsyncAPI(), and through it of the web client's
// types; the tests hold them against the codec in both directions.

// schema is a JSON Schema, as far as frames need it.
type schema struct {
	Ref       string            `json:"$ref,omitempty"`
	Type      string            `json:"type,omitempty"`
	Const     string            `json:"const,omitempty"`
	Enum      []string          `json:"enum,omitempty"`
	Format    string            `json:"format,omitempty"`
	Pattern   string            `json:"pattern,omitempty"`
	MinLength int               `json:"minLength,omitempty"`
	MaxLength int               `json:"maxLength,omitempty"`
	Items     *schema           `json:"items,omitempty"`
	MinItems  int               `json:"minItems,omitempty"`
	MaxItems  int               `json:"maxItems,omitempty"`
	Props     map[string]schema `json:"properties,omitempty"`
	Required  []string          `json:"required,omitempty"`
	AnyOf     []schema          `json:"anyOf,omitempty"`
	Default   any               `json:"default,omitempty"`
	Doc       string            `json:"description,omitempty"`
}

// member is one field of an object.
type member struct {
	name     string
	required bool
	schema   schema
	doc      string
}

// frameTable describes one frame type of one direction.
type frameTable struct {
	typ    Type
	doc    string
	fields []member
	anyOf  []schema // further conditions: one of these must hold too
}

const (
	uuidPattern  = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
	clockPattern = "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{12}$"
	timePattern  = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"
)

func uuid() schema    { return schema{Type: "string", Format: "uuid", Pattern: uuidPattern} }
func clockID() schema { return schema{Type: "string", Pattern: clockPattern} }
func timestamp() schema {
	return schema{Type: "string", Format: "date-time", Pattern: timePattern}
}
func str() schema              { return schema{Type: "string"} }
func integer() schema          { return schema{Type: "integer"} }
func boolean() schema          { return schema{Type: "boolean"} }
func oneOf(s ...string) schema { return schema{Type: "string", Enum: s} }
func ref(name string) schema   { return schema{Ref: "#/components/schemas/" + name} }
func bounded(least, most int) schema {
	return schema{Type: "string", MinLength: least, MaxLength: most}
}
func list(of schema, least, most int) schema {
	return schema{Type: "array", Items: &of, MinItems: least, MaxItems: most}
}

func must(name string, s schema, doc string) member { return member{name, true, s, doc} }
func may(name string, s schema, doc string) member  { return member{name, false, s, doc} }

func withDefault(s schema, v any) schema { s.Default = v; return s }

func contentTypes() schema {
	return oneOf(chat.Text.String(), chat.Image.String(), chat.Video.String(), chat.File.String())
}

func conversationID() member { return must("conversationId", uuid(), "The conversation.") }
func eventID() member {
	return may("eventId", clockID(), "The event of the reader's log, to acknowledge; absent when there is none.")
}

// clientFrames are the frames that clients send.
func clientFrames() []frameTable {
	return []frameTable{
		{typ: TypeMessage, doc: "Sends a message. Answered by a message frame with status sent, or by an error that names the clientMessageId.", fields: []member{
			must("clientMessageId", uuid(), "Idempotency key, a v7 UUID by preference, not the nil UUID. The same for every retry."),
			conversationID(),
			may("content", bounded(0, chat.MaxContent), "The text, kept exactly. May be empty, or absent, only with mediaId."),
			may("contentType", withDefault(contentTypes(), chat.Text.String()), "What the message carries."),
			may("mediaId", uuid(), "An uploaded blob."),
			may("replyToId", clockID(), "The message that this one answers."),
			may("resend", withDefault(boolean(), false), "Must be true on every retry."),
		}, anyOf: []schema{
			{Required: []string{"content"}, Props: map[string]schema{"content": {MinLength: 1}}},
			{Required: []string{"mediaId"}},
		}},
		{typ: TypeTyping, doc: "The user types, or stopped. At most every 2 s.", fields: []member{
			conversationID(),
			may("isTyping", withDefault(boolean(), true), "Whether the user types."),
		}},
		{typ: TypeAck, doc: "Acknowledges what the device has stored. Live acks may be gathered for up to 200 ms, those of a batch go at once.", fields: []member{
			may("messageId", clockID(), "The events of this message."),
			may("messageIds", list(clockID(), 0, chat.MaxAckIDs), "The events of these messages; with messageId at most 500."),
			may("eventIds", list(clockID(), 0, chat.MaxAckIDs), "These events: edits, reactions, ..."),
			may("eventId", clockID(), "Everything up to it, of a pending batch."),
		}, anyOf: []schema{
			{Required: []string{"messageId"}},
			{Required: []string{"messageIds"}, Props: map[string]schema{"messageIds": {MinItems: 1}}},
			{Required: []string{"eventIds"}, Props: map[string]schema{"eventIds": {MinItems: 1}}},
			{Required: []string{"eventId"}},
		}},
		{typ: TypeRead, doc: "Everything up to a message was read.", fields: []member{
			conversationID(),
			must("upToMessageId", clockID(), "The last message read; clamped by the server to what exists."),
		}},
		{typ: TypeEdit, doc: "Changes the content of an own message. Answered by message_edited or an error.", fields: []member{
			conversationID(),
			must("messageId", clockID(), "The message."),
			must("content", bounded(1, chat.MaxContent), "The new text."),
		}},
		{typ: TypeDelete, doc: "Deletes an own message for everyone; admins may delete any. Answered by message_deleted or an error.", fields: []member{
			conversationID(),
			must("messageId", clockID(), "The message."),
		}},
		{typ: TypeReact, doc: "Sets one's reaction to a message. Answered by reaction or an error.", fields: []member{
			conversationID(),
			must("messageId", clockID(), "The message."),
			must("emoji", bounded(0, chat.MaxEmoji), "One emoji; empty removes the reaction."),
		}},
		{typ: TypePresence, doc: "Asks for the presence of users, now and as it changes in the next 5 minutes. Strangers are ignored.", fields: []member{
			must("userIds", list(uuid(), 0, chat.MaxPresenceUsers), "The users."),
		}},
		{typ: TypePing, doc: "Asks for a pong: browsers can't send WebSocket pings. The payload is ignored."},
	}
}

// serverFrames are the frames that servers send.
func serverFrames() []frameTable {
	return []frameTable{
		{typ: TypeWelcome, doc: "The first frame of a connection.", fields: []member{
			must("userId", uuid(), "Who is connected."),
			must("deviceId", uuid(), "The device."),
			must("serverTime", timestamp(), "The server's clock."),
			must("cursor", clockID(), "Everything up to this event was acknowledged by the device."),
			must("pending", boolean(), "Whether the device has to catch up: pending_messages follow."),
			must("limits", ref("Limits"), "The limits to keep."),
			must("heartbeatSeconds", integer(), "The server pings after so much silence."),
		}},
		{typ: TypeMessage, doc: "A message. On the sender's own connections it carries a status: it is then the answer to the send.", fields: messageFields()},
		{typ: TypeMessageStatus, doc: "A member's device received, or the member read, messages of the reader.", fields: []member{
			conversationID(),
			must("status", oneOf(chat.Delivered.String(), chat.Read.String()), "delivered: exactly the messages named; read: everything up to messageId."),
			must("userId", uuid(), "Who received or read."),
			must("messageId", clockID(), "The message, the largest when there are several."),
			may("messageIds", list(clockID(), 2, 0), "All of them, when there are several."),
			must("at", timestamp(), "When."),
		}},
		{typ: TypeTyping, doc: "A member types, or stopped. Shown for 3 s.", fields: []member{
			conversationID(),
			must("userId", uuid(), "The member."),
			must("username", str(), "The member's username."),
			must("isTyping", boolean(), "Whether the member types."),
		}},
		{typ: TypePresence, doc: "A user is online, or not.", fields: []member{
			must("userId", uuid(), "The user."),
			must("status", oneOf("online", "offline"), "Online: at least one device is connected."),
			may("lastSeen", timestamp(), "When a device was last connected; absent when unknown."),
		}},
		{typ: TypePendingMessages, doc: "A stretch of what the device missed: messages and events together are applied in the order of their eventIds. The next stretch comes after the ack of this one.", fields: []member{
			must("messages", list(ref("Message"), 0, chat.MaxBatch), "Messages, each with its eventId."),
			must("events", list(ref("Event"), 0, chat.MaxBatch), "Edits, deletions, reactions and changes of conversations."),
			must("eventId", clockID(), "To acknowledge once all of it is stored."),
			must("more", boolean(), "Whether another stretch follows."),
		}},
		{typ: TypeSynced, doc: "Everything before upTo has been delivered to this device. Follows every connect, and comes with heartbeats.", fields: []member{
			must("upTo", timestamp(), "The verified horizon."),
		}},
		{typ: TypeGap, doc: "The cursor is older than the log: drop the cache and read history.", fields: []member{
			must("cursor", clockID(), "The cursor from now on."),
		}},
		{typ: TypeConversation, doc: "A conversation changed.", fields: []member{
			conversationID(),
			must("change", oneOf(changeNames()...), "What happened."),
			must("conversationType", oneOf(chat.Direct.String(), chat.Group.String(), chat.Channel.String()), "The kind of conversation."),
			must("name", str(), "Its name; empty for direct ones."),
			may("actorId", uuid(), "Who did it."),
			may("userId", uuid(), "Whom it is about, on changes of members."),
			may("role", oneOf(chat.RoleAdmin.String(), chat.RoleMember.String()), "The role of userId."),
			must("at", timestamp(), "When."),
			eventID(),
		}},
		{typ: TypeReaction, doc: "A member's reaction to a message.", fields: []member{
			conversationID(),
			must("messageId", clockID(), "The message."),
			must("userId", uuid(), "The member."),
			must("emoji", str(), "The emoji; empty: removed."),
			eventID(),
		}},
		{typ: TypeMessageEdited, doc: "A message's content changed. The later editedAt wins.", fields: []member{
			conversationID(),
			must("messageId", clockID(), "The message."),
			must("content", str(), "The text now."),
			must("editedAt", timestamp(), "When."),
			eventID(),
		}},
		{typ: TypeMessageDeleted, doc: "A message was deleted: history shows it with deleted true and content empty. Beats every edit.", fields: []member{
			conversationID(),
			must("messageId", clockID(), "The message."),
			eventID(),
		}},
		{typ: TypeReconnect, doc: "The server is draining.", fields: []member{
			must("afterMs", integer(), "Come back after so many milliseconds, jittered."),
		}},
		{typ: TypeError, doc: "A frame was refused. The connection stays open.", fields: []member{
			must("code", oneOf(errorNames()...), "What a program looks at."),
			must("message", str(), "What a person reads."),
			may("field", str(), "The field at fault, such as payload.content."),
			may("clientMessageId", uuid(), "The send it is about."),
			may("messageId", clockID(), "The message it is about."),
			may("retryAfterMs", integer(), "There when the same may be sent again: after so many milliseconds."),
		}},
		{typ: TypePong, doc: "Answers ping."},
	}
}

func messageFields() []member {
	return []member{
		must("id", clockID(), "Sorts as text: the order of the conversation."),
		conversationID(),
		must("senderId", uuid(), "Who sent it."),
		must("content", str(), "The text; empty when deleted."),
		must("contentType", contentTypes(), "What it carries."),
		may("media", ref("Media"), "The blob."),
		may("replyToId", clockID(), "The message it answers."),
		may("reactions", list(ref("Reaction"), 1, 0), "One a member."),
		must("createdAt", timestamp(), "When the server took it."),
		may("editedAt", timestamp(), "When it was last edited."),
		may("deleted", boolean(), "True: it was deleted."),
		may("clientMessageId", uuid(), "The sender's key: two messages of one sender with the same are one, under the smaller id."),
		may("status", oneOf(chat.Sent.String(), chat.Delivered.String(), chat.Read.String()), "For the sender's eyes."),
		eventID(),
	}
}

// objects are the shapes that frames share.
func objects() map[string][]member {
	return map[string][]member{
		"Message": messageFields(),
		"Media": {
			must("id", uuid(), "The blob."),
			must("contentType", str(), "MIME type."),
			must("size", integer(), "Bytes."),
			must("name", str(), "File name."),
			may("width", integer(), "Pixels."),
			may("height", integer(), "Pixels."),
			may("thumbUrl", str(), "A small picture; a path of the server."),
			must("url", str(), "Where to fetch it; a path of the server."),
		},
		"Reaction": {
			must("userId", uuid(), "The member."),
			must("emoji", bounded(1, chat.MaxEmoji), "The emoji."),
		},
		"Limits": {
			must("frameBytes", integer(), "Bytes of one frame of a client."),
			must("content", integer(), "Code points of a message."),
			must("ackIds", integer(), "Ids in one ack."),
			must("presenceUsers", integer(), "Ids in one presence frame."),
			must("batch", integer(), "Entries of one pending_messages."),
			must("groupMembers", integer(), "Members of a group."),
			must("mediaBytes", integer(), "Bytes of one upload; 0: not said."),
		},
	}
}

func changeNames() []string {
	var names []string
	for c := chat.ChangeCreated; c.String() != ""; c++ {
		names = append(names, c.String())
	}
	return names
}

func errorNames() []string {
	var names []string
	for c := chat.CodeInvalidJSON; c <= chat.CodeInternal; c++ {
		names = append(names, c.String())
	}
	return names
}
