package service

import (
	"slices"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

func TestBlocks(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(4)
	d := r.create(p[0], chat.Direct, "", p[1])
	g := r.create(p[2], chat.Group, "g", p[0], p[1])
	mine := r.send(p[1], d, "before")
	r.code(r.Block(ctx, p[0], p[0].User), chat.CodeValidation, "userId")
	r.code(r.Block(ctx, p[0], chat.NewUserID(time.Now())), chat.CodeNotFound)
	r.code(r.Block(ctx, p[0], p[1].User), 0)
	r.code(r.Block(ctx, p[0], p[1].User), 0)
	list, err := r.Blocks(ctx, p[0])
	r.code(err, 0)
	if len(list) != 1 || list[0].ID != p[1].User || list[0].Password != "" {
		t.Fatalf("%+v", list)
	}

	_, err = r.Send(ctx, p[1], SendRequest{Conversation: d, ClientMessage: chat.NewClientMessageID(time.Now()), Content: "x", ContentType: chat.Text})
	r.code(err, chat.CodeForbidden)
	_, _, err = r.Edit(ctx, p[1], d, mine.ID, "x")
	r.code(err, chat.CodeForbidden)
	_, _, err = r.React(ctx, p[1], d, mine.ID, "👍")
	r.code(err, chat.CodeForbidden)
	_, _, err = r.Delete(ctx, p[1], d, mine.ID) // taking back is always possible
	r.code(err, 0)
	_, _, err = r.CreateConversation(ctx, p[1], CreateConversation{Kind: chat.Group, Participants: ids(p[0])})
	r.code(err, chat.CodeForbidden)
	own := r.create(p[1], chat.Group, "own")
	_, err = r.AddMembers(ctx, p[1], own, ids(p[0]))
	r.code(err, chat.CodeForbidden)
	r.send(p[1], g, "a group is shared still")

	r.pushes.take(0)
	for _, c := range []Caller{p[0], p[1]} {
		r.code(r.Typing(ctx, c, d, true), 0)
		states, err := r.PresenceOf(ctx, c, ids(p[0], p[1], p[2]))
		r.code(err, 0)
		if len(states) != 2 {
			t.Fatalf("%+v", states)
		}
	}
	r.code(r.Typing(ctx, p[1], g, true), 0)
	ps := r.pushes.take(chat.PushTyping)
	if len(ps) != 1 || !slices.Equal(ps[0].Recipients, ids(p[2])) || ps[0].Typing.Username == "" {
		t.Fatalf("%+v", ps)
	}
	// A block is found in the change log by other gateways.
	if !slices.ContainsFunc(r.changes(1), func(e store.ChangeEntry) bool {
		return e.Kind == store.LogBlock && e.User == p[0].User && e.Other == p[1].User
	}) {
		t.Fatal("no entry in the change log")
	}
	r.code(r.Unblock(ctx, p[0], p[1].User), 0)
	r.send(p[1], d, "after")

	r.code(r.Block(ctx, p[3], p[1].User), 0)
	_, _, err = r.CreateConversation(ctx, p[1], CreateConversation{Kind: chat.Direct, Participants: ids(p[3])})
	r.code(err, chat.CodeForbidden)
}

func TestPresenceIsShownToThoseWhoShareAConversation(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(6)
	r.create(p[0], chat.Direct, "", p[1])
	g := r.create(p[0], chat.Group, "g", p[2], p[5])
	r.create(p[0], chat.Channel, "c", p[3])
	r.code(r.RemoveMember(ctx, p[0], g, p[5].User), 0)
	r.here.Connected(p[1].User, p[1].Device)
	states, err := r.Interest(ctx, p[0], append(ids(p...), chat.NewUserID(time.Now())))
	r.code(err, 0)
	got := map[chat.UserID]bool{}
	for _, s := range states {
		got[s.User] = s.Online
	}
	if len(got) != 3 || !got[p[1].User] || got[p[2].User] {
		t.Fatalf("%+v", states)
	}
	_, err = r.Interest(ctx, p[0], make([]chat.UserID, 101))
	r.code(err, chat.CodeValidation, "userIds")
	_, err = r.Interest(ctx, p[0], nil)
	r.code(err, chat.CodeValidation, "userIds")
	// A change is told to those who asked, but no more after a block.
	r.pushes.take(0)
	r.announcePresence(ctx, chat.Presence{User: p[1].User, Online: true}, ids(p[0], p[2]))
	if ps := r.pushes.take(chat.PushPresence); len(ps) != 1 || len(ps[0].Recipients) != 2 {
		t.Fatalf("%+v", ps)
	}
	r.code(r.Block(ctx, p[1], p[0].User), 0)
	r.announcePresence(ctx, chat.Presence{User: p[1].User, Online: true}, ids(p[0], p[2]))
	if ps := r.pushes.take(chat.PushPresence); len(ps) != 1 || !slices.Equal(ps[0].Recipients, ids(p[2])) {
		t.Fatalf("%+v", ps)
	}
}

func TestTyping(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(3)
	g := r.create(p[0], chat.Group, "g", p[1], p[2])
	r.pushes.take(0)
	r.code(r.Typing(ctx, p[0], g, true), 0)
	r.code(r.Typing(ctx, p[0], g, true), 0) // at once again: nothing new
	ps := r.pushes.take(chat.PushTyping)
	if len(ps) != 1 || len(ps[0].Recipients) != 2 || slices.Contains(ps[0].Recipients, p[0].User) || !ps[0].Typing.On {
		t.Fatalf("%+v", ps)
	}
	r.code(r.Typing(ctx, p[0], g, false), 0)
	r.code(r.Typing(ctx, p[0], g, false), 0)
	if ps := r.pushes.take(chat.PushTyping); len(ps) != 1 || ps[0].Typing.On {
		t.Fatalf("%+v", ps)
	}
	ch := r.create(p[0], chat.Channel, "c", p[1])
	r.code(r.Typing(ctx, p[0], ch, true), 0)
	if ps := r.pushes.take(chat.PushTyping); len(ps) != 0 {
		t.Fatalf("%+v", ps)
	}
}

func TestUsers(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(3)
	list, err := r.UsersSearch(ctx, p[0], " person 1 ", 0)
	r.code(err, 0)
	if len(list) != 1 || list[0].ID != p[1].User || list[0].Password != "" {
		t.Fatalf("%+v", list)
	}
	_, err = r.UsersSearch(ctx, p[0], " ", 0)
	r.code(err, chat.CodeValidation, "query")
	_, err = r.UsersSearch(ctx, p[0], "x", 51)
	r.code(err, chat.CodeValidation, "limit")
	u, err := r.User(ctx, p[0], p[1].User)
	r.code(err, 0)
	if u.Password != "" || u.LastSeen != 0 || u.DisplayName == "" {
		t.Fatalf("%+v", u)
	}
	seen := int64(12345)
	r.code(r.store.Users.Update(ctx, p[1].User, store.UserChange{LastSeen: &seen}), 0)
	if u, _ = r.User(ctx, p[0], p[1].User); u.LastSeen != 0 {
		t.Fatal("a stranger sees when somebody was last here")
	}
	r.create(p[0], chat.Direct, "", p[1])
	if u, _ = r.User(ctx, p[0], p[1].User); u.LastSeen != seen {
		t.Fatalf("%+v", u)
	}
	_, err = r.User(ctx, p[0], chat.NewUserID(time.Now()))
	r.code(err, chat.CodeNotFound)
}

func TestRemoveDevice(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(1)[0]
	second := p
	second.Device, second.Session = chat.NewDeviceID(time.Now()), [32]byte{1}
	r.code(r.store.Sessions.Put(ctx, chat.Session{TokenHash: second.Session, User: p.User, Expires: 1 << 50}), 0)
	_, _, err := r.OpenDevice(ctx, second, "laptop", "test")
	r.code(err, 0)
	if ids, err := r.devices(ctx, p.User); err != nil || len(ids) != 2 {
		t.Fatal(ids, err)
	}
	r.code(r.RemoveDevice(ctx, p, chat.NewDeviceID(time.Now())), chat.CodeNotFound)
	r.pushes.take(0)
	r.code(r.RemoveDevice(ctx, p, second.Device), 0)
	var revoked []*chat.Push
	for _, c := range r.pushes.take(chat.PushControl) {
		if c.Control.Kind == chat.ControlRevoked {
			revoked = append(revoked, c)
		}
	}
	if len(revoked) != 2 || revoked[0].OnlyDevice != second.Device || revoked[1].Control.Session != second.Session {
		t.Fatalf("%+v", revoked)
	}
	if ids, err := r.devices(ctx, p.User); err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	if _, err := r.store.Sessions.Get(ctx, second.Session); err == nil {
		t.Fatal("the sign-in of a removed device lives")
	}
	list, err := r.Devices(ctx, p)
	r.code(err, 0)
	if len(list) != 1 || list[0].ID != p.Device {
		t.Fatalf("%+v", list)
	}
}

// TestADeviceThatNobodyWasToldOf: a server ends after it has written a second device and before it tells of it. Once the device
// comes back all know, also those who hold the first for the only one.
func TestADeviceThatNobodyWasToldOf(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	me := p[0]
	conv := r.create(me, chat.Direct, "", p[1])
	send := func() SendResult {
		t.Helper()
		res, err := r.Send(ctx, me, SendRequest{Conversation: conv, ClientMessage: chat.NewClientMessageID(r.now()), Content: "x", ContentType: chat.Text})
		r.code(err, 0)
		return res
	}
	var err error
	_, me.Sole, err = r.OpenDevice(ctx, me, "phone", "test")
	r.code(err, 0)
	if me.Sole == 0 {
		t.Fatal("a user's only device isn't known to be")
	}
	if res := send(); res.Event != 0 {
		t.Fatal("a message was logged for its sender's only device")
	}
	second := Caller{User: me.User, Device: chat.NewDeviceID(time.Now())}
	made := r.now().UnixMilli()
	r.code(r.store.Devices.Put(ctx, chat.Device{User: me.User, ID: second.Device, CreatedAt: made, SeenAt: made}), 0)
	if _, sole, err := r.OpenDevice(ctx, second, "laptop", "test"); err != nil || sole != 0 {
		t.Fatal(sole, err)
	}
	entries, _, err := r.store.Changes.Since(ctx, 1, 100)
	r.code(err, 0)
	if !slices.ContainsFunc(entries, func(e store.ChangeEntry) bool { return e.Kind == store.LogDevice && e.Device == second.Device }) {
		t.Error("gateways that were not told live won't know")
	}
	if told := r.pushes.take(chat.PushControl); len(told) != 1 || told[0].Control.Kind != chat.ControlNewDevice {
		t.Fatalf("%+v", told)
	}
	me.Sole = 0 // as the gateway does when it's told
	if res := send(); res.Event == 0 {
		t.Error("a message isn't in the log of its sender's other device")
	}
	if _, _, err := r.OpenDevice(ctx, second, "laptop", "test"); err != nil || len(r.pushes.take(chat.PushControl)) != 0 {
		t.Error("told twice")
	}
}

// TestAFirstDeviceIsSeen: who wrote over REST before they had a device has one.
func TestAFirstDeviceIsSeen(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	u := chat.User{ID: chat.NewUserID(time.Now()), Username: "firstdevice", CreatedAt: 1, Password: "secret"}
	r.code(r.store.Users.Create(ctx, u), 0)
	rest := Caller{User: u.ID}
	conv := r.create(rest, chat.Direct, "", p[1])
	send := func() chat.EventID {
		t.Helper()
		res, err := r.Send(ctx, rest, SendRequest{Conversation: conv, ClientMessage: chat.NewClientMessageID(r.now()), Content: "x", ContentType: chat.Text})
		r.code(err, 0)
		return res.Event
	}
	if send() != 0 {
		t.Error("a row in the log of somebody without a device")
	}
	r.code(r.store.Devices.Put(ctx, chat.Device{User: u.ID, ID: chat.NewDeviceID(time.Now()), CreatedAt: 1, SeenAt: 1}), 0) // by another gateway
	if send() == 0 {
		t.Error("the first device doesn't get what its user wrote elsewhere")
	}
}

func TestRateOfOtherActions(t *testing.T) {
	var rates [admit.NumLimits]admit.Rate
	rates[admit.LimitOther] = admit.Rate{Count: 3, Window: time.Minute}
	rates[admit.LimitTyping] = admit.Rate{Count: 1, Window: time.Minute}
	r := newRig(t, rates[:]...)
	ctx := t.Context()
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	r.code(r.Typing(ctx, p[0], d, true), 0)
	err := r.Typing(ctx, p[0], d, true)
	r.code(err, chat.CodeRateLimited)
	// A request of the wrong shape is refused for its shape and costs nothing.
	for range 5 {
		r.code(r.Block(ctx, p[0], p[0].User), chat.CodeValidation)
	}
	for range 2 {
		_, err = r.Conversation(ctx, p[0], d)
		r.code(err, 0)
	}
	_, err = r.Conversation(ctx, p[0], d)
	r.code(err, chat.CodeRateLimited)
	if e := err.(*chat.Error); e.RetryAfter <= 0 || e.RetryAfter > time.Minute {
		t.Fatal(e.RetryAfter)
	}
	r.code(r.Read(ctx, p[0], d, 1), chat.CodeRateLimited)
	_, err = r.Conversation(ctx, p[1], d)
	r.code(err, 0)
}

// A block that was taken back on another gateway refuses nobody, though word of it has not come here.
func TestABlockTakenBackElsewhere(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	r.code(r.Block(ctx, p[0], p[1].User), 0)
	say := func() error {
		_, err := r.Send(ctx, p[1], SendRequest{Conversation: d, ClientMessage: chat.NewClientMessageID(time.Now()), Content: "x", ContentType: chat.Text})
		return err
	}
	r.code(say(), chat.CodeForbidden)
	if err := r.store.Blocks.Set(ctx, p[0].User, p[1].User, false, time.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	r.code(say(), 0)
}
