package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Participant is a member of a conversation.
type Participant struct {
	User        chat.UserID `json:"userId"`
	Username    string      `json:"username"`
	DisplayName string      `json:"displayName"`
	AvatarURL   string      `json:"avatarUrl,omitempty"`
	Role        string      `json:"role"` // admin or member
}

// Conversation is a conversation as the caller sees it.
type Conversation struct {
	ID           chat.ConversationID `json:"id"`
	Type         string              `json:"type"` // direct, group, channel
	Name         string              `json:"name"`
	Participants []Participant       `json:"participants"`
	LastMessage  *protocol.Message   `json:"lastMessage,omitempty"`
	UnreadCount  int                 `json:"unreadCount"` // at most chat.MaxUnreadCount
	UpdatedAt    protocol.Time       `json:"updatedAt"`
	Count        int                 `json:"participantCount"` // Participants of a channel are the caller alone
	Muted        bool                `json:"muted"`
	Archived     bool                `json:"archived"`
}

// ConversationPage is a page of the caller's list, newest first; Cursor asks for the next, "" is the end.
type ConversationPage struct {
	Conversations []Conversation `json:"conversations"`
	Cursor        string         `json:"cursor,omitempty"`
}

// Conversations lists the caller's conversations. limit 0 leaves it to the server.
func (r *REST) Conversations(ctx context.Context, cursor string, limit int) (ConversationPage, error) {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var out ConversationPage
	return out, r.call(ctx, http.MethodGet, "/conversations?"+q.Encode(), nil, &out)
}

// Conversation returns one conversation. FORBIDDEN for strangers, whether it exists or not.
func (r *REST) Conversation(ctx context.Context, id chat.ConversationID) (Conversation, error) {
	var out Conversation
	return out, r.call(ctx, http.MethodGet, "/conversations/"+id.String(), nil, &out)
}

// CreateConversation makes a conversation with the caller as admin; a direct one is made once, whoever asks first.
func (r *REST) CreateConversation(ctx context.Context, kind chat.Kind, name string, with ...chat.UserID) (Conversation, error) {
	if with == nil {
		with = []chat.UserID{}
	}
	in := struct {
		Type         string        `json:"type"`
		Participants []chat.UserID `json:"participantIds"`
		Name         string        `json:"name,omitempty"`
	}{kind.String(), with, name}
	var out Conversation
	return out, r.call(ctx, http.MethodPost, "/conversations", in, &out)
}

// Direct makes or finds the direct conversation with a user.
func (r *REST) Direct(ctx context.Context, with chat.UserID) (Conversation, error) {
	return r.CreateConversation(ctx, chat.Direct, "", with)
}

// Rename changes a conversation's name; admins only.
func (r *REST) Rename(ctx context.Context, id chat.ConversationID, name string) error {
	in := struct {
		Name string `json:"name"`
	}{name}
	return r.call(ctx, http.MethodPatch, "/conversations/"+id.String(), in, nil)
}

// SetPreferences mutes or archives a conversation for the caller; nil leaves as it is.
func (r *REST) SetPreferences(ctx context.Context, id chat.ConversationID, muted, archived *bool) error {
	in := struct {
		Muted    *bool `json:"muted,omitempty"`
		Archived *bool `json:"archived,omitempty"`
	}{muted, archived}
	return r.call(ctx, http.MethodPatch, "/conversations/"+id.String()+"/me", in, nil)
}

// AddMembers adds users to a group or channel; admins only.
func (r *REST) AddMembers(ctx context.Context, id chat.ConversationID, users ...chat.UserID) error {
	in := struct {
		Users []chat.UserID `json:"userIds"`
	}{users}
	return r.call(ctx, http.MethodPost, "/conversations/"+id.String()+"/members", in, nil)
}

// SetRole makes a member admin or member; admins only.
func (r *REST) SetRole(ctx context.Context, id chat.ConversationID, user chat.UserID, role chat.Role) error {
	in := struct {
		Role string `json:"role"`
	}{role.String()}
	return r.call(ctx, http.MethodPatch, "/conversations/"+id.String()+"/members/"+user.String(), in, nil)
}

// RemoveMember removes a member; everyone may remove themselves.
func (r *REST) RemoveMember(ctx context.Context, id chat.ConversationID, user chat.UserID) error {
	return r.call(ctx, http.MethodDelete, "/conversations/"+id.String()+"/members/"+user.String(), nil, nil)
}

// MemberPage is a page of members by user id; Cursor asks for the next, "" is the end.
type MemberPage struct {
	Members []Participant `json:"members"`
	Cursor  string        `json:"cursor,omitempty"`
}

// Members pages through the members of a conversation; channels show them here only.
func (r *REST) Members(ctx context.Context, id chat.ConversationID, cursor string, limit int) (MemberPage, error) {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var out MemberPage
	return out, r.call(ctx, http.MethodGet, "/conversations/"+id.String()+"/members?"+q.Encode(), nil, &out)
}
