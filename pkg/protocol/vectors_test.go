package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
)

var update = flag.Bool("update", false, "write the server's vectors anew")

// clientVector is one frame of a client: what it decodes to, in its canonical form, or the error and what that is about.
type clientVector struct {
	Name     string          `json:"name"`
	Frame    string          `json:"frame"`
	FrameHex string          `json:"frameHex"` // in place of Frame where it is no text
	Decoded  json.RawMessage `json:"decoded"`
	Repeat   []struct {      // long inputs: each mark in Frame and Decoded stands for so many times the text
		Mark  string `json:"mark"`
		Text  string `json:"text"`
		Times int    `json:"times"`
	} `json:"repeat"`
	Error *struct {
		Code  string `json:"code"`
		Field string `json:"field"`
	} `json:"error"`
	About struct {
		ClientMessage chat.ClientMessageID `json:"clientMessageId"`
		Message       chat.MessageID       `json:"messageId"`
	} `json:"about"`
}

func (v clientVector) bytes(t *testing.T) []byte {
	t.Helper()
	if v.FrameHex == "" {
		return []byte(v.Frame)
	}
	b, err := hex.DecodeString(v.FrameHex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func clientVectors(t testing.TB) map[string][]clientVector {
	t.Helper()
	paths, err := filepath.Glob("testdata/vectors/client_*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	all := map[string][]clientVector{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		var vs []clientVector
		if err := json.Unmarshal(b, &vs); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		for i := range vs {
			for _, r := range vs[i].Repeat {
				long := strings.Repeat(r.Text, r.Times)
				vs[i].Frame = strings.ReplaceAll(vs[i].Frame, r.Mark, long)
				vs[i].Decoded = bytes.ReplaceAll(vs[i].Decoded, []byte(r.Mark), []byte(long))
			}
		}
		all[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(p), "client_"), ".json")] = vs
	}
	return all
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%v in %s", err, a)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

func TestClientVectors(t *testing.T) {
	check := newChecker(t)
	all := clientVectors(t)
	for _, table := range clientFrames() {
		if len(all[table.typ.String()]) == 0 {
			t.Errorf("no vectors for %s", table.typ)
		}
	}
	var f ClientFrame // one for all, as a connection does: nothing may be left from the frame before
	for file, vs := range all {
		for _, v := range vs {
			t.Run(file+"/"+v.Name, func(t *testing.T) {
				raw := v.bytes(t)
				err := Decode(raw, &f)
				if v.Error != nil {
					if err == nil || err.Code.String() != v.Error.Code || err.Field != v.Error.Field {
						t.Fatalf("got %v, want %+v", err, *v.Error)
					}
					if client, msg := f.About(); client != v.About.ClientMessage || msg != v.About.Message {
						t.Errorf("about %v %v, want %+v", client, msg, v.About)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				canonical := AppendClientFrame(nil, &f)
				if !sameJSON(t, canonical, v.Decoded) {
					t.Errorf("got  %.300s\nwant %.300s", canonical, v.Decoded)
				}
				if err := check.frame("client", canonical); err != nil {
					t.Errorf("schema: %v", err)
				}
			})
		}
	}
}

// serverVector is one frame of a server, byte for byte. Other languages decode Frame.
type serverVector struct {
	Name  string `json:"name"`
	Frame string `json:"frame"`
}

func TestServerVectors(t *testing.T) {
	check := newChecker(t)
	files := map[string][]serverVector{}
	for _, s := range serverSamples() {
		typ, _, _ := strings.Cut(s.name, ":")
		files[typ] = append(files[typ], serverVector{s.name, string(s.frame)})
		if err := check.frame("server", s.frame); err != nil {
			t.Errorf("%s: schema: %v", s.name, err)
		}
	}
	for _, table := range serverFrames() {
		typ := table.typ.String()
		path := filepath.Join("testdata/vectors", "server_"+typ+".json")
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(files[typ]); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, buf.Bytes()) {
			t.Errorf("%s: the encoder's bytes have changed; if that is meant, run go test -update and tell the clients", path)
		}
	}
}

// What the server sends is what a Go client reads: decoding and marshalling again gives the same JSON.
func TestServerSamplesDecode(t *testing.T) {
	var f ServerFrame // one for all
	for _, s := range serverSamples() {
		if err := DecodeServer(s.frame, &f); err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		parts := map[Type]any{
			TypeWelcome: f.Welcome, TypeMessage: f.Message, TypeMessageStatus: f.Status, TypeTyping: f.Typing, TypePresence: f.Presence,
			TypeSynced: f.Synced, TypeGap: f.Gap, TypeConversation: f.Conversation, TypeReaction: f.Reaction, TypeMessageEdited: f.Edited,
			TypeMessageDeleted: f.Deleted, TypeReconnect: f.Reconnect, TypeError: f.Error, TypePong: struct{}{}, TypePendingMessages: pendingJSON(t, &f.Pending),
		}
		payload, err := json.Marshal(parts[f.Type])
		if err != nil {
			t.Fatal(err)
		}
		if again := []byte(`{"type":"` + f.Type.String() + `","payload":` + string(payload) + `}`); !sameJSON(t, again, s.frame) {
			t.Errorf("%s:\ngot  %s\nwant %s", s.name, again, s.frame)
		}
	}
}

func pendingJSON(t *testing.T, p *PendingPayload) any {
	t.Helper()
	messages, events := []any{}, []any{}
	for i := range p.Messages {
		messages = append(messages, p.Messages[i])
	}
	for _, e := range p.Events {
		part := map[Type]any{TypeMessageEdited: e.Frame.Edited, TypeMessageDeleted: e.Frame.Deleted, TypeReaction: e.Frame.Reaction, TypeConversation: e.Frame.Conversation}[e.Frame.Type]
		events = append(events, map[string]any{"type": e.Frame.Type.String(), "payload": part, "eventId": e.Event})
	}
	return map[string]any{"messages": messages, "events": events, "eventId": p.Event, "more": p.More}
}

func TestDecodeServerRefuses(t *testing.T) {
	var f ServerFrame
	for _, s := range []string{
		``, `{}`, `{"type":1}`, `{"type":"message"}`, `{"type":"message","payload":{}}`, `{"type":"synced","payload":{"upTo":"yesterday"}}`,
		`{"type":"pending_messages","payload":{"messages":[7],"eventId":"01BGV8TVQC5K5"}}`,
		`{"type":"pending_messages","payload":{"messages":[{}],"eventId":"01BGV8TVQC5K5"}}`,
		`{"type":"pending_messages","payload":{"events":[7],"eventId":"01BGV8TVQC5K5"}}`,
	} {
		if err := DecodeServer([]byte(s), &f); err == nil {
			t.Errorf("%s: no error", s)
		}
	}
	for _, s := range []string{`{"type":"confetti","payload":{"n":1}}`, `{"type":"edit","payload":{}}`} {
		if err := DecodeServer([]byte(s), &f); err != nil || f.Type != 0 {
			t.Errorf("%s: a type of a newer server: %v %v", s, f.Type, err)
		}
	}
}
