package service

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/admit/localadmit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence/localpresence"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

// TestRunFlushesAndEnds: what is written behind is stored at the end, and no goroutine stays.
func TestRunFlushesAndEnds(t *testing.T) {
	r := newRig(t)
	ignore := goleak.IgnoreCurrent()
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	msg := r.send(p[0], d, "x")
	r.code(r.Typing(ctx, p[0], d, true), 0)
	cancel()
	wg.Wait()
	heads, err := r.store.Listing.Heads(t.Context(), []chat.ConversationID{d})
	if err != nil || heads[d].Last != msg.ID {
		t.Fatalf("%+v %v", heads, err)
	}
	goleak.VerifyNone(t, ignore)
}

// faulty is a rig whose store fails when told.
func faulty(t *testing.T) (*rig, *faultstore.Faults) {
	t.Helper()
	r, f := newRig(t), faultstore.New(1)
	ports := f.Wrap(r.db.Ports())
	r.here = localpresence.New(localpresence.Options{Users: ports.Users, Log: r.log})
	r.Service = New(Options{
		Store: ports, Clock: r.db.Clock(), Router: r.pushes, Log: r.log, Presence: r.here,
		Admit: localadmit.New(localadmit.Options{Claims: ports.Claims}),
	})
	r.poll()
	return r, f
}

// TestEveryFailureOfTheStoreIsUnavailable fails each port under each use case, with the caches empty: the client is told to
// try again, and when the store is back it works.
func TestEveryFailureOfTheStoreIsUnavailable(t *testing.T) {
	r, f := faulty(t)
	ctx := t.Context()
	p := r.people(4)
	d := r.create(p[0], chat.Direct, "", p[1])
	g := r.create(p[0], chat.Group, "g", p[1])
	ch := r.create(p[0], chat.Channel, "c", p[1])
	msg := r.send(p[0], g, "x")
	md, err := r.NewMedia(ctx, p[0], MediaRequest{Conversation: g, ContentType: "image/png", Size: 1, Name: "x"})
	r.code(err, 0)
	calls := map[string]func() error{
		"edit":          func() error { _, _, err := r.Edit(ctx, p[0], g, msg.ID, "y"); return err },
		"react":         func() error { _, _, err := r.React(ctx, p[0], g, msg.ID, "👍"); return err },
		"history":       func() error { _, err := r.History(ctx, p[0], HistoryRequest{Conversation: g}); return err },
		"message":       func() error { _, err := r.Message(ctx, p[0], g, msg.ID); return err },
		"conversations": func() error { _, err := r.Conversations(ctx, p[0], "", 0); return err },
		"conversation":  func() error { _, err := r.Conversation(ctx, p[0], ch); return err },
		"create": func() error {
			_, _, err := r.CreateConversation(ctx, p[0], CreateConversation{Kind: chat.Group, Participants: ids(p[1])})
			return err
		},
		"create direct": func() error {
			_, _, err := r.CreateConversation(ctx, p[0], CreateConversation{Kind: chat.Direct, Participants: ids(p[3])})
			return err
		},
		"rename": func() error {
			_, err := r.ChangeConversation(ctx, p[0], g, ConversationPatch{Name: ptr("n")})
			return err
		},
		"preferences": func() error { return r.SetPreferences(ctx, p[0], g, ptr(true), nil) },
		"add":         func() error { _, err := r.AddMembers(ctx, p[0], ch, ids(p[2])); return err },
		"role":        func() error { return r.SetRole(ctx, p[0], g, p[1].User, chat.RoleAdmin) },
		"members":     func() error { _, _, err := r.Members(ctx, p[0], ch, chat.UserID{}, 0); return err },
		"block":       func() error { return r.Block(ctx, p[1], p[2].User) },
		"blocks":      func() error { _, err := r.Blocks(ctx, p[1]); return err },
		"search":      func() error { _, err := r.UsersSearch(ctx, p[0], "person", 0); return err },
		"user":        func() error { _, err := r.User(ctx, p[0], p[1].User); return err },
		"interest":    func() error { _, err := r.Interest(ctx, p[0], ids(p...)); return err },
		"typing":      func() error { return r.Typing(ctx, p[0], d, true) },
		"devices":     func() error { _, err := r.Devices(ctx, p[0]); return err },
		"new media": func() error {
			_, err := r.NewMedia(ctx, p[0], MediaRequest{Conversation: d, ContentType: "image/png", Size: 1, Name: "x"})
			return err
		},
		"finish media": func() error { _, err := r.FinishMedia(ctx, p[0], md); return err },
		"media":        func() error { _, err := r.MediaFor(ctx, p[0], md.ID); return err },
	}
	ports := []string{
		"Messages.", "Inbox.", "Conversations.", "Members.", "Listing.", "Watermarks.", "Users.", "Blocks.", "Media.", "Changes.", "Devices.",
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			for _, port := range ports {
				for nth := 1; nth < 20; nth++ {
					r.caches.clear()
					before := f.Calls(port)
					remove := f.Add(faultstore.Fault{Op: port, Nth: nth})
					err := call()
					remove()
					if f.Calls(port)-before < nth { // the call needs less of this port
						r.code(err, 0)
						break
					}
					if err != nil {
						r.code(err, chat.CodeUnavailable)
						continue
					}
					t.Logf("%s: call %d of %s may fail", name, nth, port)
				}
			}
			r.code(call(), 0)
		})
	}
}

