package pebblestore

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// rows are the tables' values: how to decode one and encode it again.
var rows = []struct {
	name   string
	sample []byte
	again  func([]byte) ([]byte, error)
}{
	{"message", putMessage(nil, &chat.Message{Sender: chat.UserID{1}, ClientMessageID: chat.ClientMessageID{2}, ContentType: chat.Image, Content: "héllo", MediaID: chat.MediaID{3}, ReplyTo: 4, Version: 5, EditedAt: 6}), func(b []byte) ([]byte, error) {
		m, buried, err := scanMessage(b, chat.ConversationID{}, 1)
		if buried {
			return buriedMessage(), err
		}
		if n := messageLen(&m); err == nil && n != len(putMessage(nil, &m)) {
			panic("messageLen is wrong")
		}
		return putMessage(nil, &m), err
	}},
	{"event", putEvent(nil, &chat.Event{Kind: 1, Change: 2, Conversation: chat.ConversationID{1}, Message: 3, Actor: chat.UserID{4}, Subject: chat.UserID{5}}), func(b []byte) ([]byte, error) {
		var e chat.Event
		err := scanEvent(b, 1, &e)
		return putEvent(nil, &e), err
	}},
	{"reaction", putReaction(chat.Reaction{Emoji: "👍", At: 9}), func(b []byte) ([]byte, error) {
		r, err := scanReaction(b, chat.UserID{})
		return putReaction(r), err
	}},
	{"claim", putClaim(nil, &store.Claim{Message: 1, Conversation: chat.ConversationID{2}, Digest: [16]byte{3}}), func(b []byte) ([]byte, error) {
		c, err := scanClaim(b, chat.UserID{}, chat.ClientMessageID{})
		return putClaim(nil, &c), err
	}},
	{"device", putDevice(&chat.Device{Name: "n", Kind: "k", DC: "d", CreatedAt: 1, SeenAt: 2, Session: [32]byte{3}}), func(b []byte) ([]byte, error) {
		d, err := scanDevice(b, chat.UserID{}, chat.DeviceID{})
		return putDevice(&d), err
	}},
	{"acks", putAcks(7, []chat.EventID{8, 9}), func(b []byte) ([]byte, error) {
		base, beyond, err := scanAcks(b)
		return putAcks(base, beyond), err
	}},
	{"conversation", putConversation(&conversationRow{Conversation: chat.Conversation{Kind: 2, Name: "n", Avatar: chat.MediaID{1}, CreatedBy: chat.UserID{2}, CreatedAt: 3}, version: 4}), func(b []byte) ([]byte, error) {
		c, err := scanConversation(b, chat.ConversationID{})
		return putConversation(&c), err
	}},
	{"member", putMember(&chat.Member{Role: 1, JoinedAt: 2, JoinedID: 3, LeftID: -1}), func(b []byte) ([]byte, error) {
		m, err := scanMember(b, chat.UserID{})
		return putMember(&m), err
	}},
	{"listed", putListed(&store.ListedConversation{Kind: 1, Muted: true, Listed: true}), func(b []byte) ([]byte, error) {
		l, err := scanListed(b, chat.ConversationID{})
		return putListed(&l), err
	}},
	{"head", putHead(&store.Head{Last: 1, Preview: "p", Sender: chat.UserID{2}}), func(b []byte) ([]byte, error) {
		h, err := scanHead(b, chat.ConversationID{})
		return putHead(&h), err
	}},
	{"user", putUser(&chat.User{Username: "u", DisplayName: "d", Password: "p", External: "e", Avatar: chat.MediaID{1}, LastSeen: 2, CreatedAt: 3}), func(b []byte) ([]byte, error) {
		u, err := scanUser(b, chat.UserID{})
		return putUser(&u), err
	}},
	{"session", putSession(&chat.Session{User: chat.UserID{1}, Device: chat.DeviceID{2}, CreatedAt: 3, SeenAt: 4, Expires: 5, UserAgent: "u", Address: "a"}), func(b []byte) ([]byte, error) {
		s, err := scanSession(b, [32]byte{})
		return putSession(&s), err
	}},
	{"media", putMedia(&chat.Media{Owner: chat.UserID{1}, Size: 2, Name: "n", ContentType: "t", Ready: true, Width: 3, Height: 4}), func(b []byte) ([]byte, error) {
		m, err := scanMedia(b, chat.MediaID{})
		return putMedia(&m), err
	}},
	{"change", putChange(&store.ChangeEntry{Kind: 1, User: chat.UserID{1}, Other: chat.UserID{2}, Removed: true}), func(b []byte) ([]byte, error) {
		c, err := scanChange(b, 1)
		return putChange(&c), err
	}},
	{"lease", putLease(&store.Lease{Holder: "h", Counter: 1, HighWater: 2}), func(b []byte) ([]byte, error) {
		l, err := scanLease(b, "", 0)
		return putLease(&l), err
	}},
	{"mark", append(metaValue(5), 0, 0, 0, 0, 0, 0, 0, 6), func(b []byte) ([]byte, error) {
		r, err := scanMark(b, chat.UserID{})
		return put64(metaValue(int64(r.DeliveredTo)), r.ReadTo), err
	}},
	{"cursor", metaValue(5), func(b []byte) ([]byte, error) {
		n, err := scanCursor(b)
		return metaValue(n), err
	}},
}

