package cqlstore

import (
	"context"
	"errors"

	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

var (
	blockInsert = built(forBlock, qb.Insert("blocks").Columns("user_id", "blocked_id", "at").TimestampNamed("written"))
	blockDelete = built(forBlock, qb.Delete("blocks").TimestampNamed("written").Where(qb.Eq("user_id"), qb.Eq("blocked_id")))
	blockSelect = built(forBlock, qb.Select("blocks").Columns("at").Where(qb.Eq("user_id"), qb.Eq("blocked_id")))
	blockList   = built(forBlock, qb.Select("blocks").Columns("blocked_id").Where(qb.Eq("user_id")).LimitNamed("limit"))
)

// blocks implements store.Blocks.
type blocks struct{ d *DB }

// Set blocks or unblocks at the moment it was asked for; of two the later one holds, whatever order they arrive in. Of a
// block and its end in the same millisecond the end holds.
func (s blocks) Set(ctx context.Context, user, blocked chat.UserID, on bool, at int64) error {
	if on {
		return s.d.exec(ctx, blockInsert, uuid(user), uuid(blocked), at, stamp(at))
	}
	return s.d.exec(ctx, blockDelete, stamp(at), uuid(user), uuid(blocked))
}

// Has reports whether user blocked the other.
func (s blocks) Has(ctx context.Context, user, blocked chat.UserID) (bool, error) {
	var at int64
	err := s.d.one(ctx, blockSelect, []any{uuid(user), uuid(blocked)}, &at)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// List returns whom a user blocked, by id.
func (s blocks) List(ctx context.Context, user chat.UserID, limit int) (out []chat.UserID, err error) {
	var id chat.UserID
	err = s.d.rows(ctx, blockList, limit, []any{uuid(user), limit}, []any{(*[16]byte)(&id)}, func() (bool, error) {
		out = append(out, id)
		return true, nil
	})
	return out, err
}
