package protocol

import (
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// Welcome is the first frame of a connection.
type Welcome struct {
	User       chat.UserID
	Device     chat.DeviceID
	ServerTime int64 // Unix milliseconds
	Cursor     chat.EventID
	Pending    bool // true while catching up
	Limits     Limits
	Heartbeat  time.Duration // the server pings after so much silence; whole seconds are sent
}

// AppendWelcome appends a `welcome` frame.
func AppendWelcome(dst []byte, w *Welcome) []byte {
	dst = appendUUID(dst, `{"type":"welcome","payload":{"userId":`, w.User)
	dst = appendUUID(dst, `,"deviceId":`, w.Device)
	dst = appendMillis(dst, `,"serverTime":`, w.ServerTime)
	dst = appendEventID(dst, `,"cursor":`, w.Cursor)
	dst = appendBool(dst, `,"pending":`, w.Pending)
	dst = appendInt(dst, `,"limits":{"frameBytes":`, int64(w.Limits.FrameBytes))
	dst = appendInt(dst, `,"content":`, int64(w.Limits.Content))
	dst = appendInt(dst, `,"ackIds":`, int64(w.Limits.AckIDs))
	dst = appendInt(dst, `,"presenceUsers":`, int64(w.Limits.PresenceUsers))
	dst = appendInt(dst, `,"batch":`, int64(w.Limits.Batch))
	dst = appendInt(dst, `,"groupMembers":`, int64(w.Limits.GroupMembers))
	dst = appendInt(dst, `,"mediaBytes":`, int64(w.Limits.MediaBytes))
	dst = appendInt(dst, `},"heartbeatSeconds":`, int64(w.Heartbeat/time.Second))
	return append(dst, "}}"...)
}

// AppendMessage appends a `message` frame. event 0 leaves eventId out (the reader has no log row for it), status 0 leaves
// status out: it is for the sender's own connections.
func AppendMessage(dst []byte, m *chat.Message, event chat.EventID, status chat.Status) []byte {
	return append(AppendMessageObject(append(dst, `{"type":"message","payload":`...), m, event, status), '}')
}

// AppendMessageObject appends the Message object alone, as pending_messages hold it.
func AppendMessageObject(dst []byte, m *chat.Message, event chat.EventID, status chat.Status) []byte {
	dst = appendMessageID(dst, `{"id":`, m.ID)
	dst = appendUUID(dst, `,"conversationId":`, m.Conversation)
	dst = appendUUID(dst, `,"senderId":`, m.Sender)
	dst = appendStr(dst, `,"content":`, m.Content)
	dst = appendRaw(dst, `,"contentType":`, m.ContentType.String())
	if m.Media != nil {
		dst = appendMedia(append(dst, `,"media":`...), m.Media)
	}
	if m.ReplyTo != 0 {
		dst = appendMessageID(dst, `,"replyToId":`, m.ReplyTo)
	}
	if len(m.Reactions) > 0 {
		dst = append(dst, `,"reactions":[`...)
		for i := range m.Reactions {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendUUID(dst, `{"userId":`, m.Reactions[i].User)
			dst = append(appendStr(dst, `,"emoji":`, m.Reactions[i].Emoji), '}')
		}
		dst = append(dst, ']')
	}
	dst = appendMillis(dst, `,"createdAt":`, id.ID(m.ID).UnixMillis())
	if m.EditedAt != 0 {
		dst = appendMillis(dst, `,"editedAt":`, m.EditedAt)
	}
	if m.Deleted {
		dst = append(dst, `,"deleted":true`...)
	}
	if !m.ClientMessageID.IsZero() {
		dst = appendUUID(dst, `,"clientMessageId":`, m.ClientMessageID)
	}
	if status != 0 {
		dst = appendRaw(dst, `,"status":`, status.String())
	}
	if event != 0 {
		dst = appendEventID(dst, `,"eventId":`, event)
	}
	return append(dst, '}')
}

// MediaPath is where a blob is fetched, on the server that speaks this protocol.
func MediaPath(m chat.MediaID) string { return mediaPath + m.String() }

// ThumbPath is where a blob's thumbnail is fetched.
func ThumbPath(m chat.MediaID) string { return mediaPath + m.String() + thumbSuffix }

const (
	mediaPath   = "/api/v1/media/"
	thumbSuffix = "/thumb"
)

func appendMedia(dst []byte, m *chat.Media) []byte {
	dst = appendUUID(dst, `{"id":`, m.ID)
	dst = appendStr(dst, `,"contentType":`, m.ContentType)
	dst = appendInt(dst, `,"size":`, m.Size)
	dst = appendStr(dst, `,"name":`, m.Name)
	if m.Width > 0 && m.Height > 0 {
		dst = appendInt(dst, `,"width":`, int64(m.Width))
		dst = appendInt(dst, `,"height":`, int64(m.Height))
	}
	if m.Thumb {
		dst = m.ID.AppendTo(append(dst, `,"thumbUrl":"`+mediaPath...))
		dst = append(dst, thumbSuffix+`"`...)
	}
	dst = m.ID.AppendTo(append(dst, `,"url":"`+mediaPath...))
	return append(dst, `"}`...)
}

// AppendStatus appends a `message_status` frame. Several messages are all in messageIds; messageId is then the largest.
func AppendStatus(dst []byte, s *chat.StatusChange) []byte {
	dst = appendUUID(dst, `{"type":"message_status","payload":{"conversationId":`, s.Conversation)
	dst = appendRaw(dst, `,"status":`, s.Status.String())
	dst = appendUUID(dst, `,"userId":`, s.User)
	var top chat.MessageID
	for _, m := range s.Messages {
		top = max(top, m)
	}
	dst = appendMessageID(dst, `,"messageId":`, top)
	if len(s.Messages) > 1 {
		dst = append(dst, `,"messageIds":[`...)
		for i, m := range s.Messages {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendMessageID(dst, "", m)
		}
		dst = append(dst, ']')
	}
	return append(appendMillis(dst, `,"at":`, s.At), "}}"...)
}

// AppendTyping appends a `typing` frame.
func AppendTyping(dst []byte, t *chat.Typing) []byte {
	dst = appendUUID(dst, `{"type":"typing","payload":{"conversationId":`, t.Conversation)
	dst = appendUUID(dst, `,"userId":`, t.User)
	dst = appendStr(dst, `,"username":`, t.Username)
	return append(appendBool(dst, `,"isTyping":`, t.On), "}}"...)
}

// AppendPresence appends a `presence` frame. An unknown LastSeen is left out.
func AppendPresence(dst []byte, p *chat.Presence) []byte {
	dst = appendUUID(dst, `{"type":"presence","payload":{"userId":`, p.User)
	status := "offline"
	if p.Online {
		status = "online"
	}
	dst = appendRaw(dst, `,"status":`, status)
	if p.LastSeen != 0 {
		dst = appendMillis(dst, `,"lastSeen":`, p.LastSeen)
	}
	return append(dst, "}}"...)
}

// AppendConversation appends a `conversation` frame: what changed, who changed it (the event's Actor) and whom it is about.
func AppendConversation(dst []byte, c *chat.ConversationChange, event chat.Event) []byte {
	return appendConversation(dst, c, event, `{"type":"conversation","payload":{"conversationId":`, "}}")
}

func appendConversation(dst []byte, c *chat.ConversationChange, event chat.Event, open, end string) []byte {
	dst = appendUUID(dst, open, c.Conversation.ID)
	dst = appendRaw(dst, `,"change":`, c.Change.String())
	dst = appendRaw(dst, `,"conversationType":`, c.Conversation.Kind.String())
	dst = appendStr(dst, `,"name":`, c.Conversation.Name)
	if !event.Actor.IsZero() {
		dst = appendUUID(dst, `,"actorId":`, event.Actor)
	}
	if !c.Subject.IsZero() {
		dst = appendUUID(dst, `,"userId":`, c.Subject)
	}
	if c.Role != 0 {
		dst = appendRaw(dst, `,"role":`, c.Role.String())
	}
	dst = appendMillis(dst, `,"at":`, c.At)
	if event.ID != 0 {
		dst = appendEventID(dst, `,"eventId":`, event.ID)
	}
	return append(dst, end...)
}

// AppendReaction appends a `reaction` frame; an empty emoji says that it was removed.
func AppendReaction(dst []byte, c chat.ConversationID, m chat.MessageID, r *chat.Reaction, event chat.EventID) []byte {
	return appendReaction(dst, c, m, r, event, `{"type":"reaction","payload":{"conversationId":`, "}}")
}

func appendReaction(dst []byte, c chat.ConversationID, m chat.MessageID, r *chat.Reaction, event chat.EventID, open, end string) []byte {
	dst = appendUUID(dst, open, c)
	dst = appendMessageID(dst, `,"messageId":`, m)
	dst = appendUUID(dst, `,"userId":`, r.User)
	dst = appendStr(dst, `,"emoji":`, r.Emoji)
	if event != 0 {
		dst = appendEventID(dst, `,"eventId":`, event)
	}
	return append(dst, end...)
}

// AppendEdited appends a `message_edited` frame from the message as it is now.
func AppendEdited(dst []byte, m *chat.Message, event chat.EventID) []byte {
	return appendEdited(dst, m, event, `{"type":"message_edited","payload":{"conversationId":`, "}}")
}

func appendEdited(dst []byte, m *chat.Message, event chat.EventID, open, end string) []byte {
	dst = appendUUID(dst, open, m.Conversation)
	dst = appendMessageID(dst, `,"messageId":`, m.ID)
	dst = appendStr(dst, `,"content":`, m.Content)
	dst = appendMillis(dst, `,"editedAt":`, m.EditedAt)
	if event != 0 {
		dst = appendEventID(dst, `,"eventId":`, event)
	}
	return append(dst, end...)
}

// AppendDeleted appends a `message_deleted` frame.
func AppendDeleted(dst []byte, c chat.ConversationID, m chat.MessageID, event chat.EventID) []byte {
	return appendDeleted(dst, c, m, event, `{"type":"message_deleted","payload":{"conversationId":`, "}}")
}

func appendDeleted(dst []byte, c chat.ConversationID, m chat.MessageID, event chat.EventID, open, end string) []byte {
	dst = appendUUID(dst, open, c)
	dst = appendMessageID(dst, `,"messageId":`, m)
	if event != 0 {
		dst = appendEventID(dst, `,"eventId":`, event)
	}
	return append(dst, end...)
}

// AppendSynced appends a `synced` frame: everything before upTo (Unix milliseconds) has been delivered to the device.
func AppendSynced(dst []byte, upTo int64) []byte {
	return append(appendMillis(dst, `{"type":"synced","payload":{"upTo":`, upTo), "}}"...)
}

// AppendGap appends a `gap` frame: the client drops its cache, takes cursor as its own and reads history.
func AppendGap(dst []byte, cursor chat.EventID) []byte {
	return append(appendEventID(dst, `{"type":"gap","payload":{"cursor":`, cursor), "}}"...)
}

// AppendReconnect appends a `reconnect` frame: the server is draining, come back after so long.
func AppendReconnect(dst []byte, after time.Duration) []byte {
	return append(appendInt(dst, `{"type":"reconnect","payload":{"afterMs":`, max(after.Milliseconds(), 0)), "}}"...)
}

// defaultRetry is said when a retryable error doesn't say how long to wait.
const defaultRetry = time.Second

// AppendError appends an `error` frame. Zero ids are left out (see ClientFrame.About), the error's cause is never shown,
// and retryAfterMs is there when the code says that the same may be sent again.
func AppendError(dst []byte, e *chat.Error, clientMessage chat.ClientMessageID, message chat.MessageID) []byte {
	dst = appendRaw(dst, `{"type":"error","payload":{"code":`, e.Code.String())
	dst = appendStr(dst, `,"message":`, e.Message)
	if e.Field != "" {
		dst = appendStr(dst, `,"field":`, e.Field)
	}
	if !clientMessage.IsZero() {
		dst = appendUUID(dst, `,"clientMessageId":`, clientMessage)
	}
	if message != 0 {
		dst = appendMessageID(dst, `,"messageId":`, message)
	}
	if e.Code.Retryable() || e.RetryAfter > 0 {
		after := e.RetryAfter
		if after <= 0 {
			after = defaultRetry
		}
		dst = appendInt(dst, `,"retryAfterMs":`, max(after.Milliseconds(), 1))
	}
	return append(dst, "}}"...)
}

// AppendPong appends a `pong` frame.
func AppendPong(dst []byte) []byte { return append(dst, `{"type":"pong","payload":{}}`...) }
