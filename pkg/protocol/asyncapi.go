package protocol

import (
	"encoding/json"
	"fmt"

	"github.com/murre-chat/murre/pkg/chat"
)

// AsyncAPI returns the AsyncAPI 3 document of the WebSocket, as JSON. It is made of the same tables that the tests hold
// against the codec.
func AsyncAPI() []byte {
	messages := map[string]any{}
	channel := map[string]any{}
	operation := func(prefix, action, summary string, tables []frameTable) map[string]any {
		refs := make([]any, 0, len(tables))
		for _, t := range tables {
			name := prefix + "." + t.typ.String()
			messages[name] = map[string]any{
				"name": t.typ.String(), "title": t.typ.String(), "summary": t.doc,
				"contentType": "application/json", "payload": t.frame(),
			}
			channel[name] = reference("#/components/messages/" + name)
			refs = append(refs, reference("#/channels/socket/messages/"+name))
		}
		return map[string]any{
			"action": action, "summary": summary, "channel": reference("#/channels/socket"), "messages": refs,
		}
	}
	receive := operation("client", "receive", "What clients send.", clientFrames())
	send := operation("server", "send", "What the server sends.", serverFrames())
	doc := map[string]any{
		"asyncapi": "3.0.0",
		"info": map[string]any{
			"title": "Murre WebSocket", "version": "1.0.0",
			"description": "Text frames carry one JSON object {type, payload}. A client ignores types and fields that it doesn't know; the server ignores unknown fields.",
		},
		"defaultContentType": "application/json",
		"channels": map[string]any{"socket": map[string]any{
			"address": "/ws",
			"description": fmt.Sprintf("Authenticate at the upgrade: session cookie, Authorization: Bearer, or the subprotocols %s, %s<token>. A frame has at most %d bytes.",
				SubprotocolJSON, SubprotocolBearer, MaxFrameBytes),
			"messages": channel,
			"bindings": map[string]any{"ws": map[string]any{
				"method": "GET", "bindingVersion": "0.1.0",
				"query": schema{Type: "object", Props: map[string]schema{
					"device": described(uuid(), "The device, made by the client on its first use."),
					"cursor": described(clockID(), "Asks to go back to this event."),
				}},
			}},
		}},
		"operations":    map[string]any{"receiveFromClient": receive, "sendToClient": send},
		"components":    map[string]any{"messages": messages, "schemas": schemas()},
		"x-close-codes": closeTable(),
		"x-error-codes": errorTable(),
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic("protocol: " + err.Error()) // only maps, slices and strings of our own
	}
	return b
}

func reference(to string) map[string]any { return map[string]any{"$ref": to} }

func described(s schema, doc string) schema {
	if s.Ref != "" {
		return s // siblings of $ref are ignored
	}
	s.Doc = doc
	return s
}

// object is the schema of an object with these members.
func object(members []member) schema {
	s := schema{Type: "object", Props: map[string]schema{}}
	for _, m := range members {
		s.Props[m.name] = described(m.schema, m.doc)
		if m.required {
			s.Required = append(s.Required, m.name)
		}
	}
	return s
}

// frame is the schema of a whole frame.
func (t frameTable) frame() schema {
	payload := object(t.fields)
	payload.AnyOf = t.anyOf
	f := schema{
		Type: "object", Doc: t.doc,
		Props:    map[string]schema{"type": {Type: "string", Const: t.typ.String()}, "payload": payload},
		Required: []string{"type"},
	}
	if len(t.fields) > 0 {
		f.Required = append(f.Required, "payload")
	}
	return f
}

// schemas are the shared shapes, and Event: an entry of pending_messages.
func schemas() map[string]schema {
	all := map[string]schema{}
	for name, members := range objects() {
		all[name] = object(members)
	}
	event := schema{Doc: "A durable event that is not a message."}
	for _, t := range serverFrames() {
		switch t.typ {
		case TypeMessageEdited, TypeMessageDeleted, TypeReaction, TypeConversation:
			f := t.frame()
			f.Props["eventId"] = described(clockID(), "Its place in the log.")
			f.Required = append(f.Required, "eventId")
			event.AnyOf = append(event.AnyOf, f)
		}
	}
	all["Event"] = event
	return all
}

func closeTable() []any {
	var out []any
	for _, c := range closes {
		out = append(out, map[string]any{"code": c.Code, "reason": c.Reason, "reconnect": c.Reconnect})
	}
	return out
}

func errorTable() []any {
	var out []any
	for c := chat.CodeInvalidJSON; c <= chat.CodeInternal; c++ {
		out = append(out, map[string]any{"code": c.String(), "http": c.HTTPStatus(), "retry": c.Retryable()})
	}
	return out
}
