package protocol

import "github.com/murre-chat/murre/pkg/chat"

// AppendClientFrame appends a frame as a client sends it. Parts that are absent by their zero value are left out. A type
// that clients don't send appends nothing.
func AppendClientFrame(dst []byte, f *ClientFrame) []byte {
	switch f.Type {
	case TypeMessage:
		return appendSend(dst, &f.Message)
	case TypeTyping:
		dst = appendUUID(dst, `{"type":"typing","payload":{"conversationId":`, f.Typing.Conversation)
		return append(appendBool(dst, `,"isTyping":`, f.Typing.On), "}}"...)
	case TypeAck:
		return appendAck(dst, &f.Ack)
	case TypeRead:
		dst = appendUUID(dst, `{"type":"read","payload":{"conversationId":`, f.Read.Conversation)
		return append(appendMessageID(dst, `,"upToMessageId":`, f.Read.UpTo), "}}"...)
	case TypeEdit:
		dst = appendUUID(dst, `{"type":"edit","payload":{"conversationId":`, f.Edit.Conversation)
		dst = appendMessageID(dst, `,"messageId":`, f.Edit.Message)
		return append(appendStr(dst, `,"content":`, f.Edit.Content), "}}"...)
	case TypeDelete:
		dst = appendUUID(dst, `{"type":"delete","payload":{"conversationId":`, f.Delete.Conversation)
		return append(appendMessageID(dst, `,"messageId":`, f.Delete.Message), "}}"...)
	case TypeReact:
		dst = appendUUID(dst, `{"type":"react","payload":{"conversationId":`, f.React.Conversation)
		dst = appendMessageID(dst, `,"messageId":`, f.React.Message)
		return append(appendStr(dst, `,"emoji":`, f.React.Emoji), "}}"...)
	case TypePresence:
		dst = append(dst, `{"type":"presence","payload":{"userIds":[`...)
		for i, u := range f.Presence.Users {
			dst = appendUUID(dst, comma(i), u)
		}
		return append(dst, "]}}"...)
	case TypePing:
		return append(dst, `{"type":"ping","payload":{}}`...)
	}
	return dst
}

func comma(i int) string {
	if i > 0 {
		return ","
	}
	return ""
}

func appendSend(dst []byte, m *SendFrame) []byte {
	dst = appendUUID(dst, `{"type":"message","payload":{"conversationId":`, m.Conversation)
	dst = appendStr(dst, `,"content":`, m.Content)
	kind := m.ContentType
	if kind == 0 {
		kind = chat.Text
	}
	dst = appendRaw(dst, `,"contentType":`, kind.String())
	dst = appendUUID(dst, `,"clientMessageId":`, m.ClientMessage)
	if !m.Media.IsZero() {
		dst = appendUUID(dst, `,"mediaId":`, m.Media)
	}
	if m.ReplyTo != 0 {
		dst = appendMessageID(dst, `,"replyToId":`, m.ReplyTo)
	}
	if m.Resend {
		dst = append(dst, `,"resend":true`...)
	}
	return append(dst, "}}"...)
}

func appendAck(dst []byte, a *AckFrame) []byte {
	dst = append(dst, `{"type":"ack","payload":{`...)
	open := len(dst)
	sep := func(key string) {
		if len(dst) > open {
			dst = append(dst, ',')
		}
		dst = append(dst, key...)
	}
	switch {
	case len(a.Messages) == 1:
		sep(`"messageId":`)
		dst = appendMessageID(dst, "", a.Messages[0])
	case len(a.Messages) > 1:
		sep(`"messageIds":[`)
		for i, m := range a.Messages {
			dst = appendMessageID(dst, comma(i), m)
		}
		dst = append(dst, ']')
	}
	if len(a.Events) > 0 {
		sep(`"eventIds":[`)
		for i, e := range a.Events {
			dst = appendEventID(dst, comma(i), e)
		}
		dst = append(dst, ']')
	}
	if a.UpTo != 0 {
		sep(`"eventId":`)
		dst = appendEventID(dst, "", a.UpTo)
	}
	return append(dst, "}}"...)
}
