package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

var messageTests = []namedTest{
	{"append writes row, claim and every log", func(e *env) {
		from, to := user(), users(3)
		a := e.message(chat.Group, conversation(), from, "héllo 🌍\x00"+strings.Repeat("x", 10_000), to...)
		a.Message.ContentType = chat.Image
		a.Message.MediaID = chat.MediaID{9, 1}
		a.Message.ReplyTo = a.Message.ID - 1
		ev := e.append(a)
		m, err := e.Messages.Message(e.ctx, ref(a))
		e.ok(err)
		e.equal(m, a.Message)
		c, err := e.Claims.Get(e.ctx, from, a.Claim.ClientMessage)
		e.ok(err)
		e.equal(c, a.Claim)
		e.settle()
		for _, u := range to {
			e.equal(e.log(u, 10), []chat.Event{{ID: ev, Kind: chat.EventMessage, Conversation: a.Message.Conversation, Message: a.Message.ID, Actor: from}})
		}
		e.equal(len(e.log(from, 10)), 0)
	}},
	{"server-made messages have no claim", func(e *env) {
		a := e.message(chat.Direct, conversation(), user(), "x", user())
		a.Claim = store.Claim{}
		e.append(a)
		_, err := e.Claims.Get(e.ctx, a.Message.Sender, a.Message.ClientMessageID)
		e.is(err, store.ErrNotFound)
	}},
	{"a retry changes nothing but adds events", func(e *env) {
		to := user()
		a := e.message(chat.Direct, conversation(), user(), "once", to)
		first := e.append(a)
		second := e.append(a)
		if second <= first {
			e.Fatalf("event %s after %s", second, first)
		}
		e.equal(len(e.history(a, store.History{Limit: 10})), 1)
		e.settle()
		log := e.log(to, 10)
		e.equal(log[len(log)-1].ID, second)
	}},
	{"rewrite writes logs again", func(e *env) {
		to := user()
		a := e.message(chat.Direct, conversation(), user(), "x", to)
		e.append(a)
		again := *a
		again.Rewrite = true
		again.Message.Content = "another" // never looked at
		ev := e.append(&again)
		m, err := e.Messages.Message(e.ctx, ref(a))
		e.ok(err)
		e.equal(m.Content, "x")
		e.settle()
		log := e.log(to, 10)
		e.equal(log[len(log)-1].ID, ev)
	}},
	{"a retry never outranks an edit or a deletion", func(e *env) {
		a := e.message(chat.Direct, conversation(), user(), "first", user())
		e.append(a)
		edit := e.update(a, "second", e.next())
		e.append(a)
		m, err := e.Messages.Message(e.ctx, ref(a))
		e.ok(err)
		e.equal(m, edit)
		e.remove(a)
		e.append(a)
		m, err = e.Messages.Message(e.ctx, ref(a))
		e.ok(err)
		e.equal([]any{m.Deleted, m.Content}, []any{true, ""})
	}},
	{"the larger version wins whatever the order", func(e *env) {
		a := e.message(chat.Direct, conversation(), user(), "v0", user())
		e.append(a)
		v1, v2, v3 := e.next(), e.next(), e.next()
		e.equal(e.update(a, "v2", v2).Content, "v2")
		e.equal(e.update(a, "v1", v1).Content, "v2")
		e.equal(e.update(a, "v2", v2).Content, "v2") // a retry
		m := e.update(a, "v3", v3)
		e.equal([]any{m.Content, m.Version, m.EditedAt}, []any{"v3", v3, int64(1234)})
	}},
	{"deleted beats every edit", func(e *env) {
		a := e.message(chat.Direct, conversation(), user(), "secret", user())
		e.append(a)
		later := e.next() + 1<<40
		m := e.remove(a)
		e.equal([]any{m.Deleted, m.Content}, []any{true, ""})
		e.equal(e.update(a, "back", later).Deleted, true)
		m, err := e.Messages.Message(e.ctx, ref(a))
		e.ok(err)
		e.equal([]any{m.Deleted, m.Content, m.Sender}, []any{true, "", a.Message.Sender})
		e.remove(a) // a retry
		page := e.history(a, store.History{Limit: 10})
		e.equal([]any{len(page), page[0].Deleted, page[0].Content}, []any{1, true, ""})
	}},
	{"updates tell their recipients", func(e *env) {
		to := user()
		a := e.message(chat.Direct, conversation(), user(), "x")
		e.append(a)
		u := store.Update{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID, Version: e.next(), Content: "y", Fanout: store.Fanout{
			Event:      chat.Event{ID: 5, Kind: chat.EventEdit, Conversation: a.Message.Conversation, Message: a.Message.ID, Actor: a.Message.Sender},
			Recipients: []chat.UserID{to}}}
		_, ev, err := e.Messages.Update(e.ctx, u)
		e.ok(err)
		u.Fanout.Event.ID = ev
		e.settle()
		e.equal(e.log(to, 10), []chat.Event{u.Fanout.Event})
	}},
	{"an update of nothing is ErrNotFound", func(e *env) {
		_, _, err := e.Messages.Update(e.ctx, store.Update{Conversation: conversation(), Kind: chat.Direct, Message: e.next(), Version: e.next()})
		e.is(err, store.ErrNotFound)
		_, err = e.Messages.Message(e.ctx, store.Ref{Conversation: conversation(), Kind: chat.Group, Message: e.next()})
		e.is(err, store.ErrNotFound)
	}},
	{"a buried id never appears", func(e *env) {
		for _, before := range []bool{true, false} {
			a := e.message(chat.Group, conversation(), user(), "late", user())
			if !before {
				e.append(a)
			}
			e.ok(e.Messages.Bury(e.ctx, ref(a)))
			e.ok(e.Messages.Bury(e.ctx, ref(a)))
			if _, err := e.Messages.Append(e.ctx, a); err != nil {
				e.is(err, store.ErrConflict)
			}
			_, err := e.Messages.Message(e.ctx, ref(a))
			e.is(err, store.ErrNotFound)
			e.equal(len(e.history(a, store.History{Limit: 10})), 0)
			_, _, err = e.Messages.Update(e.ctx, store.Update{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID, Version: e.next(), Content: "x"})
			e.is(err, store.ErrNotFound)
			batch, err := e.Messages.Batch(e.ctx, []store.Ref{ref(a)})
			e.ok(err)
			e.equal(len(batch), 0)
		}
	}},
	{"reactions: the larger At wins", func(e *env) {
		a := e.message(chat.Group, conversation(), user(), "x")
		e.append(a)
		us := users(2)
		one, two := us[0], us[1]
		at := []chat.MessageID{e.next(), e.next(), e.next(), e.next()}
		react := func(u chat.UserID, emoji string, at chat.MessageID) {
			_, err := e.Messages.React(e.ctx, store.React{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID, Reaction: chat.Reaction{User: u, Emoji: emoji, At: at}})
			e.ok(err)
		}
		have := func(want ...chat.Reaction) {
			e.Helper()
			e.equal(e.history(a, store.History{Limit: 1})[0].Reactions, want)
			e.equal(len(e.history(a, store.History{Limit: 1, Bare: true})[0].Reactions), 0)
		}
		react(one, "👍", at[1])
		react(two, "🎉", at[0])
		have(chat.Reaction{User: one, Emoji: "👍", At: at[1]}, chat.Reaction{User: two, Emoji: "🎉", At: at[0]})
		react(one, "👎", at[0])
		have(chat.Reaction{User: one, Emoji: "👍", At: at[1]}, chat.Reaction{User: two, Emoji: "🎉", At: at[0]})
		react(one, "", at[2])
		have(chat.Reaction{User: two, Emoji: "🎉", At: at[0]})
		react(one, "👍", at[1]) // a late retry doesn't bring it back
		have(chat.Reaction{User: two, Emoji: "🎉", At: at[0]})
		react(one, "❤️", at[3])
		have(chat.Reaction{User: one, Emoji: "❤️", At: at[3]}, chat.Reaction{User: two, Emoji: "🎉", At: at[0]})
	}},
	{"a reaction tells its recipients", func(e *env) {
		a := e.message(chat.Group, conversation(), user(), "x")
		e.append(a)
		to := users(2)
		ev := chat.Event{Kind: chat.EventReaction, Conversation: a.Message.Conversation, Message: a.Message.ID, Actor: to[0]}
		id, err := e.Messages.React(e.ctx, store.React{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID,
			Reaction: chat.Reaction{User: to[0], Emoji: "x", At: e.next()}, Fanout: store.Fanout{Event: ev, Recipients: to}})
		e.ok(err)
		ev.ID = id
		e.settle()
		e.equal(e.log(to[1], 10), []chat.Event{ev})
	}},
	{"batch keeps the order and leaves out what is missing", func(e *env) {
		c := conversation()
		var refs []store.Ref
		var want []chat.Message
		for i := range 500 {
			a := e.message(chat.Direct, c, user(), "m")
			refs = append(refs, ref(a))
			if i%3 != 0 && i < 60 {
				e.append(a)
				want = append(want, a.Message)
			}
		}
		for i, j := 0, len(refs)-1; i < j; i, j = i+1, j-1 {
			refs[i], refs[j] = refs[j], refs[i]
		}
		for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
			want[i], want[j] = want[j], want[i]
		}
		got, err := e.Messages.Batch(e.ctx, refs)
		e.ok(err)
		e.equal(got, want)
	}},
	{"concurrent appends all arrive, in each sender's order", func(e *env) {
		const senders, each = 8, 40
		to, c := user(), conversation()
		var mu sync.Mutex
		events := make(map[chat.EventID]chat.MessageID)
		together(senders, func(int) {
			from := user()
			last := chat.EventID(0)
			for range each {
				a := e.message(chat.Group, c, from, "x", to, from)
				ev, err := e.Messages.Append(e.ctx, a)
				if err != nil || ev <= last {
					e.Errorf("event %s after %s: %v", ev, last, err)
					return
				}
				last = ev
				mu.Lock()
				events[ev] = a.Message.ID
				mu.Unlock()
			}
		})
		e.settle()
		log := e.log(to, 33)
		e.equal([]int{len(events), len(log)}, []int{senders * each, senders * each})
		for _, ev := range log {
			e.equal(ev.Message, events[ev.ID])
		}
	}},
}

