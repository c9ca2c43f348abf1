package cqlstore

import (
	"context"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

var (
	putDelivered = written(forReceipt, "UPDATE watermarks USING TIMESTAMP ? SET delivered_to = ? WHERE conversation_id = ? AND user_id = ?",
		"timestamp", "delivered_to", "conversation_id", "user_id")
	putRead = written(forReceipt, "UPDATE watermarks USING TIMESTAMP ? SET read_to = ? WHERE conversation_id = ? AND user_id = ?",
		"timestamp", "read_to", "conversation_id", "user_id")
	getWatermark = written(forReceipts, "SELECT delivered_to, read_to FROM watermarks WHERE conversation_id = ? AND user_id = ?",
		"conversation_id", "user_id")
	listWatermarks = written(forReceipts, "SELECT user_id, delivered_to, read_to FROM watermarks WHERE conversation_id = ? AND user_id > ? LIMIT ?",
		"conversation_id", "user_id", "limit")
)

// watermarks implements store.Watermarks.
type watermarks struct{ d *DB }

// Put moves watermarks forward. Each carries its id's time as timestamp, so the last write is the largest id, and of two ids
// of one millisecond the larger value wins.
func (w watermarks) Put(ctx context.Context, marks []store.Mark) error {
	rows := make([]bound, 0, len(marks))
	for i := range marks {
		m := &marks[i]
		if m.DeliveredTo != 0 {
			rows = append(rows, markOf(putDelivered, m, m.DeliveredTo))
		}
		if m.ReadTo != 0 {
			rows = append(rows, markOf(putRead, m, m.ReadTo))
		}
	}
	return w.d.write(ctx, rows)
}

func markOf(s *statement, m *store.Mark, to chat.MessageID) bound {
	return bound{s, []any{micros(to), int64(to), uuid(m.Conversation), uuid(m.User)}}
}

// Get returns one member's watermarks.
func (w watermarks) Get(ctx context.Context, c chat.ConversationID, u chat.UserID) (chat.Receipt, error) {
	r := chat.Receipt{User: u}
	err := w.d.one(ctx, getWatermark, []any{uuid(c), uuid(u)}, (*int64)(&r.DeliveredTo), (*int64)(&r.ReadTo))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return chat.Receipt{}, err
	}
	return r, nil
}

// List returns watermarks in pages by user id.
func (w watermarks) List(ctx context.Context, c chat.ConversationID, after chat.UserID, limit int) (out []chat.Receipt, err error) {
	var r chat.Receipt
	limit = max(limit, 1)
	dest := []any{(*[16]byte)(&r.User), (*int64)(&r.DeliveredTo), (*int64)(&r.ReadTo)}
	err = w.d.rows(ctx, listWatermarks, limit, []any{uuid(c), uuid(after), limit}, dest, func() (bool, error) {
		out = append(out, r)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
