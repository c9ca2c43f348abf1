package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/protocol"
)

type syncOutput struct {
	Body struct {
		Messages []json.RawMessage `json:"messages" nullable:"false" doc:"Messages with their eventId, as in the pending_messages frame"`
		Events   []json.RawMessage `json:"events" nullable:"false" doc:"{type, payload, eventId}, applied with the messages in eventId order"`
		EventID  string            `json:"eventId" doc:"The cursor of the next call"`
		More     bool              `json:"more" doc:"Call again at once"`
		UpTo     Time              `json:"upTo" doc:"Everything before this moment was in this page or before its cursor"`
		Gap      bool              `json:"gap,omitempty" doc:"The log no longer holds what came after the cursor: drop the cache and read history"`
	}
}

func (a *API) syncRoutes() {
	type syncInput struct {
		Cursor string `query:"cursor" doc:"Event id: what came after it; without one from the log's start"`
		Limit  int    `query:"limit" minimum:"1" maximum:"50" default:"50"`
	}
	route(a, endpoint{
		id: "sync", method: http.MethodGet, path: "/sync", tag: "Sync", summary: "The pending log over HTTP",
		description: "For clients that are woken by a push and have no socket. It moves no cursor on the server. Channels are not in it: read their history.",
		limited:     true,
	}, func(ctx context.Context, w who, in *syncInput) (*syncOutput, error) {
		var after chat.EventID
		if in.Cursor != "" {
			v, err := id.Parse(in.Cursor)
			if err != nil {
				return nil, chat.Invalid("cursor", "is not an event id")
			}
			after = chat.EventID(v)
		}
		return a.sync(ctx, w, after, in.Limit)
	})
}

func (a *API) sync(ctx context.Context, w who, after chat.EventID, limit int) (*syncOutput, error) {
	p, err := a.o.Inbox.Sync(ctx, w.User, after, limit)
	if err != nil {
		return nil, chat.Unavailable("sync", err)
	}
	// One encoder for frames and REST: what it writes is taken apart again.
	var pending protocol.Pending
	for i := range p.Items {
		addPending(&pending, &p.Items[i], w.User)
	}
	var frame struct {
		Payload struct {
			Messages []json.RawMessage `json:"messages"`
			Events   []json.RawMessage `json:"events"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(pending.AppendTo(nil, p.Last, p.More), &frame); err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	out := &syncOutput{}
	out.Body.Messages, out.Body.Events = frame.Payload.Messages, frame.Payload.Events
	out.Body.EventID, out.Body.More, out.Body.UpTo, out.Body.Gap = p.Last.String(), p.More, Time(p.UpTo), p.Gap
	return out, nil
}

func addPending(b *protocol.Pending, p *chat.Push, me chat.UserID) {
	switch e := p.Event; p.Kind {
	case chat.PushMessage:
		var status chat.Status
		if p.Message.Sender == me {
			status = chat.Sent
		}
		b.Message(p.Message, e.ID, status)
	case chat.PushEdit:
		b.Edited(p.Message, e.ID)
	case chat.PushDelete:
		b.Deleted(e.Conversation, e.Message, e.ID)
	case chat.PushReaction:
		b.Reaction(e.Conversation, e.Message, p.Reaction, e.ID)
	case chat.PushConversation:
		b.Conversation(p.Conversation, e)
	}
}