// update edits a message at the moment 1234.
func (e *env) update(a *store.Append, text string, version chat.MessageID) chat.Message {
	e.Helper()
	m, ev, err := e.Messages.Update(e.ctx, store.Update{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID, Version: version, Content: text, At: 1234})
	e.ok(err)
	if ev == 0 {
		e.Fatal("an update without an event id")
	}
	return m
}

func (e *env) remove(a *store.Append) chat.Message {
	e.Helper()
	m, _, err := e.Messages.Update(e.ctx, store.Update{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID, Version: e.next(), Delete: true, At: 99})
	e.ok(err)
	return m
}

// history reads a page of a message's conversation.
func (e *env) history(a *store.Append, h store.History) []chat.Message {
	e.Helper()
	h.Conversation, h.Kind = a.Message.Conversation, a.Kind
	out, err := e.Messages.History(e.ctx, h)
	e.ok(err)
	if len(out) > h.Limit {
		e.Fatalf("%d messages, limit %d", len(out), h.Limit)
	}
	return out
}

var historyTests = []namedTest{
	{"pages from both ends, bounds exclusive", func(e *env) {
		c, from := conversation(), user()
		var ids []chat.MessageID
		var a *store.Append
		for range 25 {
			a = e.message(chat.Group, c, from, "x")
			e.append(a)
			ids = append(ids, a.Message.ID)
		}
		e.append(e.message(chat.Group, conversation(), from, "elsewhere"))
		page := func(h store.History) (out []chat.MessageID) {
			e.Helper()
			for _, m := range e.history(a, h) {
				out = append(out, m.ID)
			}
			return out
		}
		e.equal(page(store.History{Limit: 100}), ids)
		e.equal(page(store.History{Limit: 3}), ids[:3])
		e.equal(page(store.History{Limit: 3, After: ids[4]}), ids[5:8])
		e.equal(page(store.History{Limit: 10, After: ids[4], Before: ids[7]}), ids[5:7])
		e.equal(page(store.History{Limit: 10, After: ids[4], Before: ids[5]}), []chat.MessageID(nil))
		e.equal(page(store.History{Limit: 3, Newest: true}), reversed(ids[22:]))
		e.equal(page(store.History{Limit: 3, Newest: true, Before: ids[10]}), reversed(ids[7:10]))
		e.equal(page(store.History{Limit: 10, Newest: true, After: ids[4], Before: ids[7]}), reversed(ids[5:7]))
	}},
	{"sparse over years and at the edges of buckets", func(e *env) {
		const hour = int64(3_600_000)
		now := e.next()
		for kind, width := range map[chat.Kind]int64{chat.Direct: 240 * hour, chat.Group: 24 * hour, chat.Channel: hour} {
			c, from := conversation(), user()
			start := int64(id.EpochMillis)
			var ids []chat.MessageID
			for _, bucket := range []int64{0, 1, 2, 5, 40} {
				edge := start + bucket*width
				for _, ms := range []int64{edge - 1, edge, edge + 1, edge + width/2} {
					if m := chat.MessageID(id.AtMillis(ms)); m > 0 && m < now {
						ids = append(ids, m+1)
					}
				}
			}
			ids = append(ids, chat.MessageID(id.AtMillis(id.ID(now).UnixMillis()-400*24*hour)), now)
			slices.Sort(ids)
			for i := range ids { // not in order
				a := e.message(kind, c, from, "x")
				a.Message.ID, a.Claim = ids[(i*7)%len(ids)], store.Claim{}
				e.append(a)
			}
			var up, down []chat.MessageID
			for at := chat.MessageID(0); ; {
				page, err := e.Messages.History(e.ctx, store.History{Conversation: c, Kind: kind, After: at, Limit: 2})
				e.ok(err)
				if len(page) == 0 {
					break
				}
				for _, m := range page {
					up = append(up, m.ID)
					at = m.ID
				}
			}
			for at := chat.MessageID(0); ; {
				page, err := e.Messages.History(e.ctx, store.History{Conversation: c, Kind: kind, Before: at, Newest: true, Limit: 3})
				e.ok(err)
				if len(page) == 0 {
					break
				}
				for _, m := range page {
					down = append(down, m.ID)
					at = m.ID
				}
			}
			want := slices.Compact(slices.Clone(ids))
			e.equal(up, want)
			e.equal(down, reversed(want))
		}
	}},
	{"reactions are on their messages", func(e *env) {
		c, from := conversation(), user()
		var all []*store.Append
		for i := range 9 {
			a := e.message(chat.Group, c, from, "x")
			e.append(a)
			all = append(all, a)
			for range i % 3 {
				_, err := e.Messages.React(e.ctx, store.React{Conversation: c, Kind: chat.Group, Message: a.Message.ID, Reaction: chat.Reaction{User: user(), Emoji: "x", At: e.next()}})
				e.ok(err)
			}
		}
		for _, newest := range []bool{false, true} {
			page := e.history(all[0], store.History{Limit: 7, After: all[1].Message.ID, Newest: newest})
			e.equal(len(page), 7)
			for _, m := range page {
				for i, a := range all {
					if a.Message.ID == m.ID {
						e.equal(len(m.Reactions), i%3)
					}
				}
			}
		}
	}},
}

