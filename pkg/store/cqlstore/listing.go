package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

var (
	listedPage = built(forListing, qb.Select("user_conversations").Columns("conversation_id", "kind", "listed", "muted", "archived").
			Where(qb.Eq("user_id"), qb.Gt("conversation_id")).LimitNamed("limit"))
	listedSelect = built(forListing, qb.Select("user_conversations").Columns("kind", "listed", "muted", "archived").
			Where(qb.Eq("user_id"), qb.Eq("conversation_id")))
	listedPrefer = built(forListing, qb.Update("user_conversations").TimestampNamed("written").Set("muted", "archived").
			Where(qb.Eq("user_id"), qb.Eq("conversation_id")))

	// Equal times: the larger tuple wins, which is the larger id's.
	headInsert = built(forHead, qb.Insert("conversation_heads").Columns("conversation_id").TupleColumn("head", 3).TimestampNamed("written"))
	headSelect = built(forListing, qb.Select("conversation_heads").Columns("head").Where(qb.Eq("conversation_id")))
)

// listing implements store.Listing.
type listing struct{ d *DB }

// Conversations pages through a user's list in the servers' order of ids, which is by version first, then by bytes.
func (s listing) Conversations(ctx context.Context, user chat.UserID, from chat.ConversationID, limit int) (out []store.ListedConversation, err error) {
	var l store.ListedConversation
	var kind string
	dest := []any{(*[16]byte)(&l.Conversation), &kind, &l.Listed, &l.Muted, &l.Archived}
	// Rows without a kind don't exist, and count for the limit: go on until there are enough of the others.
	for len(out) < limit {
		rows, want := 0, limit-len(out)
		err = s.d.rows(ctx, listedPage, want, []any{uuid(user), uuid(from), want}, dest, func() (bool, error) {
			rows++
			from = l.Conversation
			var ok bool
			if l.Kind, ok = chat.ParseKind(kind); ok {
				out = append(out, l)
			}
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		if rows < want {
			break
		}
	}
	return out, nil
}

// Listed returns one entry.
func (s listing) Listed(ctx context.Context, user chat.UserID, c chat.ConversationID) (store.ListedConversation, error) {
	l := store.ListedConversation{Conversation: c}
	var kind string
	err := s.d.one(ctx, listedSelect, []any{uuid(user), uuid(c)}, &kind, &l.Listed, &l.Muted, &l.Archived)
	if err != nil {
		return l, err
	}
	var ok bool
	if l.Kind, ok = chat.ParseKind(kind); !ok {
		return l, fmt.Errorf("cqlstore: listing: %w", store.ErrNotFound)
	}
	return l, nil
}

// SetPreferences writes muted and archived of an entry that exists. ErrNotFound.
func (s listing) SetPreferences(ctx context.Context, user chat.UserID, l store.ListedConversation) error {
	if _, err := s.Listed(ctx, user, l.Conversation); err != nil {
		return err
	}
	return s.d.exec(ctx, listedPrefer, s.d.stamp(), l.Muted, l.Archived, uuid(user), uuid(l.Conversation))
}

// PutHeads moves heads forward.
func (s listing) PutHeads(ctx context.Context, heads []store.Head) error {
	rows := make([]bound, len(heads))
	for i := range heads {
		h := &heads[i]
		rows[i] = bound{headInsert, []any{uuid(h.Conversation), int64(h.Last), uuid(h.Sender), h.Preview, stamp(id.ID(h.Last).UnixMillis())}}
	}
	return s.d.write(ctx, rows)
}

// Heads returns the heads that exist.
func (s listing) Heads(ctx context.Context, cs []chat.ConversationID) (map[chat.ConversationID]store.Head, error) {
	if len(cs) > maxBatch {
		return nil, fmt.Errorf("cqlstore: %d keys in one read, at most %d", len(cs), maxBatch)
	}
	var mu sync.Mutex
	out := make(map[chat.ConversationID]store.Head, len(cs))
	err := together(ctx, len(cs), func(ctx context.Context, i int) error {
		h := store.Head{Conversation: cs[i]}
		err := s.d.one(ctx, headSelect, []any{uuid(cs[i])}, (*int64)(&h.Last), (*[16]byte)(&h.Sender), &h.Preview)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		out[h.Conversation] = h
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
