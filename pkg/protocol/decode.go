package protocol

import (
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// Decode reads one frame of a client into f, which it empties first. It returns nil, or an INVALID_JSON or
// VALIDATION_ERROR as the package comment lists them; f is then filled as far as could be read (its Type and ids first,
// see About). It keeps nothing of data.
func Decode(data []byte, f *ClientFrame) *chat.Error {
	f.reset()
	r := reader{data: data}
	e := &r.e
	if !utf8.Valid(data) || !e.scan(data) {
		return &chat.Error{Code: chat.CodeInvalidJSON, Message: "the frame is not valid JSON"}
	}
	if !e.object {
		return chat.Invalid("frame", "must be an object")
	}
	if e.dupType {
		return chat.Invalid("type", "appears twice")
	}
	var scratch [24]byte
	switch e.typ.kind {
	case kString:
		f.Type = parseType(short(data, e.typ, scratch[:]))
	case kAbsent:
		return chat.Invalid("type", "is required")
	default:
		return chat.Invalid("type", "must be a string")
	}
	switch f.Type {
	case TypePing:
		return nil
	case TypeMessage, TypeTyping, TypeAck, TypeRead, TypeEdit, TypeDelete, TypeReact, TypePresence:
	default:
		f.Type = 0
		return chat.Invalid("type", "is not a type that clients send")
	}
	switch {
	case e.dupLoad:
		return chat.Invalid("payload", "appears twice")
	case e.payload.kind == kAbsent:
		return chat.Invalid("payload", "is required")
	case e.payload.kind != kObject:
		return chat.Invalid("payload", "must be an object")
	}
	switch f.Type {
	case TypeMessage:
		r.message(&f.Message)
	case TypeTyping:
		readUUID(&r, fConversationID, true, &f.Typing.Conversation)
		f.Typing.On = r.flag(fIsTyping, true)
	case TypeAck:
		r.ack(&f.Ack)
	case TypeRead:
		f.Read.UpTo = chat.MessageID(r.clock(fUpToMessageID, true))
		readUUID(&r, fConversationID, true, &f.Read.Conversation)
	case TypeEdit:
		r.target(&f.Edit.Conversation, &f.Edit.Message)
		f.Edit.Content = r.content(fContent, 1)
	case TypeDelete:
		r.target(&f.Delete.Conversation, &f.Delete.Message)
	case TypeReact:
		r.target(&f.React.Conversation, &f.React.Message)
		f.React.Emoji = r.string(fEmoji, true, 0, chat.MaxEmoji)
	case TypePresence:
		f.Presence.Users = readUUIDs(&r, fUserIDs, f.Presence.Users)
	}
	return r.err
}

// reader reads the fields of one payload. The first error stays, later ones are dropped, reading goes on: so the ids
// are there for the error's answer whatever else is wrong.
type reader struct {
	data []byte
	e    envelope // in here, not behind a pointer: it then stays on the stack
	err  *chat.Error
}

func (r *reader) fail(f field, format string, args ...any) {
	if r.err == nil {
		r.err = chat.Invalid(fieldNames[f], format, args...)
	}
}

// get returns a field's value when it is there and of the kind.
func (r *reader) get(f field, k kind, required bool) (value, bool) {
	v := r.e.vals[f]
	switch {
	case r.e.dup&(1<<f) != 0:
		r.fail(f, "appears twice")
	case v.kind == k:
		return v, true
	case v.kind != kAbsent:
		r.fail(f, "must be %s", kindNames[k])
	case required:
		r.fail(f, "is required")
	}
	return v, false
}

var kindNames = [...]string{kString: "a string", kNumber: "a number", kBool: "true or false", kArray: "an array", kObject: "an object"}

func (r *reader) message(m *SendFrame) {
	readUUID(r, fClientMessageID, true, &m.ClientMessage)
	if m.ClientMessage.IsZero() {
		r.fail(fClientMessageID, "must not be the nil UUID")
	}
	readUUID(r, fConversationID, true, &m.Conversation)
	readUUID(r, fMediaID, false, &m.Media)
	least := 1
	if !m.Media.IsZero() {
		least = 0
	}
	m.Content = r.content(fContent, least)
	m.ContentType = chat.Text
	if v, ok := r.get(fContentType, kString, false); ok {
		var scratch [8]byte
		if m.ContentType = parseContentType(short(r.data, v, scratch[:])); m.ContentType == 0 {
			r.fail(fContentType, "must be text, image, video or file")
		}
	}
	m.ReplyTo = chat.MessageID(r.clock(fReplyToID, false))
	m.Resend = r.flag(fResend, false)
}

func parseContentType(b []byte) chat.ContentType {
	switch string(b) {
	case "text":
		return chat.Text
	case "image":
		return chat.Image
	case "video":
		return chat.Video
	case "file":
		return chat.File
	}
	return 0
}

func (r *reader) target(c *chat.ConversationID, m *chat.MessageID) {
	*m = chat.MessageID(r.clock(fMessageID, true))
	readUUID(r, fConversationID, true, c)
}

func (r *reader) ack(a *AckFrame) {
	if m := r.clock(fMessageID, false); m != 0 {
		a.Messages = append(a.Messages, chat.MessageID(m))
	}
	a.Messages = readClocks(r, fMessageIDs, a.Messages)
	a.Events = readClocks(r, fEventIDs, a.Events)
	a.UpTo = chat.EventID(r.clock(fEventID, false))
	if r.err == nil && len(a.Messages) == 0 && len(a.Events) == 0 && a.UpTo == 0 {
		r.err = chat.Invalid("payload", "needs messageId, messageIds, eventIds or eventId")
	}
}

// content reads a message's text. It may be absent where it may be empty.
func (r *reader) content(f field, least int) string {
	return r.string(f, least > 0, least, chat.MaxContent)
}

// string reads text of least to most code points.
func (r *reader) string(f field, required bool, least, most int) string {
	v, ok := r.get(f, kString, required)
	if !ok {
		return ""
	}
	if int(v.end-v.start) > 12*most { // no escape makes more of one code point: don't allocate what will be refused
		r.fail(f, "must have at most %d characters", most)
		return ""
	}
	s, ok := text(r.data, v)
	switch {
	case !ok:
		r.fail(f, "has an unpaired surrogate")
	case len(s) < least:
		r.fail(f, "must not be empty")
	case len(s) > most && utf8.RuneCountInString(s) > most:
		r.fail(f, "must have at most %d characters", most)
	default:
		return s
	}
	return ""
}

func (r *reader) flag(f field, absent bool) bool {
	if v, ok := r.get(f, kBool, false); ok {
		return v.yes
	}
	return absent
}

// clock reads a message or event id; 0 when it is absent or bad. The id 0 itself names nothing and is refused.
func (r *reader) clock(f field, required bool) id.ID {
	v, ok := r.get(f, kString, required)
	if !ok {
		return 0
	}
	var scratch [id.TextLen]byte
	i, err := id.Parse(short(r.data, v, scratch[:]))
	if err != nil || i == 0 {
		r.fail(f, "must be an id of 13 characters")
		return 0
	}
	return i
}

// readUUID reads a UUID-kind id and leaves to alone when it is absent or bad.
func readUUID[K any](r *reader, f field, required bool, to *chat.ID[K]) {
	v, ok := r.get(f, kString, required)
	if !ok {
		return
	}
	var scratch [36]byte
	u, err := chat.ParseIDBytes[K](short(r.data, v, scratch[:]))
	if err != nil {
		r.fail(f, "must be a UUID")
		return
	}
	*to = u
}

// readUUIDs appends the ids of an array, at most chat.MaxPresenceUsers.
func readUUIDs[K any](r *reader, f field, to []chat.ID[K]) []chat.ID[K] {
	v, ok := r.get(f, kArray, true)
	if !ok {
		return to
	}
	var scratch [36]byte
	n := 0
	for it := (items{data: r.data, i: int(v.start) + 1}); it.next(); n++ {
		if n == chat.MaxPresenceUsers {
			r.fail(f, "must have at most %d items", chat.MaxPresenceUsers)
			return to
		}
		u, err := chat.ParseIDBytes[K](short(r.data, it.value, scratch[:]))
		if err != nil || it.value.kind != kString {
			r.fail(f, "item %d must be a UUID", n)
			return to
		}
		to = append(to, u)
	}
	return to
}

// readClocks appends the ids of an optional array, at most chat.MaxAckIDs with those already in to.
func readClocks[T ~int64](r *reader, f field, to []T) []T {
	v, ok := r.get(f, kArray, false)
	if !ok {
		return to
	}
	var scratch [id.TextLen]byte
	n := 0
	for it := (items{data: r.data, i: int(v.start) + 1}); it.next(); n++ {
		if len(to) == chat.MaxAckIDs {
			r.fail(f, "must have at most %d items", chat.MaxAckIDs)
			return to
		}
		i, err := id.Parse(short(r.data, it.value, scratch[:]))
		if err != nil || i == 0 || it.value.kind != kString {
			r.fail(f, "item %d must be an id of 13 characters", n)
			return to
		}
		to = append(to, T(i))
	}
	return to
}

// items walks the elements of an array that was scanned before.
type items struct {
	data  []byte
	i     int
	value value
}

func (it *items) next() bool {
	it.i = skipSpace(it.data, it.i)
	switch it.data[it.i] {
	case ']':
		return false
	case ',':
		it.i = skipSpace(it.data, it.i+1)
	}
	it.value, it.i = scanValue(it.data, it.i, 3)
	return true
}
