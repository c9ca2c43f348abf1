package httpapi

import (
	"context"
	"net/http"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/service"
)

type messageOutput struct{ Body Message }

type historyOutput struct {
	Body struct {
		Messages []Message `json:"messages" nullable:"false" doc:"Ascending"`
		HasMore  bool      `json:"hasMore"`
		Cursor   string    `json:"cursor,omitempty" doc:"For the next call with since, once hasMore is false: it never passes what may still appear"`
	}
}

type reactionOutput struct{ Body Reaction }

type historyInput struct {
	ConversationPath
	Before string `query:"before" doc:"Message id, exclusive"`
	Since  string `query:"since" doc:"Message id or RFC 3339 time, exclusive"`
	Around string `query:"around" doc:"Message id: it, and half the limit on each side"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type sendInput struct {
	ConversationPath
	Body struct {
		Content         string `json:"content,omitempty" doc:"1 to 10,000 code points, kept exactly; may be empty only with media"`
		ContentType     string `json:"contentType,omitempty" enum:"text,image,video,file" doc:"Default text"`
		ClientMessageID string `json:"clientMessageId" doc:"UUID, v7 advised: the same one never makes a second message"`
		MediaID         string `json:"mediaId,omitempty" doc:"A completed upload for this conversation"`
		ReplyToID       string `json:"replyToId,omitempty" doc:"Message id of this conversation"`
		Resend          bool   `json:"resend,omitempty" doc:"Set on every retry"`
	}
}

type editInput struct {
	MessagePath
	Body struct {
		Content string `json:"content" doc:"1 to 10,000 code points"`
	}
}

type reactInput struct {
	MessagePath
	Body struct {
		Emoji string `json:"emoji" minLength:"1" maxLength:"32" doc:"One emoji; replaces the caller's earlier reaction"`
	}
}

const (
	messagesPath   = "/conversations/{conversationId}/messages"
	oneMessagePath = messagesPath + "/{messageId}"
)

func (a *API) messageRoutes() {
	route(a, endpoint{
		id: "history", method: http.MethodGet, path: messagesPath, tag: "Messages", summary: "Read a conversation",
		description: "At most one of before, since and around; with none the newest page.",
	}, a.history)

	route(a, endpoint{
		id: "send", method: http.MethodPost, path: messagesPath, tag: "Messages", summary: "Send a message", status: http.StatusCreated,
		description: "As the `message` frame does: same checks, same idempotence. After an answer of UNAVAILABLE or INTERNAL, or none, send it again with `resend` and the same clientMessageId.",
	}, a.send)

	route(a, endpoint{id: "message", method: http.MethodGet, path: oneMessagePath, tag: "Messages", summary: "One message"},
		func(ctx context.Context, w who, in *MessagePath) (*messageOutput, error) {
			m, err := in.id()
			if err != nil {
				return nil, err
			}
			msg, err := a.o.Service.Message(ctx, w.Caller, in.Conversation, m)
			if err != nil {
				return nil, err
			}
			return &messageOutput{Body: messageView(&msg, w.User)}, nil
		})

	route(a, endpoint{id: "edit", method: http.MethodPatch, path: oneMessagePath, tag: "Messages", summary: "Edit a message", description: "Its author only."},
		func(ctx context.Context, w who, in *editInput) (*messageOutput, error) {
			m, err := in.id()
			if err != nil {
				return nil, err
			}
			msg, _, err := a.o.Service.Edit(ctx, w.Caller, in.Conversation, m, in.Body.Content)
			if err != nil {
				return nil, err
			}
			return &messageOutput{Body: messageView(&msg, w.User)}, nil
		})

	route(a, endpoint{id: "delete", method: http.MethodDelete, path: oneMessagePath, tag: "Messages", summary: "Delete a message", description: "Its author, or an admin."},
		func(ctx context.Context, w who, in *MessagePath) (*none, error) {
			m, err := in.id()
			if err != nil {
				return nil, err
			}
			_, _, err = a.o.Service.Delete(ctx, w.Caller, in.Conversation, m)
			return &none{}, err
		})

	route(a, endpoint{id: "message-receipts", method: http.MethodGet, path: oneMessagePath + "/receipts", tag: "Messages", summary: "Who received and read a message"},
		func(ctx context.Context, w who, in *MessagePath) (*receiptsOutput, error) {
			m, err := in.id()
			if err != nil {
				return nil, err
			}
			rs, err := a.o.Service.MessageReceipts(ctx, w.Caller, in.Conversation, m)
			if err != nil {
				return nil, err
			}
			return &receiptsOutput{Body: receiptViews(rs)}, nil
		})

	route(a, endpoint{id: "react", method: http.MethodPost, path: oneMessagePath + "/reactions", tag: "Messages", summary: "React to a message"},
		func(ctx context.Context, w who, in *reactInput) (*reactionOutput, error) {
			return a.react(ctx, w, in.MessagePath, in.Body.Emoji)
		})

	route(a, endpoint{id: "unreact", method: http.MethodDelete, path: oneMessagePath + "/reactions", tag: "Messages", summary: "Take the reaction back"},
		func(ctx context.Context, w who, in *MessagePath) (*none, error) {
			_, err := a.react(ctx, w, *in, "")
			return &none{}, err
		})
}

func (a *API) history(ctx context.Context, w who, in *historyInput) (*historyOutput, error) {
	r := service.HistoryRequest{Conversation: in.Conversation, Limit: in.Limit}
	var err error
	if r.Before, err = messageID("before", in.Before); err != nil {
		return nil, err
	}
	if r.Since, r.SinceTime, err = messageOrTime("since", in.Since); err != nil {
		return nil, err
	}
	if r.Around, err = messageID("around", in.Around); err != nil {
		return nil, err
	}
	p, err := a.o.Service.History(ctx, w.Caller, r)
	if err != nil {
		return nil, err
	}
	out := &historyOutput{}
	out.Body.Messages = make([]Message, 0, len(p.Messages))
	for i := range p.Messages {
		out.Body.Messages = append(out.Body.Messages, messageView(&p.Messages[i], w.User))
	}
	out.Body.HasMore = p.HasMore
	if p.Cursor != 0 {
		out.Body.Cursor = p.Cursor.String()
	}
	return out, nil
}

func (a *API) send(ctx context.Context, w who, in *sendInput) (*messageOutput, error) {
	b := &in.Body
	r := service.SendRequest{Conversation: in.Conversation, Content: b.Content, ContentType: chat.Text, Resend: b.Resend}
	var err error
	if b.ContentType != "" {
		var ok bool
		if r.ContentType, ok = chat.ParseContentType(b.ContentType); !ok {
			return nil, chat.Invalid("contentType", "must be text, image, video or file")
		}
	}
	if r.ClientMessage, err = uuid("clientMessageId", b.ClientMessageID, chat.ParseClientMessageID); err != nil {
		return nil, err
	}
	if r.Media, err = uuid("mediaId", b.MediaID, chat.ParseMediaID); err != nil {
		return nil, err
	}
	if r.ReplyTo, err = messageID("replyToId", b.ReplyToID); err != nil {
		return nil, err
	}
	res, err := a.o.Service.Send(ctx, w.Caller, r)
	if err != nil {
		return nil, err
	}
	return &messageOutput{Body: messageView(&res.Message, w.User)}, nil
}

func (a *API) react(ctx context.Context, w who, in MessagePath, emoji string) (*reactionOutput, error) {
	m, err := in.id()
	if err != nil {
		return nil, err
	}
	r, _, err := a.o.Service.React(ctx, w.Caller, in.Conversation, m, emoji)
	if err != nil {
		return nil, err
	}
	return &reactionOutput{Body: Reaction{UserID: r.User.String(), Emoji: r.Emoji}}, nil
}
