package cqlstore

import (
	"context"
	"slices"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// maxReactions bounds the reactions that a history page fills in for one message.
	maxReactions = 256
	reactionPage = 1000
)

// A reaction is the tuple (at, emoji): of two of the same millisecond the larger id wins, as it comes first.
var (
	putReaction = written(forReact, "INSERT INTO reactions (conversation_id, bucket, message_id, user_id, reaction) VALUES (?, ?, ?, ?, (?, ?)) USING TIMESTAMP ?",
		"conversation_id", "bucket", "message_id", "user_id", "at", "emoji", "timestamp")
	getReactions = written(forHistory, "SELECT message_id, user_id, reaction FROM reactions WHERE conversation_id = ? AND bucket = ? AND message_id >= ? AND message_id <= ?",
		"conversation_id", "bucket", "from", "to")
)

// React sets or removes a reaction; a removed one leaves a row that keeps older writes from bringing it back. The event is
// written after the row: whoever reads it early finds the reaction.
func (m messages) React(ctx context.Context, r store.React) (chat.EventID, error) {
	err := m.d.exec(ctx, putReaction, uuid(r.Conversation), MessageBucket(r.Kind, r.Message), int64(r.Message), uuid(r.Reaction.User),
		int64(r.Reaction.At), r.Reaction.Emoji, micros(r.Reaction.At))
	if err != nil {
		return 0, err
	}
	return m.d.tell(ctx, &r.Fanout.Event, r.Fanout.Recipients)
}

// windowReactions fills in the reactions to messages of one window, in either order of ids.
func (d *DB) windowReactions(ctx context.Context, s *span, page []chat.Message) error {
	at := make(map[int64]*chat.Message, len(page))
	low, high := int64(page[0].ID), int64(page[0].ID)
	for i := range page {
		n := int64(page[i].ID)
		at[n] = &page[i]
		low, high = min(low, n), max(high, n)
	}
	bucket := MessageBucket(s.Kind, page[0].ID)
	var (
		message, when int64
		user          [16]byte
		emoji         string
	)
	dest := []any{&message, &user, &when, &emoji}
	for low <= high {
		rows, of, full := 0, int64(0), false
		err := d.rows(ctx, getReactions, reactionPage, []any{uuid(s.Conversation), bucket, low, high}, dest, func() (bool, error) {
			if message != of {
				rows, of = 0, message
			}
			rows++
			if m := at[message]; m != nil && emoji != "" && len(m.Reactions) < maxReactions {
				m.Reactions = append(m.Reactions, chat.Reaction{User: user, Emoji: emoji, At: chat.MessageID(when)})
			}
			// Removed ones stay in the table; past this many rows the next message's turn comes.
			full = rows >= 4*maxReactions
			return !full, nil
		})
		if err != nil {
			return err
		}
		if !full {
			break
		}
		low = of + 1
	}
	for i := range page {
		slices.SortFunc(page[i].Reactions, func(a, b chat.Reaction) int { return a.User.Compare(b.User) })
	}
	return nil
}
