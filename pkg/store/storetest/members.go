package storetest

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// group creates a conversation of members.
func (e *env) group(kind chat.Kind, members ...chat.UserID) chat.Conversation {
	e.Helper()
	c := chat.Conversation{ID: conversation(), Kind: kind, Name: "Grüße", CreatedBy: members[0], CreatedAt: 123, Avatar: chat.MediaID{4}}
	change := store.MemberChange{Conversation: c.ID, Create: &c, Listed: members}
	for _, u := range members {
		change.Set = append(change.Set, chat.Member{User: u, Role: chat.RoleMember, JoinedAt: 123, JoinedID: 456, LeftID: chat.NotLeft})
	}
	v, _, err := e.Members.Change(e.ctx, change)
	e.ok(err)
	if v <= 0 {
		e.Fatalf("version %d", v)
	}
	return c
}

func (e *env) membership(c chat.ConversationID) *chat.Membership {
	e.Helper()
	m, err := e.Members.Membership(e.ctx, c)
	e.ok(err)
	return m
}

var memberTests = []namedTest{
	{"create, read, and not again", func(e *env) {
		us := users(3)
		c := e.group(chat.Group, us...)
		got, err := e.Conversations.Get(e.ctx, c.ID)
		e.ok(err)
		e.equal(got, c)
		m := e.membership(c.ID)
		e.equal([]any{m.Conversation, len(m.Members)}, []any{c, 3})
		row, err := e.Members.Member(e.ctx, c.ID, us[1])
		e.ok(err)
		e.equal(row, chat.Member{User: us[1], Role: chat.RoleMember, JoinedAt: 123, JoinedID: 456, LeftID: chat.NotLeft})
		_, _, err = e.Members.Change(e.ctx, store.MemberChange{Conversation: c.ID, Create: &c})
		e.is(err, store.ErrConflict)
	}},
	{"missing", func(e *env) {
		_, err := e.Conversations.Get(e.ctx, conversation())
		e.is(err, store.ErrNotFound)
		_, err = e.Members.Membership(e.ctx, conversation())
		e.is(err, store.ErrNotFound)
		_, err = e.Members.Member(e.ctx, conversation(), user())
		e.is(err, store.ErrNotFound)
		_, _, err = e.Members.Change(e.ctx, store.MemberChange{Conversation: conversation(), Version: 3})
		e.is(err, store.ErrConflict)
	}},
	{"300 members, sorted, in pages, left ones too", func(e *env) {
		us := users(300)
		c := e.group(chat.Group, us...)
		left := chat.Member{User: us[7], Role: chat.RoleMember, JoinedID: 456, LeftID: 999}
		_, _, err := e.Members.Change(e.ctx, store.MemberChange{Conversation: c.ID, Version: e.membership(c.ID).Version, Set: []chat.Member{left}, Unlisted: us[7:8]})
		e.ok(err)
		m := e.membership(c.ID)
		e.equal(len(m.Members), 300)
		if !slices.IsSortedFunc(m.Members, func(a, b chat.Member) int { return a.User.Compare(b.User) }) {
			e.Fatal("not sorted by user id")
		}
		got, ok := m.Find(us[7])
		e.equal([]any{ok, got.LeftID, got.Active()}, []any{true, chat.MessageID(999), false})
		var all []chat.Member
		for at := (chat.UserID{}); ; {
			page, err := e.Members.Page(e.ctx, c.ID, at, 77)
			e.ok(err)
			if len(page) == 0 {
				break
			}
			all = append(all, page...)
			at = page[len(page)-1].User
		}
		e.equal(all, m.Members)
	}},
	{"a channel's membership names no members", func(e *env) {
		us := users(5)
		c := e.group(chat.Channel, us...)
		m := e.membership(c.ID)
		e.equal([]any{m.Conversation.Kind, len(m.Members)}, []any{chat.Channel, 0})
		page, err := e.Members.Page(e.ctx, c.ID, chat.UserID{}, 10)
		e.ok(err)
		e.equal(len(page), 5)
	}},
	{"changes are serial", func(e *env) {
		c := e.group(chat.Group, user())
		start := e.membership(c.ID).Version
		var lost atomic.Int32
		together(8, func(int) {
			for range 5 {
				for {
					m, err := e.Members.Membership(e.ctx, c.ID)
					if err != nil {
						e.Error(err)
						return
					}
					_, _, err = e.Members.Change(e.ctx, store.MemberChange{Conversation: c.ID, Version: m.Version,
						Set: []chat.Member{{User: user(), Role: chat.RoleMember, JoinedID: chat.MessageID(len(m.Members)), LeftID: chat.NotLeft}}})
					if err == nil {
						break
					}
					if !errors.Is(err, store.ErrConflict) {
						e.Error(err)
						return
					}
					lost.Add(1)
				}
			}
		})
		m := e.membership(c.ID)
		e.equal([]any{m.Version > start, len(m.Members)}, []any{true, 41})
		seen := make(map[chat.MessageID]bool)
		for _, row := range m.Members {
			if row.JoinedID != 456 && seen[row.JoinedID] {
				e.Fatal("two changes saw the same members")
			}
			seen[row.JoinedID] = true
		}
		e.Logf("%d changes lost a race", lost.Load())
	}},
	{"a lost change changes nothing", func(e *env) {
		u := user()
		c := e.group(chat.Group, u)
		name, to := "other", user()
		_, _, err := e.Members.Change(e.ctx, store.MemberChange{Conversation: c.ID, Version: e.membership(c.ID).Version + 5, Rename: &name,
			Set: []chat.Member{{User: to, JoinedID: 1}}, Listed: []chat.UserID{to}, Unlisted: []chat.UserID{u},
			Fanout: []store.Fanout{{Event: chat.Event{Kind: chat.EventConversation}, Recipients: []chat.UserID{to}}}})
		e.is(err, store.ErrConflict)
		got, err := e.Conversations.Get(e.ctx, c.ID)
		e.ok(err)
		e.equal(got, c)
		_, err = e.Members.Member(e.ctx, c.ID, to)
		e.is(err, store.ErrNotFound)
		_, err = e.Listing.Listed(e.ctx, to, c.ID)
		e.is(err, store.ErrNotFound)
		e.settle()
		e.equal(len(e.log(to, 10)), 0)
	}},
	{"a change renames, logs and tells", func(e *env) {
		u, to := user(), user()
		c := e.group(chat.Group, u)
		_, end, err := e.Changes.Since(e.ctx, 0, 1)
		e.ok(err)
		name, avatar := "new", chat.MediaID{8}
		fan := []store.Fanout{
			{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeRenamed, Conversation: c.ID, Actor: u}, Recipients: []chat.UserID{to}},
			{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeMemberAdded, Conversation: c.ID, Actor: u}, Recipients: []chat.UserID{to, u}},
		}
		_, events, err := e.Members.Change(e.ctx, store.MemberChange{Conversation: c.ID, Version: e.membership(c.ID).Version, Rename: &name, Avatar: &avatar,
			Log: []store.ChangeEntry{{Kind: store.LogMembers, Conversation: c.ID}}, Fanout: fan})
		e.ok(err)
		got, err := e.Conversations.Get(e.ctx, c.ID)
		e.ok(err)
		e.equal([]any{got.Name, got.Avatar, got.CreatedAt}, []any{name, avatar, c.CreatedAt})
		e.settle()
		log := e.log(to, 10)
		e.equal([]any{log[0].ID, log[1].ID, log[1].Change}, []any{events[0], events[1], chat.ChangeMemberAdded})
		e.equal(len(e.log(u, 10)), 1)
		entries, _, err := e.Changes.Since(e.ctx, end, 1000)
		e.ok(err)
		found := false
		for _, entry := range entries {
			found = found || (entry.Kind == store.LogMembers && entry.Conversation == c.ID)
		}
		e.equal(found, true)
	}},
	{"creating a direct conversation twice is creating it once", func(e *env) {
		a, b := user(), user()
		c := chat.Conversation{ID: chat.DirectID(a, b), Kind: chat.Direct, CreatedBy: a, CreatedAt: 5}
		together(4, func(int) {
			if err := e.Members.CreateDirect(e.ctx, c, a, b); err != nil {
				e.Error(err)
			}
		})
		e.ok(e.Listing.SetPreferences(e.ctx, a, store.ListedConversation{Conversation: c.ID, Kind: chat.Direct, Muted: true, Listed: true}))
		before := e.membership(c.ID)
		e.ok(e.Members.CreateDirect(e.ctx, c, b, a))
		e.equal(*e.membership(c.ID), *before)
		e.equal(len(before.Members), 2)
		for _, m := range before.Members {
			e.equal([]any{m.Active(), m.JoinedID}, []any{true, chat.MessageID(0)})
		}
		l, err := e.Listing.Listed(e.ctx, a, c.ID)
		e.ok(err)
		e.equal(l, store.ListedConversation{Conversation: c.ID, Kind: chat.Direct, Muted: true, Listed: true})
	}},
}

