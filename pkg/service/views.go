package service

import (
	"context"
	"errors"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// maxCounted is up to where the members of a channel are counted.
const maxCounted = 1000

// Participant is a member of a conversation as others see them.
type Participant struct {
	chat.User // the public part: no password, no last seen
	Role      chat.Role
	JoinedAt  int64 // Unix milliseconds
}

// ConversationView is a conversation as one member sees it.
type ConversationView struct {
	chat.Conversation
	// Participants are all members of a direct conversation or group, by user id; of a channel only the caller (see Members).
	Participants []Participant
	// ParticipantCount counts the members; of a channel at most 1,000 are counted.
	ParticipantCount int
	LastMessage      *chat.Message // the newest that the caller may read, nil if there is none
	Unread           int           // messages of others beyond what the caller read, at most chat.MaxUnreadCount
	UpdatedAt        int64         // Unix milliseconds: of the newest message, or when the conversation was made
	Muted, Archived  bool
}

// other counts one action against the limit of all that has none of its own.
func (s *Service) other(ctx context.Context, c Caller) error {
	return s.allow(ctx, admit.LimitOther, c)
}

func (s *Service) allow(ctx context.Context, l admit.Limit, c Caller) error {
	wait, err := s.admit.Allow(ctx, l, admit.Key(c.User))
	if err != nil {
		return chat.Unavailable("check a rate limit", err)
	}
	if wait > 0 {
		return rateLimited(l, wait)
	}
	return nil
}

// Conversation returns one conversation of the caller.
func (s *Service) Conversation(ctx context.Context, c Caller, conv chat.ConversationID) (ConversationView, error) {
	if conv.IsZero() {
		return ConversationView{}, chat.Invalid("conversationId", "is missing")
	}
	if err := s.other(ctx, c); err != nil {
		return ConversationView{}, err
	}
	return s.view(ctx, c, conv)
}

func (s *Service) view(ctx context.Context, c Caller, conv chat.ConversationID) (ConversationView, error) {
	m, me, err := s.member(ctx, c.User, conv)
	if err != nil {
		return ConversationView{}, err
	}
	entry, err := s.store.Listing.Listed(ctx, c.User, conv)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ConversationView{}, chat.Unavailable("read a list entry", err)
	}
	views := []ConversationView{{Conversation: m.Conversation, Muted: entry.Muted, Archived: entry.Archived}}
	if err := s.fillView(ctx, c, &views[0], m, me); err != nil {
		return ConversationView{}, err
	}
	if err := s.hydrateViews(ctx, c, views); err != nil {
		return ConversationView{}, err
	}
	return views[0], nil
}

// fillView fills all of a view but what its last message needs.
func (s *Service) fillView(ctx context.Context, c Caller, v *ConversationView, m *chat.Membership, me chat.Member) error {
	rows := m.Members
	if m.Conversation.Kind == chat.Channel {
		rows = []chat.Member{me}
	}
	var err error
	if v.Participants, err = s.participants(ctx, rows); err != nil {
		return err
	}
	v.ParticipantCount = len(v.Participants)
	if m.Conversation.Kind == chat.Channel {
		if v.ParticipantCount, err = s.countMembers(ctx, m.Conversation.ID); err != nil {
			return err
		}
	}
	last, err := s.store.Messages.History(ctx, store.History{
		Conversation: m.Conversation.ID, Kind: m.Conversation.Kind, After: me.JoinedID, Newest: true, Limit: 1,
	})
	if err != nil {
		return chat.Unavailable("read the newest message", err)
	}
	v.UpdatedAt = max(v.UpdatedAt, m.Conversation.CreatedAt)
	if len(last) == 0 {
		return nil
	}
	v.LastMessage = &last[0]
	v.UpdatedAt = max(v.UpdatedAt, last[0].ID.Time().UnixMilli())
	s.merge(last[0].ID)
	v.Unread, err = s.unread(ctx, c, m, me, &last[0])
	return err
}

// hydrateViews fills the last messages of views, all in one go.
func (s *Service) hydrateViews(ctx context.Context, c Caller, views []ConversationView) error {
	msgs := make([]chat.Message, 0, len(views))
	for i := range views {
		if views[i].LastMessage != nil {
			msgs = append(msgs, *views[i].LastMessage)
		}
	}
	if err := s.hydrate(ctx, c, msgs); err != nil {
		return err
	}
	for i := range views {
		if views[i].LastMessage != nil {
			views[i].LastMessage, msgs = &msgs[0], msgs[1:]
		}
	}
	return nil
}

