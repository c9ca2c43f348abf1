package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
)

type usersOutput struct {
	Body struct {
		Users []User `json:"users" nullable:"false"`
	}
}

// Presence says whether a user is online.
type Presence struct {
	UserID   string `json:"userId"`
	Status   string `json:"status" enum:"online,offline"`
	LastSeen Time   `json:"lastSeen,omitzero"`
}

type presenceOutput struct {
	Body struct {
		Presence []Presence `json:"presence" nullable:"false"`
	}
}

func users(us []chat.User, err error) (*usersOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &usersOutput{}
	out.Body.Users = userViews(us)
	return out, nil
}

func (a *API) peopleRoutes() {
	type searchInput struct {
		Query string `query:"query" required:"true" minLength:"1" maxLength:"64" doc:"Prefix of a username or display name"`
		Limit int    `query:"limit" minimum:"1" maximum:"50" default:"20"`
	}
	route(a, endpoint{id: "search-users", method: http.MethodGet, path: "/users", tag: "People", summary: "Find users"},
		func(ctx context.Context, w who, in *searchInput) (*usersOutput, error) {
			return users(a.o.Service.UsersSearch(ctx, w.Caller, in.Query, in.Limit))
		})

	route(a, endpoint{id: "user", method: http.MethodGet, path: "/users/{userId}", tag: "People", summary: "One user"},
		func(ctx context.Context, w who, in *UserPath) (*userOutput, error) {
			u, err := a.o.Service.User(ctx, w.Caller, in.User)
			if err != nil {
				return nil, err
			}
			return &userOutput{Body: userView(&u)}, nil
		})

	route(a, endpoint{id: "blocks", method: http.MethodGet, path: "/blocks", tag: "People", summary: "Whom the caller blocked"},
		func(ctx context.Context, w who, _ *struct{}) (*usersOutput, error) {
			return users(a.o.Service.Blocks(ctx, w.Caller))
		})

	route(a, endpoint{
		id: "block", method: http.MethodPost, path: "/blocks/{userId}", tag: "People", summary: "Block a user", status: http.StatusNoContent,
		description: "No direct messages, presence or typing between the two, and no adding to groups.",
	}, func(ctx context.Context, w who, in *UserPath) (*none, error) {
		return &none{}, a.o.Service.Block(ctx, w.Caller, in.User)
	})

	route(a, endpoint{id: "unblock", method: http.MethodDelete, path: "/blocks/{userId}", tag: "People", summary: "Unblock a user"},
		func(ctx context.Context, w who, in *UserPath) (*none, error) {
			return &none{}, a.o.Service.Unblock(ctx, w.Caller, in.User)
		})

	type presenceInput struct {
		UserIDs string `query:"userIds" required:"true" doc:"Up to 100 user ids, with commas between" maxLength:"4000"`
	}
	route(a, endpoint{
		id: "presence", method: http.MethodGet, path: "/presence", tag: "People", summary: "Who is online",
		description: "Strangers and blocked users are left out.",
	}, func(ctx context.Context, w who, in *presenceInput) (*presenceOutput, error) {
		ids, err := userIDs("userIds", strings.Split(in.UserIDs, ","))
		if err != nil {
			return nil, err
		}
		ps, err := a.o.Service.PresenceOf(ctx, w.Caller, ids)
		if err != nil {
			return nil, err
		}
		out := &presenceOutput{}
		out.Body.Presence = make([]Presence, 0, len(ps))
		for _, p := range ps {
			v := Presence{UserID: p.User.String(), Status: "offline", LastSeen: Time(p.LastSeen)}
			if p.Online {
				v.Status = "online"
			}
			out.Body.Presence = append(out.Body.Presence, v)
		}
		return out, nil
	})
}
