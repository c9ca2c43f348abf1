package httpapi

import (
	"context"
	"net/http"

	"github.com/murre-chat/murre/pkg/chat"
)

type membersOutput struct {
	Body struct {
		Members []Participant `json:"members" nullable:"false"`
		HasMore bool          `json:"hasMore"`
		Cursor  string        `json:"cursor,omitempty" doc:"Asks for the next page"`
	}
}

type addMembersInput struct {
	ConversationPath
	Body struct {
		UserIDs []string `json:"userIds" nullable:"false" minItems:"1" maxItems:"1000"`
	}
}

type roleInput struct {
	MemberPath
	Body struct {
		Role string `json:"role" enum:"admin,member"`
	}
}

func (a *API) memberRoutes() {
	type listInput struct {
		ConversationPath
		Cursor chat.UserID `query:"cursor" doc:"From the page before"`
		Limit  int         `query:"limit" minimum:"1" maximum:"500" default:"100"`
	}
	route(a, endpoint{
		id: "members", method: http.MethodGet, path: "/conversations/{conversationId}/members", tag: "Members", summary: "The members, by user id",
	}, func(ctx context.Context, w who, in *listInput) (*membersOutput, error) {
		ps, more, err := a.o.Service.Members(ctx, w.Caller, in.Conversation, in.Cursor, in.Limit)
		if err != nil {
			return nil, err
		}
		out := &membersOutput{}
		out.Body.Members, out.Body.HasMore = participantViews(ps), more
		if more && len(ps) > 0 {
			out.Body.Cursor = ps[len(ps)-1].ID.String()
		}
		return out, nil
	})

	route(a, endpoint{
		id: "add-members", method: http.MethodPost, path: "/conversations/{conversationId}/members", tag: "Members",
		summary: "Add members", description: "Admins only. A group holds 256.",
	}, func(ctx context.Context, w who, in *addMembersInput) (*conversationOutput, error) {
		ids, err := userIDs("userIds", in.Body.UserIDs)
		if err != nil {
			return nil, err
		}
		return showConversation(w)(a.o.Service.AddMembers(ctx, w.Caller, in.Conversation, ids))
	})

	route(a, endpoint{
		id: "set-role", method: http.MethodPatch, path: "/conversations/{conversationId}/members/{userId}", tag: "Members",
		summary: "Make a member admin, or not", description: "Admins only.",
	}, func(ctx context.Context, w who, in *roleInput) (*none, error) {
		role, ok := chat.ParseRole(in.Body.Role)
		if !ok {
			return nil, chat.Invalid("role", "must be admin or member")
		}
		return &none{}, a.o.Service.SetRole(ctx, w.Caller, in.Conversation, in.User, role)
	})

	route(a, endpoint{
		id: "remove-member", method: http.MethodDelete, path: "/conversations/{conversationId}/members/{userId}", tag: "Members",
		summary: "Remove a member, or leave", description: "Admins remove anyone, everyone themselves. The last admin's leaving promotes the longest-standing member.",
	}, func(ctx context.Context, w who, in *MemberPath) (*none, error) {
		return &none{}, a.o.Service.RemoveMember(ctx, w.Caller, in.Conversation, in.User)
	})
}
