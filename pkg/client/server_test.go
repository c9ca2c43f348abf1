package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/app"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/protocol"
)

const patience = 20 * time.Second

// server is a whole server on a port of its own that the test may stop and start again.
type server struct {
	t    *testing.T
	cfg  *config.Config
	stop func()
	url  string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, cfg: config.Default()}
	s.cfg.Listen, s.cfg.Admin, s.cfg.Data = "127.0.0.1:0", "off", t.TempDir()
	if err := s.cfg.Rates.Set("off"); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *server) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a, err := app.New(ctx, s.cfg, app.Info{Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	s.url = a.URL()
	s.cfg.Listen = s.url[len("http://"):] // the same port next time
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("stop: %v", err)
		}
		s.stop = func() {}
	}
}

// person is a user with a client whose events come on a channel.
type person struct {
	*client.Client
	rest   *client.REST
	user   client.User
	events chan *client.Event
}

func (s *server) person(name string) *person {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	rest, err := client.NewREST(s.url, "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	account, err := rest.Register(ctx, name, "correct horse battery", name)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &person{rest: rest.WithToken(account.Token), user: account.User, events: make(chan *client.Event, 10_000)}
	p.Client, err = client.Dial(ctx, client.Options{
		URL: s.url, Token: account.Token, BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		Handler: client.HandlerFunc(func(_ context.Context, e *client.Event) error { p.events <- e; return nil }),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	if _, err := p.WaitSynced(ctx); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// next waits for an event that accept accepts; others are passed over.
func (p *person) next(t *testing.T, what string, accept func(*client.Event) bool) *client.Event {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case e := <-p.events:
			if accept(e) {
				return e
			}
		case <-late:
			t.Fatalf("%s didn't come", what)
		}
	}
}

func (s *server) direct(a, b *person) chat.ConversationID {
	s.t.Helper()
	c, err := a.rest.Direct(s.t.Context(), b.user.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return c.ID
}

func TestServerConversation(t *testing.T) {
	s := newServer(t)
	alice, bob := s.person("alice"), s.person("bob")
	conv := s.direct(alice, bob)
	ctx := t.Context()
	sent, err := alice.Send(ctx, client.Outgoing{Conversation: conv, Content: "hi \x00 👋"})
	if err != nil || sent.Status != "sent" {
		t.Fatalf("%+v, %v", sent, err)
	}
	got := bob.next(t, "the message", func(e *client.Event) bool { return e.Message != nil }).Message
	if got.ID != sent.ID || got.Content != "hi \x00 👋" || got.Sender != alice.user.ID {
		t.Errorf("%+v", got)
	}
	status := func(want string) {
		alice.next(t, want, func(e *client.Event) bool {
			return e.Status != nil && e.Status.Status == want && e.Status.Message == sent.ID && e.Status.User == bob.user.ID
		})
	}
	status("delivered")
	if err := bob.Read(conv, sent.ID); err != nil {
		t.Fatal(err)
	}
	status("read")
	if err := bob.Typing(conv, true); err != nil {
		t.Fatal(err)
	}
	alice.next(t, "typing", func(e *client.Event) bool { return e.Typing != nil && e.Typing.On && e.Typing.Username == "bob" })
	if err := alice.Presence(bob.user.ID); err != nil {
		t.Fatal(err)
	}
	alice.next(t, "presence", func(e *client.Event) bool { return e.Presence != nil && e.Presence.Status == "online" })
	if err := alice.Edit(ctx, conv, sent.ID, "hello"); err != nil {
		t.Error(err)
	}
	bob.next(t, "the edit", func(e *client.Event) bool { return e.Edited != nil && e.Edited.Content == "hello" })
	if err := bob.React(ctx, conv, sent.ID, "👍"); err != nil {
		t.Error(err)
	}
	var e *chat.Error
	if err := bob.Edit(ctx, conv, sent.ID, "mine"); !errors.As(err, &e) || e.Code != chat.CodeForbidden {
		t.Error(err)
	}
	if err := alice.Delete(ctx, conv, sent.ID); err != nil {
		t.Error(err)
	}
	bob.next(t, "the deletion", func(e *client.Event) bool { return e.Deleted != nil && e.Deleted.Message == sent.ID })
	if _, err := alice.Send(ctx, client.Outgoing{Conversation: chat.NewConversationID(time.Now()), Content: "x"}); !errors.As(err, &e) || e.Code != chat.CodeForbidden {
		t.Error(err)
	}
}

// What was posted while the server restarts arrives once, in order.
func TestServerRestart(t *testing.T) {
	s := newServer(t)
	alice, bob := s.person("alice"), s.person("bob")
	conv := s.direct(alice, bob)
	var posted []*client.Delivery
	post := func(n int) {
		for range n {
			d, err := alice.Post(client.Outgoing{Conversation: conv, Content: fmt.Sprint(len(posted))})
			if err != nil {
				t.Fatal(err)
			}
			posted = append(posted, d)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 2 {
		post(100)
		s.stop()
		post(100)
		s.start()
		post(100)
	}
	var ids []chat.MessageID
	for i, d := range posted {
		m, err := d.Wait(ctx)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		ids = append(ids, m.ID)
	}
	got := map[chat.MessageID]string{}
	for len(got) < len(posted) {
		m := bob.next(t, fmt.Sprintf("message %d of %d", len(got)+1, len(posted)), func(e *client.Event) bool { return e.Message != nil }).Message
		if _, twice := got[m.ID]; twice {
			t.Errorf("%v was shown twice", m.ID)
		}
		got[m.ID] = m.Content
	}
	for i, id := range ids {
		if got[id] != fmt.Sprint(i) {
			t.Fatalf("%d: bob has %q under %v", i, got[id], id)
		}
	}
	if !slices.IsSorted(ids) {
		t.Error("the ids are not in the order of the posts")
	}
	page, err := bob.rest.History(ctx, conv, client.HistoryQuery{Limit: 100})
	if err != nil || len(page.Messages) != 100 || !page.HasMore || page.Messages[99].ID != ids[len(ids)-1] {
		t.Errorf("%d messages, more %v, %v", len(page.Messages), page.HasMore, err)
	}
}

func TestServerSignOut(t *testing.T) {
	s := newServer(t)
	alice := s.person("alice")
	if err := alice.rest.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-alice.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the socket lives 5 s after signing out")
	}
	var closed *client.CloseError
	if !errors.As(alice.Err(), &closed) || closed.Code != protocol.CloseRevoked {
		t.Error(alice.Err())
	}
	if _, err := alice.rest.Me(t.Context()); chat.CodeOf(err) != chat.CodeUnauthenticated {
		t.Error(err)
	}
}

func TestServerREST(t *testing.T) {
	s := newServer(t)
	alice, bob := s.person("alice"), s.person("bob")
	ctx := t.Context()
	check := func(what string, ok bool, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("%s: %v, %v", what, ok, err)
		}
	}
	me, err := alice.rest.Me(ctx)
	check("me", me.ID == alice.user.ID && me.Username == "alice", err)
	found, err := alice.rest.SearchUsers(ctx, "bo", 10)
	check("search", len(found) == 1 && found[0].ID == bob.user.ID, err)
	name := "Alice A."
	me, err = alice.rest.ChangeProfile(ctx, &name, nil)
	check("profile", me.DisplayName == name, err)
	group, err := alice.rest.CreateConversation(ctx, chat.Group, "Team", bob.user.ID)
	check("group", group.Type == "group" && len(group.Participants) == 2, err)
	check("rename", true, alice.rest.Rename(ctx, group.ID, "New"))
	check("role", true, alice.rest.SetRole(ctx, group.ID, bob.user.ID, chat.RoleAdmin))
	page, err := bob.rest.Conversations(ctx, "", 0)
	check("list", len(page.Conversations) == 1 && page.Conversations[0].Name == "New", err)
	yes := true
	check("preferences", true, bob.rest.SetPreferences(ctx, group.ID, &yes, nil))
	key := chat.NewClientMessageID(time.Now())
	m, err := alice.rest.Send(ctx, client.Outgoing{Conversation: group.ID, Content: "over REST", ClientMessageID: key})
	check("send", m.Content == "over REST", err)
	again, err := alice.rest.Send(ctx, client.Outgoing{Conversation: group.ID, Content: "over REST", ClientMessageID: key, Resend: true})
	check("send again", again.ID == m.ID, err)
	bob.next(t, "the message", func(e *client.Event) bool { return e.Message != nil && e.Message.ID == m.ID })
	check("react", true, bob.rest.React(ctx, group.ID, m.ID, "🎉"))
	one, err := bob.rest.Message(ctx, group.ID, m.ID)
	check("message", len(one.Reactions) == 1 && one.Reactions[0].User == bob.user.ID, err)
	edited, err := alice.rest.Edit(ctx, group.ID, m.ID, "edited")
	check("edit", edited.Content == "edited" && edited.EditedAt != 0, err)
	synced, err := bob.rest.Sync(ctx, 0)
	// Two entries of the one message: a resend writes the log again.
	check("sync", len(synced.Messages) == 2 && synced.Messages[0].ID == m.ID && synced.Messages[1].ID == m.ID && synced.Messages[0].Content == "edited" && !synced.Gap, err)
	_, err = alice.rest.Receipts(ctx, group.ID, 0)
	check("receipts", true, err)
	members, err := bob.rest.Members(ctx, group.ID, "", 10)
	check("members", len(members.Members) == 2, err)
	data := bytes.Repeat([]byte{0, 1, 2, 3}, 1000)
	media, err := alice.rest.UploadMedia(ctx, client.Upload{Conversation: group.ID, ContentType: "application/octet-stream", Name: "x.bin", Size: int64(len(data))}, bytes.NewReader(data))
	check("upload", media.Size == int64(len(data)), err)
	r, err := alice.rest.OpenMedia(ctx, media.ID, 3999)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	check("download", bytes.Equal(rest, []byte{3}), err)
	check("close", true, r.Close())
	large := bytes.Repeat([]byte{0, 1, 2, 3, 4}, 5<<20/2)
	media, err = alice.rest.UploadMedia(ctx, client.Upload{Conversation: group.ID, ContentType: "application/octet-stream", Name: "large.bin", Size: int64(len(large))}, bytes.NewReader(large))
	check("upload in parts", media.Size == int64(len(large)), err)
	file, err := alice.rest.Send(ctx, client.Outgoing{Conversation: group.ID, ContentType: chat.File, Media: media.ID})
	check("send it", file.Media != nil && file.Media.ID == media.ID, err)
	r, err = bob.rest.OpenMedia(ctx, media.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	rest, err = io.ReadAll(r)
	check("download", bytes.Equal(rest, large), err)
	check("close", true, r.Close())
	check("block", true, alice.rest.Block(ctx, bob.user.ID))
	blocks, err := alice.rest.Blocks(ctx)
	check("blocks", len(blocks) == 1, err)
	check("unblock", true, alice.rest.Unblock(ctx, bob.user.ID))
	devices, err := alice.rest.Devices(ctx)
	check("devices", len(devices) == 1 && devices[0].ID == alice.Device(), err)
	sessions, err := alice.rest.Sessions(ctx)
	check("sessions", len(sessions) == 1 && sessions[0].Current, err)
	check("leave", true, bob.rest.RemoveMember(ctx, group.ID, bob.user.ID))
	_, err = bob.rest.Conversation(ctx, group.ID)
	var e *chat.Error
	if !errors.As(err, &e) || e.Code != chat.CodeForbidden {
		t.Error(err)
	}
	_, err = alice.rest.Register(ctx, "x", "correct horse battery", "")
	if !errors.As(err, &e) || e.Code != chat.CodeValidation || e.Field != "username" {
		t.Error(err)
	}
	check("delete", true, alice.rest.Delete(ctx, group.ID, m.ID))
	check("password", true, alice.rest.ChangePassword(ctx, "correct horse battery", "another horse battery"))
}
