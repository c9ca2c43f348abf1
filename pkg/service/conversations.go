package service

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// CreateConversation asks for a new conversation. The caller is always a member and need not be among Participants.
type CreateConversation struct {
	Kind         chat.Kind
	Participants []chat.UserID // direct: one other; group and channel: at most chat.MaxGroupMembers with the caller
	Name         string        // at most chat.MaxName code points; none for direct
}

// ConversationPatch changes what is not nil.
type ConversationPatch struct {
	Name   *string       // 1..chat.MaxName code points
	Avatar *chat.MediaID // an uploaded avatar of the caller's; zero removes it
}

// CreateConversation makes a conversation and says whether it is new: a direct one exists at most once.
func (s *Service) CreateConversation(ctx context.Context, c Caller, r CreateConversation) (ConversationView, bool, error) {
	others, err := r.validate(c)
	if err != nil {
		return ConversationView{}, false, err
	}
	if err := s.other(ctx, c); err != nil {
		return ConversationView{}, false, err
	}
	if err := s.mustExist(ctx, "participantIds", others); err != nil {
		return ConversationView{}, false, err
	}
	conv, created, err := chat.ConversationID{}, true, error(nil)
	if r.Kind == chat.Direct {
		conv, created, err = s.createDirect(ctx, c, others[0])
	} else {
		conv, err = s.createGroup(ctx, c, r, others)
	}
	if err != nil {
		return ConversationView{}, false, err
	}
	v, err := s.view(ctx, c, conv)
	return v, created, err
}

// validate checks the shape and returns the participants other than the caller, each once.
func (r *CreateConversation) validate(c Caller) ([]chat.UserID, error) {
	if r.Kind.String() == "" {
		return nil, chat.Invalid("type", "must be direct, group or channel")
	}
	var others []chat.UserID
	if len(r.Participants) > chat.MaxGroupMembers {
		return nil, chat.Invalid("participantIds", "more than %d", chat.MaxGroupMembers)
	}
	for _, u := range r.Participants {
		if u.IsZero() {
			return nil, chat.Invalid("participantIds", "has an empty id")
		}
		if u != c.User {
			others = include(others, u)
		}
	}
	if r.Kind == chat.Direct {
		if len(others) != 1 {
			return nil, chat.Invalid("participantIds", "a direct conversation is with one other person")
		}
		if r.Name != "" {
			return nil, chat.Invalid("name", "a direct conversation has no name")
		}
		return others, nil
	}
	if len(others)+1 > chat.MaxGroupMembers {
		return nil, chat.Invalid("participantIds", "at most %d people with you", chat.MaxGroupMembers)
	}
	return others, validName(r.Name, true)
}

func validName(name string, mayBeEmpty bool) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > chat.MaxName {
		return chat.Invalid("name", "must have at most %d characters", chat.MaxName)
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return chat.Invalid("name", "must not have control characters")
	}
	if strings.TrimSpace(name) == "" && (!mayBeEmpty || name != "") {
		return chat.Invalid("name", "is empty")
	}
	return nil
}

// mustExist names the field when one of users has no account.
func (s *Service) mustExist(ctx context.Context, field string, users []chat.UserID) error {
	known, err := s.users(ctx, users)
	if err != nil {
		return chat.Unavailable("read users", err)
	}
	for _, u := range users {
		if _, ok := known[u]; !ok {
			return chat.Invalid(field, "no such user: %s", u)
		}
	}
	return nil
}

// mustBeFree refuses when the caller and one of users have blocked each other, in either direction.
func (s *Service) mustBeFree(ctx context.Context, c Caller, users []chat.UserID) error {
	for _, u := range users {
		apart, err := s.apart(ctx, c.User, u)
		if err != nil {
			return chat.Unavailable("read blocks", err)
		}
		if apart {
			return chat.Forbidden("one of these people can't be reached by you")
		}
	}
	return nil
}

