package pebblestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// claims implements store.Claims. A claim lies in the window of its message's time: expiry drops whole windows, and a
// lookup, which is rare, tries each of the few that live.
type claims struct{ d *DB }

// liveWindows are the windows that can hold a claim, newest first.
func (c claims) liveWindows() (newest, oldest uint32) {
	newest = windowOf(chat.MessageID(max(c.d.clock.Last(), id.At(c.d.o.Now()))))
	const span = claimDays * dayMillis / claimMillis
	if newest > span {
		oldest = newest - span
	}
	return newest, oldest
}

// find looks a claim up; get is a view's or the committer's.
func (c claims) find(get func([]byte) ([]byte, error), user chat.UserID, key chat.ClientMessageID) (store.Claim, error) {
	newest, oldest := c.liveWindows()
	for w := int64(newest); w >= int64(oldest); w-- {
		b, err := get(claimKey(nil, uint32(w), user, key))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return store.Claim{}, err
		}
		claim, err := scanClaim(b, user, key)
		if err == nil && c.d.expired(id.ID(claim.Message), claimDays) {
			err = store.ErrNotFound
		}
		return claim, err
	}
	return store.Claim{}, store.ErrNotFound
}

// Get returns the claim.
func (c claims) Get(ctx context.Context, user chat.UserID, key chat.ClientMessageID) (out store.Claim, err error) {
	err = c.d.read(ctx, "claim", func(v *view) (err error) {
		out, err = c.find(v.get, user, key)
		return err
	})
	return out, err
}

// PutIfAbsent writes the claim unless one exists.
func (c claims) PutIfAbsent(ctx context.Context, claim store.Claim) (store.Claim, error) {
	var holds store.Claim
	err := c.d.write(ctx, "put claim", func(t *tx) (err error) {
		holds, err = c.find(t.get, claim.User, claim.ClientMessage)
		if errors.Is(err, store.ErrNotFound) {
			holds, err = claim, nil
			t.set(claimKey(nil, windowOf(claim.Message), claim.User, claim.ClientMessage), putClaim(nil, &claim))
		}
		return err
	})
	if err != nil {
		return store.Claim{}, err
	}
	return holds, nil
}

// Move replaces the message id of a claim. Doing it twice changes nothing.
func (c claims) Move(ctx context.Context, claim store.Claim, from chat.MessageID) error {
	return c.d.write(ctx, "move claim", func(t *tx) error {
		have, err := c.find(t.get, claim.User, claim.ClientMessage)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: no claim", store.ErrConflict)
		}
		if err != nil {
			return err
		}
		if have.Message == claim.Message {
			return nil
		}
		if have.Message != from {
			return fmt.Errorf("%w: claim is of another message", store.ErrConflict)
		}
		if was, is := windowOf(have.Message), windowOf(claim.Message); was != is {
			t.del(claimKey(nil, was, claim.User, claim.ClientMessage))
		}
		t.set(claimKey(nil, windowOf(claim.Message), claim.User, claim.ClientMessage), putClaim(nil, &claim))
		return nil
	})
}
