package service

import (
	"context"
	"slices"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// HistoryRequest asks for a page of a conversation. At most one of Before, Since, SinceTime and Around is set; with none
// the newest page is returned.
type HistoryRequest struct {
	Conversation chat.ConversationID
	Before       chat.MessageID // exclusive
	Since        chat.MessageID // exclusive
	SinceTime    int64          // Unix milliseconds, exclusive: messages made in a later millisecond; 0 = unset, 1 = from the first
	Around       chat.MessageID // this message and Limit/2 on each side
	Limit        int            // 1..chat.MaxHistory, 0 = chat.DefaultHistory
}

// HistoryPage is a page of a conversation.
type HistoryPage struct {
	Messages []chat.Message // ascending; deleted ones are there without content
	// HasMore: there are more in the direction asked for; for Around, in either.
	HasMore bool
	// Cursor is where a later call with Since goes on without missing what is being stored now. It never passes now −
	// (AckDeadline + ClockSlack), so that call may return some messages again. While HasMore, the last message's id leads on.
	Cursor chat.MessageID
}

// History returns a page of what the caller may read of a conversation.
func (s *Service) History(ctx context.Context, c Caller, r HistoryRequest) (HistoryPage, error) {
	if err := r.validate(); err != nil {
		return HistoryPage{}, err
	}
	if err := s.other(ctx, c); err != nil {
		return HistoryPage{}, err
	}
	m, me, err := s.member(ctx, c.User, r.Conversation)
	if err != nil {
		return HistoryPage{}, err
	}
	q := store.History{Conversation: r.Conversation, Kind: m.Conversation.Kind, After: me.JoinedID}
	// What is read below the horizon of this moment is complete; one taken after the read would promise too much.
	horizon := s.horizon()
	var page HistoryPage
	from := chat.MessageID(0)
	switch {
	case r.Around != 0:
		page, err = s.around(ctx, q, r)
	case r.Since != 0 || r.SinceTime != 0:
		from = r.Since
		if r.SinceTime != 0 {
			from = max(chat.MessageID(id.AtMillis(r.SinceTime+1))-1, 0)
		}
		q.After, q.Limit = max(q.After, from), r.Limit+1
		page.Messages, err = s.read(ctx, q)
		page.HasMore = len(page.Messages) > r.Limit
		page.Messages = page.Messages[:min(len(page.Messages), r.Limit)]
	default:
		q.Before, q.Newest, q.Limit = r.Before, true, r.Limit+1
		page.Messages, err = s.read(ctx, q)
		page.HasMore = len(page.Messages) > r.Limit
		page.Messages = page.Messages[:min(len(page.Messages), r.Limit)]
		slices.Reverse(page.Messages)
	}
	if err != nil {
		return HistoryPage{}, err
	}
	page.Cursor = from
	if n := len(page.Messages); n > 0 {
		page.Cursor = page.Messages[n-1].ID
		s.merge(page.Cursor)
	}
	page.Cursor = min(page.Cursor, horizon)
	return page, s.hydrate(ctx, c, page.Messages)
}

func (r *HistoryRequest) validate() error {
	if r.Conversation.IsZero() {
		return chat.Invalid("conversationId", "is missing")
	}
	if r.Limit == 0 {
		r.Limit = chat.DefaultHistory
	}
	if r.Limit < 0 || r.Limit > chat.MaxHistory {
		return chat.Invalid("limit", "must be 1 to %d", chat.MaxHistory)
	}
	set := 0
	for _, f := range []struct {
		name string
		v    int64
	}{{"before", int64(r.Before)}, {"since", int64(r.Since)}, {"around", int64(r.Around)}, {"since", r.SinceTime}} {
		if f.v == 0 {
			continue
		}
		if f.v < 0 && f.name != "since" {
			return chat.Invalid(f.name, "is malformed")
		}
		if set++; set > 1 {
			return chat.Invalid(f.name, "only one of before, since and around may be given")
		}
	}
	if r.Since < 0 {
		return chat.Invalid("since", "is malformed")
	}
	return nil
}

// around reads a message and half of the limit on each side of it.
func (s *Service) around(ctx context.Context, q store.History, r HistoryRequest) (HistoryPage, error) {
	none := chat.NotFound("no such message in this conversation")
	if r.Around <= q.After {
		return HistoryPage{}, none
	}
	half := r.Limit / 2
	newer := q
	newer.After, newer.Limit = r.Around-1, half+2
	up, err := s.read(ctx, newer)
	if err != nil {
		return HistoryPage{}, err
	}
	if len(up) == 0 || up[0].ID != r.Around {
		return HistoryPage{}, none
	}
	older := q
	older.Before, older.Newest, older.Limit = r.Around, true, half+1
	down, err := s.read(ctx, older)
	if err != nil {
		return HistoryPage{}, err
	}
	page := HistoryPage{HasMore: len(up) > half+1 || len(down) > half}
	down = down[:min(len(down), half)]
	slices.Reverse(down)
	page.Messages = append(down, up[:min(len(up), half+1)]...)
	return page, nil
}

func (s *Service) read(ctx context.Context, q store.History) ([]chat.Message, error) {
	rows, err := s.store.Messages.History(ctx, q)
	if err != nil {
		return nil, chat.Unavailable("read history", err)
	}
	return rows, nil
}

// Message returns one message that the caller may read, with its media, reactions and, for its sender, its status.
func (s *Service) Message(ctx context.Context, c Caller, conv chat.ConversationID, msg chat.MessageID) (chat.Message, error) {
	if err := validTarget(conv, msg); err != nil {
		return chat.Message{}, err
	}
	if err := s.other(ctx, c); err != nil {
		return chat.Message{}, err
	}
	m, me, err := s.member(ctx, c.User, conv)
	if err != nil {
		return chat.Message{}, err
	}
	return s.fetch(ctx, c, m, me, msg)
}

// fetch reads one message with its reactions and fills it for the caller.
func (s *Service) fetch(ctx context.Context, c Caller, m *chat.Membership, me chat.Member, msg chat.MessageID) (chat.Message, error) {
	none := chat.NotFound("no such message in this conversation")
	if !me.Holds(msg) {
		return chat.Message{}, none
	}
	rows, err := s.read(ctx, store.History{
		Conversation: m.Conversation.ID, Kind: m.Conversation.Kind, After: msg - 1, Before: msg + 1, Limit: 1,
	})
	if err != nil {
		return chat.Message{}, err
	}
	if len(rows) == 0 || rows[0].ID != msg {
		return chat.Message{}, none
	}
	s.merge(msg)
	return rows[0], s.hydrate(ctx, c, rows[:1])
}

func validTarget(conv chat.ConversationID, msg chat.MessageID) error {
	if conv.IsZero() {
		return chat.Invalid("conversationId", "is missing")
	}
	if msg <= 0 {
		return chat.Invalid("messageId", "is missing or malformed")
	}
	return nil
}
