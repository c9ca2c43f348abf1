package service

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

func TestCreateConversationChecksItsInput(t *testing.T) {
	r := newRig(t)
	p := r.people(3)
	many := make([]chat.UserID, chat.MaxGroupMembers)
	for i := range many {
		many[i] = chat.NewUserID(time.Now())
	}
	long := string(slices.Repeat([]rune{'ä'}, chat.MaxName+1))
	for name, c := range map[string]struct {
		req   CreateConversation
		field string
	}{
		"kind":         {CreateConversation{Participants: ids(p[1])}, "type"},
		"self":         {CreateConversation{Kind: chat.Direct, Participants: ids(p[0])}, "participantIds"},
		"nobody":       {CreateConversation{Kind: chat.Direct}, "participantIds"},
		"two":          {CreateConversation{Kind: chat.Direct, Participants: ids(p[1], p[2])}, "participantIds"},
		"direct name":  {CreateConversation{Kind: chat.Direct, Participants: ids(p[1]), Name: "x"}, "name"},
		"zero":         {CreateConversation{Kind: chat.Group, Participants: []chat.UserID{{}}}, "participantIds"},
		"unknown":      {CreateConversation{Kind: chat.Group, Participants: []chat.UserID{chat.NewUserID(time.Now())}}, "participantIds"},
		"too many":     {CreateConversation{Kind: chat.Group, Participants: many}, "participantIds"},
		"long name":    {CreateConversation{Kind: chat.Group, Name: long}, "name"},
		"control name": {CreateConversation{Kind: chat.Group, Name: "a\nb"}, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := r.CreateConversation(t.Context(), p[0], c.req)
			r.code(err, chat.CodeValidation, c.field)
		})
	}
}

func TestDirectConversationIsCreatedOnce(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	var wg sync.WaitGroup
	var mu sync.Mutex
	news := 0
	seen := map[chat.ConversationID]bool{}
	for i := range 16 {
		wg.Go(func() {
			v, created, err := r.CreateConversation(t.Context(), p[i%2], CreateConversation{Kind: chat.Direct, Participants: ids(p[0], p[1])})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[v.ID] = true
			if created {
				news++
			}
			if len(v.Participants) != 2 || v.ParticipantCount != 2 {
				t.Errorf("participants: %v", v.Participants)
			}
		})
	}
	wg.Wait()
	if news != 1 || len(seen) != 1 {
		t.Fatalf("%d created, %d conversations", news, len(seen))
	}
	for _, c := range p {
		if ev := r.events(c.User); len(ev) != 1 || ev[0].Change != chat.ChangeCreated {
			t.Fatalf("events: %v", ev)
		}
	}
	conv := chat.DirectID(p[0].User, p[1].User)
	_, err := r.AddMembers(t.Context(), p[0], conv, ids(r.people(1)[0]))
	r.code(err, chat.CodeForbidden)
	r.code(r.RemoveMember(t.Context(), p[0], conv, p[0].User), chat.CodeForbidden)
	_, err = r.ChangeConversation(t.Context(), p[0], conv, ConversationPatch{Name: ptr("x")})
	r.code(err, chat.CodeForbidden)
}

func ptr[T any](v T) *T { return &v }

