package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	maxSessions = 1000
	// manySessions is how many sign-ins a user may have before those that ended long ago are looked for and removed.
	manySessions = 100
	// sessionKept is how long a sign-in is kept after its end.
	sessionKept = 30 * 24 * time.Hour
)

var (
	sessionInsert = built(forSession, qb.Insert("sessions").
			Columns("token_hash", "user_id", "device_id", "created_at", "seen_at", "expires", "user_agent", "address").TimestampNamed("written"))
	sessionSelect = built(forSession, qb.Select("sessions").
			Columns("user_id", "device_id", "created_at", "seen_at", "expires", "user_agent", "address").Where(qb.Eq("token_hash")))
	sessionExtend = built(forSession, qb.Update("sessions").TimestampNamed("written").Set("seen_at", "expires").Where(qb.Eq("token_hash")))
	sessionDelete = built(forSession, qb.Delete("sessions").TimestampNamed("written").Where(qb.Eq("token_hash")))

	signInInsert = built(forSession, qb.Insert("user_sessions").Columns("user_id", "token_hash").TimestampNamed("written"))
	signInSelect = built(forSession, qb.Select("user_sessions").Columns("token_hash").Where(qb.Eq("user_id")).LimitNamed("limit"))
	signInDelete = built(forSession, qb.Delete("user_sessions").TimestampNamed("written").Where(qb.Eq("user_id"), qb.Eq("token_hash")))
)

// sessions implements store.Sessions.
type sessions struct{ d *DB }

// Put writes a sign-in at the time it was made: a late retry doesn't bring back what was deleted since. The list follows the
// row, so that an entry of the list without a row is one of a session that was deleted.
func (s sessions) Put(ctx context.Context, x chat.Session) error {
	written := stamp(x.CreatedAt)
	err := s.d.exec(ctx, sessionInsert, x.TokenHash[:], uuid(x.User), orUnset(x.Device, uuid(x.Device)), x.CreatedAt, x.SeenAt,
		x.Expires, x.UserAgent, x.Address, written)
	if err != nil {
		return err
	}
	if err := s.d.exec(ctx, signInInsert, uuid(x.User), x.TokenHash[:], written); err != nil {
		return err
	}
	hashes, err := s.hashes(ctx, x.User, manySessions+1)
	if err != nil || len(hashes) <= manySessions {
		return nil //nolint:nilerr // the sign-in is written; tidying is for the next one
	}
	_, _ = s.list(ctx, x.User, hashes)
	return nil
}

// Get returns a sign-in, one that ended too.
func (s sessions) Get(ctx context.Context, hash [32]byte) (chat.Session, error) {
	x := chat.Session{TokenHash: hash}
	err := s.d.one(ctx, sessionSelect, []any{hash[:]},
		(*[16]byte)(&x.User), (*[16]byte)(&x.Device), &x.CreatedAt, &x.SeenAt, &x.Expires, &x.UserAgent, &x.Address)
	if err == nil && x.User.IsZero() {
		err = fmt.Errorf("cqlstore: session: %w", store.ErrNotFound)
	}
	return x, err
}

// Extend moves SeenAt and Expires. What is left of an extension that met a deletion is a row without a user, which is none.
func (s sessions) Extend(ctx context.Context, hash [32]byte, seenAt, expires int64) error {
	if _, err := s.Get(ctx, hash); err != nil {
		return err
	}
	return s.d.exec(ctx, sessionExtend, stamp(seenAt), seenAt, expires, hash[:])
}

// Delete removes a sign-in.
func (s sessions) Delete(ctx context.Context, hash [32]byte) error {
	x, err := s.Get(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.remove(ctx, x)
}

func (s sessions) remove(ctx context.Context, x chat.Session) error {
	// Above its own writes, though another gateway's clock be ahead of ours.
	written := max(s.d.stamp(), stamp(x.CreatedAt)+1, stamp(x.SeenAt)+1)
	if err := s.d.exec(ctx, sessionDelete, written, x.TokenHash[:]); err != nil {
		return err
	}
	return s.d.exec(ctx, signInDelete, written, uuid(x.User), x.TokenHash[:])
}

// List returns a user's sign-ins.
func (s sessions) List(ctx context.Context, user chat.UserID) ([]chat.Session, error) {
	hashes, err := s.hashes(ctx, user, maxSessions)
	if err != nil {
		return nil, err
	}
	return s.list(ctx, user, hashes)
}

func (s sessions) hashes(ctx context.Context, user chat.UserID, limit int) (out [][32]byte, err error) {
	var hash []byte
	err = s.d.rows(ctx, signInSelect, limit, []any{uuid(user), limit}, []any{&hash}, func() (bool, error) {
		if len(hash) != 32 {
			return false, fmt.Errorf("cqlstore: session: a token's hash of %d bytes", len(hash))
		}
		out = append(out, [32]byte(hash))
		return true, nil
	})
	return out, err
}

// list reads sign-ins. Where a user has many, those that ended long ago are removed, as nothing else does it.
func (s sessions) list(ctx context.Context, user chat.UserID, hashes [][32]byte) (out []chat.Session, err error) {
	now := time.Now()
	for len(hashes) > 0 {
		some := hashes[:min(len(hashes), maxBatch)]
		hashes = hashes[len(some):]
		rows, err := batchOf(ctx, some, s.Get)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	if len(out) < manySessions {
		return out, nil
	}
	long := now.Add(-sessionKept).UnixMilli()
	kept := out[:0:0]
	for _, x := range out {
		if x.Expires < long {
			if err := s.remove(ctx, x); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, x)
	}
	return kept, nil
}
