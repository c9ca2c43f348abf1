package protocol

import (
	"encoding/json"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"
)

// good is a value of the right kind for every field that clients send.
var good = map[string]string{
	"clientMessageId": `"` + key.String() + `"`, "conversationId": `"` + room.String() + `"`, "content": `"hi"`, "contentType": `"image"`,
	"mediaId": `"` + picture.String() + `"`, "replyToId": `"` + sampleMessageID(0).String() + `"`, "resend": `true`, "isTyping": `false`,
	"messageId": `"` + sampleMessageID(1).String() + `"`, "messageIds": `["` + sampleMessageID(2).String() + `"]`,
	"eventIds": `["` + sampleEventID(2).String() + `"]`, "eventId": `"` + sampleEventID(3).String() + `"`,
	"upToMessageId": `"` + sampleMessageID(1).String() + `"`, "emoji": `"👍"`, "userIds": `["` + bob.String() + `"]`,
}

func clientFrame(t Type, fields map[string]string) []byte {
	var parts []string
	for name, v := range fields {
		parts = append(parts, `"`+name+`":`+v)
	}
	sort.Strings(parts)
	return []byte(`{"type":"` + t.String() + `","payload":{` + strings.Join(parts, ",") + `}}`)
}

// The decoder knows exactly the fields of the table, for every type.
func TestClientTableMatchesDecoder(t *testing.T) {
	var named []string
	for _, table := range clientFrames() {
		full := map[string]string{}
		for _, f := range table.fields {
			full[f.name] = good[f.name]
			named = append(named, "payload."+f.name)
		}
		var f ClientFrame
		if err := Decode(clientFrame(table.typ, full), &f); err != nil || f.Type != table.typ {
			t.Errorf("%s with every field: type %q, %v", table.typ, f.Type, err)
		}
		for name := range good {
			frame := map[string]string{}
			for k, v := range full {
				frame[k] = v
			}
			_, known := full[name]
			for _, wrong := range []string{`7`, `{"a":[]}`} {
				frame[name] = wrong
				err := Decode(clientFrame(table.typ, frame), &f)
				if known && (err == nil || err.Field != "payload."+name) {
					t.Errorf("%s: %s of a wrong kind: %v", table.typ, name, err)
				}
				if !known && err != nil {
					t.Errorf("%s: %s is none of its fields, yet: %v", table.typ, name, err)
				}
			}
		}
		for _, field := range table.fields {
			frame := map[string]string{}
			for k, v := range full {
				frame[k] = v
			}
			delete(frame, field.name)
			if table.typ == TypeMessage {
				delete(frame, "mediaId")
			}
			err := Decode(clientFrame(table.typ, frame), &f)
			required := field.required || table.typ == TypeMessage && field.name == "content"
			if required != (err != nil) || err != nil && err.Field != "payload."+field.name {
				t.Errorf("%s without %s: %v", table.typ, field.name, err)
			}
		}
	}
	for f := field(0); f < fID; f++ { // the ones from fID on are read from servers
		if !slices.Contains(named, fieldNames[f]) {
			t.Errorf("the decoder knows %s, no table does", fieldNames[f])
		}
	}
}

// The encoder writes exactly the fields of the table: the required ones always, the others in some sample.
func TestServerTableMatchesEncoder(t *testing.T) {
	always, ever := map[string]map[string]bool{}, map[string]map[string]bool{}
	see := func(name string, object map[string]any) {
		if ever[name] == nil {
			ever[name], always[name] = map[string]bool{}, map[string]bool{}
			for k := range object {
				always[name][k] = true
			}
		}
		for k := range object {
			ever[name][k] = true
		}
		for k := range always[name] {
			if _, ok := object[k]; !ok {
				delete(always[name], k)
			}
		}
	}
	for _, s := range serverSamples() {
		var f struct {
			Type    string         `json:"type"`
			Payload map[string]any `json:"payload"`
		}
		if err := json.Unmarshal(s.frame, &f); err != nil {
			t.Fatalf("%s: %v in %s", s.name, err, s.frame)
		}
		see(f.Type, f.Payload)
		if f.Type == "message" {
			see("Message", f.Payload)
		}
		if m, ok := f.Payload["media"].(map[string]any); ok {
			see("Media", m)
		}
		if rs, ok := f.Payload["reactions"].([]any); ok {
			see("Reaction", rs[0].(map[string]any))
		}
		if l, ok := f.Payload["limits"].(map[string]any); ok {
			see("Limits", l)
		}
	}
	check := func(name string, members []member) {
		for _, m := range members {
			if !ever[name][m.name] {
				t.Errorf("%s.%s: no sample has it", name, m.name)
			}
			if m.required != always[name][m.name] {
				t.Errorf("%s.%s: required %v in the table, always there %v", name, m.name, m.required, always[name][m.name])
			}
			delete(ever[name], m.name)
		}
		for k := range ever[name] {
			t.Errorf("%s.%s: in a frame, not in the table", name, k)
		}
	}
	seen := map[Type]bool{}
	for _, table := range serverFrames() {
		seen[table.typ] = true
		check(table.typ.String(), table.fields)
	}
	for name, members := range objects() {
		check(name, members)
	}
	for _, table := range clientFrames() {
		seen[table.typ] = true
	}
	for typ := TypeMessage; typ < Types; typ++ {
		if !seen[typ] {
			t.Errorf("%s: in no table", typ)
		}
	}
}

func TestAsyncAPIReferencesResolve(t *testing.T) {
	c := newChecker(t)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if to, ok := v["$ref"].(string); ok && c.resolve(to) == nil {
				t.Errorf("%s leads nowhere", to)
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(c.doc)
	if !reflect.DeepEqual(AsyncAPI(), AsyncAPI()) {
		t.Error("the document differs from call to call")
	}
}

func TestCloseCodes(t *testing.T) {
	for _, c := range CloseCodes() {
		if c.Reason != c.Code.Reason() || c.Reconnect != c.Code.MayReconnect() || len(c.Reason) > 123 {
			t.Errorf("%d: %+v", c.Code, c)
		}
	}
	for _, c := range []CloseCode{CloseReplaced, CloseRevoked, CloseAuthExpired} {
		if c.MayReconnect() {
			t.Errorf("%d: a client must not come back by itself", c)
		}
	}
	if CloseCode(1000).Reason() != "" || !CloseCode(1006).MayReconnect() {
		t.Error("codes outside of the table")
	}
}
