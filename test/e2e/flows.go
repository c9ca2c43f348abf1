package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/protocol"
)

func sentDeliveredRead(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	if other := p[1].direct(p[0]); other != conv {
		t.Fatalf("two conversations of the same two: %v, %v", conv, other)
	}
	const text = "Hello, 世界 \x00 \"quoted\" \u2028 🙂"
	m := a.says(conv, text)
	got := b.receives(conv, text)
	if got[0].ID != m.ID || got[0].Sender != p[0].id || got[0].Status != "" {
		t.Errorf("received %+v of %+v", got[0], m)
	}
	a.status(chat.Delivered, p[1].id, m.ID)
	if err := b.Read(conv, m.ID); err != nil {
		t.Fatal(err)
	}
	a.status(chat.Read, p[1].id, m.ID)

	reply := b.says(conv, "and hello")
	if reply.ID <= m.ID {
		t.Errorf("the reply %v sorts before what it answers %v", reply.ID, m.ID)
	}
	a.receives(conv, "and hello")
	for _, who := range p {
		if got, want := contents(who.history(conv)), []string{text, "and hello"}; !slices.Equal(got, want) {
			t.Errorf("%s's history is %q", who.name, got)
		}
	}
	if hist := p[0].history(conv); hist[0].Status != "read" {
		t.Errorf("in history the message is %q, want read", hist[0].Status)
	}
}

func offlineQueue(t *testing.T, h Harness) {
	const n = 1000
	p := people(t, h, "alice", "bob")
	b := p[1].connect(chat.DeviceID{})
	device := b.Device()
	b.Close()
	a := p[0].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	want := make([]string, n)
	last := chat.MessageID(0)
	for i := range n {
		want[i] = fmt.Sprintf("message %d", i)
		d, err := a.Post(client.Outgoing{Conversation: conv, Content: want[i]})
		if err != nil {
			t.Fatal(err)
		}
		if i%500 == 499 {
			m, err := d.Wait(ctx(t))
			if err != nil {
				t.Fatal(err)
			}
			last = m.ID
		}
	}
	b = p[1].connect(device) // connect waits for synced
	b.receives(conv, want...)
	a.status(chat.Delivered, p[1].id, last)
	b.Close()
	again := p[1].connect(device)
	if rest := again.messages(conv); len(rest) != 0 {
		t.Errorf("%d messages came again after everything was acked", len(rest))
	}
	if got := contents(p[1].history(conv)); !slices.Equal(got, want) {
		t.Errorf("the history has %d messages, or in another order", len(got))
	}
}

func twoDevices(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	a1, a2 := p[0].connect(chat.DeviceID{}), p[0].connect(chat.DeviceID{})
	b1, b2 := p[1].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	m := a1.says(conv, "one")
	b1.receives(conv, "one")
	b2.receives(conv, "one")
	a2.await("the own message on the other device", func([]*client.Event) bool {
		ms := a2.messages(conv)
		return len(ms) == 1 && ms[0].ID == m.ID && ms[0].Sender == p[0].id
	})
	id := b2.Device()
	b2.Close()
	a1.says(conv, "two")
	b1.receives(conv, "one", "two")
	p[1].connect(id).told(conv, "two")
}