// unread counts what others wrote beyond the caller's read watermark, deleted messages left out. It reads a page of
// messages or two more when the caller's own are among them.
func (s *Service) unread(ctx context.Context, c Caller, m *chat.Membership, me chat.Member, newest *chat.Message) (int, error) {
	mark, err := s.store.Watermarks.Get(ctx, m.Conversation.ID, c.User)
	if err != nil {
		return 0, chat.Unavailable("read a watermark", err)
	}
	after, n := max(mark.ReadTo, me.JoinedID), 0
	for page := 0; page < 3 && after < newest.ID; page++ {
		rows, err := s.store.Messages.History(ctx, store.History{
			Conversation: m.Conversation.ID, Kind: m.Conversation.Kind, After: after, Limit: chat.MaxUnreadCount, Bare: true,
		})
		if err != nil {
			return 0, chat.Unavailable("count unread messages", err)
		}
		for i := range rows {
			if rows[i].Sender != c.User && !rows[i].Deleted {
				n++
			}
		}
		if n >= chat.MaxUnreadCount || len(rows) < chat.MaxUnreadCount {
			break
		}
		after = rows[len(rows)-1].ID
	}
	return min(n, chat.MaxUnreadCount), nil
}

// participants returns the active ones among rows, in their order. Users who are gone are left out.
func (s *Service) participants(ctx context.Context, rows []chat.Member) ([]Participant, error) {
	ids := make([]chat.UserID, 0, len(rows))
	for i := range rows {
		if rows[i].Active() {
			ids = append(ids, rows[i].User)
		}
	}
	users, err := s.users(ctx, ids)
	if err != nil {
		return nil, chat.Unavailable("read users", err)
	}
	out := make([]Participant, 0, len(ids))
	for i := range rows {
		if u, ok := users[rows[i].User]; ok && rows[i].Active() {
			out = append(out, Participant{User: u, Role: rows[i].Role, JoinedAt: rows[i].JoinedAt})
		}
	}
	return out, nil
}

// countMembers counts the active members of a channel, up to maxCounted.
func (s *Service) countMembers(ctx context.Context, conv chat.ConversationID) (int, error) {
	n, after := 0, chat.UserID{}
	for read := 0; read < 2*maxCounted; {
		rows, err := s.store.Members.Page(ctx, conv, after, maxCounted)
		if err != nil {
			return 0, chat.Unavailable("count members", err)
		}
		for i := range rows {
			if rows[i].Active() {
				n++
			}
		}
		if n >= maxCounted || len(rows) < maxCounted {
			break
		}
		read += len(rows)
		after = rows[len(rows)-1].User
	}
	return min(n, maxCounted), nil
}

// Members returns the active members after one (exclusive; zero = from the start) by user id, at most limit (1..100,
// 0 = 100), and whether there are more.
func (s *Service) Members(ctx context.Context, c Caller, conv chat.ConversationID, after chat.UserID, limit int) ([]Participant, bool, error) {
	if limit == 0 {
		limit = chat.MaxHistory
	}
	if limit < 0 || limit > chat.MaxHistory {
		return nil, false, chat.Invalid("limit", "must be 1 to %d", chat.MaxHistory)
	}
	if err := s.other(ctx, c); err != nil {
		return nil, false, err
	}
	m, _, err := s.member(ctx, c.User, conv)
	if err != nil {
		return nil, false, err
	}
	var rows []chat.Member
	if m.Conversation.Kind == chat.Channel {
		rows, err = s.channelPage(ctx, conv, after, limit+1)
	} else {
		for i := range m.Members {
			if m.Members[i].Active() && m.Members[i].User.Compare(after) > 0 && len(rows) <= limit {
				rows = append(rows, m.Members[i])
			}
		}
	}
	if err != nil {
		return nil, false, err
	}
	more := len(rows) > limit
	list, err := s.participants(ctx, rows[:min(len(rows), limit)])
	return list, more, err
}

// channelPage returns up to limit active members of a channel after one.
func (s *Service) channelPage(ctx context.Context, conv chat.ConversationID, after chat.UserID, limit int) ([]chat.Member, error) {
	var out []chat.Member
	for {
		rows, err := s.store.Members.Page(ctx, conv, after, maxCounted)
		if err != nil {
			return nil, chat.Unavailable("read members", err)
		}
		for i := range rows {
			if rows[i].Active() {
				if out = append(out, rows[i]); len(out) == limit {
					return out, nil
				}
			}
		}
		if len(rows) < maxCounted {
			return out, nil
		}
		after = rows[len(rows)-1].User
	}
}

// horizon is the id up to which a conversation's history is complete: nothing at or below it will appear any more.
func (s *Service) horizon() chat.MessageID {
	return messageAt(s.now().Add(-AckDeadline - ClockSlack))
}

// messageAt is the smallest id of a moment.
func messageAt(t time.Time) chat.MessageID { return chat.MessageID(id.At(t)) }
