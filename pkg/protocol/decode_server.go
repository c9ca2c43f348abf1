package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
)

var errNotJSON = errors.New("decode server frame: not valid JSON")

// DecodeServer reads one frame of a server into f; it keeps nothing of data. message, message_status and the messages of
// pending_messages are read without reflection. A type that this version doesn't know gives f.Type 0 and no error.
func DecodeServer(data []byte, f *ServerFrame) error {
	f.Type = 0
	r := reader{data: data}
	e := &r.e
	if !utf8.Valid(data) || !e.scan(data) {
		return errNotJSON
	}
	if e.typ.kind != kString {
		return errors.New("decode server frame: no type")
	}
	var scratch [24]byte
	f.Type = parseType(short(data, e.typ, scratch[:]))
	if f.Type == 0 || f.Type == TypePong {
		return nil
	}
	if e.payload.kind != kObject {
		return fmt.Errorf("decode server frame: %s without payload", f.Type)
	}
	var err error
	switch f.Type {
	case TypeMessage:
		err = r.serverMessage(&f.Message)
	case TypeMessageStatus:
		r.serverStatus(&f.Status)
	case TypePendingMessages:
		err = r.serverPending(&f.Pending)
	default:
		err = unmarshalPart(data[e.payload.start:e.payload.end], f)
	}
	if err == nil && r.err != nil {
		err = r.err
	}
	if err != nil {
		return fmt.Errorf("decode server frame: %s: %w", f.Type, err)
	}
	return nil
}

func unmarshalPart(payload []byte, f *ServerFrame) error {
	switch f.Type {
	case TypeWelcome:
		f.Welcome = WelcomePayload{}
		return json.Unmarshal(payload, &f.Welcome)
	case TypeTyping:
		f.Typing = TypingPayload{}
		return json.Unmarshal(payload, &f.Typing)
	case TypePresence:
		f.Presence = PresencePayload{}
		return json.Unmarshal(payload, &f.Presence)
	case TypeSynced:
		f.Synced = SyncedPayload{}
		return json.Unmarshal(payload, &f.Synced)
	case TypeGap:
		f.Gap = GapPayload{}
		return json.Unmarshal(payload, &f.Gap)
	case TypeConversation:
		f.Conversation = ConversationPayload{}
		return json.Unmarshal(payload, &f.Conversation)
	case TypeReaction:
		f.Reaction = ReactionPayload{}
		return json.Unmarshal(payload, &f.Reaction)
	case TypeMessageEdited:
		f.Edited = EditedPayload{}
		return json.Unmarshal(payload, &f.Edited)
	case TypeMessageDeleted:
		f.Deleted = DeletedPayload{}
		return json.Unmarshal(payload, &f.Deleted)
	case TypeReconnect:
		f.Reconnect = ReconnectPayload{}
		return json.Unmarshal(payload, &f.Reconnect)
	case TypeError:
		f.Error = ErrorPayload{}
		return json.Unmarshal(payload, &f.Error)
	}
	f.Type = 0 // a name that only clients send
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *PendingEvent) UnmarshalJSON(b []byte) error {
	var raw struct {
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
		Event   chat.EventID    `json:"eventId"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return fmt.Errorf("decode pending event: %w", err)
	}
	p.Event = raw.Event
	p.Frame = EventFrame{Type: parseType([]byte(raw.Type))}
	var to any
	switch p.Frame.Type {
	case TypeMessageEdited:
		p.Frame.Edited = new(EditedPayload)
		to = p.Frame.Edited
	case TypeMessageDeleted:
		p.Frame.Deleted = new(DeletedPayload)
		to = p.Frame.Deleted
	case TypeReaction:
		p.Frame.Reaction = new(ReactionPayload)
		to = p.Frame.Reaction
	case TypeConversation:
		p.Frame.Conversation = new(ConversationPayload)
		to = p.Frame.Conversation
	default:
		p.Frame.Type = 0
		return nil
	}
	return json.Unmarshal(raw.Payload, to)
}

func (r *reader) serverMessage(m *Message) error {
	*m = Message{
		ID:        chat.MessageID(r.clock(fID, true)),
		Content:   r.string(fContent, true, 0, MaxFrameBytes),
		ReplyTo:   chat.MessageID(r.clock(fReplyToID, false)),
		CreatedAt: r.time(fCreatedAt, true),
		EditedAt:  r.time(fEditedAt, false),
		Deleted:   r.flag(fDeleted, false),
		Status:    r.word(fStatus),
		Event:     chat.EventID(r.clock(fEventID, false)),
	}
	m.ContentType = r.word(fContentType)
	readUUID(r, fConversationID, true, &m.Conversation)
	readUUID(r, fSenderID, true, &m.Sender)
	readUUID(r, fClientMessageID, false, &m.ClientMessageID)
	if v := r.e.vals[fMedia]; v.kind == kObject {
		m.Media = new(Media)
		if err := json.Unmarshal(r.data[v.start:v.end], m.Media); err != nil {
			return fmt.Errorf("media: %w", err)
		}
	}
	if v := r.e.vals[fReactions]; v.kind == kArray {
		if err := json.Unmarshal(r.data[v.start:v.end], &m.Reactions); err != nil {
			return fmt.Errorf("reactions: %w", err)
		}
	}
	return nil
}

func (r *reader) serverStatus(s *StatusPayload) {
	ids := s.Messages[:0]
	*s = StatusPayload{
		Status:  r.word(fStatus),
		Message: chat.MessageID(r.clock(fMessageID, true)),
		At:      r.time(fAt, false),
	}
	s.Messages = readClocks(r, fMessageIDs, ids)
	readUUID(r, fConversationID, true, &s.Conversation)
	readUUID(r, fUserID, true, &s.User)
}

func (r *reader) serverPending(p *PendingPayload) error {
	*p = PendingPayload{Event: chat.EventID(r.clock(fEventID, false)), More: r.flag(fMore, false)}
	if v, ok := r.get(fMessages, kArray, false); ok {
		for it := (items{data: r.data, i: int(v.start) + 1}); it.next(); {
			if it.value.kind != kObject {
				return errors.New("messages: not an object")
			}
			one := reader{data: r.data}
			one.e.fields(r.data, int(it.value.start)+1)
			p.Messages = append(p.Messages, Message{})
			err := one.serverMessage(&p.Messages[len(p.Messages)-1])
			if err == nil && one.err != nil {
				err = one.err
			}
			if err != nil {
				return fmt.Errorf("messages: %w", err)
			}
		}
	}
	if v, ok := r.get(fEvents, kArray, false); ok && v.end-v.start > 2 {
		if err := json.Unmarshal(r.data[v.start:v.end], &p.Events); err != nil {
			return fmt.Errorf("events: %w", err)
		}
	}
	return nil
}

func (r *reader) time(f field, required bool) Time {
	v, ok := r.get(f, kString, required)
	if !ok {
		return 0
	}
	var scratch [40]byte
	t, err := parseTime(short(r.data, v, scratch[:]))
	if err != nil {
		r.fail(f, "must be an RFC 3339 time")
	}
	return t
}

// word reads one of the protocol's own words without allocating for those that are known.
func (r *reader) word(f field) string {
	v, ok := r.get(f, kString, false)
	if !ok {
		return ""
	}
	var scratch [16]byte
	b := short(r.data, v, scratch[:])
	switch string(b) {
	case "text":
		return "text"
	case "image":
		return "image"
	case "video":
		return "video"
	case "file":
		return "file"
	case "sent":
		return "sent"
	case "delivered":
		return "delivered"
	case "read":
		return "read"
	}
	return string(b)
}