func TestStrangersSeeNoDifference(t *testing.T) {
	r := newRig(t)
	p := r.people(3)
	group := r.create(p[0], chat.Group, "g", p[1])
	msg := r.send(p[0], group, "x")
	for _, conv := range []chat.ConversationID{group, chat.NewConversationID(time.Now())} {
		ctx, c := t.Context(), p[2]
		calls := map[string]error{}
		_, calls["conversation"] = r.Conversation(ctx, c, conv)
		_, calls["history"] = r.History(ctx, c, HistoryRequest{Conversation: conv})
		_, calls["message"] = r.Message(ctx, c, conv, msg.ID)
		_, _, calls["edit"] = r.Edit(ctx, c, conv, msg.ID, "y")
		_, _, calls["delete"] = r.Delete(ctx, c, conv, msg.ID)
		_, _, calls["react"] = r.React(ctx, c, conv, msg.ID, "👍")
		calls["typing"] = r.Typing(ctx, c, conv, true)
		_, calls["add"] = r.AddMembers(ctx, c, conv, ids(c))
		calls["remove"] = r.RemoveMember(ctx, c, conv, p[0].User)
		calls["leave"] = r.RemoveMember(ctx, c, conv, c.User)
		calls["role"] = r.SetRole(ctx, c, conv, c.User, chat.RoleAdmin)
		_, calls["rename"] = r.ChangeConversation(ctx, c, conv, ConversationPatch{Name: ptr("x")})
		_, _, calls["members"] = r.Members(ctx, c, conv, chat.UserID{}, 0)
		calls["preferences"] = r.SetPreferences(ctx, c, conv, ptr(true), nil)
		_, calls["media"] = r.NewMedia(ctx, c, MediaRequest{Conversation: conv, ContentType: "image/png", Size: 1, Name: "x"})
		var first string
		for name, err := range calls {
			r.code(err, chat.CodeForbidden)
			if first == "" {
				first = err.Error()
			}
			if err.Error() != first {
				t.Errorf("%s says %q, others %q", name, err, first)
			}
		}
	}
}

func TestRolesAndTheLastAdmin(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(4)
	g := r.create(p[0], chat.Group, "g", p[1])
	_, err := r.AddMembers(ctx, p[1], g, ids(p[2]))
	r.code(err, chat.CodeForbidden)
	_, err = r.AddMembers(ctx, p[0], g, ids(p[2], p[2], p[1]))
	r.code(err, 0)
	if ev := r.lastEvent(p[1].User); ev.Change != chat.ChangeMemberAdded || ev.Subject != p[2].User || ev.Actor != p[0].User {
		t.Fatalf("event %+v", ev)
	}
	if n := len(r.events(p[2].User)); n != 1 {
		t.Fatalf("the new member has %d events", n)
	}
	r.code(r.SetRole(ctx, p[1], g, p[1].User, chat.RoleAdmin), chat.CodeForbidden)
	r.code(r.SetRole(ctx, p[0], g, p[3].User, chat.RoleAdmin), chat.CodeNotFound)
	r.code(r.SetRole(ctx, p[0], g, p[0].User, chat.RoleMember), chat.CodeConflict, "role")
	r.code(r.SetRole(ctx, p[0], g, p[0].User, 0), chat.CodeValidation, "role")
	r.code(r.SetRole(ctx, p[0], g, p[2].User, chat.RoleAdmin), 0)
	r.code(r.SetRole(ctx, p[2], g, p[0].User, chat.RoleMember), 0)
	r.code(r.RemoveMember(ctx, p[0], g, p[1].User), chat.CodeForbidden)

	// The last admin leaves: p[0] and p[1] joined together and longest ago, the smaller id decides.
	r.pushes.take(0)
	r.code(r.RemoveMember(ctx, p[2], g, p[2].User), 0)
	heir := p[0]
	if p[1].User.Compare(p[0].User) < 0 {
		heir = p[1]
	}
	if r.row(g, heir.User).Role != chat.RoleAdmin {
		t.Fatal("the longest-standing member is no admin")
	}
	pushes := r.pushes.take(chat.PushConversation)
	if len(pushes) != 2 || pushes[0].Event.Change != chat.ChangeLeft || pushes[1].Event.Change != chat.ChangeMemberRole {
		t.Fatalf("pushes %+v", pushes)
	}
	if !slices.Contains(pushes[0].Recipients, p[2].User) || slices.Contains(pushes[1].Recipients, p[2].User) {
		t.Fatal("who leaves must hear of it, and of nothing after it")
	}
	if pushes[1].Conversation.Role != chat.RoleAdmin || pushes[1].Conversation.Subject != heir.User {
		t.Fatalf("%+v", pushes[1].Conversation)
	}
	_, err = r.Conversation(ctx, p[2], g)
	r.code(err, chat.CodeForbidden)

	// A removed member hears of it and can come back, without what was said in between.
	before := r.send(heir, g, "before")
	r.code(r.RemoveMember(ctx, heir, g, p[2].User), chat.CodeNotFound)
	_, err = r.AddMembers(ctx, heir, g, ids(p[2]))
	r.code(err, 0)
	after := r.send(heir, g, "after")
	page, err := r.History(ctx, p[2], HistoryRequest{Conversation: g})
	r.code(err, 0)
	if texts(page.Messages) != "after" || page.HasMore {
		t.Fatalf("history of who came back: %q", texts(page.Messages))
	}
	_, err = r.Message(ctx, p[2], g, before.ID)
	r.code(err, chat.CodeNotFound)
	_, err = r.Message(ctx, p[2], g, after.ID)
	r.code(err, 0)
	if row := r.row(g, p[2].User); row.Role != chat.RoleMember {
		t.Fatal("came back as an admin")
	}

	// Everybody leaves.
	for _, c := range []Caller{p[0], p[1], p[2]} {
		r.code(r.RemoveMember(ctx, c, g, c.User), 0)
	}
	_, err = r.Conversation(ctx, p[0], g)
	r.code(err, chat.CodeForbidden)
}

