package cqlstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// contents are the names of what a source holds, so that every port can be asked for all of it.
type contents struct {
	users         []chat.User
	devices       map[chat.UserID][]chat.DeviceID
	conversations []chat.Conversation
	members       map[chat.ConversationID][]chat.UserID
	messages      []store.Append
	buried        map[chat.MessageID]bool
	sessions      [][32]byte
	media         []chat.MediaID
	rows          int
}

var quiet = slog.New(slog.DiscardHandler)

// age is how far back the oldest rows lie: beyond what logs and claims are kept.
const age = 45 * 24 * time.Hour

// source is an embedded store whose clock can be moved: it begins in the past, and ends at the machine's time.
type source struct {
	db   *pebblestore.DB
	dir  string
	back atomic.Int64 // how far behind the machine's clock
}

func (s *source) now() time.Time { return time.Now().Add(-time.Duration(s.back.Load())) }

func openSource(t testing.TB, dir string, behind time.Duration) *source {
	t.Helper()
	s := &source{dir: dir}
	s.back.Store(int64(behind))
	clock := func(high id.ID, reserve func(context.Context, id.ID) error) (pebblestore.Clock, error) {
		return id.NewClock(id.ClockOptions{HighWater: high, Wall: s.now, Boot: func() time.Duration { return time.Duration(s.now().UnixNano()) }}), nil
	}
	db, err := pebblestore.Open(pebblestore.Options{Dir: dir, Logger: quiet, Now: s.now, NewClock: clock, NoSync: true, MemTableBytes: 4 << 20})
	require.NoError(t, err)
	s.db = db
	return s
}

// close reserves what the clock made, as a server's own clock would have, and closes the store.
func (s *source) close(t testing.TB) {
	t.Helper()
	require.NoError(t, s.db.Reserve(t.Context(), s.db.Clock().Last()+1))
	require.NoError(t, s.db.Close())
}

// filler writes random rows of every kind through the ports.
type filler struct {
	testing.TB
	*source
	store.Store
	*contents
	ctx context.Context
	r   *rand.Rand
}

// fill makes a store of at least rows rows.
func fill(t testing.TB, dir string, rows int, seed uint64) *contents {
	t.Helper()
	s := openSource(t, dir, age)
	f := &filler{TB: t, source: s, Store: s.db.Ports(), ctx: t.Context(), r: rand.New(rand.NewPCG(seed, 7)), contents: &contents{
		devices: make(map[chat.UserID][]chat.DeviceID), members: make(map[chat.ConversationID][]chat.UserID), buried: make(map[chat.MessageID]bool),
	}}
	for range max(20, rows/400) {
		f.user()
	}
	for range max(20, rows/300) {
		f.conversation()
	}
	step := age / time.Duration(rows/4+1)
	for f.rows < rows {
		f.back.Add(-int64(step))
		if f.back.Load() < 0 {
			f.back.Store(0)
		}
		f.something()
	}
	f.back.Store(0)
	for range 100 { // and some of today
		f.something()
	}
	f.finish()
	f.close(t)
	return f.contents
}

func (f *filler) ok(err error) {
	f.Helper()
	require.NoError(f, err)
}

func (f *filler) next() chat.MessageID {
	n, err := f.db.Clock().Next()
	f.ok(err)
	return chat.MessageID(n)
}

func (f *filler) one(of int) bool { return f.r.IntN(of) == 0 }

func pick[T any](f *filler, from []T) T { return from[f.r.IntN(len(from))] }

func (f *filler) hash() (h [32]byte) {
	for i := range h {
		h[i] = byte(f.r.Uint32())
	}
	return h
}

func (f *filler) text() string {
	if f.one(200) {
		return strings.Repeat("ü long one. ", 800)
	}
	return fmt.Sprintf("%d ✓ \x00 %s", f.r.Uint32(), strings.Repeat("x", f.r.IntN(60)))
}

