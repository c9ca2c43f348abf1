package cqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// comparison asks two stores the same questions. What a port promises must be answered alike.
type comparison struct {
	testing.TB
	*contents
	ctx    context.Context
	a, b   store.Store
	oldest int64 // Unix ms: logs and claims before it have ended
	asked  int
}

func (c *comparison) same(what string, ask func(s store.Store) (any, error)) {
	c.Helper()
	c.asked++
	x, xerr := ask(c.a)
	y, yerr := ask(c.b)
	require.Equal(c, errors.Is(xerr, store.ErrNotFound), errors.Is(yerr, store.ErrNotFound), "%s: %v and %v", what, xerr, yerr)
	if xerr != nil || yerr != nil {
		require.ErrorIs(c, xerr, store.ErrNotFound, what)
		require.ErrorIs(c, yerr, store.ErrNotFound, what)
		return
	}
	if gx, gy := fmt.Sprintf("%+v", x), fmt.Sprintf("%+v", y); gx != gy {
		require.Equal(c, gx, gy, what)
	}
}

// compare asks every port that reads for everything that the contents name.
func compare(t testing.TB, all *contents, a, b store.Store, oldest time.Time) {
	ctx := t.Context()
	c := &comparison{TB: t, contents: all, ctx: ctx, a: a, b: b, oldest: oldest.UnixMilli()}
	c.accounts()
	c.memberships()
	c.histories()
	c.logs()
	t.Logf("%d answers compared", c.asked)
}

func (c *comparison) accounts() {
	var ids []chat.UserID
	for _, u := range c.users {
		ids = append(ids, u.ID)
		c.same("user by name", func(s store.Store) (any, error) { return s.Users.ByUsername(c.ctx, u.Username) })
		c.same("user by subject", func(s store.Store) (any, error) { return s.Users.ByExternal(c.ctx, "x"+u.External) })
		if u.External != "" {
			c.same("user by subject", func(s store.Store) (any, error) { return s.Users.ByExternal(c.ctx, u.External) })
		}
		c.same("devices", func(s store.Store) (any, error) { return s.Devices.List(c.ctx, u.ID) })
		for _, d := range c.devices[u.ID] {
			c.same("device", func(s store.Store) (any, error) { return s.Devices.Get(c.ctx, u.ID, d) })
			for _, x := range c.conversations {
				if x.Kind == chat.Channel {
					c.same("channel cursor", func(s store.Store) (any, error) { return s.Channels.ChannelCursor(c.ctx, u.ID, d, x.ID) })
				}
			}
		}
		c.same("sign-ins", func(s store.Store) (any, error) { return s.Sessions.List(c.ctx, u.ID) })
		c.same("blocks", func(s store.Store) (any, error) { return s.Blocks.List(c.ctx, u.ID, 1000) })
		c.same("conversations", func(s store.Store) (any, error) { return conversationsOf(c.ctx, s, u.ID) })
	}
	for ids := range slices.Chunk(ids, 400) {
		c.same("users", func(s store.Store) (any, error) { return s.Users.Batch(c.ctx, ids) })
	}
	for _, p := range []string{"use", "user_1", "Üna", "ünal 1", "Neu", "nobody"} {
		c.same("search "+p, func(s store.Store) (any, error) { return s.Users.Search(c.ctx, p, 50) })
	}
	for _, h := range c.sessions {
		c.same("session", func(s store.Store) (any, error) { return s.Sessions.Get(c.ctx, h) })
	}
	for ids := range slices.Chunk(c.media, 400) {
		c.same("media", func(s store.Store) (any, error) { return s.Media.Batch(c.ctx, ids) })
	}
	c.same("unfinished media", func(s store.Store) (any, error) {
		out, err := s.Media.Unfinished(c.ctx, time.Now().UnixMilli(), 100_000)
		out = slices.DeleteFunc(out, func(m chat.Media) bool { return m.CreatedAt < time.Now().Add(-30*24*time.Hour).UnixMilli() }) // not looked for on a cluster
		slices.SortFunc(out, func(a, b chat.Media) int { return a.ID.Compare(b.ID) })
		return out, err
	})
}

// conversationsOf reads a list, in the order of ids: a cluster's own differs between versions of UUID.
func conversationsOf(ctx context.Context, s store.Store, u chat.UserID) (out []store.ListedConversation, err error) {
	for after := (chat.ConversationID{}); ; {
		page, err := s.Listing.Conversations(ctx, u, after, 100)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if len(page) < 100 {
			slices.SortFunc(out, func(a, b store.ListedConversation) int { return a.Conversation.Compare(b.Conversation) })
			return out, nil
		}
		after = page[len(page)-1].Conversation
	}
}