func TestGroupHolds256(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(chat.MaxGroupMembers + 1)
	g := r.create(p[0], chat.Group, "big", p[1:200]...)
	_, err := r.AddMembers(ctx, p[0], g, ids(p[200:257]...))
	r.code(err, chat.CodeValidation, "userIds")
	_, err = r.AddMembers(ctx, p[0], g, ids(p[200:256]...))
	r.code(err, 0)
	_, err = r.AddMembers(ctx, p[0], g, ids(p[256]))
	r.code(err, chat.CodeValidation, "userIds")
	v, err := r.Conversation(ctx, p[255], g)
	r.code(err, 0)
	if len(v.Participants) != chat.MaxGroupMembers {
		t.Fatal(len(v.Participants))
	}
	var got []chat.UserID
	after := chat.UserID{}
	for {
		list, more, err := r.Members(ctx, p[3], g, after, 100)
		r.code(err, 0)
		for i := range list {
			got = append(got, list[i].ID)
			if list[i].Password != "" {
				t.Fatal("a password is shown")
			}
		}
		if !more {
			break
		}
		after = list[len(list)-1].ID
	}
	if len(got) != chat.MaxGroupMembers || !slices.IsSortedFunc(got, chat.UserID.Compare) {
		t.Fatalf("%d members paged", len(got))
	}
}

func TestChannels(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(5)
	ch := r.create(p[0], chat.Channel, "news", p[1], p[2])
	_, err := r.Send(ctx, p[1], SendRequest{Conversation: ch, ClientMessage: chat.NewClientMessageID(time.Now()), Content: "x", ContentType: chat.Text})
	r.code(err, chat.CodeForbidden)
	n := len(r.events(p[1].User))
	r.pushes.take(0)
	msg := r.send(p[0], ch, "news")
	if len(r.events(p[1].User)) != n {
		t.Fatal("a channel's message is in an inbox")
	}
	if ps := r.pushes.take(chat.PushMessage); len(ps) != 1 || !ps[0].Channel {
		t.Fatalf("%+v", ps)
	}
	_, _, err = r.React(ctx, p[1], ch, msg.ID, "👍")
	r.code(err, 0)
	if ps := r.pushes.take(chat.PushReaction); len(ps) != 1 || !ps[0].Channel || len(ps[0].Recipients) != 0 {
		t.Fatalf("%+v", ps)
	}
	_, err = r.AddMembers(ctx, p[0], ch, ids(p[3], p[4]))
	r.code(err, 0)
	if len(r.events(p[1].User)) != n || len(r.events(p[3].User)) != 1 {
		t.Fatal("a channel tells the newcomer only")
	}
	_, err = r.Message(ctx, p[3], ch, msg.ID)
	r.code(err, chat.CodeNotFound)
	v, err := r.Conversation(ctx, p[1], ch)
	r.code(err, 0)
	if v.ParticipantCount != 5 || len(v.Participants) != 1 || v.Unread != 1 || v.LastMessage == nil {
		t.Fatalf("%+v", v)
	}
	r.code(r.RemoveMember(ctx, p[0], ch, p[4].User), 0)
	list, more, err := r.Members(ctx, p[1], ch, chat.UserID{}, 2)
	r.code(err, 0)
	if len(list) != 2 || !more {
		t.Fatalf("%d %v", len(list), more)
	}
	list, more, err = r.Members(ctx, p[1], ch, list[1].ID, 2)
	r.code(err, 0)
	if len(list) != 2 || more {
		t.Fatalf("%d %v", len(list), more)
	}
	// The only admin leaves.
	r.code(r.RemoveMember(ctx, p[0], ch, p[0].User), 0)
	admins := 0
	for _, c := range p[1:4] {
		row := r.row(ch, c.User)
		if row.Role == chat.RoleAdmin {
			admins++
			if c == p[3] {
				t.Fatal("a newcomer inherited")
			}
		}
	}
	if admins != 1 {
		t.Fatalf("%d admins", admins)
	}
}

