package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

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

// HistoryQuery says which part of a history to read: at most one of the first four. Limit 0 means 50, at most 100.
type HistoryQuery struct {
	Before    chat.MessageID
	Since     chat.MessageID
	Around    chat.MessageID
	SinceTime time.Time
	Limit     int
}

// HistoryPage is a stretch of a history, ascending.
type HistoryPage struct {
	Messages []protocol.Message `json:"messages"`
	HasMore  bool               `json:"hasMore"`
	Cursor   string             `json:"cursor,omitempty"`
}

// History reads messages of a conversation.
func (r *REST) History(ctx context.Context, id chat.ConversationID, h HistoryQuery) (HistoryPage, error) {
	q := url.Values{}
	switch {
	case h.Before != 0:
		q.Set("before", h.Before.String())
	case h.Since != 0:
		q.Set("since", h.Since.String())
	case h.Around != 0:
		q.Set("around", h.Around.String())
	case !h.SinceTime.IsZero():
		q.Set("since", string(protocol.AppendTime(nil, h.SinceTime.UnixMilli())))
	}
	if h.Limit > 0 {
		q.Set("limit", strconv.Itoa(h.Limit))
	}
	var out HistoryPage
	return out, r.call(ctx, http.MethodGet, "/conversations/"+id.String()+"/messages?"+q.Encode(), nil, &out)
}

// Send stores a message over HTTP, with the same idempotence as over the socket. A ClientMessageID is made when there is
// none; give the same one, and Resend, to repeat a call whose outcome is unknown.
func (r *REST) Send(ctx context.Context, m Outgoing) (protocol.Message, error) {
	if m.ClientMessageID.IsZero() {
		m.ClientMessageID = chat.NewClientMessageID(time.Now())
	}
	if m.ContentType == 0 {
		m.ContentType = chat.Text
	}
	in := struct {
		Content     string               `json:"content"`
		ContentType string               `json:"contentType"`
		Client      chat.ClientMessageID `json:"clientMessageId"`
		Media       chat.MediaID         `json:"mediaId,omitzero"`
		ReplyTo     chat.MessageID       `json:"replyToId,omitzero"`
		Resend      bool                 `json:"resend,omitempty"`
	}{m.Content, m.ContentType.String(), m.ClientMessageID, m.Media, m.ReplyTo, m.Resend}
	var out protocol.Message
	return out, r.call(ctx, http.MethodPost, "/conversations/"+m.Conversation.String()+"/messages", in, &out)
}

// Message returns one message.
func (r *REST) Message(ctx context.Context, conv chat.ConversationID, msg chat.MessageID) (protocol.Message, error) {
	var out protocol.Message
	return out, r.call(ctx, http.MethodGet, "/conversations/"+conv.String()+"/messages/"+msg.String(), nil, &out)
}

// Receipt is how far a member's devices have received and the member has read; 0: nothing yet.
type Receipt struct {
	User        chat.UserID    `json:"userId"`
	DeliveredTo chat.MessageID `json:"deliveredTo,omitzero"`
	ReadTo      chat.MessageID `json:"readTo,omitzero"`
}

// Receipts returns the members' watermarks in a conversation; since leaves out who stands at or before it, 0 nobody.
func (r *REST) Receipts(ctx context.Context, conv chat.ConversationID, since chat.MessageID) ([]Receipt, error) {
	path := "/conversations/" + conv.String() + "/receipts"
	if since != 0 {
		path += "?since=" + since.String()
	}
	var out struct {
		Receipts []Receipt `json:"receipts"`
	}
	err := r.call(ctx, http.MethodGet, path, nil, &out)
	return out.Receipts, err
}