var listingTests = []namedTest{
	{"listed, unlisted, preferences stay", func(e *env) {
		u := user()
		c := e.group(chat.Group, u)
		listed := func(want store.ListedConversation) {
			e.Helper()
			want.Conversation, want.Kind = c.ID, chat.Group
			got, err := e.Listing.Listed(e.ctx, u, c.ID)
			e.ok(err)
			e.equal(got, want)
		}
		listed(store.ListedConversation{Listed: true})
		e.ok(e.Listing.SetPreferences(e.ctx, u, store.ListedConversation{Conversation: c.ID, Kind: chat.Group, Muted: true, Archived: true, Listed: true}))
		listed(store.ListedConversation{Listed: true, Muted: true, Archived: true})
		v := e.membership(c.ID).Version
		v, _, err := e.Members.Change(e.ctx, store.MemberChange{Conversation: c.ID, Version: v, Unlisted: []chat.UserID{u}})
		e.ok(err)
		listed(store.ListedConversation{Muted: true, Archived: true})
		_, _, err = e.Members.Change(e.ctx, store.MemberChange{Conversation: c.ID, Version: v, Listed: []chat.UserID{u}})
		e.ok(err)
		listed(store.ListedConversation{Listed: true, Muted: true, Archived: true})
	}},
	{"pages by conversation id", func(e *env) {
		u := user()
		want := make(map[chat.ConversationID]bool)
		for range 9 {
			want[e.group(chat.Group, u).ID] = true
		}
		n, at := 0, chat.ConversationID{}
		for {
			page, err := e.Listing.Conversations(e.ctx, u, at, 4)
			e.ok(err)
			if len(page) == 0 {
				break
			}
			for _, l := range page {
				if l.Conversation.Compare(at) <= 0 || !want[l.Conversation] {
					e.Fatal("out of order, or not this user's")
				}
				at = l.Conversation
				n++
			}
		}
		e.equal(n, 9)
	}},
	{"heads move forward", func(e *env) {
		a, b, missing := conversation(), conversation(), conversation()
		at := []chat.MessageID{e.next(), e.next(), e.next()}
		u := user()
		for _, i := range []int{1, 0, 2, 1} {
			e.ok(e.Listing.PutHeads(e.ctx, []store.Head{{Conversation: a, Last: at[i], Preview: string(rune('a' + i)), Sender: u}, {Conversation: b, Last: at[0], Preview: "b"}}))
		}
		got, err := e.Listing.Heads(e.ctx, []chat.ConversationID{a, missing, b})
		e.ok(err)
		e.equal(got, map[chat.ConversationID]store.Head{
			a: {Conversation: a, Last: at[2], Preview: "c", Sender: u}, b: {Conversation: b, Last: at[0], Preview: "b"}})
	}},
}
