package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// abandoned is how old a claim of a name must be before another user may take it, when the claim's user has no row.
	abandoned = time.Minute
	// prompt is how soon after its claim a user's row must be there, or the claim is looked at again. Well below abandoned,
	// as the two are measured with different clocks.
	prompt = abandoned / 3
)

var (
	userColumns = []string{"user_id", "username", "display_name", "avatar", "password", "external", "last_seen", "created_at"}

	userInsert = built(forUser, qb.Insert("users").
			Columns("user_id", "username", "display_name", "avatar", "password", "external", "created_at").TimestampNamed("written"))
	userSelect = built(forUser, qb.Select("users").Columns(userColumns[1:]...).Where(qb.Eq("user_id")))
	userUpdate = built(forUser, qb.Update("users").TimestampNamed("written").Set("display_name", "avatar", "password").Where(qb.Eq("user_id")))
	userSeen   = built(forUser, qb.Update("users").TimestampNamed("written").Set("last_seen").Where(qb.Eq("user_id")))
	userDelete = built(forUser, qb.Delete("users").TimestampNamed("written").Where(qb.Eq("user_id")))
)

// names is one table of unique names, by compare-and-set.
type names struct {
	what                                string
	claim, take, release, read, holders *statement
	put                                 *statement // without a look at who has it: see ImportOptions.Alone
}

func namesIn(what, table, column string) names {
	return names{
		what:    what,
		claim:   built(forUser, qb.Insert(table).Columns(column, "user_id", "claimed_at").Unique()).conditional(),
		take:    built(forUser, qb.Update(table).Set("user_id", "claimed_at").Where(qb.Eq(column)).If(qb.EqNamed("user_id", "was"), qb.EqNamed("claimed_at", "since"))).conditional(),
		release: built(forUser, qb.Delete(table).Where(qb.Eq(column)).If(qb.Eq("user_id"))).conditional(),
		read:    built(forUser, qb.Select(table).Columns("user_id", "claimed_at").Where(qb.Eq(column))),
		holders: built(forUser, qb.Select(table).Columns("user_id").Where(qb.Eq(column))),
		put:     built(forCopy, qb.Insert(table).Columns(column, "user_id", "claimed_at").TimestampNamed("written")),
	}
}

var (
	usernames = namesIn("username", "usernames", "username")
	subjects  = namesIn("external subject", "external_subjects", "subject")
)

// users implements store.Users.
type users struct{ d *DB }

// Create claims the names, then writes the user's row at its own CreatedAt, so that a repetition changes nothing that was
// changed since. A claim whose user never got a row ends after a minute.
func (s users) Create(ctx context.Context, u chat.User) error {
	begun := time.Now()
	if err := s.claim(ctx, usernames, u.Username, u.ID); err != nil {
		return err
	}
	if u.External != "" {
		if err := s.claim(ctx, subjects, u.External, u.ID); err != nil {
			if errors.Is(err, store.ErrConflict) {
				// The name is nobody's then. Should this fail it ends with the claim's age.
				_, _, _ = s.d.cas(ctx, usernames.release, u.Username, uuid(u.ID))
			}
			return err
		}
	}
	if err := s.d.exec(ctx, userInsert, uuid(u.ID), u.Username, u.DisplayName, orUnset(u.Avatar, uuid(u.Avatar)),
		orUnset(u.Password, u.Password), orUnset(u.External, u.External), u.CreatedAt, stamp(u.CreatedAt)); err != nil {
		return err
	}
	if u.LastSeen > 0 {
		if err := s.d.exec(ctx, userSeen, stamp(u.LastSeen), u.LastSeen, uuid(u.ID)); err != nil {
			return err
		}
	}
	if err := s.list(ctx, searchNames(u.Username, u.DisplayName), u.ID, stamp(u.CreatedAt)); err != nil {
		return err
	}
	if time.Since(begun) < prompt {
		return nil
	}
	return s.recheck(ctx, u)
}

// recheck looks whether a creation that took long still has its names: another may have found them abandoned.
func (s users) recheck(ctx context.Context, u chat.User) error {
	for _, n := range []struct {
		names
		name string
	}{{usernames, u.Username}, {subjects, u.External}} {
		if n.name == "" {
			continue
		}
		var holder chat.UserID
		var since int64
		if err := s.d.serial(ctx, n.read, []any{n.name}, (*[16]byte)(&holder), &since); err != nil {
			return err
		}
		if holder != u.ID {
			if err := s.d.exec(ctx, userDelete, s.d.stamp(), uuid(u.ID)); err != nil {
				return err
			}
			return fmt.Errorf("cqlstore: create user: %w: %s was taken meanwhile", store.ErrConflict, n.what)
		}
	}
	return nil
}