func (c *comparison) memberships() {
	var ids []chat.ConversationID
	for _, x := range c.conversations {
		ids = append(ids, x.ID)
		c.same("conversation", func(s store.Store) (any, error) { return s.Conversations.Get(c.ctx, x.ID) })
		c.same("membership", func(s store.Store) (any, error) {
			m, err := s.Members.Membership(c.ctx, x.ID)
			if err != nil {
				return nil, err
			}
			return *m, nil
		})
		c.same("members", func(s store.Store) (any, error) {
			return s.Members.Page(c.ctx, x.ID, chat.UserID{}, 1000)
		})
		c.same("watermarks", func(s store.Store) (any, error) {
			return s.Watermarks.List(c.ctx, x.ID, chat.UserID{}, 1000)
		})
		for _, u := range c.members[x.ID] {
			c.same("member", func(s store.Store) (any, error) { return s.Members.Member(c.ctx, x.ID, u) })
			c.same("watermark", func(s store.Store) (any, error) { return s.Watermarks.Get(c.ctx, x.ID, u) })
			c.same("listed", func(s store.Store) (any, error) { return s.Listing.Listed(c.ctx, u, x.ID) })
		}
	}
	for ids := range slices.Chunk(ids, 400) {
		c.same("heads", func(s store.Store) (any, error) { return s.Listing.Heads(c.ctx, ids) })
	}
}

func (c *comparison) histories() {
	for i, x := range c.conversations {
		for _, newest := range []bool{true, false} {
			h := store.History{Conversation: x.ID, Kind: x.Kind, Newest: newest, Limit: 7 + 90*(i%2)}
			for {
				var page []chat.Message
				c.same("history", func(s store.Store) (any, error) {
					var err error
					page, err = s.Messages.History(c.ctx, h)
					return page, err
				})
				if len(page) < h.Limit {
					break
				}
				if last := page[len(page)-1].ID; newest {
					h.Before = last
				} else {
					h.After = last
				}
			}
		}
	}
	var refs []store.Ref
	for _, a := range c.messages {
		refs = append(refs, store.Ref{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID})
		if c.buried[a.Message.ID] || len(refs)%50 == 0 {
			c.same("message", func(s store.Store) (any, error) { return s.Messages.Message(c.ctx, refs[len(refs)-1]) })
		}
		if !a.Claim.ClientMessage.IsZero() && nearby(a.Message.ID, c.oldest) && len(refs)%3 == 0 {
			c.same("claim", func(s store.Store) (any, error) { return s.Claims.Get(c.ctx, a.Claim.User, a.Claim.ClientMessage) })
		}
	}
	for refs := range slices.Chunk(refs, 500) {
		c.same("messages", func(s store.Store) (any, error) { return s.Messages.Batch(c.ctx, refs) })
	}
}

// nearby leaves out what ends while the two are compared.
func nearby(m chat.MessageID, oldest int64) bool {
	at := m.Time().UnixMilli()
	return at < oldest-120_000 || at > oldest+120_000
}

func (c *comparison) logs() {
	var owners []chat.UserID
	for _, u := range c.users {
		owners = append(owners, u.ID)
	}
	for _, x := range c.conversations {
		if x.Kind == chat.Channel {
			owners = append(owners, chat.ChannelLog(x.ID))
		}
	}
	for i, u := range owners {
		c.same("log", func(s store.Store) (any, error) { return c.log(s, u, 0, 50+i) })
		for _, d := range c.devices[u] { // what is pending for it
			dev, err := c.a.Devices.Get(c.ctx, u, d)
			if err == nil {
				c.same("pending", func(s store.Store) (any, error) { return c.log(s, u, dev.AckedTo, 1000) })
			}
		}
	}
}

// log reads a whole log in pages, without what has ended or is about to.
func (c *comparison) log(s store.Store, u chat.UserID, after chat.EventID, limit int) (out []chat.Event, err error) {
	for {
		p, err := s.Inbox.Read(c.ctx, u, after, limit)
		if err != nil {
			return nil, err
		}
		for _, e := range p.Events {
			after = e.ID
			if e.ID.Time().UnixMilli() > c.oldest+11*60_000 { // a cluster's log is sure to reach back thirty days less ten minutes
				out = append(out, e)
			}
		}
		if !p.More {
			return out, nil
		}
	}
}
