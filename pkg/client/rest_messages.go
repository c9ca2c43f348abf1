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

// MessageReceipts returns how far the members who may see a message stand.
func (r *REST) MessageReceipts(ctx context.Context, conv chat.ConversationID, msg chat.MessageID) ([]Receipt, error) {
	var out struct {
		Receipts []Receipt `json:"receipts"`
	}
	err := r.call(ctx, http.MethodGet, messagePath(conv, msg)+"/receipts", nil, &out)
	return out.Receipts, err
}

// Edit changes the content of an own message.
func (r *REST) Edit(ctx context.Context, conv chat.ConversationID, msg chat.MessageID, content string) (protocol.Message, error) {
	in := struct {
		Content string `json:"content"`
	}{content}
	var out protocol.Message
	return out, r.call(ctx, http.MethodPatch, messagePath(conv, msg), in, &out)
}

// Delete removes a message for everyone.
func (r *REST) Delete(ctx context.Context, conv chat.ConversationID, msg chat.MessageID) error {
	return r.call(ctx, http.MethodDelete, messagePath(conv, msg), nil, nil)
}

// React sets the caller's reaction to a message; "" removes it.
func (r *REST) React(ctx context.Context, conv chat.ConversationID, msg chat.MessageID, emoji string) error {
	if emoji == "" {
		return r.call(ctx, http.MethodDelete, messagePath(conv, msg)+"/reactions", nil, nil)
	}
	in := struct {
		Emoji string `json:"emoji"`
	}{emoji}
	return r.call(ctx, http.MethodPost, messagePath(conv, msg)+"/reactions", in, nil)
}

func messagePath(conv chat.ConversationID, msg chat.MessageID) string {
	return "/conversations/" + conv.String() + "/messages/" + msg.String()
}

// SyncPage is a stretch of the caller's log. Event is the cursor of the next call.
type SyncPage struct {
	protocol.PendingPayload
	UpTo protocol.Time `json:"upTo"`
	Gap  bool          `json:"gap"` // the log no longer reaches back to the cursor: read history
}

// Sync reads what happened after a cursor without a socket, for clients that a push notification woke.
func (r *REST) Sync(ctx context.Context, cursor chat.EventID) (SyncPage, error) {
	var out SyncPage
	return out, r.call(ctx, http.MethodGet, "/sync?cursor="+cursor.String(), nil, &out)
}