func (f *filler) user() {
	at := f.now()
	n := len(f.users)
	u := chat.User{ID: chat.NewUserID(at), Username: fmt.Sprintf("user_%d.%d", n, f.r.IntN(100)), DisplayName: fmt.Sprintf("Ünal %d", n), CreatedAt: at.UnixMilli()}
	switch n % 4 {
	case 0:
		u.Password = "$argon2id$v=19$m=1,t=1,p=1$AAAA$BBBB"
	case 1:
		u.External = fmt.Sprintf("idp|%d", n)
	case 2:
		u.DisplayName, u.Avatar = "", chat.NewMediaID(at)
	}
	f.ok(f.Users.Create(f.ctx, u))
	if f.one(2) {
		seen, name := at.UnixMilli()+int64(f.r.IntN(1e6)), fmt.Sprintf("Neu %d", n)
		f.ok(f.Users.Update(f.ctx, u.ID, store.UserChange{LastSeen: &seen, DisplayName: &name}))
	}
	f.users = append(f.users, u)
	for range 1 + f.r.IntN(3) {
		d := chat.Device{User: u.ID, ID: chat.NewDeviceID(at), Name: "phone", Kind: "test", CreatedAt: at.UnixMilli(), SeenAt: at.UnixMilli(), Session: f.hash(), DC: "embedded"}
		if f.one(3) {
			d.AckedTo = chat.EventID(id.At(at))
		}
		f.ok(f.Devices.Put(f.ctx, d))
		f.devices[u.ID] = append(f.devices[u.ID], d.ID)
		if f.one(6) {
			f.ok(f.Devices.Delete(f.ctx, u.ID, d.ID))
			f.ok(f.Devices.SaveAcks(f.ctx, u.ID, d.ID, 5, []chat.EventID{6})) // late: a leftover
		}
		x := chat.Session{TokenHash: f.hash(), User: u.ID, Device: d.ID, CreatedAt: at.UnixMilli(), SeenAt: at.UnixMilli(), Expires: time.Now().Add(time.Duration(f.r.IntN(40)) * 24 * time.Hour).UnixMilli(), UserAgent: "agent", Address: "192.0.2.1"}
		f.ok(f.Sessions.Put(f.ctx, x))
		f.sessions = append(f.sessions, x.TokenHash)
		if f.one(8) {
			f.ok(f.Sessions.Delete(f.ctx, x.TokenHash))
		}
		f.rows += 2
	}
	f.rows += 3
}

func (f *filler) conversation() {
	at := f.now()
	c := chat.Conversation{ID: chat.NewConversationID(at), Kind: chat.Group, Name: "Gruppe", CreatedBy: pick(f, f.users).ID, CreatedAt: at.UnixMilli()}
	if f.one(2) {
		a, b := pick(f, f.users).ID, pick(f, f.users).ID
		if a == b {
			return
		}
		c = chat.Conversation{ID: chat.DirectID(a, b), Kind: chat.Direct, CreatedBy: a, CreatedAt: at.UnixMilli()}
		if f.members[c.ID] == nil {
			f.ok(f.Members.CreateDirect(f.ctx, c, a, b))
			f.conversations, f.members[c.ID] = append(f.conversations, c), []chat.UserID{a, b}
			f.rows += 5
		}
		return
	}
	if f.one(4) {
		c.Kind = chat.Channel
	}
	ch := store.MemberChange{Conversation: c.ID, Create: &c}
	for i, u := range f.users {
		if i%7 != f.r.IntN(7) || len(ch.Set) == 30 {
			continue
		}
		ch.Set = append(ch.Set, chat.Member{User: u.ID, Role: chat.Role(1 + f.r.IntN(2)), JoinedAt: at.UnixMilli(), JoinedID: f.next(), LeftID: chat.NotLeft})
		ch.Listed = append(ch.Listed, u.ID)
	}
	if len(ch.Set) == 0 {
		return
	}
	f.conversations, f.members[c.ID] = append(f.conversations, c), ch.Listed
	f.rows += 2 * len(ch.Set)
	ch.Fanout = []store.Fanout{{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeCreated, Conversation: c.ID, Message: f.next(), Actor: c.CreatedBy}, Recipients: f.to(c.ID, c.Kind)}}
	ch.Log = []store.ChangeEntry{{Kind: store.LogMembers, Conversation: c.ID}}
	version, _, err := f.Members.Change(f.ctx, ch)
	f.ok(err)
	if f.one(2) { // one leaves, the name changes
		m, name := ch.Set[0], "Anders ☃"
		m.LeftID = f.next()
		_, _, err := f.Members.Change(f.ctx, store.MemberChange{Conversation: c.ID, Version: version, Rename: &name, Set: []chat.Member{m}, Unlisted: []chat.UserID{m.User},
			Fanout: []store.Fanout{{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeLeft, Conversation: c.ID, Message: f.next(), Actor: m.User, Subject: m.User}, Recipients: f.to(c.ID, c.Kind)}}})
		f.ok(err)
	}
}

// to are those whose logs get an event.
func (f *filler) to(c chat.ConversationID, k chat.Kind) []chat.UserID {
	if k == chat.Channel {
		return []chat.UserID{chat.ChannelLog(c)}
	}
	return f.members[c]
}

func (f *filler) event(k chat.EventKind, a *store.Append) store.Fanout {
	return store.Fanout{Event: chat.Event{Kind: k, Conversation: a.Message.Conversation, Message: a.Message.ID, Actor: a.Message.Sender}, Recipients: a.Recipients}
}

