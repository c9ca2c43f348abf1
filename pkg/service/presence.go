package service

import (
	"context"
	"errors"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// maxSharedGroups is how many groups of the asker are searched for the people asked about; presence of people who
	// share only others is not shown.
	maxSharedGroups = 256
	announceTimeout = 2 * time.Second
)

// Interest returns the presence of those among users whom the caller may see, and lets the caller hear of their changes
// for five minutes. Strangers and people blocked in either direction are left out.
func (s *Service) Interest(ctx context.Context, c Caller, users []chat.UserID) ([]chat.Presence, error) {
	return s.presenceOf(ctx, c, users, true)
}

// PresenceOf returns the presence of those among users whom the caller may see.
func (s *Service) PresenceOf(ctx context.Context, c Caller, users []chat.UserID) ([]chat.Presence, error) {
	return s.presenceOf(ctx, c, users, false)
}

func (s *Service) presenceOf(ctx context.Context, c Caller, users []chat.UserID, watch bool) ([]chat.Presence, error) {
	if len(users) == 0 {
		return nil, chat.Invalid("userIds", "is empty")
	}
	if len(users) > chat.MaxPresenceUsers {
		return nil, chat.Invalid("userIds", "at most %d", chat.MaxPresenceUsers)
	}
	if err := s.other(ctx, c); err != nil {
		return nil, err
	}
	seen, err := s.visible(ctx, c, users)
	if err != nil || s.presence == nil {
		return nil, err
	}
	if watch {
		s.presence.Watch(c.User, seen)
	}
	return s.statesOf(ctx, seen)
}

// states is presenceOf without its checks of shape and rate.
func (s *Service) states(ctx context.Context, c Caller, users []chat.UserID) ([]chat.Presence, error) {
	if s.presence == nil {
		return nil, nil
	}
	seen, err := s.visible(ctx, c, users)
	if err != nil {
		return nil, err
	}
	return s.statesOf(ctx, seen)
}

func (s *Service) statesOf(ctx context.Context, users []chat.UserID) ([]chat.Presence, error) {
	if len(users) == 0 {
		return nil, nil
	}
	out, err := s.presence.States(ctx, users)
	if err != nil {
		return nil, chat.Unavailable("read presence", err)
	}
	return out, nil
}

// visible returns those among users whose presence the caller may see: the caller, and who shares a direct conversation
// or a group with the caller, unless one of the two has blocked the other. Channels don't count: their members are
// strangers to each other.
func (s *Service) visible(ctx context.Context, c Caller, users []chat.UserID) ([]chat.UserID, error) {
	out := make([]chat.UserID, 0, len(users))
	var rest []chat.UserID
	done := make(map[chat.UserID]bool, len(users))
	for _, u := range users {
		if done[u] || u.IsZero() {
			continue
		}
		done[u] = true
		if u == c.User {
			out = append(out, u)
			continue
		}
		apart, err := s.apart(ctx, c.User, u)
		if err != nil {
			return nil, chat.Unavailable("read blocks", err)
		}
		if apart {
			continue
		}
		_, err = s.store.Listing.Listed(ctx, c.User, chat.DirectID(c.User, u))
		switch {
		case err == nil:
			out = append(out, u)
		case errors.Is(err, store.ErrNotFound):
			rest = append(rest, u)
		default:
			return nil, chat.Unavailable("read a list entry", err)
		}
	}
	if len(rest) == 0 {
		return out, nil
	}
	return s.inSharedGroups(ctx, c, out, rest)
}

// inSharedGroups adds those among rest who are in a group of the caller's.
func (s *Service) inSharedGroups(ctx context.Context, c Caller, out, rest []chat.UserID) ([]chat.UserID, error) {
	after, groups := chat.ConversationID{}, 0
	for range maxListed / listPage {
		entries, err := s.store.Listing.Conversations(ctx, c.User, after, listPage)
		if err != nil {
			return nil, chat.Unavailable("read a list of conversations", err)
		}
		for i := range entries {
			if entries[i].Kind != chat.Group || !entries[i].Listed {
				continue
			}
			if groups++; groups > maxSharedGroups {
				return out, nil
			}
			m, err := s.membership(ctx, entries[i].Conversation)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, chat.Unavailable("read a membership", err)
			}
			if me, ok := m.Find(c.User); !ok || !me.Active() {
				continue
			}
			left := rest[:0]
			for _, u := range rest {
				if mem, ok := m.Find(u); ok && mem.Active() {
					out = append(out, u)
				} else {
					left = append(left, u)
				}
			}
			if rest = left; len(rest) == 0 {
				return out, nil
			}
		}
		if len(entries) < listPage {
			break
		}
		after = entries[len(entries)-1].Conversation
	}
	return out, nil
}

// announcePresence pushes a change to those who asked for it, save where a block came in between.
func (s *Service) announcePresence(ctx context.Context, p chat.Presence, watchers []chat.UserID) {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	to, err := s.notApart(ctx, p.User, watchers)
	if err != nil || len(to) == 0 {
		return // best effort: who asks again is told
	}
	s.router.Push(ctx, &chat.Push{Kind: chat.PushPresence, Recipients: to, Presence: &p})
}

// notApart returns those among others who have not blocked the user, nor are blocked by them.
func (s *Service) notApart(ctx context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error) {
	to := make([]chat.UserID, 0, len(others))
	for _, u := range others {
		apart, err := s.apart(ctx, user, u)
		if err != nil {
			return nil, err
		}
		if !apart {
			to = append(to, u)
		}
	}
	return to, nil
}

// Typing tells the members of a conversation that the caller types or stopped. It is silent in channels, and between
// people of whom one has blocked the other.
func (s *Service) Typing(ctx context.Context, c Caller, conv chat.ConversationID, on bool) error {
	if conv.IsZero() {
		return chat.Invalid("conversationId", "is missing")
	}
	if err := s.allow(ctx, admit.LimitTyping, c); err != nil {
		return err
	}
	m, _, err := s.member(ctx, c.User, conv)
	if err != nil || m.Conversation.Kind == chat.Channel {
		return err
	}
	who := presence.Typist{Conversation: conv, User: c.User}
	if on && !s.typing.Start(who) || !on && !s.typing.Stop(who) {
		return nil
	}
	return s.pushTyping(ctx, m, who, on)
}

// typingStopped announces that somebody fell silent.
func (s *Service) typingStopped(ctx context.Context, who presence.Typist) {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	m, _, err := s.member(ctx, who.User, who.Conversation)
	if err == nil {
		err = s.pushTyping(ctx, m, who, false)
	}
	if err != nil && chat.CodeOf(err) != chat.CodeForbidden {
		s.log.Debug("announce that typing stopped", "error", err) // clients end it by themselves
	}
}

func (s *Service) pushTyping(ctx context.Context, m *chat.Membership, who presence.Typist, on bool) error {
	others := make([]chat.UserID, 0, len(m.Members))
	for i := range m.Members {
		if m.Members[i].Active() && m.Members[i].User != who.User {
			others = append(others, m.Members[i].User)
		}
	}
	to, err := s.notApart(ctx, who.User, others)
	if err != nil {
		return chat.Unavailable("read blocks", err)
	}
	if len(to) == 0 {
		return nil
	}
	u, err := s.user(ctx, who.User)
	if err != nil {
		return chat.Unavailable("read a user", err)
	}
	s.router.Push(ctx, &chat.Push{Kind: chat.PushTyping, Recipients: to, Typing: &chat.Typing{
		Conversation: who.Conversation, User: who.User, Username: u.Username, On: on,
	}})
	return nil
}