func (s *Service) createDirect(ctx context.Context, c Caller, other chat.UserID) (chat.ConversationID, bool, error) {
	conv := chat.DirectID(c.User, other)
	done, err := s.turns.take(ctx, conv) // so that of two who ask at once only one is told that it is new
	if err != nil {
		return conv, false, err
	}
	defer done()
	_, err = s.store.Conversations.Get(ctx, conv)
	if err == nil {
		return conv, false, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return conv, false, chat.Unavailable("read a conversation", err)
	}
	if err := s.mustBeFree(ctx, c, []chat.UserID{other}); err != nil {
		return conv, false, err
	}
	n, err := s.clock.Next()
	if err != nil {
		return conv, false, chat.Unavailable("make an id", err)
	}
	at := chat.MessageID(n)
	row := chat.Conversation{ID: conv, Kind: chat.Direct, CreatedBy: c.User, CreatedAt: at.Time().UnixMilli()}
	if err := s.store.Members.CreateDirect(ctx, row, c.User, other); err != nil {
		return conv, false, chat.Unavailable("create a conversation", err)
	}
	s.caches.members.drop(conv)
	s.heads.touch(store.Head{Conversation: conv, Last: at})
	ev := chat.Event{Kind: chat.EventConversation, Change: chat.ChangeCreated, Conversation: conv, Message: at, Actor: c.User, Subject: other}
	f := store.Fanout{Event: ev, Recipients: []chat.UserID{c.User, other}}
	if f.Event.ID, err = s.store.Inbox.Append(ctx, f); err != nil {
		// It exists; who wasn't told meets it with the first message.
		s.log.Warn("announce a direct conversation", "conversation", conv.String(), "error", err)
		return conv, true, nil
	}
	s.router.Push(ctx, &chat.Push{
		Kind: chat.PushConversation, Recipients: f.Recipients, Event: f.Event,
		Conversation: &chat.ConversationChange{Conversation: row, Change: chat.ChangeCreated, Subject: other, At: row.CreatedAt},
	})
	return conv, true, nil
}

func (s *Service) createGroup(ctx context.Context, c Caller, r CreateConversation, others []chat.UserID) (chat.ConversationID, error) {
	if err := s.mustBeFree(ctx, c, others); err != nil {
		return chat.ConversationID{}, err
	}
	row := chat.Conversation{ID: chat.NewConversationID(s.now()), Kind: r.Kind, Name: r.Name, CreatedBy: c.User}
	p, err := s.newPlan(c, &chat.Membership{Conversation: row})
	if err != nil {
		return row.ID, err
	}
	row.CreatedAt = p.at.Time().UnixMilli()
	p.m.Conversation = row
	p.Create = &row
	p.Set = append(p.Set, joined(p, c.User, chat.RoleAdmin, chat.NotLeft))
	for _, u := range others {
		p.Set = append(p.Set, joined(p, u, chat.RoleMember, chat.NotLeft))
	}
	p.Listed = append([]chat.UserID{c.User}, others...)
	p.tell(chat.ChangeCreated, c.User, chat.RoleAdmin, false, p.Listed...)
	if err := s.apply(ctx, p); err != nil {
		return row.ID, unavailable("create a conversation", err)
	}
	s.heads.touch(store.Head{Conversation: row.ID, Last: p.at})
	return row.ID, nil
}

// joined is the row of somebody who joins with a plan.
func joined(p *plan, u chat.UserID, role chat.Role, left chat.MessageID) chat.Member {
	return chat.Member{User: u, Role: role, JoinedAt: p.at.Time().UnixMilli(), JoinedID: max(p.at, left+1), LeftID: left}
}

// ChangeConversation renames a group or channel or gives it another picture; only its admins may.
func (s *Service) ChangeConversation(ctx context.Context, c Caller, conv chat.ConversationID, patch ConversationPatch) (ConversationView, error) {
	if patch.Name != nil {
		if err := validName(*patch.Name, false); err != nil {
			return ConversationView{}, err
		}
	}
	if err := s.other(ctx, c); err != nil {
		return ConversationView{}, err
	}
	err := s.change(ctx, c, conv, func(ctx context.Context, p *plan) error {
		if err := p.admin(ctx); err != nil {
			return err
		}
		if patch.Avatar != nil && *patch.Avatar != p.m.Conversation.Avatar {
			if err := s.ownAvatar(ctx, c, *patch.Avatar); err != nil {
				return err
			}
			p.Avatar = patch.Avatar
		}
		if patch.Name != nil && *patch.Name != p.m.Conversation.Name {
			p.Rename = patch.Name
		}
		if p.Rename != nil || p.Avatar != nil {
			p.tell(chat.ChangeRenamed, chat.UserID{}, 0, true)
		}
		return nil
	})
	if err != nil {
		return ConversationView{}, err
	}
	return s.view(ctx, c, conv)
}

// ownAvatar checks that a picture is a complete avatar upload of the caller's; the zero id is always fine.
func (s *Service) ownAvatar(ctx context.Context, c Caller, id chat.MediaID) error {
	if id.IsZero() {
		return nil
	}
	rows, err := s.store.Media.Batch(ctx, []chat.MediaID{id})
	if err != nil {
		return chat.Unavailable("read media", err)
	}
	if len(rows) == 0 || !rows[0].Avatar || rows[0].Owner != c.User || !rows[0].Ready {
		return chat.Invalid("avatarId", "no such complete avatar upload of yours")
	}
	return nil
}