func group(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob", "carol", "dave")
	c, err := p[0].rest.CreateConversation(ctx(t), chat.Group, "friends", p[1].id, p[2].id, p[3].id)
	if err != nil {
		t.Fatal(err)
	}
	var ds []*device
	for _, who := range p[:3] {
		ds = append(ds, who.connect(chat.DeviceID{}))
	}
	m := ds[0].says(c.ID, "to all")
	for _, d := range ds[1:] {
		d.receives(c.ID, "to all")
	}
	ds[0].status(chat.Delivered, p[1].id, m.ID)
	ds[0].status(chat.Delivered, p[2].id, m.ID)
	got, err := p[0].rest.Message(ctx(t), c.ID, m.ID)
	if err != nil || got.Status != "sent" {
		t.Errorf("while one member has nothing the message is %q (%v), want sent", got.Status, err)
	}
	d := p[3].connect(chat.DeviceID{})
	d.receives(c.ID, "to all")
	ds[0].status(chat.Delivered, p[3].id, m.ID)
	list, err := p[3].rest.Conversations(ctx(t), "", 0)
	if err != nil || len(list.Conversations) != 1 || list.Conversations[0].UnreadCount != 1 || list.Conversations[0].Name != "friends" || len(list.Conversations[0].Participants) != 4 {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

func leftAndRemoved(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob", "carol")
	c, err := p[0].rest.CreateConversation(ctx(t), chat.Group, "friends", p[1].id)
	if err != nil {
		t.Fatal(err)
	}
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	a.says(c.ID, "before carol")
	b.receives(c.ID, "before carol")
	wants(t, "a member who is no admin adds", p[1].rest.AddMembers(ctx(t), c.ID, p[2].id), chat.CodeForbidden)
	if err := p[0].rest.AddMembers(ctx(t), c.ID, p[2].id); err != nil {
		t.Fatal(err)
	}
	cd := p[2].connect(chat.DeviceID{})
	a.says(c.ID, "hello carol")
	cd.receives(c.ID, "hello carol")
	if got := contents(p[2].history(c.ID)); !slices.Equal(got, []string{"hello carol"}) {
		t.Errorf("a new member's history is %q", got)
	}
	if err := p[0].rest.RemoveMember(ctx(t), c.ID, p[2].id); err != nil {
		t.Fatal(err)
	}
	cd.await("the removal", func(es []*client.Event) bool {
		return slices.ContainsFunc(es, func(e *client.Event) bool { return e.Conversation != nil && e.Conversation.Change == "member_removed" })
	})
	a.says(c.ID, "without carol")
	b.receives(c.ID, "before carol", "hello carol", "without carol")
	_, err = cd.Send(ctx(t), client.Outgoing{Conversation: c.ID, Content: "may I?"})
	wants(t, "a removed member sends", err, chat.CodeForbidden)
	// Only the last admin leaves: the other member is promoted.
	if err := p[0].rest.RemoveMember(ctx(t), c.ID, p[0].id); err != nil {
		t.Fatal(err)
	}
	left, err := p[1].rest.Conversation(ctx(t), c.ID)
	if err != nil || len(left.Participants) != 1 || left.Participants[0].Role != "admin" {
		t.Errorf("after the admin left: %+v, %v", left, err)
	}
	if got := cd.messages(c.ID); len(got) != 1 {
		t.Errorf("carol was told %q", contents(got))
	}
}

func changes(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	m := a.says(conv, "teh")
	b.receives(conv, "teh")
	if err := a.Edit(ctx(t), conv, m.ID, "the"); err != nil {
		t.Fatal(err)
	}
	b.await("the edit", func(es []*client.Event) bool {
		return slices.ContainsFunc(es, func(e *client.Event) bool {
			return e.Edited != nil && e.Edited.Message == m.ID && e.Edited.Content == "the"
		})
	})
	wants(t, "somebody else edits", b.Edit(ctx(t), conv, m.ID, "a"), chat.CodeForbidden)
	if err := b.React(ctx(t), conv, m.ID, "👍"); err != nil {
		t.Fatal(err)
	}
	a.await("the reaction", func(es []*client.Event) bool {
		return slices.ContainsFunc(es, func(e *client.Event) bool {
			return e.Reaction != nil && e.Reaction.Emoji == "👍" && e.Reaction.User == p[1].id
		})
	})
	r, err := b.Send(ctx(t), client.Outgoing{Conversation: conv, Content: "yes", ReplyTo: m.ID})
	if err != nil || r.ReplyTo != m.ID {
		t.Fatalf("reply: %+v, %v", r, err)
	}
	hist := p[0].history(conv)
	if hist[0].Content != "the" || hist[0].EditedAt == 0 || len(hist[0].Reactions) != 1 || hist[1].ReplyTo != m.ID {
		t.Errorf("history: %+v", hist)
	}
	if err := a.Delete(ctx(t), conv, m.ID); err != nil {
		t.Fatal(err)
	}
	b.await("the deletion", func(es []*client.Event) bool {
		return slices.ContainsFunc(es, func(e *client.Event) bool { return e.Deleted != nil && e.Deleted.Message == m.ID })
	})
	if hist := p[1].history(conv); !hist[0].Deleted || hist[0].Content != "" {
		t.Errorf("after the deletion history shows %+v", hist[0])
	}
	if err := a.Edit(ctx(t), conv, m.ID, "back?"); err == nil {
		t.Error("a deleted message was edited")
	}
}

func typingAndPresence(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	a.says(conv, "hi")
	b.receives(conv, "hi")
	if err := a.Typing(conv, true); err != nil {
		t.Fatal(err)
	}
	isTyping := func(on bool) func([]*client.Event) bool {
		return func(es []*client.Event) bool {
			return slices.ContainsFunc(es, func(e *client.Event) bool { return e.Typing != nil && e.Typing.User == p[0].id && e.Typing.On == on })
		}
	}
	b.await("alice types", isTyping(true))
	b.await("alice stopped", isTyping(false)) // the server says so after 3.5 s of silence
	if err := a.Presence(p[1].id); err != nil {
		t.Fatal(err)
	}
	is := func(status string) func([]*client.Event) bool {
		return func(es []*client.Event) bool {
			return slices.ContainsFunc(es, func(e *client.Event) bool {
				return e.Presence != nil && e.Presence.User == p[1].id && e.Presence.Status == status
			})
		}
	}
	a.await("bob online", is("online"))
	b.Close()
	a.await("bob offline", is("offline"))
}

func mediaFlow(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob", "eve")
	a, b := p[0].connect(chat.DeviceID{}), p[1].connect(chat.DeviceID{})
	conv := p[0].direct(p[1])
	data := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	up, err := p[0].rest.UploadMedia(ctx(t), client.Upload{Name: "notes.txt", ContentType: "text/plain", Size: int64(len(data)), Conversation: conv}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Send(ctx(t), client.Outgoing{Conversation: conv, ContentType: chat.File, Media: up.ID}); err != nil {
		t.Fatal(err)
	}
	got := b.receives(conv, "")
	if got[0].Media == nil || got[0].Media.ID != up.ID || got[0].Media.Size != int64(len(data)) {
		t.Fatalf("received %+v", got[0])
	}
	const from = 123_456
	body, err := p[1].rest.OpenMedia(ctx(t), up.ID, from)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); err != nil || !bytes.Equal(text, data[from:]) {
		t.Errorf("read %d bytes from offset %d, %v", len(text), from, err)
	}
	if body, err := p[2].rest.OpenMedia(ctx(t), up.ID, 0); err == nil {
		body.Close()
		t.Error("a stranger read the media")
	}
}

func closedWith(t *testing.T, d *device, code protocol.CloseCode) {
	t.Helper()
	select {
	case <-d.Done():
	case <-time.After(patience):
		t.Fatalf("%s's connection stays open", d.p.name)
	}
	var c *client.CloseError
	if !errors.As(d.Err(), &c) || c.Code != code {
		t.Errorf("%s's connection ended with %v, want %d", d.p.name, d.Err(), code)
	}
}

func revoked(t *testing.T, h Harness) {
	p := people(t, h, "alice")
	a := p[0].connect(chat.DeviceID{})
	other, err := p[0].rest.Login(ctx(t), p[0].name, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	second := *p[0]
	second.token, second.rest = other.Token, p[0].rest.WithToken(other.Token)
	keeps := second.connect(chat.DeviceID{})
	began := time.Now()
	if err := p[0].rest.Logout(ctx(t)); err != nil {
		t.Fatal(err)
	}
	closedWith(t, a, protocol.CloseRevoked)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the socket closed after %v, want 5 s at most", took)
	}
	if _, err := p[0].dial(chat.DeviceID{}); err == nil {
		t.Error("a revoked token connects")
	}
	if !keeps.Connected() {
		t.Error("the other session's connection ended too")
	}
	if err := second.rest.RemoveDevice(ctx(t), keeps.Device()); err != nil {
		t.Fatal(err)
	}
	closedWith(t, keeps, protocol.CloseRevoked)
}

func replaced(t *testing.T, h Harness) {
	p := people(t, h, "alice", "bob")
	a := p[0].connect(chat.DeviceID{})
	began := time.Now()
	again := p[0].connect(a.Device())
	closedWith(t, a, protocol.CloseReplaced)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("replaced after %v", took)
	}
	conv := p[0].direct(p[1])
	p[1].connect(chat.DeviceID{}).says(conv, "to the new one")
	again.receives(conv, "to the new one")
}