func TestRenameAndAvatar(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	g := r.create(p[0], chat.Group, "old", p[1])
	_, err := r.ChangeConversation(ctx, p[1], g, ConversationPatch{Name: ptr("new")})
	r.code(err, chat.CodeForbidden)
	_, err = r.ChangeConversation(ctx, p[0], g, ConversationPatch{Name: ptr(" ")})
	r.code(err, chat.CodeValidation, "name")
	media, err := r.NewMedia(ctx, p[0], MediaRequest{Avatar: true, ContentType: "image/png", Size: 3, Name: "a.png"})
	r.code(err, 0)
	_, err = r.ChangeConversation(ctx, p[0], g, ConversationPatch{Avatar: &media.ID})
	r.code(err, chat.CodeValidation, "avatarId")
	_, err = r.FinishMedia(ctx, p[0], media)
	r.code(err, 0)
	v, err := r.ChangeConversation(ctx, p[0], g, ConversationPatch{Name: ptr("new"), Avatar: &media.ID})
	r.code(err, 0)
	if v.Name != "new" || v.Avatar != media.ID {
		t.Fatalf("%+v", v)
	}
	if ev := r.lastEvent(p[1].User); ev.Change != chat.ChangeRenamed {
		t.Fatalf("%+v", ev)
	}
	n := len(r.events(p[1].User))
	_, err = r.ChangeConversation(ctx, p[0], g, ConversationPatch{Name: ptr("new")})
	r.code(err, 0)
	if len(r.events(p[1].User)) != n {
		t.Fatal("nothing changed, and an event tells of it")
	}
}

// TestMembershipInvariants lets many people change one group at once, at random: there is always an admin while there
// are members, never more than fit, and the log that each gateway follows leads to the stored rows.
func TestMembershipInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t)
		ctx := context.Background()
		p := r.people(8)
		g := r.create(p[0], chat.Group, "g", p[1:4]...)
		after := r.changes(1)[len(r.changes(1))-1].ID
		type op struct{ who, whom, what int }
		ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
			return op{rapid.IntRange(0, 7).Draw(t, "who"), rapid.IntRange(0, 7).Draw(t, "whom"), rapid.IntRange(0, 4).Draw(t, "what")}
		}), 20, 60).Draw(rt, "ops")
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := w; i < len(ops); i += 4 {
					o := ops[i]
					var err error
					switch o.what {
					case 0:
						_, err = r.AddMembers(ctx, p[o.who], g, ids(p[o.whom]))
					case 1:
						err = r.RemoveMember(ctx, p[o.who], g, p[o.whom].User)
					case 2:
						err = r.RemoveMember(ctx, p[o.who], g, p[o.who].User)
					case 3:
						err = r.SetRole(ctx, p[o.who], g, p[o.whom].User, chat.RoleAdmin)
					case 4:
						err = r.SetRole(ctx, p[o.who], g, p[o.whom].User, chat.RoleMember)
					}
					if err != nil && (chat.CodeOf(err) == chat.CodeUnavailable || chat.CodeOf(err) == chat.CodeInternal) {
						rt.Error(err)
					}
					checkGroup(rt, r, g, p)
				}
			})
		}
		wg.Wait()
		m := checkGroup(rt, r, g, p)
		if log := r.changes(after); int64(len(log)) != m.Version-1 {
			rt.Errorf("%d changes in the log, version %d", len(log), m.Version)
		}
		cached, err := r.membership(ctx, g)
		if err != nil || cached.Version != m.Version {
			rt.Errorf("the cache has version %v, the store %d: %v", cached, m.Version, err)
		}
	})
}