// something writes a message, and now and then something about an earlier one.
func (f *filler) something() {
	c := pick(f, f.conversations)
	from := pick(f, f.members[c.ID])
	key := chat.NewClientMessageID(f.now())
	m := chat.Message{ID: f.next(), Conversation: c.ID, Sender: from, ClientMessageID: key, ContentType: chat.Text, Content: f.text()}
	if f.one(20) {
		m.ContentType, m.MediaID = chat.Image, f.blob(c.ID, from)
	}
	if len(f.messages) > 0 && f.one(5) {
		m.ReplyTo = pick(f, f.messages).Message.ID
	}
	a := store.Append{Message: m, Kind: c.Kind, Recipients: f.to(c.ID, c.Kind)}
	if !f.one(10) {
		a.Claim = store.Claim{User: from, ClientMessage: key, Message: m.ID, Conversation: c.ID, Digest: [16]byte(m.Conversation)}
		f.rows++
	}
	_, err := f.Messages.Append(f.ctx, &a)
	f.ok(err)
	f.messages = append(f.messages, a)
	f.rows += 1 + len(a.Recipients)
	old := pick(f, f.messages)
	ref := store.Ref{Conversation: old.Message.Conversation, Kind: old.Kind, Message: old.Message.ID}
	if f.buried[old.Message.ID] {
		return
	}
	switch f.r.IntN(12) {
	case 0, 1:
		_, _, err = f.Messages.Update(f.ctx, store.Update{Conversation: ref.Conversation, Kind: ref.Kind, Message: ref.Message, Version: f.next(), Content: f.text(), At: f.now().UnixMilli(), Delete: f.one(3), Fanout: f.event(chat.EventEdit, &old)})
	case 2, 3:
		_, err = f.Messages.React(f.ctx, store.React{Conversation: ref.Conversation, Kind: ref.Kind, Message: ref.Message, Fanout: f.event(chat.EventReaction, &old),
			Reaction: chat.Reaction{User: pick(f, f.members[ref.Conversation]), Emoji: pick(f, []string{"👍", "❤️", ""}), At: f.next()}})
		f.rows++
	case 4:
		if f.one(5) {
			err = f.Messages.Bury(f.ctx, ref)
			f.buried[ref.Message] = true
		}
	case 5:
		u := pick(f, f.members[c.ID])
		err = f.Watermarks.Put(f.ctx, []store.Mark{{Conversation: c.ID, User: u, DeliveredTo: m.ID, ReadTo: pick(f, []chat.MessageID{0, m.ID, old.Message.ID})}})
	case 6:
		d := pick(f, f.devices[from])
		err = f.Devices.SetCursor(f.ctx, from, d, chat.EventID(pick(f, f.messages).Message.ID), f.one(4))
		if err == nil && f.one(3) {
			err = f.Devices.SaveAcks(f.ctx, from, d, chat.EventID(old.Message.ID), []chat.EventID{chat.EventID(m.ID), chat.EventID(m.ID) + 1})
		}
	case 7:
		err = f.Listing.PutHeads(f.ctx, []store.Head{{Conversation: c.ID, Last: m.ID, Preview: "Vorschau", Sender: from}})
	case 8:
		err = f.Blocks.Set(f.ctx, from, pick(f, f.users).ID, !f.one(3), f.now().UnixMilli())
	case 9:
		if l, lerr := f.Listing.Listed(f.ctx, from, c.ID); lerr == nil {
			l.Muted, l.Archived = f.one(2), f.one(2)
			err = f.Listing.SetPreferences(f.ctx, from, l)
		}
	case 10:
		if c.Kind == chat.Channel {
			err = f.Channels.SetChannelCursor(f.ctx, from, pick(f, f.devices[from]), c.ID, chat.EventID(m.ID))
		}
	}
	f.ok(err)
}

func (f *filler) blob(c chat.ConversationID, owner chat.UserID) chat.MediaID {
	m := chat.Media{ID: chat.NewMediaID(f.now()), Owner: owner, Conversation: c, ContentType: "image/png", Size: int64(f.r.IntN(1e6)), Name: "bild.png", SHA256: f.hash(), Width: 640, Height: 480, Thumb: f.one(2), Ready: !f.one(4), CreatedAt: f.now().UnixMilli()}
	f.ok(f.Media.Put(f.ctx, m))
	f.media = append(f.media, m.ID)
	f.rows++
	return m.ID
}

// finish writes what must not lie in the past of the last events.
func (f *filler) finish() {
	f.ok(f.Changes.Append(f.ctx, []store.ChangeEntry{{Kind: store.LogProfile, User: f.users[0].ID}}))
	f.ok(f.Leases.Put(f.ctx, store.Lease{DC: "embedded", Slot: 3}, store.Lease{DC: "embedded", Slot: 3, Holder: "x", Counter: 1, HighWater: 9}))
}
