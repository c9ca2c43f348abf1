package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// listing implements store.Listing.
type listing struct{ d *DB }

func loadListed(get func([]byte) ([]byte, error), u chat.UserID, c chat.ConversationID) (store.ListedConversation, error) {
	b, err := get(pairKey(tabListed, u, c))
	if err != nil {
		return store.ListedConversation{}, err
	}
	return scanListed(b, c)
}

// Conversations pages through a user's list, entries that were left too.
func (s listing) Conversations(ctx context.Context, user chat.UserID, from chat.ConversationID, limit int) (out []store.ListedConversation, err error) {
	err = s.d.read(ctx, "conversations", func(v *view) error {
		return v.scan(afterPair(tabListed, user, from), after(oneKey(tabListed, user)), func(key, value []byte) (bool, error) {
			l, err := scanListed(value, chat.ConversationID(key[17:33]))
			out = append(out, l)
			return len(out) < limit, err
		})
	})
	return out, err
}

// Listed returns one entry.
func (s listing) Listed(ctx context.Context, user chat.UserID, c chat.ConversationID) (out store.ListedConversation, err error) {
	err = s.d.read(ctx, "listed conversation", func(v *view) (err error) {
		out, err = loadListed(v.get, user, c)
		return err
	})
	return out, err
}

// SetPreferences writes muted and archived of an entry that exists. ErrNotFound.
func (s listing) SetPreferences(ctx context.Context, user chat.UserID, l store.ListedConversation) error {
	return s.d.write(ctx, "set preferences", func(t *tx) error {
		have, err := loadListed(t.get, user, l.Conversation)
		if err != nil {
			return translate(err)
		}
		have.Muted, have.Archived = l.Muted, l.Archived
		t.set(pairKey(tabListed, user, l.Conversation), putListed(&have))
		return nil
	})
}

// PutHeads moves heads forward.
func (s listing) PutHeads(ctx context.Context, heads []store.Head) error {
	heads = slices.Clone(heads)
	return s.d.write(ctx, "put heads", func(t *tx) error {
		for i := range heads {
			t.merge(oneKey(tabHead, heads[i].Conversation), putHead(&heads[i]))
		}
		return nil
	})
}

// Heads returns the heads that exist.
func (s listing) Heads(ctx context.Context, cs []chat.ConversationID) (map[chat.ConversationID]store.Head, error) {
	if err := tooMany(len(cs)); err != nil {
		return nil, err
	}
	out := make(map[chat.ConversationID]store.Head, len(cs))
	err := s.d.read(ctx, "heads", func(v *view) error {
		return v.batch(len(cs), func(i int) []byte { return oneKey(tabHead, cs[i]) }, func(i int, b []byte) error {
			h, err := scanHead(b, cs[i])
			out[cs[i]] = h
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// watermarks implements store.Watermarks.
type watermarks struct{ d *DB }

// Put moves watermarks forward, with no read.
func (s watermarks) Put(ctx context.Context, marks []store.Mark) error {
	marks = slices.Clone(marks)
	return s.d.write(ctx, "put watermarks", func(t *tx) error {
		t.written = t.written || len(marks) > 0
		for i := range marks {
			m := &marks[i]
			d := t.batch.MergeDeferred(33, 17)
			d.Key[0] = tabMark
			copy(d.Key[1:], m.Conversation[:])
			copy(d.Key[17:], m.User[:])
			d.Value[0] = valueVersion
			binary.BigEndian.PutUint64(d.Value[1:], uint64(max(m.DeliveredTo, 0)))
			binary.BigEndian.PutUint64(d.Value[9:], uint64(max(m.ReadTo, 0)))
			_ = d.Finish()
		}
		return nil
	})
}

// Get returns one member's watermarks, zeros when there are none.
func (s watermarks) Get(ctx context.Context, c chat.ConversationID, u chat.UserID) (out chat.Receipt, err error) {
	out.User = u
	err = s.d.read(ctx, "watermarks", func(v *view) error {
		b, err := v.get(pairKey(tabMark, c, u))
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err == nil {
			out, err = scanMark(b, u)
		}
		return err
	})
	return out, err
}

// List returns watermarks by user id.
func (s watermarks) List(ctx context.Context, c chat.ConversationID, from chat.UserID, limit int) (out []chat.Receipt, err error) {
	err = s.d.read(ctx, "list watermarks", func(v *view) error {
		return v.scan(afterPair(tabMark, c, from), after(oneKey(tabMark, c)), func(key, value []byte) (bool, error) {
			r, err := scanMark(value, chat.UserID(key[17:33]))
			out = append(out, r)
			return len(out) < limit, err
		})
	})
	return out, err
}