func reversed[T any](in []T) (out []T) {
	for i := len(in) - 1; i >= 0; i-- {
		out = append(out, in[i])
	}
	return out
}

var claimTests = []namedTest{
	{"missing", func(e *env) {
		_, err := e.Claims.Get(e.ctx, user(), chat.ClientMessageID{1})
		e.is(err, store.ErrNotFound)
		c := store.Claim{User: user(), ClientMessage: chat.ClientMessageID{1}, Message: e.next()}
		e.is(e.Claims.Move(e.ctx, c, e.next()), store.ErrConflict)
	}},
	{"one of many wins", func(e *env) {
		u, key := user(), chat.ClientMessageID{7}
		winners := make([]chat.MessageID, 16)
		together(len(winners), func(i int) {
			c, err := e.Claims.PutIfAbsent(e.ctx, store.Claim{User: u, ClientMessage: key, Message: e.next(), Digest: [16]byte{byte(i)}})
			if err != nil {
				e.Error(err)
			}
			winners[i] = c.Message
		})
		c, err := e.Claims.Get(e.ctx, u, key)
		e.ok(err)
		for _, w := range winners {
			e.equal(w, c.Message)
		}
	}},
	{"an appended message's claim holds", func(e *env) {
		a := e.message(chat.Direct, conversation(), user(), "x", user())
		e.append(a)
		other := a.Claim
		other.Message = e.next()
		c, err := e.Claims.PutIfAbsent(e.ctx, other)
		e.ok(err)
		e.equal(c, a.Claim)
	}},
	{"move is a compare-and-set", func(e *env) {
		first := store.Claim{User: user(), ClientMessage: chat.ClientMessageID{3}, Message: e.next()}
		_, err := e.Claims.PutIfAbsent(e.ctx, first)
		e.ok(err)
		var mu sync.Mutex
		won := chat.MessageID(0)
		together(8, func(int) {
			next := first
			next.Message = e.next()
			err := e.Claims.Move(e.ctx, next, first.Message)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && won == 0:
				won = next.Message
			case err == nil:
				e.Error("two moves won")
			case !errors.Is(err, store.ErrConflict):
				e.Error(err)
			}
		})
		c, err := e.Claims.Get(e.ctx, first.User, first.ClientMessage)
		e.ok(err)
		e.equal(c.Message, won)
	}},
}
