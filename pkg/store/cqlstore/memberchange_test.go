package cqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// newGroup makes a group of its creator and a user whose log nobody else writes.
func newGroup(t *testing.T, d *DB, extra ...chat.UserID) (chat.Conversation, chat.UserID) {
	t.Helper()
	now := time.Now()
	c := chat.Conversation{ID: chat.NewConversationID(now), Kind: chat.Group, Name: "g", CreatedBy: chat.NewUserID(now), CreatedAt: 5}
	m := store.MemberChange{Conversation: c.ID, Create: &c}
	for _, u := range append([]chat.UserID{c.CreatedBy}, extra...) {
		m.Set = append(m.Set, chat.Member{User: u, Role: chat.RoleAdmin, JoinedID: 1, LeftID: chat.NotLeft})
		m.Listed = append(m.Listed, u)
	}
	_, _, err := members{d}.Change(t.Context(), m)
	ok(t, err)
	return c, chat.NewUserID(now)
}

// joining adds a user, and tells two events about it.
func joining(c chat.Conversation, version int64, u chat.UserID) store.MemberChange {
	name := "renamed"
	ev := chat.Event{Kind: chat.EventConversation, Change: chat.ChangeMemberAdded, Conversation: c.ID, Message: 77, Actor: c.CreatedBy, Subject: u}
	renamed := ev
	renamed.Change = chat.ChangeRenamed
	return store.MemberChange{
		Conversation: c.ID, Version: version, Rename: &name, Set: []chat.Member{{User: u, Role: chat.RoleMember, JoinedID: 77, LeftID: chat.NotLeft}},
		Listed: []chat.UserID{u}, Unlisted: []chat.UserID{c.CreatedBy}, Log: []store.ChangeEntry{{Kind: store.LogMembers, Conversation: c.ID, User: u}},
		Fanout: []store.Fanout{{Event: ev, Recipients: []chat.UserID{u, c.CreatedBy}}, {Event: renamed, Recipients: []chat.UserID{u, c.CreatedBy}}},
	}
}

// Each statement of a change fails in turn, as if its maker died there: nothing is acked that isn't whole, and what was made
// but not told is told by the next who reads the conversation.
func testChangeFaults(t *testing.T, r *rig) {
	d, reader := r.open(t, 2*time.Second), r.open(t, 400*time.Millisecond)
	for _, f := range []*faulty{
		{purpose: "members", n: 1}, {purpose: "member_change", n: 1}, {purpose: "change", n: 1}, {purpose: "member_change", n: 2},
		{purpose: "member_change", n: 3}, {purpose: "inbox", n: 1}, {purpose: "inbox", n: 4}, {purpose: "member_change", n: 4},
	} {
		for _, after := range []bool{false, true} {
			f := &faulty{purpose: f.purpose, n: f.n, after: after}
			c, u := newGroup(t, d)
			begun, err := d.event()
			ok(t, err)
			d.intercepted(f.intercept, func() { _, _, err = members{d}.Change(t.Context(), joining(c, 1, u)) })
			what := fmt.Sprintf("%s %d, after %t", f.purpose, f.n, after)
			if !f.hit {
				t.Fatalf("%s: no such statement", what)
			}
			isCAS := f.purpose == "member_change" && f.n == 1
			isClear := f.purpose == "member_change" && f.n == 4
			if acked := err == nil; acked != (isCAS || isClear) {
				t.Fatalf("%s: %v", what, err) // the compare-and-set settles what it did, and clearing isn't awaited for
			} else if !acked && !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%s: %v", what, err)
			}
			ok(t, settle(reader)(t.Context()))
			m, err := members{reader}.Membership(t.Context(), c.ID)
			ok(t, err)
			log := reader.logSince(t, u, begun)
			if f.purpose == "members" { // before anything was written
				if m.Version != 1 || len(m.Members) != 1 || len(log) != 0 {
					t.Fatalf("%s: %+v, %v", what, m, log)
				}
				continue
			}
			if m.Version != 2 || len(m.Members) != 2 || m.Conversation.Name != "renamed" {
				t.Fatalf("%s: %+v", what, m)
			}
			kinds := make(map[chat.Change]int)
			for _, e := range log {
				kinds[e.Change]++
			}
			if kinds[chat.ChangeMemberAdded] == 0 || kinds[chat.ChangeRenamed] == 0 {
				t.Fatalf("%s: told %v", what, kinds)
			}
			for who, listed := range map[chat.UserID]bool{u: true, c.CreatedBy: false} {
				l, err := listing{reader}.Listed(t.Context(), who, c.ID)
				ok(t, err)
				if l.Listed != listed || l.Kind != chat.Group {
					t.Fatalf("%s: %+v, want listed %t", what, l, listed)
				}
			}
			entries, _, err := changes{reader}.Since(t.Context(), begun, 1000)
			ok(t, err)
			found := false
			for _, e := range entries {
				found = found || e.Conversation == c.ID && e.User == u
			}
			if !found {
				t.Fatalf("%s: not in the change log", what)
			}
			// The outbox is empty now: another look tells nothing.
			_, err = members{reader}.Membership(t.Context(), c.ID)
			ok(t, err)
			if again := reader.logSince(t, u, begun); len(again) != len(log) {
				t.Fatalf("%s: %d events, then %d", what, len(log), len(again))
			}
			// And the next change goes through.
			_, _, err = members{d}.Change(t.Context(), store.MemberChange{Conversation: c.ID, Version: 2, Unlisted: []chat.UserID{u}})
			ok(t, err)
		}
	}
}

