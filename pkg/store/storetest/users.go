package storetest

import (
	"encoding/hex"
	"errors"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// account makes a user whose names nobody else has.
func account(prefix string) chat.User {
	u := chat.User{ID: user(), DisplayName: "Zoë " + prefix, Password: "$argon2id$x", CreatedAt: 7, Avatar: chat.MediaID{2}}
	u.Username = prefix + hex.EncodeToString(u.ID[10:])
	return u
}

var userTests = []namedTest{
	{"create and find", func(e *env) {
		u := account("ann")
		u.External = "https://idp|" + u.Username
		e.ok(e.Users.Create(e.ctx, u))
		got, err := e.Users.ByUsername(e.ctx, u.Username)
		e.ok(err)
		e.equal(got, u)
		got, err = e.Users.ByExternal(e.ctx, u.External)
		e.ok(err)
		e.equal(got, u)
		_, err = e.Users.ByUsername(e.ctx, "nobody")
		e.is(err, store.ErrNotFound)
		_, err = e.Users.ByExternal(e.ctx, "nobody")
		e.is(err, store.ErrNotFound)
	}},
	{"a name has one holder", func(e *env) {
		name := account("bob").Username
		var won atomic.Int32
		together(8, func(int) {
			u := account("bob")
			u.Username = name
			switch err := e.Users.Create(e.ctx, u); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrConflict):
				e.Error(err)
			}
		})
		e.equal(won.Load(), 1)
		one, two := account("ext"), account("ext")
		one.External, two.External = "sub-"+one.Username, "sub-"+one.Username
		e.ok(e.Users.Create(e.ctx, one))
		e.is(e.Users.Create(e.ctx, two), store.ErrConflict)
	}},
	{"batch in order, missing left out", func(e *env) {
		var ids []chat.UserID
		var want []chat.User
		for i := range 6 {
			u := account("bat")
			if i%2 == 0 {
				e.ok(e.Users.Create(e.ctx, u))
				want = append(want, u)
			}
			ids = append(ids, u.ID)
		}
		got, err := e.Users.Batch(e.ctx, ids)
		e.ok(err)
		e.equal(got, want)
	}},
	{"search by the beginning of either name", func(e *env) {
		mark := hex.EncodeToString(func() []byte { u := user(); return u[10:] }())
		byName, byShown, other := account("q"+mark), account("other"), account("x"+mark)
		byName.DisplayName = "Nobody"
		byShown.DisplayName = "Q" + strings.ToUpper(mark) + " Ångström"
		other.DisplayName = "A Q" + mark
		for _, u := range []chat.User{byName, byShown, other} {
			e.ok(e.Users.Create(e.ctx, u))
		}
		names := func(prefix string, limit int) (out []string) {
			e.Helper()
			got, err := e.Users.Search(e.ctx, prefix, limit)
			e.ok(err)
			for _, u := range got {
				out = append(out, u.Username)
			}
			return out
		}
		want := []string{byShown.Username, byName.Username} // "other…" < "q…"
		e.equal(names("q"+mark, 10), want)
		e.equal(names("Q"+strings.ToUpper(mark), 10), want)
		e.equal(names("q"+mark, 1), want[:1])
		shown := "changed " + mark
		e.ok(e.Users.Update(e.ctx, byShown.ID, store.UserChange{DisplayName: &shown}))
		e.equal(names("q"+mark, 10), want[1:])
		e.equal(names("changed "+mark, 10), want[:1])
	}},
	{"update sets what is named", func(e *env) {
		u := account("upd")
		e.ok(e.Users.Create(e.ctx, u))
		shown, avatar, password := "N", chat.MediaID{5}, "p"
		seen, earlier := int64(100), int64(50)
		e.ok(e.Users.Update(e.ctx, u.ID, store.UserChange{DisplayName: &shown}))
		e.ok(e.Users.Update(e.ctx, u.ID, store.UserChange{Avatar: &avatar, LastSeen: &seen}))
		e.ok(e.Users.Update(e.ctx, u.ID, store.UserChange{Password: &password, LastSeen: &earlier}))
		u.DisplayName, u.Avatar, u.Password, u.LastSeen = shown, avatar, password, seen
		got, err := e.Users.Batch(e.ctx, []chat.UserID{u.ID})
		e.ok(err)
		e.equal(got, []chat.User{u})
		e.is(e.Users.Update(e.ctx, user(), store.UserChange{DisplayName: &shown}), store.ErrNotFound)
	}},
}

