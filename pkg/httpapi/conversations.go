package httpapi

import (
	"context"
	"net/http"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/service"
)

type conversationOutput struct{ Body Conversation }

type createdConversation struct {
	Status int
	Body   Conversation
}

type conversationsOutput struct {
	Body struct {
		Conversations []Conversation `json:"conversations" nullable:"false"`
		HasMore       bool           `json:"hasMore"`
		Cursor        string         `json:"cursor,omitempty" doc:"Asks for the next page"`
	}
}

type receiptsOutput struct{ Body ReceiptList }

type createInput struct {
	Body struct {
		Type           string   `json:"type" enum:"direct,group,channel"`
		ParticipantIDs []string `json:"participantIds" nullable:"false" maxItems:"1000" doc:"Without the caller; exactly one for a direct conversation"`
		Name           string   `json:"name,omitempty" maxLength:"100" doc:"Of a group or channel"`
	}
}

type changeInput struct {
	ConversationPath
	Body struct {
		Name     *string `json:"name,omitempty" minLength:"1" maxLength:"100"`
		AvatarID *string `json:"avatarId,omitempty" doc:"Id of a completed upload with purpose avatar; empty removes"`
	}
}

type preferencesInput struct {
	ConversationPath
	Body struct {
		Muted    *bool `json:"muted,omitempty"`
		Archived *bool `json:"archived,omitempty"`
	}
}

func (a *API) conversationRoutes() {
	type listInput struct {
		Cursor string `query:"cursor" maxLength:"200" doc:"From the page before"`
		Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	}
	route(a, endpoint{id: "conversations", method: http.MethodGet, path: "/conversations", tag: "Conversations", summary: "The caller's conversations, newest first"},
		func(ctx context.Context, w who, in *listInput) (*conversationsOutput, error) {
			p, err := a.o.Service.Conversations(ctx, w.Caller, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			out := &conversationsOutput{}
			out.Body.Conversations = make([]Conversation, 0, len(p.Items))
			for i := range p.Items {
				out.Body.Conversations = append(out.Body.Conversations, conversationView(&p.Items[i], w.User))
			}
			out.Body.Cursor, out.Body.HasMore = p.Next, p.Next != ""
			return out, nil
		})

	route(a, endpoint{
		id: "create-conversation", method: http.MethodPost, path: "/conversations", tag: "Conversations", summary: "Make a conversation",
		description: "A direct conversation is made once: asking again answers 200 with the one there is. The creator of a group or channel is its admin.",
		status:      http.StatusCreated,
	}, a.createConversation)

	route(a, endpoint{
		id: "conversation", method: http.MethodGet, path: "/conversations/{conversationId}", tag: "Conversations", summary: "One conversation",
		description: "FORBIDDEN for who isn't a member, whether it exists or not.",
	}, func(ctx context.Context, w who, in *ConversationPath) (*conversationOutput, error) {
		return showConversation(w)(a.o.Service.Conversation(ctx, w.Caller, in.Conversation))
	})

	route(a, endpoint{
		id: "change-conversation", method: http.MethodPatch, path: "/conversations/{conversationId}", tag: "Conversations",
		summary: "Rename, or change the avatar", description: "Admins only.",
	}, func(ctx context.Context, w who, in *changeInput) (*conversationOutput, error) {
		patch := service.ConversationPatch{Name: in.Body.Name}
		if in.Body.AvatarID != nil {
			avatar, err := a.avatar(ctx, w, "avatarId", *in.Body.AvatarID)
			if err != nil {
				return nil, err
			}
			patch.Avatar = &avatar
		}
		if patch.Name == nil && patch.Avatar == nil {
			return nil, chat.Invalid("name", "or avatarId is required")
		}
		return showConversation(w)(a.o.Service.ChangeConversation(ctx, w.Caller, in.Conversation, patch))
	})

	route(a, endpoint{
		id: "preferences", method: http.MethodPatch, path: "/conversations/{conversationId}/me", tag: "Conversations",
		summary: "Mute or archive a conversation, for the caller",
	}, func(ctx context.Context, w who, in *preferencesInput) (*none, error) {
		if in.Body.Muted == nil && in.Body.Archived == nil {
			return nil, chat.Invalid("muted", "or archived is required")
		}
		return &none{}, a.o.Service.SetPreferences(ctx, w.Caller, in.Conversation, in.Body.Muted, in.Body.Archived)
	})

	type receiptsInput struct {
		ConversationPath
		Since string `query:"since" doc:"Message id: leaves out who stands at or before it"`
	}
	route(a, endpoint{
		id: "receipts", method: http.MethodGet, path: "/conversations/{conversationId}/receipts", tag: "Conversations",
		summary: "How far each member has received and read",
	}, func(ctx context.Context, w who, in *receiptsInput) (*receiptsOutput, error) {
		since, err := messageID("since", in.Since)
		if err != nil {
			return nil, err
		}
		rs, err := a.o.Service.Receipts(ctx, w.Caller, in.Conversation, since)
		if err != nil {
			return nil, err
		}
		return &receiptsOutput{Body: receiptViews(rs)}, nil
	})
}

func (a *API) createConversation(ctx context.Context, w who, in *createInput) (*createdConversation, error) {
	kind, ok := chat.ParseKind(in.Body.Type)
	if !ok {
		return nil, chat.Invalid("type", "must be direct, group or channel")
	}
	ids, err := userIDs("participantIds", in.Body.ParticipantIDs)
	if err != nil {
		return nil, err
	}
	v, created, err := a.o.Service.CreateConversation(ctx, w.Caller, service.CreateConversation{Kind: kind, Participants: ids, Name: in.Body.Name})
	if err != nil {
		return nil, err
	}
	out := &createdConversation{Status: http.StatusOK, Body: conversationView(&v, w.User)}
	if created {
		out.Status = http.StatusCreated
	}
	return out, nil
}

// showConversation turns a use case's answer into REST's.
func showConversation(w who) func(service.ConversationView, error) (*conversationOutput, error) {
	return func(v service.ConversationView, err error) (*conversationOutput, error) {
		if err != nil {
			return nil, err
		}
		return &conversationOutput{Body: conversationView(&v, w.User)}, nil
	}
}
