package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// conversations implements store.Conversations.
type conversations struct{ d *DB }

// Get returns a conversation's row.
func (s conversations) Get(ctx context.Context, c chat.ConversationID) (out chat.Conversation, err error) {
	err = s.d.read(ctx, "conversation", func(v *view) error {
		row, err := loadConversation(v.get, c)
		out = row.Conversation
		return err
	})
	return out, err
}

func loadConversation(get func([]byte) ([]byte, error), c chat.ConversationID) (conversationRow, error) {
	b, err := get(oneKey(tabConv, c))
	if err != nil {
		return conversationRow{}, err
	}
	return scanConversation(b, c)
}

// members implements store.Members.
type members struct{ d *DB }

// Membership returns the conversation with its members, a channel without.
func (s members) Membership(ctx context.Context, c chat.ConversationID) (*chat.Membership, error) {
	var out *chat.Membership
	err := s.d.read(ctx, "membership", func(v *view) error {
		row, err := loadConversation(v.get, c)
		if err != nil {
			return err
		}
		out = &chat.Membership{Conversation: row.Conversation, Version: row.version}
		if row.Kind == chat.Channel {
			return nil
		}
		prefix := oneKey(tabMember, c)
		out.Members, err = v.members(prefix, after(prefix), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// members reads rows; limit 0 is all.
func (v *view) members(from, to []byte, limit int) (out []chat.Member, err error) {
	err = v.scan(from, to, func(key, value []byte) (bool, error) {
		m, err := scanMember(value, chat.UserID(key[17:33]))
		out = append(out, m)
		return len(out) != limit, err
	})
	return out, err
}

// Member returns one row.
func (s members) Member(ctx context.Context, c chat.ConversationID, u chat.UserID) (out chat.Member, err error) {
	err = s.d.read(ctx, "member", func(v *view) error {
		b, err := v.get(pairKey(tabMember, c, u))
		if err == nil {
			out, err = scanMember(b, u)
		}
		return err
	})
	return out, err
}

// afterPair is the first key of a table of pairs after a second id; the zero id is the start.
func afterPair[A, B any](tab byte, first chat.ID[A], second chat.ID[B]) []byte {
	if second.IsZero() {
		return oneKey(tab, first)
	}
	return append(pairKey(tab, first, second), 0)
}

// Page returns rows by user id.
func (s members) Page(ctx context.Context, c chat.ConversationID, from chat.UserID, limit int) (out []chat.Member, err error) {
	err = s.d.read(ctx, "members", func(v *view) (err error) {
		out, err = v.members(afterPair(tabMember, c, from), after(oneKey(tabMember, c)), max(limit, 1))
		return err
	})
	return out, err
}

// Change applies a conditional batch.
func (s members) Change(ctx context.Context, m store.MemberChange) (int64, []chat.EventID, error) {
	m.Set, m.Log, m.Fanout = slices.Clone(m.Set), slices.Clone(m.Log), slices.Clone(m.Fanout)
	m.Listed, m.Unlisted = slices.Clone(m.Listed), slices.Clone(m.Unlisted)
	for i := range m.Fanout {
		m.Fanout[i].Recipients = slices.Clone(m.Fanout[i].Recipients)
	}
	var events []chat.EventID
	err := s.d.write(ctx, "change members", func(t *tx) (err error) {
		events, err = t.changeMembers(&m)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return m.Version + 1, events, nil
}

func (t *tx) changeMembers(m *store.MemberChange) ([]chat.EventID, error) {
	row, err := loadConversation(t.get, m.Conversation)
	isNew := errors.Is(err, pebble.ErrNotFound)
	if err != nil && !isNew {
		return nil, err
	}
	if isNew != (m.Version == 0) || row.version != m.Version {
		return nil, fmt.Errorf("%w: version is %d, not %d", store.ErrConflict, row.version, m.Version)
	}
	if isNew {
		if m.Create == nil {
			return nil, fmt.Errorf("%w: no such conversation", store.ErrConflict)
		}
		row.Conversation = *m.Create
		row.ID = m.Conversation
	}
	if m.Rename != nil {
		row.Name = *m.Rename
	}
	if m.Avatar != nil {
		row.Avatar = *m.Avatar
	}
	row.version = m.Version + 1
	lists, err := t.relisted(&row, m.Listed, m.Unlisted)
	if err != nil {
		return nil, err
	}
	events := make([]chat.EventID, len(m.Fanout))
	for i := range events {
		if events[i], err = t.nextEvent(); err != nil {
			return nil, err
		}
	}
	logs := make([]chat.EventID, len(m.Log))
	for i := range logs {
		if logs[i], err = t.nextEvent(); err != nil {
			return nil, err
		}
	}
	t.set(oneKey(tabConv, m.Conversation), putConversation(&row))
	for i := range m.Set {
		t.set(pairKey(tabMember, m.Conversation, m.Set[i].User), putMember(&m.Set[i]))
	}
	for _, l := range lists {
		t.set(l.key, putListed(&l.row))
	}
	for i := range m.Fanout {
		t.fanout(&m.Fanout[i].Event, events[i], m.Fanout[i].Recipients)
	}
	for i := range m.Log {
		t.set(changeKey(logs[i]), putChange(&m.Log[i]))
	}
	return events, nil
}

type listedRow struct {
	key []byte
	row store.ListedConversation
}

// relisted reads list entries and returns them changed; preferences stay.
func (t *tx) relisted(c *conversationRow, listed, unlisted []chat.UserID) ([]listedRow, error) {
	out := make([]listedRow, 0, len(listed)+len(unlisted))
	for i, users := range [][]chat.UserID{listed, unlisted} {
		for _, u := range users {
			key := pairKey(tabListed, u, c.ID)
			l, err := loadListed(t.get, u, c.ID)
			if errors.Is(err, pebble.ErrNotFound) {
				l, err = store.ListedConversation{Conversation: c.ID}, nil
			}
			if err != nil {
				return nil, err
			}
			l.Kind, l.Listed = c.Kind, i == 0
			out = append(out, listedRow{key, l})
		}
	}
	return out, nil
}

// CreateDirect writes a direct conversation of two members unless it exists.
func (s members) CreateDirect(ctx context.Context, c chat.Conversation, a, b chat.UserID) error {
	return s.d.write(ctx, "create direct", func(t *tx) error {
		_, err := loadConversation(t.get, c.ID)
		if err == nil || !errors.Is(err, pebble.ErrNotFound) {
			return err
		}
		row := conversationRow{Conversation: c, version: 1}
		lists, err := t.relisted(&row, []chat.UserID{a, b}, nil)
		if err != nil {
			return err
		}
		t.set(oneKey(tabConv, c.ID), putConversation(&row))
		for _, u := range []chat.UserID{a, b} {
			m := chat.Member{User: u, Role: chat.RoleMember, JoinedAt: c.CreatedAt, LeftID: chat.NotLeft}
			t.set(pairKey(tabMember, c.ID, u), putMember(&m))
		}
		for _, l := range lists {
			t.set(l.key, putListed(&l.row))
		}
		return nil
	})
}