// Sixteen changes at once of one conversation by two gateways: each is made once, and told.
func testConcurrentChanges(t *testing.T, r *rig) {
	gateways := []*DB{r.open(t, time.Second), r.open(t, time.Second)}
	c, _ := newGroup(t, gateways[0])
	watcher := chat.NewUserID(time.Now())
	begun, err := gateways[0].event()
	ok(t, err)
	var wg sync.WaitGroup
	added := make([]chat.UserID, 16)
	versions := make([]int64, len(added))
	for i := range added {
		added[i] = chat.NewUserID(time.Now())
		d := gateways[i%2]
		wg.Go(func() {
			for {
				m, err := members{d}.Membership(t.Context(), c.ID)
				if err == nil {
					versions[i], _, err = members{d}.Change(t.Context(), store.MemberChange{Conversation: c.ID, Version: m.Version,
						Set:    []chat.Member{{User: added[i], Role: chat.RoleMember, JoinedID: 5, LeftID: chat.NotLeft}},
						Fanout: []store.Fanout{{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeMemberAdded, Conversation: c.ID, Subject: added[i]}, Recipients: []chat.UserID{watcher}}}})
				}
				if err == nil {
					return
				}
				if !errors.Is(err, store.ErrConflict) {
					t.Errorf("change %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	m, err := members{gateways[0]}.Membership(t.Context(), c.ID)
	ok(t, err)
	if m.Version != 17 || len(m.Members) != 17 {
		t.Fatalf("version %d, %d members", m.Version, len(m.Members))
	}
	seen := make(map[int64]bool)
	for _, v := range versions {
		if seen[v] || v < 2 || v > 17 {
			t.Fatalf("versions %v", versions)
		}
		seen[v] = true
	}
	told := make(map[chat.UserID]int)
	for _, e := range gateways[0].logSince(t, watcher, begun) {
		told[e.Subject]++
	}
	for _, u := range added {
		if told[u] == 0 {
			t.Fatalf("one of %d changes was not told", len(added))
		}
	}
}

// A change of as many members as a group may have is one batch.
func testLargeChange(t *testing.T, r *rig) {
	d := r.open(t, 5*time.Second)
	all := make([]chat.UserID, chat.MaxGroupMembers-1)
	for i := range all {
		all[i] = chat.NewUserID(time.Now())
	}
	c, _ := newGroup(t, d, all...)
	m := store.MemberChange{Conversation: c.ID, Version: 1}
	for _, u := range all {
		m.Set = append(m.Set, chat.Member{User: u, Role: chat.RoleMember, JoinedID: 1, LeftID: 9})
	}
	m.Fanout = []store.Fanout{{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeMemberRemoved}, Recipients: all}}
	begun := time.Now()
	_, events, err := members{d}.Change(t.Context(), m)
	ok(t, err)
	t.Logf("a change of %d members took %s", len(all), time.Since(begun).Round(time.Millisecond))
	if log := d.logSince(t, all[77], events[0]-1); len(log) != 1 {
		t.Fatalf("%v", log)
	}
}

func randomOutbox(rng *rand.Rand) *outbox {
	users := make([]chat.UserID, 40)
	for i := range users {
		users[i] = chat.NewUserID(time.Now())
	}
	some := func() []chat.UserID {
		out := make([]chat.UserID, rng.IntN(20))
		for i := range out {
			out[i] = users[rng.IntN(len(users))]
		}
		return out
	}
	o := &outbox{nonce: nonce(users[0][8:]), stamp: rng.Int64(), kind: chat.Kind(1 + rng.IntN(3)), listed: some(), unlisted: some(),
		log: make([]store.ChangeEntry, rng.IntN(3)), fanouts: make([]store.Fanout, rng.IntN(5))}
	for range rng.IntN(pastChanges + 1) {
		o.past = append(o.past, nonce{byte(rng.IntN(256))})
	}
	for i := range o.log {
		o.log[i] = store.ChangeEntry{Kind: store.LogMembers, Conversation: chat.ConversationID(users[1]), User: users[2], Other: users[3], Device: chat.DeviceID(users[4]), Session: [32]byte{9}, Removed: i == 1}
	}
	for i := range o.fanouts {
		o.fanouts[i] = store.Fanout{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeLeft, Conversation: chat.ConversationID(users[1]), Message: 5, Actor: users[6], Subject: users[7]}, Recipients: some()}
		if i > 0 && rng.IntN(2) == 0 {
			o.fanouts[i].Recipients = o.fanouts[i-1].Recipients
		}
	}
	return o
}

func TestOutboxCodec(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		o := randomOutbox(rng)
		b := o.encode()
		got, err := decodeOutbox(b)
		ok(t, err)
		if !reflect.DeepEqual(got, o) {
			t.Fatalf("got  %+v\nwant %+v", got, o)
		}
		for n := 1; n < len(b); n++ {
			if _, err := decodeOutbox(b[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken", n, len(b))
			}
		}
		told, err := decodeOutbox(o.told().encode())
		ok(t, err)
		if !told.done || told.nonce != o.nonce || told.stamp != o.stamp || len(o.told().encode()) > outboxHead || !slices.Equal(told.past, o.past) {
			t.Fatalf("%+v", told)
		}
	}
	if o, err := decodeOutbox(nil); err != nil || !o.done {
		t.Fatal(o, err)
	}
}

func FuzzOutbox(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5 {
		f.Add(randomOutbox(rng).encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := decodeOutbox(b)
		if err != nil || len(b) == 0 {
			return
		}
		again, err := decodeOutbox(o.encode())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(o.encode(), again.encode()) {
			t.Fatal("another outbox came back")
		}
	})
}
