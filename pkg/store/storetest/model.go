package storetest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// model is what the store should hold of one conversation, kept in memory.
type model struct {
	messages  map[chat.MessageID]*chat.Message
	buried    map[chat.MessageID]bool
	reactions map[chat.MessageID]map[chat.UserID]chat.Reaction
	logs      map[chat.UserID][]chat.Event
	marks     map[chat.UserID]chat.Receipt
	order     []chat.MessageID
}

var modelTests = []namedTest{
	{"random writes match a model", func(e *env) {
		rapid.Check(e.T, func(t *rapid.T) { e.checkModel(t) })
	}},
}

func (e *env) checkModel(t *rapid.T) {
	m := &model{
		messages: make(map[chat.MessageID]*chat.Message), buried: make(map[chat.MessageID]bool),
		reactions: make(map[chat.MessageID]map[chat.UserID]chat.Reaction),
		logs:      make(map[chat.UserID][]chat.Event), marks: make(map[chat.UserID]chat.Receipt),
	}
	kind := chat.Kind(rapid.IntRange(1, 3).Draw(t, "kind"))
	c, us := conversation(), users(3)
	pick := func(what string) chat.UserID { return us[rapid.IntRange(0, 2).Draw(t, what)] }
	some := func() []chat.UserID { return us[:rapid.IntRange(0, 3).Draw(t, "recipients")] }
	sent := make(map[chat.MessageID]*store.Append)
	old := func() *store.Append {
		if len(m.order) == 0 {
			return nil
		}
		return sent[m.order[rapid.IntRange(0, len(m.order)-1).Draw(t, "message")]]
	}
	fanout := func(k chat.EventKind, msg chat.MessageID) store.Fanout {
		return store.Fanout{Event: chat.Event{Kind: k, Conversation: c, Message: msg, Actor: us[0]}, Recipients: some()}
	}
	note := func(id chat.EventID, f store.Fanout) {
		f.Event.ID = id
		for _, u := range f.Recipients {
			m.logs[u] = append(m.logs[u], f.Event)
		}
	}
	send := func(a *store.Append) {
		ev, err := e.Messages.Append(e.ctx, a)
		if m.buried[a.Message.ID] {
			if err == nil { // an engine that doesn't look: the events are dead, but they are there
				note(ev, store.Fanout{Event: chat.Event{Kind: chat.EventMessage, Conversation: c, Message: a.Message.ID, Actor: a.Message.Sender}, Recipients: a.Recipients})
			}
			return
		}
		must(t, err)
		if m.messages[a.Message.ID] == nil {
			copied := a.Message
			m.messages[a.Message.ID] = &copied
		}
		note(ev, store.Fanout{Event: chat.Event{Kind: chat.EventMessage, Conversation: c, Message: a.Message.ID, Actor: a.Message.Sender}, Recipients: a.Recipients})
	}
	t.Repeat(map[string]func(*rapid.T){
		"send": func(*rapid.T) {
			a := e.message(kind, c, pick("sender"), rapid.String().Draw(t, "text"), some()...)
			m.order = append(m.order, a.Message.ID)
			sent[a.Message.ID] = a
			send(a)
		},
		"send again": func(*rapid.T) {
			if a := old(); a != nil {
				send(a)
			}
		},
		"update": func(*rapid.T) {
			a := old()
			if a == nil {
				return
			}
			version := e.next() - chat.MessageID(rapid.IntRange(0, 1<<30).Draw(t, "older"))
			del := rapid.IntRange(0, 4).Draw(t, "delete") == 0
			f := fanout(chat.EventEdit, a.Message.ID)
			got, ev, err := e.Messages.Update(e.ctx, store.Update{Conversation: c, Kind: kind, Message: a.Message.ID, Version: version, Content: fmt.Sprint("edit ", version), At: 5, Delete: del, Fanout: f})
			have := m.messages[a.Message.ID]
			if have == nil || m.buried[a.Message.ID] {
				if err == nil {
					t.Fatal("updated what isn't there")
				}
				return
			}
			must(t, err)
			note(ev, f)
			switch {
			case have.Deleted:
			case del:
				have.Deleted, have.Content = true, ""
			case version > have.Version:
				have.Version, have.Content, have.EditedAt = version, fmt.Sprint("edit ", version), 5
			}
			same(t, visible(got), visible(*have))
		},
		"react": func(*rapid.T) {
			a := old()
			if a == nil {
				return
			}
			r := chat.Reaction{User: pick("reacts"), Emoji: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "emoji"), At: e.next() - chat.MessageID(rapid.IntRange(0, 1<<30).Draw(t, "earlier"))}
			f := fanout(chat.EventReaction, a.Message.ID)
			ev, err := e.Messages.React(e.ctx, store.React{Conversation: c, Kind: kind, Message: a.Message.ID, Reaction: r, Fanout: f})
			must(t, err)
			note(ev, f)
			all := m.reactions[a.Message.ID]
			if all == nil {
				all = make(map[chat.UserID]chat.Reaction)
				m.reactions[a.Message.ID] = all
			}
			if r.At > all[r.User].At {
				all[r.User] = r
			}
		},
		"bury": func(*rapid.T) {
			if a := old(); a != nil && rapid.IntRange(0, 3).Draw(t, "bury") == 0 {
				must(t, e.Messages.Bury(e.ctx, ref(a)))
				m.buried[a.Message.ID] = true
			}
		},
		"mark": func(*rapid.T) {
			u := pick("marks")
			k := store.Mark{Conversation: c, User: u, DeliveredTo: chat.MessageID(rapid.IntRange(0, 100).Draw(t, "delivered")), ReadTo: chat.MessageID(rapid.IntRange(0, 100).Draw(t, "read"))}
			must(t, e.Watermarks.Put(e.ctx, []store.Mark{k}))
			r := m.marks[u]
			m.marks[u] = chat.Receipt{User: u, DeliveredTo: max(r.DeliveredTo, k.DeliveredTo), ReadTo: max(r.ReadTo, k.ReadTo)}
		},
		"read history": func(*rapid.T) { e.compareHistory(t, m, c, kind) },
		"read a log": func(*rapid.T) {
			u := pick("reads")
			must(t, e.e.Settle(e.ctx))
			same(t, e.log(u, rapid.IntRange(1, 20).Draw(t, "page")), m.logs[u])
		},
		"read marks": func(*rapid.T) {
			u := pick("of")
			got, err := e.Watermarks.Get(e.ctx, c, u)
			must(t, err)
			want := m.marks[u]
			want.User = u
			same(t, got, want)
		},
	})
	e.compareHistory(t, m, c, kind)
}