func checkGroup(t *rapid.T, r *rig, g chat.ConversationID, p []Caller) *chat.Membership {
	m, err := r.store.Members.Membership(context.Background(), g)
	if err != nil {
		t.Fatal(err)
	}
	active, admins := 0, 0
	for _, row := range m.Members {
		if row.Active() {
			active++
			if row.Role == chat.RoleAdmin {
				admins++
			}
		}
	}
	if active > 0 && admins == 0 {
		t.Errorf("%d members and no admin at version %d", active, m.Version)
	}
	if active > chat.MaxGroupMembers {
		t.Errorf("%d members", active)
	}
	return m
}

// TestGroupSizeUnderRaces fills the last places of a group from many sides.
func TestGroupSizeUnderRaces(t *testing.T) {
	r := newRig(t)
	p := r.people(chat.MaxGroupMembers + 12)
	g := r.create(p[0], chat.Group, "big", p[1:250]...)
	var wg sync.WaitGroup
	for _, c := range p[250:] {
		wg.Go(func() {
			_, err := r.AddMembers(t.Context(), p[0], g, ids(c))
			if err != nil && chat.CodeOf(err) != chat.CodeValidation {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m, err := r.store.Members.Membership(t.Context(), g)
	if err != nil || len(m.Members) != chat.MaxGroupMembers {
		t.Fatalf("%d members, %v", len(m.Members), err)
	}
}

// TestChangesFromTwoGateways: two services on one store, so that the conditional batch decides, not the queue.
func TestChangesFromTwoGateways(t *testing.T) {
	r := newRig(t)
	other := New(Options{Store: r.store, Clock: r.clock, Router: r.pushes, Admit: r.admit, Log: r.log})
	p := r.people(2)
	g := r.create(p[0], chat.Group, "g", p[1])
	r.code(r.SetRole(t.Context(), p[0], g, p[1].User, chat.RoleAdmin), 0)
	for range 30 {
		var wg sync.WaitGroup
		for i, s := range []*Service{r.Service, other} {
			wg.Go(func() {
				err := s.SetRole(t.Context(), p[i], g, p[1-i].User, chat.RoleMember)
				if err != nil && chat.CodeOf(err) != chat.CodeForbidden && chat.CodeOf(err) != chat.CodeConflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		a, b := r.row(g, p[0].User).Role, r.row(g, p[1].User).Role
		if a != chat.RoleAdmin && b != chat.RoleAdmin {
			t.Fatal("no admin")
		}
		for i, role := range []chat.Role{a, b} {
			if role == chat.RoleAdmin {
				r.code(r.SetRole(t.Context(), p[i], g, p[1-i].User, chat.RoleAdmin), 0)
			}
		}
	}
	// What one did, the other's cache learns by the log.
	if err := other.pollChanges(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.membership(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	r.code(r.RemoveMember(t.Context(), p[0], g, p[1].User), 0)
	if err := other.pollChanges(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := other.History(t.Context(), p[1], HistoryRequest{Conversation: g})
	r.code(err, chat.CodeForbidden)
	if log := r.changes(1); !slices.ContainsFunc(log, func(e store.ChangeEntry) bool { return e.Kind == store.LogMembers && e.Conversation == g }) {
		t.Fatal("no entry in the change log")
	}
}
