package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
)

func blocked(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	a.says(conv, "hi")
	b.receives(conv, "hi")
	if err := p[1].rest.Block(ctx(t), p[0].id); err != nil {
		t.Fatal(err)
	}
	_, err := a.Send(ctx(t), client.Outgoing{Conversation: conv, Content: "still there?"})
	wants(t, "a blocked sender", err, chat.CodeForbidden)
	if err := p[1].rest.Unblock(ctx(t), p[0].id); err != nil {
		t.Fatal(err)
	}
	a.says(conv, "again")
	b.receives(conv, "hi", "again")
	if got := contents(p[0].history(conv)); !slices.Equal(got, []string{"hi", "again"}) {
		t.Errorf("history %q holds what was refused", got)
	}
}

// cutConnections: both sides lose their connections again and again while they talk. Nothing is lost, nothing doubled.
func cutConnections(t *testing.T, h Harness) {
	const n = 300
	p := people(t, h, "alice", "bob")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	var want []string
	var wg sync.WaitGroup
	for i := range n {
		text := fmt.Sprintf("m%03d", i)
		want = append(want, text)
		d, err := a.Post(client.Outgoing{Conversation: conv, Content: text})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if _, err := d.Wait(ctx(t)); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		})
		switch {
		case i%40 == 20:
			a.cut()
		case i%40 == 39:
			b.cut()
		}
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	b.receives(conv, want...)
	if got := contents(p[1].history(conv)); !slices.Equal(got, want) {
		t.Errorf("the history has %d messages, want %d in the order sent", len(got), n)
	}
}

// idempotent: the same clientMessageId is the same message, over the socket and over REST; another content is refused.
func idempotent(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	key := chat.NewClientMessageID(time.Now())
	first, err := a.Send(ctx(t), client.Outgoing{Conversation: conv, Content: "once", ClientMessageID: key})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := p[0].rest.Send(ctx(t), client.Outgoing{Conversation: conv, Content: "once", ClientMessageID: key, Resend: true})
		if err != nil || again.ID != first.ID {
			t.Fatalf("sent again: %v, %v; want %v", again.ID, err, first.ID)
		}
	}
	_, err = p[0].rest.Send(ctx(t), client.Outgoing{Conversation: conv, Content: "twice", ClientMessageID: key, Resend: true})
	wants(t, "the same clientMessageId with another content", err, chat.CodeValidation)
	a.says(conv, "end")
	b.receives(conv, "once", "end")
	if got := contents(p[0].history(conv)); !slices.Equal(got, []string{"once", "end"}) {
		t.Errorf("history %q", got)
	}
}

// strangers get the same FORBIDDEN for a conversation that exists and for one that doesn't.
func strangers(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob", "eve")
	conv := p[0].direct(p[1])
	p[0].connect(chat.DeviceID{}).says(conv, "secret")
	e := p[2].connect(chat.DeviceID{})
	for _, c := range []chat.ConversationID{conv, chat.NewConversationID(time.Now())} {
		_, err := p[2].rest.Conversation(ctx(t), c)
		wants(t, "a stranger reads the conversation", err, chat.CodeForbidden)
		_, err = p[2].rest.History(ctx(t), c, client.HistoryQuery{})
		wants(t, "a stranger reads the history", err, chat.CodeForbidden)
		_, err = p[2].rest.Receipts(ctx(t), c, 0)
		wants(t, "a stranger reads receipts", err, chat.CodeForbidden)
		_, err = e.Send(ctx(t), client.Outgoing{Conversation: c, Content: "x"})
		wants(t, "a stranger sends", err, chat.CodeForbidden)
	}
	if got := e.messages(conv); len(got) != 0 {
		t.Errorf("a stranger was told %q", contents(got))
	}
}

// channel: no rows in its members' logs, only admins post, a member who was away gets what was posted meanwhile.
func channel(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	c, err := p[0].rest.CreateConversation(ctx(t), chat.Channel, "news", p[1].id)
	if err != nil {
		t.Fatal(err)
	}
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	a.says(c.ID, "one")
	b.receives(c.ID, "one")
	_, err = b.Send(ctx(t), client.Outgoing{Conversation: c.ID, Content: "me too"})
	wants(t, "a member posts", err, chat.CodeForbidden)
	id := b.Device()
	b.Close()
	a.says(c.ID, "two")
	p[1].connect(id).told(c.ID, "two")
}

// restart: a server that went down and came back knows everything, and its clients come back by themselves.
func restart(t *testing.T, h Restarter) {
	p := people(t, h, "alice", "bob")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	before := a.says(conv, "before")
	b.receives(conv, "before")
	if err := b.Read(conv, before.ID); err != nil {
		t.Fatal(err)
	}
	a.status(chat.Read, p[1].id, before.ID)
	h.Restart(t)
	after := a.says(conv, "after")
	if after.ID <= before.ID {
		t.Errorf("ids went back over the restart: %v after %v", after.ID, before.ID)
	}
	b.receives(conv, "before", "after")
	hist := p[0].history(conv)
	if got := contents(hist); !slices.Equal(got, []string{"before", "after"}) || hist[0].Status != "read" {
		t.Errorf("history after the restart: %q, the first %s", got, hist[0].Status)
	}
}