// TestUnknownOutcomeOfAChange: a removal that the store did but didn't confirm holds at once.
func TestUnknownOutcomeOfAChange(t *testing.T) {
	r, f := faulty(t)
	p := r.people(2)
	g := r.create(p[0], chat.Group, "g", p[1])
	_, err := r.History(t.Context(), p[1], HistoryRequest{Conversation: g}) // now it is cached
	r.code(err, 0)
	f.Add(faultstore.Fault{Op: "Members.Change", Times: 1, Applied: true})
	r.code(r.RemoveMember(t.Context(), p[0], g, p[1].User), chat.CodeUnavailable)
	_, err = r.History(t.Context(), p[1], HistoryRequest{Conversation: g})
	r.code(err, chat.CodeForbidden)
	r.code(r.RemoveMember(t.Context(), p[0], g, p[1].User), chat.CodeNotFound)
}

// TestConflictsAreTriedAgain, but not for ever.
func TestConflictsAreTriedAgain(t *testing.T) {
	r, f := faulty(t)
	p := r.people(2)
	g := r.create(p[0], chat.Group, "g", p[1])
	f.Add(faultstore.Fault{Op: "Members.Change", Times: 5, Err: store.ErrConflict})
	r.code(r.SetRole(t.Context(), p[0], g, p[1].User, chat.RoleAdmin), 0)
	f.Add(faultstore.Fault{Op: "Members.Change", Err: store.ErrConflict})
	before := f.Calls("Members.Change")
	r.code(r.SetRole(t.Context(), p[0], g, p[1].User, chat.RoleMember), chat.CodeUnavailable)
	if n := f.Calls("Members.Change") - before; n != changeAttempts {
		t.Fatalf("%d attempts", n)
	}
}

// TestHeadsThatCantBeStoredWait for the next time.
func TestHeadsThatCantBeStoredWait(t *testing.T) {
	r, f := faulty(t)
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	msg := r.send(p[0], d, "x")
	f.Add(faultstore.Fault{Op: "Listing.PutHeads", Times: 1})
	r.flushHeads(t.Context())
	if r.heads.last(d) != msg.ID {
		t.Fatal("a head is lost")
	}
	r.flushHeads(t.Context())
	heads, err := r.store.Listing.Heads(t.Context(), []chat.ConversationID{d})
	if err != nil || heads[d].Last != msg.ID || r.heads.last(d) != 0 {
		t.Fatalf("%+v %v", heads, err)
	}
}

// TestMediaGoesBeforeItsMessage: a deletion that fails half way leaves no media of a message that shows as deleted.
func TestMediaGoesBeforeItsMessage(t *testing.T) {
	r, f := faulty(t)
	ctx := t.Context()
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	m, err := r.NewMedia(ctx, p[0], MediaRequest{Conversation: d, ContentType: "image/png", Size: 1, Name: "x"})
	r.code(err, 0)
	_, err = r.FinishMedia(ctx, p[0], m)
	r.code(err, 0)
	res, err := r.Send(ctx, p[0], SendRequest{Conversation: d, ClientMessage: chat.NewClientMessageID(time.Now()), ContentType: chat.Image, Media: m.ID})
	r.code(err, 0)
	for _, op := range []string{"Media.Delete", "Messages.Update"} {
		f.Add(faultstore.Fault{Op: op, Times: 1})
		_, _, err = r.Delete(ctx, p[0], d, res.Message.ID)
		r.code(err, chat.CodeUnavailable)
		msg, err := r.Message(ctx, p[1], d, res.Message.ID)
		r.code(err, 0)
		if msg.Deleted {
			t.Fatal("deleted, and the media may be there")
		}
	}
	_, _, err = r.Delete(ctx, p[0], d, res.Message.ID)
	r.code(err, 0)
	_, err = r.MediaFor(ctx, p[1], m.ID)
	r.code(err, chat.CodeNotFound)
}
