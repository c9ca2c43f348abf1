package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
)

// depth is how deeply a valid JSON text is nested.
func depth(data []byte) int {
	deepest, level, inside := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// FuzzDecode holds the decoder against encoding/json: what is JSON, and what the fields hold.
func FuzzDecode(f *testing.F) {
	for _, vs := range clientVectors(f) {
		for _, v := range vs {
			if len(v.Frame) < 4096 {
				f.Add([]byte(v.Frame))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var frame ClientFrame
		err := Decode(data, &frame)
		valid := json.Valid(data) && utf8.Valid(data) && depth(data) <= MaxDepth
		if invalid := err != nil && err.Code == chat.CodeInvalidJSON; invalid == valid {
			t.Fatalf("JSON: %v, decoder: %v", valid, err)
		}
		if err != nil {
			if err.Code == chat.CodeValidation && err.Field == "" {
				t.Fatalf("no field: %v", err)
			}
			return
		}
		var top map[string]json.RawMessage
		var payload map[string]json.RawMessage
		if err := json.Unmarshal(data, &top); err != nil {
			t.Fatal(err)
		}
		want := func(name string, to any) bool {
			raw, ok := payload[name]
			if !ok || string(raw) == "null" {
				return false
			}
			if err := json.Unmarshal(raw, to); err != nil {
				t.Fatalf("%s: accepted, yet %v", name, err)
			}
			return true
		}
		var typ, s string
		if err := json.Unmarshal(top["type"], &typ); err != nil || typ != frame.Type.String() {
			t.Fatalf("type %q, want %q", frame.Type, typ)
		}
		if frame.Type == TypePing {
			return
		}
		if err := json.Unmarshal(top["payload"], &payload); err != nil {
			t.Fatal(err)
		}
		switch frame.Type {
		case TypeMessage:
			var c chat.ConversationID
			if want("content", &s); s != frame.Message.Content {
				t.Fatalf("content %q, want %q", frame.Message.Content, s)
			}
			if want("conversationId", &c); c != frame.Message.Conversation {
				t.Fatal("conversationId")
			}
			if n := utf8.RuneCountInString(frame.Message.Content); n > chat.MaxContent || (n == 0 && frame.Message.Media.IsZero()) {
				t.Fatalf("%d code points", n)
			}
			var resend bool
			if want("resend", &resend); resend != frame.Message.Resend {
				t.Fatal("resend")
			}
		case TypeAck:
			var ids []chat.MessageID
			var one chat.MessageID
			if want("messageId", &one) {
				ids = append(ids, one)
			}
			var more []chat.MessageID
			if want("messageIds", &more); len(ids)+len(more) != len(frame.Ack.Messages) {
				t.Fatal("messageIds")
			}
			for i, m := range append(ids, more...) {
				if frame.Ack.Messages[i] != m {
					t.Fatal("messageIds")
				}
			}
		case TypeReact:
			if want("emoji", &s); s != frame.React.Emoji {
				t.Fatal("emoji")
			}
		case TypeEdit:
			if want("content", &s); s != frame.Edit.Content {
				t.Fatal("content")
			}
		case TypePresence:
			var users []chat.UserID
			if want("userIds", &users); len(users) != len(frame.Presence.Users) {
				t.Fatal("userIds")
			}
		}
		// What was understood says the same when it is sent again.
		var again ClientFrame
		canonical := AppendClientFrame(nil, &frame)
		if err := Decode(canonical, &again); err != nil || !bytes.Equal(canonical, AppendClientFrame(nil, &again)) {
			t.Fatalf("%s: %v", canonical, err)
		}
	})
}

// FuzzEncodeRoundtrip encodes frames of any text and decodes them: valid JSON, nothing lost.
func FuzzEncodeRoundtrip(f *testing.F) {
	f.Add("hi", "name", int64(sampleTime), int64(sampleMessageID(1)), uint8(0))
	f.Add("a\x00\"\\\n\u2028😀\xff\xed\xa0\x80", "</script>", int64(-1), int64(1)<<62, uint8(255))
	f.Fuzz(func(t *testing.T, content, name string, at, msg int64, bits uint8) {
		msg = max(msg&(1<<63-1), 1)
		m := fullMessage()
		m.ID, m.Content, m.Media.Name, m.EditedAt, m.Deleted = chat.MessageID(msg), content, name, at, bits&1 != 0
		if bits&2 != 0 {
			m.Media = nil
		}
		if bits&4 != 0 {
			m.Reactions = nil
		}
		event, status := chat.EventID(msg), chat.Status(bits>>3&3)
		frame := AppendMessage(nil, m, event, status)
		if !json.Valid(frame) || !utf8.Valid(frame) {
			t.Fatalf("not JSON: %q", frame)
		}
		var s ServerFrame
		if err := DecodeServer(frame, &s); err != nil {
			t.Fatalf("%v in %s", err, frame)
		}
		clean := strings.Map(func(r rune) rune { return r }, content) // each bad byte becomes U+FFFD
		if s.Message.Content != clean || s.Message.ID != m.ID || s.Message.Event != event || s.Message.Status != status.String() || s.Message.Deleted != m.Deleted {
			t.Fatalf("%+v", s.Message)
		}
		var p Pending
		p.Message(m, event, status)
		p.Conversation(&chat.ConversationChange{Conversation: chat.Conversation{ID: room, Kind: chat.Group, Name: name}, Change: chat.ChangeRenamed, At: at}, chat.Event{ID: event})
		if frame = p.AppendTo(nil, event, false); !json.Valid(frame) {
			t.Fatalf("not JSON: %q", frame)
		}
		if err := DecodeServer(frame, &s); err != nil || len(s.Pending.Messages) != 1 || len(s.Pending.Events) != 1 || s.Pending.Messages[0].Content != clean {
			t.Fatalf("%v in %s", err, frame)
		}
		send := ClientFrame{Type: TypeMessage, Message: SendFrame{Conversation: room, ClientMessage: key, Content: content, ContentType: chat.File, Media: picture, ReplyTo: m.ID, Resend: bits&1 != 0}}
		want := send
		want.Message.Content = clean
		var got ClientFrame
		err := Decode(AppendClientFrame(nil, &send), &got)
		if utf8.RuneCountInString(clean) > chat.MaxContent {
			if err == nil {
				t.Fatal("too long, accepted")
			}
		} else if err != nil || got.Message != want.Message {
			t.Fatalf("%v: %+v", err, got.Message)
		}
		ms := min(max(at, -62167219200000), 253402300799999)
		text := string(AppendTime(nil, at))
		if text != time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") {
			t.Fatalf("%d: %s", at, text)
		}
		if back, err := parseTime([]byte(text)); err != nil || int64(back) != ms {
			t.Fatalf("%s: %d, %v", text, back, err)
		}
	})
}

// FuzzDecodeServer holds the fast path for messages and statuses against encoding/json on the same structs.
func FuzzDecodeServer(f *testing.F) {
	for _, s := range serverSamples() {
		f.Add(s.frame)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var frame ServerFrame
		if err := DecodeServer(data, &frame); err != nil || (frame.Type != TypeMessage && frame.Type != TypeMessageStatus) {
			return
		}
		var want struct {
			Payload json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("accepted, yet %v", err)
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(want.Payload, &fields) != nil {
			return // payload twice under names that differ in case: encoding/json takes the last
		}
		var content string
		if frame.Type == TypeMessage && json.Unmarshal(fields["content"], &content) == nil && content != frame.Message.Content {
			t.Fatalf("content %q, want %q", frame.Message.Content, content)
		}
		var id chat.MessageID
		name, got := "id", frame.Message.ID
		if frame.Type == TypeMessageStatus {
			name, got = "messageId", frame.Status.Message
		}
		if json.Unmarshal(fields[name], &id) == nil && id != got {
			t.Fatalf("%s %v, want %v", name, got, id)
		}
	})
}