// claim makes u the holder of a name. ErrConflict when it has another one.
func (s users) claim(ctx context.Context, n names, name string, u chat.UserID) error {
	now := time.Now().UnixMilli()
	applied, have, err := s.d.casUntilKnown(ctx, n.claim, name, uuid(u), now)
	if err != nil || applied {
		return err
	}
	holder, _ := have["user_id"].(gocql.UUID)
	since, _ := have["claimed_at"].(time.Time)
	if holder == gocql.UUID(u) {
		return nil // an earlier attempt's
	}
	taken := fmt.Errorf("cqlstore: create user: %w: %s is taken", store.ErrConflict, n.what)
	if time.Since(since) < abandoned {
		return taken
	}
	if _, err := s.get(ctx, chat.UserID(holder)); !errors.Is(err, store.ErrNotFound) {
		if err != nil {
			return err
		}
		return taken
	}
	applied, have, err = s.d.casUntilKnown(ctx, n.take, uuid(u), now, name, holder, since)
	if holder, _ = have["user_id"].(gocql.UUID); err == nil && !applied && holder != gocql.UUID(u) {
		err = taken
	}
	return err
}

func (s users) get(ctx context.Context, id chat.UserID) (chat.User, error) {
	u := chat.User{ID: id}
	err := s.d.one(ctx, userSelect, []any{uuid(id)},
		&u.Username, &u.DisplayName, (*[16]byte)(&u.Avatar), &u.Password, &u.External, &u.LastSeen, &u.CreatedAt)
	if err == nil && u.Username == "" {
		err = fmt.Errorf("cqlstore: user: %w", store.ErrNotFound)
	}
	return u, err
}

// Batch returns the users that exist.
func (s users) Batch(ctx context.Context, ids []chat.UserID) ([]chat.User, error) {
	return batchOf(ctx, ids, s.get)
}

// ByUsername returns the holder of a username.
func (s users) ByUsername(ctx context.Context, name string) (chat.User, error) {
	return s.by(ctx, usernames, name)
}

// ByExternal returns the user of an external subject.
func (s users) ByExternal(ctx context.Context, subject string) (chat.User, error) {
	return s.by(ctx, subjects, subject)
}

func (s users) by(ctx context.Context, n names, name string) (chat.User, error) {
	var id chat.UserID
	if err := s.d.one(ctx, n.holders, []any{name}, (*[16]byte)(&id)); err != nil {
		return chat.User{}, err
	}
	return s.get(ctx, id)
}

// Update changes a user.
func (s users) Update(ctx context.Context, id chat.UserID, c store.UserChange) error {
	was, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	now := s.d.stamp()
	before, after := searchNames(was.Username, was.DisplayName), []string(nil)
	if c.DisplayName != nil {
		after = searchNames(was.Username, *c.DisplayName)
		// First the new names: a search looks at the user's row, and leaves out what doesn't fit it.
		if err := s.list(ctx, slices.DeleteFunc(slices.Clone(after), func(n string) bool { return slices.Contains(before, n) }), id, now); err != nil {
			return err
		}
	}
	if c.DisplayName != nil || c.Avatar != nil || c.Password != nil {
		shown, avatar, password := any(gocql.UnsetValue), any(gocql.UnsetValue), any(gocql.UnsetValue)
		if c.DisplayName != nil {
			shown = *c.DisplayName
		}
		if c.Avatar != nil {
			avatar = [16]byte(*c.Avatar)
		}
		if c.Password != nil {
			password = *c.Password
		}
		if err := s.d.exec(ctx, userUpdate, now, shown, avatar, password, uuid(id)); err != nil {
			return err
		}
	}
	if c.LastSeen != nil && *c.LastSeen > 0 {
		if err := s.d.exec(ctx, userSeen, stamp(*c.LastSeen), *c.LastSeen, uuid(id)); err != nil {
			return err
		}
	}
	if c.DisplayName == nil {
		return nil
	}
	return s.unlist(ctx, slices.DeleteFunc(before, func(n string) bool { return slices.Contains(after, n) }), id, now)
}

// fold makes names comparable.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "\x00", "") }