func (e *env) compareHistory(t *rapid.T, m *model, c chat.ConversationID, kind chat.Kind) {
	h := store.History{Conversation: c, Kind: kind, Newest: rapid.Bool().Draw(t, "newest"), Limit: rapid.IntRange(1, 10).Draw(t, "limit")}
	if n := len(m.order); n > 0 && rapid.Bool().Draw(t, "bounded") {
		h.After = m.order[rapid.IntRange(0, n-1).Draw(t, "after")]
		h.Before = m.order[rapid.IntRange(0, n-1).Draw(t, "before")]
	}
	got, err := e.Messages.History(e.ctx, h)
	must(t, err)
	var want []chat.Message
	for _, id := range m.order { // ids grow
		msg := m.messages[id]
		if msg == nil || m.buried[id] || id <= h.After || (h.Before > 0 && id >= h.Before) {
			continue
		}
		full := *msg
		for _, r := range m.reactions[id] {
			if r.Emoji != "" {
				full.Reactions = append(full.Reactions, r)
			}
		}
		slices.SortFunc(full.Reactions, func(a, b chat.Reaction) int { return a.User.Compare(b.User) })
		want = append(want, visible(full))
	}
	if h.Newest {
		slices.Reverse(want)
	}
	want = want[:min(len(want), h.Limit)]
	for i := range got {
		slices.SortFunc(got[i].Reactions, func(a, b chat.Reaction) int { return a.User.Compare(b.User) })
		got[i] = visible(got[i])
	}
	if len(want) == 0 && len(got) == 0 {
		return
	}
	same(t, got, want)
}

// visible is a message without what a deleted one may keep or lose.
func visible(m chat.Message) chat.Message {
	if m.Deleted {
		m.MediaID, m.Version, m.EditedAt = chat.MediaID{}, 0, 0
	}
	return m
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *rapid.T, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Fatalf("got  %s\nwant %s", g, w)
	}
}
