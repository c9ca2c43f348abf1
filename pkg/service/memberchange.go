package service

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// changeAttempts is how often a change of membership is evaluated anew when another gateway's came first.
	changeAttempts = 16
	turns          = 64
)

// turnstiles let the changes of one conversation made here queue up instead of defeating each other. Each holds one
// token; conversations share them by hash.
type turnstiles [turns]chan struct{}

func newTurnstiles() *turnstiles {
	var t turnstiles
	for i := range t {
		t[i] = make(chan struct{}, 1)
	}
	return &t
}

// take waits for the turn of a conversation and returns how to give it on.
func (t *turnstiles) take(ctx context.Context, c chat.ConversationID) (func(), error) {
	turn := t[binary.LittleEndian.Uint32(c[12:])%turns]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, chat.Unavailable("wait for the turn to change a conversation", ctx.Err())
	}
}

// plan is a change of membership being decided: the newest rows, and what to write and to tell.
type plan struct {
	store.MemberChange
	s      *Service
	m      *chat.Membership
	at     chat.MessageID // the id of the change
	actor  chat.UserID
	roles  []chat.Role // of each Fanout's change, for the live push
	public []bool      // of each Fanout: it is in the log of the channel
}

// row returns the row of a user, an inactive one too; not found: the zero row, which isn't active.
func (p *plan) row(ctx context.Context, u chat.UserID) (chat.Member, error) {
	gone := chat.Member{User: u, LeftID: chat.NotLeft, JoinedID: chat.NotLeft}
	if p.m.Conversation.Kind != chat.Channel {
		if r, ok := p.m.Find(u); ok {
			return r, nil
		}
		return gone, nil
	}
	r, err := p.s.store.Members.Member(ctx, p.m.Conversation.ID, u)
	if errors.Is(err, store.ErrNotFound) {
		return gone, nil
	}
	if err != nil {
		return gone, chat.Unavailable("read a member", err)
	}
	return r, nil
}

// admin returns an error unless the actor is an admin of the conversation, which must not be a direct one.
func (p *plan) admin(ctx context.Context) error {
	me, err := p.row(ctx, p.actor)
	switch {
	case err != nil:
		return err
	case !me.Active():
		return notMember()
	case p.m.Conversation.Kind == chat.Direct:
		return chat.Forbidden("a direct conversation can't be changed")
	case me.Role != chat.RoleAdmin:
		return chat.Forbidden("only admins may do this")
	}
	return nil
}

// active returns the active members of a group; none of a channel.
func (p *plan) active() []chat.UserID {
	var out []chat.UserID
	for i := range p.m.Members {
		if p.m.Members[i].Active() {
			out = append(out, p.m.Members[i].User)
		}
	}
	return out
}

// tell adds an event for the members: in a group all who are active (as read), in a channel the actor, or
// with seen all members through the channel's log; and for those named besides.
func (p *plan) tell(change chat.Change, subject chat.UserID, role chat.Role, seen bool, besides ...chat.UserID) {
	to := p.active()
	if p.m.Conversation.Kind == chat.Channel {
		to = []chat.UserID{p.actor}
		if seen {
			to[0] = chat.ChannelLog(p.m.Conversation.ID)
		}
	}
	for _, u := range besides {
		to = include(to, u)
	}
	p.Fanout = append(p.Fanout, store.Fanout{
		Event: chat.Event{
			Kind: chat.EventConversation, Change: change, Conversation: p.m.Conversation.ID, Message: p.at,
			Actor: p.actor, Subject: subject,
		},
		Recipients: to,
	})
	p.roles = append(p.roles, role)
	p.public = append(p.public, seen && p.m.Conversation.Kind == chat.Channel)
}

func include(to []chat.UserID, u chat.UserID) []chat.UserID {
	for _, have := range to {
		if have == u {
			return to
		}
	}
	return append(to, u)
}

// change decides on the newest version of a conversation's membership and writes, again when another change came
// first; then it tells everybody. decide that leaves nothing to write ends well.
func (s *Service) change(ctx context.Context, c Caller, conv chat.ConversationID, decide func(context.Context, *plan) error) error {
	done, err := s.turns.take(ctx, conv)
	if err != nil {
		return err
	}
	defer done()
	for range changeAttempts {
		m, err := s.store.Members.Membership(ctx, conv)
		if errors.Is(err, store.ErrNotFound) {
			return notMember()
		}
		if err != nil {
			return chat.Unavailable("read a membership", err)
		}
		// The change must sort after every join and leave it builds on.
		newest := chat.MessageID(0)
		for i := range m.Members {
			newest = max(newest, m.Members[i].JoinedID, m.Members[i].LeftID)
		}
		s.merge(newest)
		p, err := s.newPlan(c, m)
		if err != nil {
			return err
		}
		if err := decide(ctx, p); err != nil {
			return err
		}
		if len(p.Set) == 0 && p.Rename == nil && p.Avatar == nil {
			return nil
		}
		err = s.apply(ctx, p)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return chat.Unavailable("change a membership", errors.New("other changes came first every time"))
}

func (s *Service) newPlan(c Caller, m *chat.Membership) (*plan, error) {
	n, err := s.clock.Next()
	if err != nil {
		return nil, chat.Unavailable("make an id", err)
	}
	return &plan{
		s: s, m: m, at: chat.MessageID(n), actor: c.User,
		MemberChange: store.MemberChange{Conversation: m.Conversation.ID, Version: m.Version},
	}, nil
}

// apply writes a plan and tells everybody. It returns store.ErrConflict as it is.
func (s *Service) apply(ctx context.Context, p *plan) error {
	conv := p.m.Conversation.ID
	p.Log = append(p.Log, store.ChangeEntry{Kind: store.LogMembers, Conversation: conv})
	_, events, err := s.store.Members.Change(ctx, p.MemberChange)
	s.caches.members.drop(conv) // also when the outcome is unknown
	if errors.Is(err, store.ErrConflict) {
		return err
	}
	if err != nil {
		return unavailable("change a membership", err)
	}
	row := p.m.Conversation
	if p.Rename != nil {
		row.Name = *p.Rename
	}
	if p.Avatar != nil {
		row.Avatar = *p.Avatar
	}
	told := map[chat.UserID]bool{}
	var all []chat.UserID
	for _, f := range p.Fanout {
		for _, u := range f.Recipients {
			if !told[u] {
				told[u] = true
				all = append(all, u)
			}
		}
	}
	s.router.Push(ctx, &chat.Push{
		Kind: chat.PushControl, Recipients: all, Control: &chat.Control{Kind: chat.ControlInvalidate, Conversation: conv},
	})
	for i, f := range p.Fanout {
		ev := f.Event
		if i < len(events) {
			ev.ID = events[i]
		}
		push := &chat.Push{
			Kind: chat.PushConversation, Recipients: f.Recipients, Event: ev,
			Conversation: &chat.ConversationChange{
				Conversation: row, Change: ev.Change, Subject: ev.Subject, Role: p.roles[i], At: p.at.Time().UnixMilli(),
			},
		}
		s.router.Push(ctx, push)
		if p.public[i] {
			live := *push
			live.Recipients, live.Channel = nil, true
			s.router.Push(ctx, &live)
		}
	}
	return nil
}