var sessionTests = []namedTest{
	{"put, extend, list, delete", func(e *env) {
		u := user()
		s := chat.Session{User: u, Device: device(), CreatedAt: 1, SeenAt: 2, Expires: 3, UserAgent: "x", Address: "::1"}
		copy(s.TokenHash[:], u[:])
		_, err := e.Sessions.Get(e.ctx, s.TokenHash)
		e.is(err, store.ErrNotFound)
		e.ok(e.Sessions.Put(e.ctx, s))
		second := s
		second.TokenHash[31] = 9
		e.ok(e.Sessions.Put(e.ctx, second))
		e.ok(e.Sessions.Extend(e.ctx, s.TokenHash, 20, 30))
		s.SeenAt, s.Expires = 20, 30
		got, err := e.Sessions.Get(e.ctx, s.TokenHash)
		e.ok(err)
		e.equal(got, s)
		list, err := e.Sessions.List(e.ctx, u)
		e.ok(err)
		e.equal(len(list), 2)
		e.ok(e.Sessions.Delete(e.ctx, s.TokenHash))
		e.ok(e.Sessions.Delete(e.ctx, s.TokenHash))
		// Extending what was revoked must not bring it back.
		if err := e.Sessions.Extend(e.ctx, s.TokenHash, 21, 31); err != nil {
			e.is(err, store.ErrNotFound)
		}
		_, err = e.Sessions.Get(e.ctx, s.TokenHash)
		e.is(err, store.ErrNotFound)
		list, err = e.Sessions.List(e.ctx, u)
		e.ok(err)
		e.equal(list, []chat.Session{second})
	}},
	{"blocks", func(e *env) {
		u, us := user(), users(3)
		for _, b := range us {
			e.ok(e.Blocks.Set(e.ctx, u, b, true, 5))
		}
		e.ok(e.Blocks.Set(e.ctx, u, us[1], false, 6))
		e.ok(e.Blocks.Set(e.ctx, u, us[1], false, 6))
		for i, b := range us {
			has, err := e.Blocks.Has(e.ctx, u, b)
			e.ok(err)
			e.equal(has, i != 1)
			has, err = e.Blocks.Has(e.ctx, b, u)
			e.ok(err)
			e.equal(has, false)
		}
		list, err := e.Blocks.List(e.ctx, u, 10)
		e.ok(err)
		e.equal(len(list), 2)
		list, err = e.Blocks.List(e.ctx, u, 1)
		e.ok(err)
		e.equal(len(list), 1)
	}},
}

var mediaTests = []namedTest{
	{"put, batch, unfinished, delete", func(e *env) {
		m := chat.Media{ID: chat.MediaID(user()), Owner: user(), Conversation: conversation(), ContentType: "image/png", Size: 1 << 40, Name: "a b.png", Width: 3, Height: 4, CreatedAt: 1000, SHA256: [32]byte{1}}
		e.ok(e.Media.Put(e.ctx, m))
		unfinished := func(before int64) bool {
			e.Helper()
			all, err := e.Media.Unfinished(e.ctx, before, 1000)
			e.ok(err)
			for _, u := range all {
				if u.ID == m.ID {
					e.equal(u, m)
					return true
				}
			}
			return false
		}
		e.equal([]bool{unfinished(1000), unfinished(1001)}, []bool{false, true})
		m.Ready, m.Thumb = true, true
		e.ok(e.Media.Put(e.ctx, m))
		e.equal(unfinished(1001), false)
		got, err := e.Media.Batch(e.ctx, []chat.MediaID{{1}, m.ID})
		e.ok(err)
		e.equal(got, []chat.Media{m})
		e.ok(e.Media.Delete(e.ctx, m.ID))
		e.ok(e.Media.Delete(e.ctx, m.ID))
		got, err = e.Media.Batch(e.ctx, []chat.MediaID{m.ID})
		e.ok(err)
		e.equal(len(got), 0)
	}},
	{"a deleted upload isn't unfinished", func(e *env) {
		m := chat.Media{ID: chat.MediaID(user()), CreatedAt: 5}
		e.ok(e.Media.Put(e.ctx, m))
		e.ok(e.Media.Delete(e.ctx, m.ID))
		all, err := e.Media.Unfinished(e.ctx, 10, 1000)
		e.ok(err)
		for _, u := range all {
			if u.ID == m.ID {
				e.Fatal("it is")
			}
		}
	}},
}

