package cqlstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// memberPage is how many rows of members are fetched at once.
const memberPage = 1000

var (
	getConversation = written(forMembers, "SELECT version, kind, name, avatar, created_by, created_at, outbox FROM members WHERE conversation_id = ? LIMIT 1",
		"conversation_id")
	getPair = written(forMembers, "SELECT version, kind, name, avatar, created_by, created_at, outbox, user_id, role, joined_at, joined_id, left_id "+
		"FROM members WHERE conversation_id = ? LIMIT 2", "conversation_id")
	getMember = written(forMembers, "SELECT user_id, role, joined_at, joined_id, left_id, outbox FROM members WHERE conversation_id = ? AND user_id = ?",
		"conversation_id", "user_id")
	allMembers = written(forMembers, "SELECT user_id, role, joined_at, joined_id, left_id FROM members WHERE conversation_id = ?",
		"conversation_id")
	pageMembers = written(forMembers, "SELECT user_id, role, joined_at, joined_id, left_id FROM members WHERE conversation_id = ? AND user_id > ? LIMIT ?",
		"conversation_id", "user_id", "limit")
)

// conversations implements store.Conversations.
type conversations struct{ d *DB }

// Get returns a conversation's row.
func (s conversations) Get(ctx context.Context, c chat.ConversationID) (chat.Conversation, error) {
	st, err := s.d.conversation(ctx, s.d.one, c)
	if err != nil {
		return chat.Conversation{}, err
	}
	s.d.finishOld(ctx, c, st.outbox)
	return st.Conversation, nil
}

// conversationState are the static columns of a conversation.
type conversationState struct {
	chat.Conversation
	version int64
	outbox  []byte
}

// conversation reads the static columns. ErrNotFound.
func (d *DB) conversation(ctx context.Context, one func(context.Context, *statement, []any, ...any) error, c chat.ConversationID) (conversationState, error) {
	s := conversationState{Conversation: chat.Conversation{ID: c}}
	var kind string
	if err := one(ctx, getConversation, []any{uuid(c)}, s.dest(&kind)...); err != nil {
		return conversationState{}, err
	}
	return s.known(kind)
}

func (s *conversationState) dest(kind *string, more ...any) []any {
	return append([]any{&s.version, kind, &s.Name, (*[16]byte)(&s.Avatar), (*[16]byte)(&s.CreatedBy), &s.CreatedAt, &s.outbox}, more...)
}

// known is what was read of a conversation, once it is known that there is one. ErrNotFound.
func (s conversationState) known(kind string) (conversationState, error) {
	if s.version == 0 {
		return conversationState{}, fmt.Errorf("cqlstore: members: %w", store.ErrNotFound)
	}
	s.Kind, _ = chat.ParseKind(kind)
	return s, nil
}

// members implements store.Members.
type members struct{ d *DB }

// Membership returns the conversation with all its members; those of a channel aren't read. The version is read first, or with
// them: who changes what it saw of later rows is refused. A direct conversation is one statement, others are two.
func (s members) Membership(ctx context.Context, c chat.ConversationID) (*chat.Membership, error) {
	var (
		st   = conversationState{Conversation: chat.Conversation{ID: c}}
		kind string
		r    memberRow
		pair []chat.Member
	)
	err := s.d.rows(ctx, getPair, 2, []any{uuid(c)}, st.dest(&kind, r.dest()...), func() (bool, error) {
		if !r.User.IsZero() { // a conversation without members is a row without one
			pair = append(pair, r.member())
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if st, err = st.known(kind); err != nil {
		return nil, err
	}
	s.d.finishOld(ctx, c, st.outbox)
	m := &chat.Membership{Conversation: st.Conversation, Version: st.version}
	switch st.Kind {
	case chat.Channel:
		return m, nil
	case chat.Direct:
		m.Members = pair
	default:
		if m.Members, err = s.read(ctx, allMembers, memberPage, uuid(c)); err != nil {
			return nil, err
		}
	}
	// Within one version of UUID the database sorts by bytes; across versions it doesn't.
	slices.SortFunc(m.Members, func(a, b chat.Member) int { return a.User.Compare(b.User) })
	return m, nil
}

// memberRow is what a row of members is scanned into.
type memberRow struct {
	chat.Member
	role string
}

func (r *memberRow) dest(more ...any) []any {
	return append([]any{(*[16]byte)(&r.User), &r.role, &r.JoinedAt, (*int64)(&r.JoinedID), (*int64)(&r.LeftID)}, more...)
}

func (r *memberRow) member() chat.Member {
	r.Role, _ = chat.ParseRole(r.role)
	return r.Member
}

func (s members) read(ctx context.Context, st *statement, page int, values ...any) (out []chat.Member, err error) {
	r := &memberRow{}
	err = s.d.rows(ctx, st, page, values, r.dest(), func() (bool, error) {
		if !r.User.IsZero() { // a conversation without members is a row without one
			out = append(out, r.member())
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Member returns one row.
func (s members) Member(ctx context.Context, c chat.ConversationID, u chat.UserID) (chat.Member, error) {
	r := &memberRow{}
	var outbox []byte
	if err := s.d.one(ctx, getMember, []any{uuid(c), uuid(u)}, r.dest(&outbox)...); err != nil {
		return chat.Member{}, err
	}
	s.d.finishOld(ctx, c, outbox)
	return r.member(), nil
}

// Page returns rows in the database's order of user ids, which is that of their bytes within one version of UUID.
func (s members) Page(ctx context.Context, c chat.ConversationID, after chat.UserID, limit int) ([]chat.Member, error) {
	limit = max(limit, 1)
	return s.read(ctx, pageMembers, min(limit, memberPage), uuid(c), uuid(after), limit)
}
