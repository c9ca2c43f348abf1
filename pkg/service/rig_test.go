package service

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/localadmit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence/localpresence"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// rig is a Service on a real store in memory, with a router that remembers.
type rig struct {
	*Service
	t      testing.TB
	db     *pebblestore.DB
	here   *localpresence.Presence
	pushes *recorder
	offset *time.Duration // the service's clock is this far ahead
}

type recorder struct {
	mu   sync.Mutex
	list []*chat.Push
}

func (r *recorder) Push(_ context.Context, p *chat.Push) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, p)
}

// take returns the pushes of a kind since the last call, and forgets all.
func (r *recorder) take(kind chat.PushKind) []*chat.Push {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*chat.Push
	for _, p := range r.list {
		if p.Kind == kind {
			out = append(out, p)
		}
	}
	r.list = nil
	return out
}

func newRig(t testing.TB, rates ...admit.Rate) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, db: db, pushes: &recorder{}, offset: new(time.Duration)}
	ports := db.Ports()
	r.here = localpresence.New(localpresence.Options{Users: ports.Users, Log: log})
	o := localadmit.Options{Claims: ports.Claims}
	copy(o.Rates[:], rates)
	r.Service = New(Options{
		Store: ports, Clock: db.Clock(), Router: r.pushes, Admit: localadmit.New(o), Log: log, Presence: r.here,
		Now: func() time.Time { return time.Now().Add(*r.offset) },
	})
	r.poll()
	return r
}

// poll does what Run does every two seconds; the rig doesn't run.
func (r *rig) poll() {
	r.t.Helper()
	if err := r.pollChanges(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// people makes users with one device each.
func (r *rig) people(n int) []Caller {
	r.t.Helper()
	out := make([]Caller, n)
	for i := range out {
		u := chat.User{ID: chat.NewUserID(time.Now()), DisplayName: fmt.Sprintf("Person %d", i), CreatedAt: 1, Password: "secret"}
		u.Username = "u" + u.ID.String()[24:]
		if err := r.store.Users.Create(context.Background(), u); err != nil {
			r.t.Fatal(err)
		}
		out[i] = Caller{User: u.ID, Device: chat.NewDeviceID(time.Now())}
		if _, _, err := r.OpenDevice(context.Background(), out[i], "phone", "test"); err != nil {
			r.t.Fatal(err)
		}
	}
	r.pushes.take(0)
	return out
}

func ids(cs ...Caller) []chat.UserID {
	out := make([]chat.UserID, len(cs))
	for i := range cs {
		out[i] = cs[i].User
	}
	return out
}

func (r *rig) create(c Caller, kind chat.Kind, name string, with ...Caller) chat.ConversationID {
	r.t.Helper()
	v, _, err := r.CreateConversation(context.Background(), c, CreateConversation{Kind: kind, Name: name, Participants: ids(with...)})
	if err != nil {
		r.t.Fatal(err)
	}
	return v.ID
}

func (r *rig) send(c Caller, conv chat.ConversationID, text string) chat.Message {
	r.t.Helper()
	res, err := r.Send(context.Background(), c, SendRequest{
		Conversation: conv, ClientMessage: chat.NewClientMessageID(time.Now()), Content: text, ContentType: chat.Text,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return res.Message
}

// events returns what a user's log holds.
func (r *rig) events(u chat.UserID) []chat.Event {
	r.t.Helper()
	p, err := r.store.Inbox.Read(context.Background(), u, 0, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Events
}

// lastEvent returns the newest event of a user's log.
func (r *rig) lastEvent(u chat.UserID) chat.Event {
	r.t.Helper()
	ev := r.events(u)
	if len(ev) == 0 {
		return chat.Event{}
	}
	return ev[len(ev)-1]
}

// code fails the test unless err has the code (0: no error) and, where given, names the field.
func (r *rig) code(err error, want chat.Code, field ...string) {
	r.t.Helper()
	if want == 0 {
		if err != nil {
			r.t.Fatalf("unexpected error: %v", err)
		}
		return
	}
	if err == nil {
		r.t.Fatalf("no error, want %s", want)
	}
	e, ok := err.(*chat.Error)
	if !ok {
		r.t.Fatalf("%T %v is no *chat.Error", err, err)
	}
	if e.Code != want || (len(field) > 0 && e.Field != field[0]) {
		r.t.Fatalf("got %v, want %s %v", err, want, field)
	}
}

// row returns a member's stored row.
func (r *rig) row(conv chat.ConversationID, u chat.UserID) chat.Member {
	r.t.Helper()
	m, err := r.store.Members.Member(context.Background(), conv, u)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *rig) changes(after chat.EventID) []store.ChangeEntry {
	r.t.Helper()
	list, _, err := r.store.Changes.Since(context.Background(), after, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func texts(msgs []chat.Message) string {
	s := ""
	for i := range msgs {
		if msgs[i].Deleted {
			s += "-"
		}
		s += msgs[i].Content
	}
	return s
}