var changeTests = []namedTest{
	{"every entry is seen, in order, and once without lag", func(e *env) {
		lag := e.Inbox.Lag()
		_, at, err := e.Changes.Since(e.ctx, 0, 10)
		e.ok(err)
		mine := user()
		const writers, each = 4, 25
		done := make(chan struct{})
		go func() {
			defer close(done)
			together(writers, func(i int) {
				for j := range each {
					entry := store.ChangeEntry{Kind: store.LogSession, User: mine, Other: chat.UserID{byte(i)}, Device: chat.DeviceID{byte(j)}, Session: [32]byte{3}, Removed: true}
					if err := e.Changes.Append(e.ctx, []store.ChangeEntry{entry}); err != nil {
						e.Error(err)
					}
				}
			})
		}()
		seen := make(map[[2]byte]int)
		poll := func() {
			for {
				entries, end, err := e.Changes.Since(e.ctx, at, 7)
				e.ok(err)
				for _, entry := range entries {
					if entry.ID <= at {
						e.Fatalf("%s after %s", entry.ID, at)
					}
					if entry.User == mine {
						seen[[2]byte{entry.Other[0], entry.Device[0]}]++
						e.equal([]any{entry.Kind, entry.Session[0], entry.Removed}, []any{store.LogSession, 3, true})
					}
				}
				if full := len(entries) == 7; end < at && (full || lag == 0) || full && end != entries[6].ID {
					e.Fatalf("%d entries after %s, and to go on from %s", len(entries), at, end)
				}
				at = end
				if len(entries) < 7 {
					return
				}
			}
		}
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			poll()
		}
		poll()
		e.equal(len(seen), writers*each)
		e.settle()
		poll() // on to the horizon, past all of them
		before := maps.Clone(seen)
		poll()
		e.equal(seen, before)
		for k, n := range seen {
			if n != 1 && lag == 0 {
				e.Fatalf("entry %v seen %d times", k, n)
			}
		}
	}},
}

var leaseTests = []namedTest{
	{"compare-and-set", func(e *env) {
		u := user()
		dc := "dc-" + hex.EncodeToString(u[10:])
		free, err := e.Leases.Get(e.ctx, dc, 3)
		e.ok(err)
		e.equal(free, store.Lease{DC: dc, Slot: 3})
		var won atomic.Int32
		together(8, func(i int) {
			next := store.Lease{DC: dc, Slot: 3, Holder: string(rune('a' + i)), Counter: 1, HighWater: 50}
			switch err := e.Leases.Put(e.ctx, free, next); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrConflict):
				e.Error(err)
			}
		})
		e.equal(won.Load(), 1)
		have, err := e.Leases.Get(e.ctx, dc, 3)
		e.ok(err)
		next := have
		next.Counter++
		e.ok(e.Leases.Put(e.ctx, have, next))
		stale := have
		stale.Counter = 77
		e.is(e.Leases.Put(e.ctx, have, stale), store.ErrConflict)
		e.ok(e.Leases.Put(e.ctx, store.Lease{DC: dc, Slot: 200}, store.Lease{DC: dc, Slot: 200, Holder: "z"}))
		all, err := e.Leases.List(e.ctx, dc)
		e.ok(err)
		e.equal(all, []store.Lease{next, {DC: dc, Slot: 200, Holder: "z"}})
		now, err := e.Leases.Now(e.ctx)
		e.ok(err)
		if now < 1_700_000_000_000 {
			e.Fatalf("now is %d", now)
		}
	}},
}
