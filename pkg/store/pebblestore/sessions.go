package pebblestore

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const maxSessions = 1000

// sessions implements store.Sessions.
type sessions struct{ d *DB }

// Put writes a sign-in.
func (s sessions) Put(ctx context.Context, x chat.Session) error {
	return s.d.write(ctx, "put session", func(t *tx) error {
		t.set(hashKey(x.TokenHash), putSession(&x))
		t.set(signInKey(x.User, x.TokenHash), nil)
		return nil
	})
}

// Get returns a sign-in, one that ended too (for 30 days).
func (s sessions) Get(ctx context.Context, hash [32]byte) (out chat.Session, err error) {
	err = s.d.read(ctx, "session", func(v *view) error {
		b, err := v.get(hashKey(hash))
		if err == nil {
			out, err = scanSession(b, hash)
		}
		return err
	})
	return out, err
}

// Extend moves SeenAt and Expires. ErrNotFound.
func (s sessions) Extend(ctx context.Context, hash [32]byte, seenAt, expires int64) error {
	return s.d.write(ctx, "extend session", func(t *tx) error {
		b, err := t.get(hashKey(hash))
		if err != nil {
			return translate(err)
		}
		x, err := scanSession(b, hash)
		if err != nil {
			return err
		}
		x.SeenAt, x.Expires = seenAt, expires
		t.set(hashKey(hash), putSession(&x))
		return nil
	})
}

// Delete removes a sign-in.
func (s sessions) Delete(ctx context.Context, hash [32]byte) error {
	return s.d.write(ctx, "delete session", func(t *tx) error {
		b, err := t.get(hashKey(hash))
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		x, err := scanSession(b, hash)
		if err != nil {
			return err
		}
		t.del(hashKey(hash))
		t.del(signInKey(x.User, hash))
		return nil
	})
}

// List returns a user's sign-ins.
func (s sessions) List(ctx context.Context, user chat.UserID) (out []chat.Session, err error) {
	prefix := oneKey(tabSignIn, user)
	err = s.d.read(ctx, "sessions", func(v *view) error {
		var hashes [][32]byte
		err := v.scan(prefix, after(prefix), func(key, _ []byte) (bool, error) {
			hashes = append(hashes, [32]byte(key[17:49]))
			return len(hashes) < maxSessions, nil
		})
		if err != nil {
			return err
		}
		return v.batch(len(hashes), func(i int) []byte { return hashKey(hashes[i]) }, func(i int, b []byte) error {
			x, err := scanSession(b, hashes[i])
			out = append(out, x)
			return err
		})
	})
	return out, err
}

// blocks implements store.Blocks.
type blocks struct{ d *DB }

// Set blocks or unblocks.
func (s blocks) Set(ctx context.Context, user, blocked chat.UserID, on bool, at int64) error {
	return s.d.write(ctx, "set block", func(t *tx) error {
		if key := pairKey(tabBlock, user, blocked); on {
			t.set(key, metaValue(at))
		} else {
			t.del(key)
		}
		return nil
	})
}

// Has reports whether user blocked the other.
func (s blocks) Has(ctx context.Context, user, blocked chat.UserID) (has bool, err error) {
	err = s.d.read(ctx, "block", func(v *view) (err error) {
		has, err = v.has(pairKey(tabBlock, user, blocked))
		return err
	})
	return has, err
}

// List returns whom a user blocked, by id.
func (s blocks) List(ctx context.Context, user chat.UserID, limit int) (out []chat.UserID, err error) {
	prefix := oneKey(tabBlock, user)
	err = s.d.read(ctx, "blocks", func(v *view) error {
		return v.scan(prefix, after(prefix), func(key, _ []byte) (bool, error) {
			out = append(out, chat.UserID(key[17:33]))
			return len(out) < limit, nil
		})
	})
	return out, err
}

// media implements store.Media.
type media struct{ d *DB }

// Put writes a description, and keeps the list of unfinished uploads.
func (s media) Put(ctx context.Context, m chat.Media) error {
	return s.d.write(ctx, "put media", func(t *tx) error {
		was, err := loadMedia(t, m.ID)
		if err != nil && !errors.Is(err, pebble.ErrNotFound) {
			return err
		}
		if err == nil && !was.Ready && (m.Ready || was.CreatedAt != m.CreatedAt) {
			t.del(uploadKey(was.CreatedAt, m.ID))
		}
		if !m.Ready {
			t.set(uploadKey(m.CreatedAt, m.ID), nil)
		}
		t.set(oneKey(tabMedia, m.ID), putMedia(&m))
		return nil
	})
}

func loadMedia(t *tx, id chat.MediaID) (chat.Media, error) {
	b, err := t.get(oneKey(tabMedia, id))
	if err != nil {
		return chat.Media{}, err
	}
	return scanMedia(b, id)
}

// Batch returns the descriptions that exist.
func (s media) Batch(ctx context.Context, ids []chat.MediaID) (out []chat.Media, err error) {
	if err := tooMany(len(ids)); err != nil {
		return nil, err
	}
	err = s.d.read(ctx, "media", func(v *view) error {
		return v.batch(len(ids), func(i int) []byte { return oneKey(tabMedia, ids[i]) }, func(i int, b []byte) error {
			m, err := scanMedia(b, ids[i])
			out = append(out, m)
			return err
		})
	})
	return out, err
}

// Delete removes a description; a missing one is no error.
func (s media) Delete(ctx context.Context, id chat.MediaID) error {
	return s.d.write(ctx, "delete media", func(t *tx) error {
		was, err := loadMedia(t, id)
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		t.del(oneKey(tabMedia, id))
		t.del(uploadKey(was.CreatedAt, id))
		return nil
	})
}

// Unfinished returns uploads begun before a moment and never finished, oldest first.
func (s media) Unfinished(ctx context.Context, before int64, limit int) (out []chat.Media, err error) {
	err = s.d.read(ctx, "unfinished media", func(v *view) error {
		var ids []chat.MediaID
		err := v.scan(uploadKey(0, chat.MediaID{}), uploadKey(max(before, 0), chat.MediaID{}), func(key, _ []byte) (bool, error) {
			ids = append(ids, chat.MediaID(key[9:25]))
			return len(ids) < limit, nil
		})
		if err != nil {
			return err
		}
		return v.batch(len(ids), func(i int) []byte { return oneKey(tabMedia, ids[i]) }, func(i int, b []byte) error {
			m, err := scanMedia(b, ids[i])
			out = append(out, m)
			return err
		})
	})
	return out, err
}

// compile-time checks that the ports are whole
var (
	_ store.Sessions = sessions{}
	_ store.Blocks   = blocks{}
	_ store.Media    = media{}
)
