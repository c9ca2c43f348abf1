package service

import (
	"context"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	// maxAdded is how many people one call adds: each is an event to every member.
	maxAdded = 100
	// maxMemberRows bounds the rows of a group, those of people who left among them: they are read as a whole.
	maxMemberRows = 4096
)

// AddMembers lets people join a group or channel; only its admins may. Those who are members already are left as they are.
func (s *Service) AddMembers(ctx context.Context, c Caller, conv chat.ConversationID, users []chat.UserID) (ConversationView, error) {
	if len(users) == 0 {
		return ConversationView{}, chat.Invalid("userIds", "is empty")
	}
	if len(users) > maxAdded {
		return ConversationView{}, chat.Invalid("userIds", "at most %d at once", maxAdded)
	}
	var list []chat.UserID
	for _, u := range users {
		if u.IsZero() {
			return ConversationView{}, chat.Invalid("userIds", "has an empty id")
		}
		list = include(list, u)
	}
	if err := s.other(ctx, c); err != nil {
		return ConversationView{}, err
	}
	err := s.change(ctx, c, conv, func(ctx context.Context, p *plan) error {
		if err := p.admin(ctx); err != nil {
			return err
		}
		return s.planAdd(ctx, c, p, list)
	})
	if err != nil {
		return ConversationView{}, err
	}
	return s.view(ctx, c, conv)
}

func (s *Service) planAdd(ctx context.Context, c Caller, p *plan, users []chat.UserID) error {
	fresh := 0
	for _, u := range users {
		old, err := p.row(ctx, u)
		if err != nil {
			return err
		}
		if old.Active() {
			continue
		}
		left := old.LeftID
		if left == chat.NotLeft {
			fresh++
		}
		p.Set = append(p.Set, joined(p, u, chat.RoleMember, left))
		p.Listed = append(p.Listed, u)
	}
	if err := s.mustExist(ctx, "userIds", p.Listed); err != nil {
		return err
	}
	if err := s.mustBeFree(ctx, c, p.Listed); err != nil {
		return err
	}
	if p.m.Conversation.Kind == chat.Group {
		if len(p.active())+len(p.Set) > chat.MaxGroupMembers {
			return chat.Invalid("userIds", "a group holds %d people", chat.MaxGroupMembers)
		}
		if len(p.m.Members)+fresh > maxMemberRows {
			return &chat.Error{Code: chat.CodeConflict, Field: "userIds", Message: "too many people have been in this group; start a new one"}
		}
	}
	for _, u := range p.Listed {
		p.tell(chat.ChangeMemberAdded, u, chat.RoleMember, false, u)
	}
	return nil
}

// SetRole makes a member an admin, or an admin a member; only admins may. The last admin stays one.
func (s *Service) SetRole(ctx context.Context, c Caller, conv chat.ConversationID, user chat.UserID, role chat.Role) error {
	if role.String() == "" {
		return chat.Invalid("role", "must be admin or member")
	}
	if user.IsZero() {
		return chat.Invalid("userId", "is missing")
	}
	if err := s.other(ctx, c); err != nil {
		return err
	}
	return s.change(ctx, c, conv, func(ctx context.Context, p *plan) error {
		if err := p.admin(ctx); err != nil {
			return err
		}
		row, err := p.row(ctx, user)
		if err != nil {
			return err
		}
		if !row.Active() {
			return chat.NotFound("no such member")
		}
		if row.Role == role {
			return nil
		}
		if role != chat.RoleAdmin {
			admin, _, err := p.successor(ctx, user)
			if err != nil {
				return err
			}
			if !admin {
				return &chat.Error{Code: chat.CodeConflict, Field: "role", Message: "a conversation keeps one admin: make somebody else one first"}
			}
		}
		row.Role = role
		p.Set = append(p.Set, row)
		p.tell(chat.ChangeMemberRole, user, role, false, user)
		return nil
	})
}

// RemoveMember takes somebody out of a group or channel: an admin anybody, everyone themselves. When the last admin
// leaves, who has been there longest becomes one.
func (s *Service) RemoveMember(ctx context.Context, c Caller, conv chat.ConversationID, user chat.UserID) error {
	if user.IsZero() {
		return chat.Invalid("userId", "is missing")
	}
	if err := s.other(ctx, c); err != nil {
		return err
	}
	return s.change(ctx, c, conv, func(ctx context.Context, p *plan) error {
		me, err := p.row(ctx, c.User)
		switch {
		case err != nil:
			return err
		case !me.Active():
			return notMember()
		case p.m.Conversation.Kind == chat.Direct:
			return chat.Forbidden("a direct conversation can't be left; archive it or block the person")
		case user != c.User && me.Role != chat.RoleAdmin:
			return chat.Forbidden("only admins may do this")
		}
		row, err := p.row(ctx, user)
		if err != nil {
			return err
		}
		if !row.Active() {
			return chat.NotFound("no such member")
		}
		return p.remove(ctx, row)
	})
}

func (p *plan) remove(ctx context.Context, row chat.Member) error {
	wasAdmin := row.Role == chat.RoleAdmin
	// Above the join whatever the clocks of two gateways say: else the row would still be active.
	row.LeftID = max(p.at, row.JoinedID)
	row.Role = chat.RoleMember
	p.Set = append(p.Set, row)
	p.Unlisted = append(p.Unlisted, row.User)
	change := chat.ChangeMemberRemoved
	if row.User == p.actor {
		change = chat.ChangeLeft
	}
	p.tell(change, row.User, 0, false, row.User)
	if !wasAdmin {
		return nil
	}
	admin, heir, err := p.successor(ctx, row.User)
	if err != nil || admin || heir.User.IsZero() {
		return err
	}
	heir.Role = chat.RoleAdmin
	p.Set = append(p.Set, heir)
	p.tell(chat.ChangeMemberRole, heir.User, chat.RoleAdmin, false, heir.User)
	last := &p.Fanout[len(p.Fanout)-1]
	last.Recipients = without(last.Recipients, row.User)
	return nil
}

func without(to []chat.UserID, u chat.UserID) []chat.UserID {
	out := make([]chat.UserID, 0, len(to))
	for _, x := range to {
		if x != u {
			out = append(out, x)
		}
	}
	return out
}

var errTooManyMembers = errors.New("more members than a channel may have")

// successor looks among the active members but one for another admin; otherwise it returns who has been there longest,
// the zero row if nobody is left. For a channel it reads all members: admins who go are rare.
func (p *plan) successor(ctx context.Context, but chat.UserID) (bool, chat.Member, error) {
	var heir chat.Member
	look := func(rows []chat.Member) bool {
		for _, r := range rows {
			if r.User == but || !r.Active() {
				continue
			}
			if r.Role == chat.RoleAdmin {
				return true
			}
			if heir.User.IsZero() || r.JoinedID < heir.JoinedID || (r.JoinedID == heir.JoinedID && r.User.Compare(heir.User) < 0) {
				heir = r
			}
		}
		return false
	}
	if p.m.Conversation.Kind != chat.Channel {
		return look(p.m.Members), heir, nil
	}
	after := chat.UserID{}
	for read := 0; read <= chat.MaxChannelMembers; read += maxCounted {
		rows, err := p.s.store.Members.Page(ctx, p.m.Conversation.ID, after, maxCounted)
		if err != nil {
			return false, heir, chat.Unavailable("read members", err)
		}
		if look(rows) {
			return true, heir, nil
		}
		if len(rows) < maxCounted {
			return false, heir, nil
		}
		after = rows[len(rows)-1].User
	}
	return false, heir, chat.Unavailable("read members", errTooManyMembers)
}
