package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// maxSearched bounds the names that one search looks at: among more matches than that the first by name are found.
const maxSearched = 1000

// users implements store.Users.
type users struct{ d *DB }

// Create writes a user; the same user again changes nothing.
func (s users) Create(ctx context.Context, u chat.User) error {
	return s.d.write(ctx, "create user", func(t *tx) error {
		taken := []struct {
			what string
			key  []byte
		}{{"username", textKey(tabUsername, u.Username)}}
		if u.External != "" {
			taken = append(taken, struct {
				what string
				key  []byte
			}{"external subject", textKey(tabExternal, u.External)})
		}
		mine := 0
		for _, k := range taken {
			b, err := t.get(k.key)
			switch {
			case errors.Is(err, pebble.ErrNotFound):
			case err != nil:
				return err
			case string(b) != string(u.ID[:]):
				return fmt.Errorf("%w: %s is taken", store.ErrConflict, k.what)
			default:
				mine++
			}
		}
		if mine == len(taken) {
			return nil
		}
		if _, err := t.get(oneKey(tabUser, u.ID)); err == nil {
			return fmt.Errorf("%w: user id exists", store.ErrConflict)
		} else if !errors.Is(err, pebble.ErrNotFound) {
			return err
		}
		for _, k := range taken {
			t.set(k.key, u.ID[:])
		}
		t.set(oneKey(tabUser, u.ID), putUser(&u))
		for _, name := range searchNames(&u) {
			t.set(searchKey(name, u.ID), nil)
		}
		return nil
	})
}

// searchNames are the names by which a user is found.
func searchNames(u *chat.User) []string {
	name, shown := fold(u.Username), fold(u.DisplayName)
	if shown == "" || shown == name {
		return []string{name}
	}
	return []string{name, shown}
}

// fold makes names comparable. A zero byte ends the name in the key.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "\x00", "") }

// Batch returns the users that exist.
func (s users) Batch(ctx context.Context, ids []chat.UserID) (out []chat.User, err error) {
	if err := tooMany(len(ids)); err != nil {
		return nil, err
	}
	err = s.d.read(ctx, "users", func(v *view) (err error) {
		out, err = v.users(ids)
		return err
	})
	return out, err
}

func (v *view) users(ids []chat.UserID) (out []chat.User, err error) {
	err = v.batch(len(ids), func(i int) []byte { return oneKey(tabUser, ids[i]) }, func(i int, b []byte) error {
		u, err := scanUser(b, ids[i])
		out = append(out, u)
		return err
	})
	return out, err
}

// ByUsername returns the holder of a username.
func (s users) ByUsername(ctx context.Context, name string) (chat.User, error) {
	return s.by(ctx, "user by name", textKey(tabUsername, name))
}

// ByExternal returns the user of an external subject.
func (s users) ByExternal(ctx context.Context, subject string) (chat.User, error) {
	return s.by(ctx, "user by subject", textKey(tabExternal, subject))
}

func (s users) by(ctx context.Context, what string, key []byte) (out chat.User, err error) {
	err = s.d.read(ctx, what, func(v *view) error {
		b, err := v.get(key)
		if err != nil {
			return err
		}
		if len(b) != 16 {
			return errCorrupt
		}
		all, err := v.users([]chat.UserID{chat.UserID(b)})
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return store.ErrNotFound
		}
		out = all[0]
		return nil
	})
	return out, err
}

// Search finds users by the beginning of their names.
func (s users) Search(ctx context.Context, prefix string, limit int) (out []chat.User, err error) {
	prefix = fold(prefix)
	err = s.d.read(ctx, "search users", func(v *view) error {
		from := textKey(tabSearch, prefix)
		var ids []chat.UserID
		err := v.scan(from, after(from), func(key, _ []byte) (bool, error) {
			ids = append(ids, chat.UserID(key[len(key)-16:]))
			return len(ids) < maxSearched, nil
		})
		if err != nil {
			return err
		}
		slices.SortFunc(ids, chat.UserID.Compare)
		out, err = v.users(slices.Compact(ids))
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b chat.User) int { return strings.Compare(a.Username, b.Username) })
	return out[:min(len(out), max(limit, 1))], nil
}

// Update changes a user.
func (s users) Update(ctx context.Context, id chat.UserID, c store.UserChange) error {
	return s.d.write(ctx, "update user", func(t *tx) error {
		b, err := t.get(oneKey(tabUser, id))
		if err != nil {
			return translate(err)
		}
		u, err := scanUser(b, id)
		if err != nil {
			return err
		}
		before := searchNames(&u)
		if c.DisplayName != nil {
			u.DisplayName = *c.DisplayName
		}
		if c.Avatar != nil {
			u.Avatar = *c.Avatar
		}
		if c.Password != nil {
			u.Password = *c.Password
		}
		if c.LastSeen != nil {
			u.LastSeen = max(u.LastSeen, *c.LastSeen)
		}
		if now := searchNames(&u); !slices.Equal(before, now) {
			for _, name := range before {
				t.del(searchKey(name, id))
			}
			for _, name := range now {
				t.set(searchKey(name, id), nil)
			}
		}
		t.set(oneKey(tabUser, id), putUser(&u))
		return nil
	})
}
