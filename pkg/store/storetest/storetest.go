package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// Engine is an engine under test.
type Engine struct {
	Store store.Store
	// Next makes message ids, from the clock that the engine's events come from or one in step with it.
	Next func() (id.ID, error)
	// Settle waits until every write that returned before is under the inbox horizon.
	Settle func(ctx context.Context) error
	// Advance moves the clock by which rows expire and drops what did. Nil when the database does that by its own clock:
	// then the tests of expiry aren't part of the suite.
	Advance func(t *testing.T, d time.Duration)
}

// Run runs the suite. open returns an engine on an empty database and closes it with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Engine) {
	e := open(t)
	for _, group := range []struct {
		name  string
		tests []namedTest
	}{
		{"Messages", messageTests}, {"History", historyTests}, {"Inbox", inboxTests}, {"Claims", claimTests},
		{"Devices", deviceTests}, {"Members", memberTests}, {"Listing", listingTests}, {"Watermarks", watermarkTests},
		{"Users", userTests}, {"Sessions", sessionTests}, {"Media", mediaTests}, {"Changes", changeTests}, {"Leases", leaseTests},
		{"Model", modelTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tc := range group.tests {
				t.Run(tc.name, func(t *testing.T) { tc.run(newEnv(t, e)) })
			}
		})
	}
	if e.Advance != nil {
		t.Run("Expiry", func(t *testing.T) { testExpiry(newEnv(t, open(t))) })
	}
	t.Run("Closed", func(t *testing.T) { testClosed(newEnv(t, open(t))) })
}

type namedTest struct {
	name string
	run  func(*env)
}

// env is one test's view of the engine.
type env struct {
	*testing.T
	store.Store
	e   Engine
	ctx context.Context
}

func newEnv(t *testing.T, e Engine) *env {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return &env{T: t, Store: e.Store, e: e, ctx: ctx}
}

func (e *env) next() chat.MessageID {
	e.Helper()
	n, err := e.e.Next()
	e.ok(err)
	return chat.MessageID(n)
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) is(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("got error %v, want %v", err, want)
	}
}

func (e *env) equal(got, want any) {
	e.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		e.Fatalf("got  %s\nwant %s", g, w)
	}
}

func (e *env) settle() {
	e.Helper()
	e.ok(e.e.Settle(e.ctx))
}

func user() chat.UserID                 { return chat.NewUserID(time.Now()) }
func conversation() chat.ConversationID { return chat.NewConversationID(time.Now()) }
func device() chat.DeviceID             { return chat.NewDeviceID(time.Now()) }

// users makes users in the order of their ids.
func users(n int) []chat.UserID {
	out := make([]chat.UserID, n)
	for i := range out {
		out[i] = user()
	}
	slices.SortFunc(out, chat.UserID.Compare)
	return out
}

// message prepares a text message with a claim.
func (e *env) message(kind chat.Kind, c chat.ConversationID, from chat.UserID, text string, to ...chat.UserID) *store.Append {
	e.Helper()
	key := chat.NewClientMessageID(time.Now())
	m := chat.Message{ID: e.next(), Conversation: c, Sender: from, ClientMessageID: key, ContentType: chat.Text, Content: text}
	return &store.Append{
		Message: m, Kind: kind, Recipients: to,
		Claim: store.Claim{User: from, ClientMessage: key, Message: m.ID, Conversation: c, Digest: [16]byte{1, 2, 3}},
	}
}

func (e *env) append(a *store.Append) chat.EventID {
	e.Helper()
	ev, err := e.Messages.Append(e.ctx, a)
	e.ok(err)
	return ev
}

func ref(a *store.Append) store.Ref {
	return store.Ref{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID}
}

// log reads a whole log in pages and checks its order.
func (e *env) log(u chat.UserID, page int) (out []chat.Event) {
	e.Helper()
	for at := chat.EventID(0); ; {
		p, err := e.Inbox.Read(e.ctx, u, at, page)
		e.ok(err)
		if len(p.Events) > page {
			e.Fatalf("%d events, limit %d", len(p.Events), page)
		}
		for _, ev := range p.Events {
			if ev.ID <= at {
				e.Fatalf("log out of order: %s after %s", ev.ID, at)
			}
			at = ev.ID
		}
		out = append(out, p.Events...)
		if !p.More {
			return out
		}
	}
}

// together runs n goroutines and waits for them.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func testClosed(e *env) {
	a := e.message(chat.Direct, conversation(), user(), "x", user())
	e.append(a)
	e.ok(e.Engine.Close())
	_, err := e.Messages.Append(e.ctx, a)
	e.is(err, store.ErrClosed)
	_, err = e.Messages.Message(e.ctx, ref(a))
	e.is(err, store.ErrClosed)
	_, err = e.Inbox.Read(e.ctx, user(), 0, 10)
	e.is(err, store.ErrClosed)
	e.is(e.Engine.Ping(e.ctx), store.ErrClosed)
}

func testExpiry(e *env) {
	from, to := user(), user()
	c := conversation()
	a := e.message(chat.Direct, c, from, "old", to)
	first := e.append(a)
	e.ok(e.Changes.Append(e.ctx, []store.ChangeEntry{{Kind: store.LogProfile, User: from}}))
	const day = 24 * time.Hour
	e.e.Advance(e.T, 29*day)
	e.equal(len(e.log(to, 10)), 1)
	if _, err := e.Claims.Get(e.ctx, from, a.Claim.ClientMessage); err != nil {
		e.Fatalf("claim after 29 days: %v", err)
	}
	if kept := e.Inbox.KeptSince(); kept > first {
		e.Fatalf("log kept since %s, but %s must be there", kept, first)
	}
	e.e.Advance(e.T, 13*day)
	e.equal(len(e.log(to, 10)), 0)
	_, err := e.Claims.Get(e.ctx, from, a.Claim.ClientMessage)
	e.is(err, store.ErrNotFound)
	if kept := e.Inbox.KeptSince(); kept <= first {
		e.Fatalf("log kept since %s, but %s is gone", kept, first)
	}
	entries, _, err := e.Changes.Since(e.ctx, 1, 100)
	e.ok(err)
	e.equal(len(entries), 0)
	// Messages don't expire, and the store goes on.
	m, err := e.Messages.Message(e.ctx, ref(a))
	e.ok(err)
	e.equal(m.Content, "old")
	e.append(e.message(chat.Direct, c, from, "new", to))
	e.equal(len(e.log(to, 10)), 1)
}
