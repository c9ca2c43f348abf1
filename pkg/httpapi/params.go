package httpapi

import (
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// Parameters that many paths have; exported, as reflection skips others. UUIDs are parsed by their type, which names the parameter when it is malformed.
type (
	// ConversationPath names a conversation.
	ConversationPath struct {
		Conversation chat.ConversationID `path:"conversationId" format:"uuid"`
	}
	// MessagePath names a message.
	MessagePath struct {
		ConversationPath
		Message string `path:"messageId" doc:"Message id"`
	}
	// MemberPath names a member.
	MemberPath struct {
		ConversationPath
		User chat.UserID `path:"userId" format:"uuid"`
	}
	// UserPath names a user.
	UserPath struct {
		User chat.UserID `path:"userId" format:"uuid"`
	}
	// MediaPath names a blob.
	MediaPath struct {
		Media chat.MediaID `path:"mediaId" format:"uuid"`
	}
)

// id parses the message id of the path.
func (p MessagePath) id() (chat.MessageID, error) { return messageID("messageId", p.Message) }

// messageID parses a message id; "" is 0.
func messageID(field, s string) (chat.MessageID, error) {
	if s == "" {
		return 0, nil
	}
	v, err := id.Parse(s)
	if err != nil || v == 0 {
		return 0, chat.Invalid(field, "is not a message id")
	}
	return chat.MessageID(v), nil
}

// uuid parses an id of a body; "" is zero.
func uuid[T any](field, s string, parse func(string) (T, error)) (T, error) {
	var zero T
	if s == "" {
		return zero, nil
	}
	v, err := parse(s)
	if err != nil {
		return zero, chat.Invalid(field, "is not a UUID")
	}
	return v, nil
}

// userIDs parses the ids of a list, naming the one that is malformed.
func userIDs(field string, list []string) ([]chat.UserID, error) {
	out := make([]chat.UserID, 0, len(list))
	for i, s := range list {
		u, err := chat.ParseUserID(s)
		if err != nil {
			return nil, chat.Invalid(fmt.Sprintf("%s[%d]", field, i), "is not a UUID")
		}
		out = append(out, u)
	}
	return out, nil
}

// messageOrTime parses a parameter that takes a message id or a time.
func messageOrTime(field, s string) (chat.MessageID, int64, error) {
	if len(s) == id.TextLen {
		m, err := messageID(field, s)
		return m, 0, err
	}
	if s == "" {
		return 0, 0, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, 0, chat.Invalid(field, "is neither a message id nor an RFC 3339 time")
	}
	// 0 means unset; nothing is older than 1970.
	return 0, max(1, t.UnixMilli()), nil
}