func TestRowsRoundTrip(t *testing.T) {
	for _, r := range rows {
		got, err := r.again(r.sample)
		if err != nil || !bytes.Equal(got, r.sample) {
			t.Errorf("%s: %x, %v; want %x", r.name, got, err, r.sample)
		}
		for n := range r.sample { // cut at every byte: an error or a shorter text, never a panic
			if got, err := r.again(r.sample[:n:n]); err == nil && !bytes.Equal(got, r.sample[:n]) {
				t.Errorf("%s cut at %d decodes to something else", r.name, n)
			}
		}
		newer := append([]byte(nil), r.sample...)
		newer[0] = valueVersion + 1
		if _, err := r.again(newer); err == nil {
			t.Errorf("%s: a newer version was read", r.name)
		}
	}
}

// FuzzRows decodes anything as any row: no panic, and what decodes encodes to something that decodes to the same.
func FuzzRows(f *testing.F) {
	for i, r := range rows {
		f.Add(uint8(i), r.sample)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		r := rows[int(which)%len(rows)]
		once, err := r.again(b)
		if err != nil {
			return
		}
		twice, err := r.again(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s: %x became %x, then %x (%v)", r.name, b, once, twice, err)
		}
	})
}

// FuzzMerge merges operands in two orders and groupings: the result must not depend on them.
func FuzzMerge(f *testing.F) {
	f.Add(byte(tabMark), uint64(1), uint64(2), uint64(3), uint64(4))
	f.Add(byte(tabChannel), uint64(9), uint64(0), uint64(9), uint64(1))
	f.Fuzz(func(t *testing.T, tab byte, a, b, c, d uint64) {
		if tab != tabMark {
			tab = tabChannel
		}
		operand := func(x, y uint64) []byte {
			v := metaValue(int64(x))
			if tab == tabMark {
				v = put64(v, int64(y))
			}
			return v
		}
		ops := [][]byte{operand(a, b), operand(c, d), operand(b, c), operand(d, a)}
		merge := func(order ...int) []byte {
			m, err := forwardOnly().Merge([]byte{tab}, ops[order[0]])
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range order[1:] {
				if err := m.MergeNewer(ops[i]); err != nil {
					t.Fatal(err)
				}
			}
			out, _, err := m.Finish(true)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if one, two := merge(0, 1, 2, 3), merge(3, 1, 0, 2); !reflect.DeepEqual(one, two) {
			t.Fatalf("%x and %x", one, two)
		}
	})
}

func TestAfter(t *testing.T) {
	for _, tc := range [][2][]byte{{{1, 2}, {1, 3}}, {{1, 0xff}, {2}}, {{0xff}, nil}} {
		if got := after(tc[0]); !bytes.Equal(got, tc[1]) {
			t.Errorf("after %x is %x", tc[0], got)
		}
	}
}
