package pebblestore

import (
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Values of the tables that are off the per-message path, in the order of storage.md.

func putReaction(r chat.Reaction) []byte {
	return append(put64([]byte{valueVersion}, r.At), r.Emoji...)
}

func scanReaction(v []byte, u chat.UserID) (chat.Reaction, error) {
	s := scan(v)
	r := chat.Reaction{User: u, At: chat.MessageID(s.i64())}
	r.Emoji = s.rest()
	return r, s.end("reaction")
}

const claimLen = 1 + 8 + 16 + 16

func putClaim(b []byte, c *store.Claim) []byte {
	b = put64(append(b, valueVersion), c.Message)
	return append(append(b, c.Conversation[:]...), c.Digest[:]...)
}

func scanClaim(v []byte, u chat.UserID, key chat.ClientMessageID) (store.Claim, error) {
	s := scan(v)
	c := store.Claim{User: u, ClientMessage: key, Message: chat.MessageID(s.i64())}
	copy(c.Conversation[:], s.take(16))
	copy(c.Digest[:], s.take(16))
	return c, s.end("claim")
}

func putDevice(d *chat.Device) []byte {
	b := append([]byte{valueVersion}, d.Session[:]...)
	b = put64(put64(b, d.CreatedAt), d.SeenAt)
	return putText(putText(putText(b, d.Name), d.Kind), d.DC)
}

func scanDevice(v []byte, u chat.UserID, id chat.DeviceID) (chat.Device, error) {
	s := scan(v)
	d := chat.Device{User: u, ID: id, Session: s.hash()}
	d.CreatedAt, d.SeenAt = s.i64(), s.i64()
	d.Name, d.Kind, d.DC = s.text(), s.text(), s.text()
	return d, s.end("device")
}

func putAcks(base chat.EventID, beyond []chat.EventID) []byte {
	b := put64(append(make([]byte, 0, 9+8*len(beyond)), valueVersion), base)
	for _, e := range beyond {
		b = put64(b, e)
	}
	return b
}

func scanAcks(v []byte) (base chat.EventID, beyond []chat.EventID, err error) {
	s := scan(v)
	base = chat.EventID(s.i64())
	for !s.bad && len(s.b) > 0 {
		beyond = append(beyond, chat.EventID(s.i64()))
	}
	return base, beyond, s.end("acks")
}

// conversationRow is the conversation with the static version of its membership.
type conversationRow struct {
	chat.Conversation
	version int64
}

func putConversation(c *conversationRow) []byte {
	b := append([]byte{valueVersion, byte(c.Kind)}, c.Avatar[:]...)
	b = append(b, c.CreatedBy[:]...)
	return append(put64(put64(b, c.CreatedAt), c.version), c.Name...)
}

func scanConversation(v []byte, id chat.ConversationID) (conversationRow, error) {
	s := scan(v)
	c := conversationRow{Conversation: chat.Conversation{ID: id, Kind: chat.Kind(s.u8())}}
	copy(c.Avatar[:], s.take(16))
	copy(c.CreatedBy[:], s.take(16))
	c.CreatedAt, c.version = s.i64(), s.i64()
	c.Name = s.rest()
	return c, s.end("conversation")
}

func putMember(m *chat.Member) []byte {
	return put64(put64(put64([]byte{valueVersion, byte(m.Role)}, m.JoinedAt), m.JoinedID), m.LeftID)
}

func scanMember(v []byte, u chat.UserID) (chat.Member, error) {
	s := scan(v)
	m := chat.Member{User: u, Role: chat.Role(s.u8()), JoinedAt: s.i64()}
	m.JoinedID, m.LeftID = chat.MessageID(s.i64()), chat.MessageID(s.i64())
	return m, s.end("member")
}

func putListed(l *store.ListedConversation) []byte {
	b := []byte{valueVersion, byte(l.Kind)}
	return putBool(putBool(putBool(b, l.Muted), l.Archived), l.Listed)
}

func scanListed(v []byte, c chat.ConversationID) (store.ListedConversation, error) {
	s := scan(v)
	l := store.ListedConversation{Conversation: c, Kind: chat.Kind(s.u8())}
	l.Muted, l.Archived, l.Listed = s.u8() == 1, s.u8() == 1, s.u8() == 1
	return l, s.end("listed conversation")
}

func putHead(h *store.Head) []byte {
	b := append(put64([]byte{valueVersion}, h.Last), h.Sender[:]...)
	return append(b, h.Preview...)
}

func scanHead(v []byte, c chat.ConversationID) (store.Head, error) {
	s := scan(v)
	h := store.Head{Conversation: c, Last: chat.MessageID(s.i64())}
	copy(h.Sender[:], s.take(16))
	h.Preview = s.rest()
	return h, s.end("head")
}

func scanMark(v []byte, u chat.UserID) (chat.Receipt, error) {
	s := scan(v)
	r := chat.Receipt{User: u, DeliveredTo: chat.MessageID(s.i64()), ReadTo: chat.MessageID(s.i64())}
	return r, s.end("watermarks")
}

func scanCursor(v []byte) (int64, error) {
	s := scan(v)
	n := s.i64()
	return n, s.end("cursor")
}

func putUser(u *chat.User) []byte {
	b := append([]byte{valueVersion}, u.Avatar[:]...)
	b = put64(put64(b, u.LastSeen), u.CreatedAt)
	return putText(putText(putText(putText(b, u.Username), u.DisplayName), u.Password), u.External)
}

func scanUser(v []byte, id chat.UserID) (chat.User, error) {
	s := scan(v)
	u := chat.User{ID: id}
	copy(u.Avatar[:], s.take(16))
	u.LastSeen, u.CreatedAt = s.i64(), s.i64()
	u.Username, u.DisplayName, u.Password, u.External = s.text(), s.text(), s.text(), s.text()
	return u, s.end("user")
}

func putSession(x *chat.Session) []byte {
	b := append([]byte{valueVersion}, x.User[:]...)
	b = append(b, x.Device[:]...)
	b = put64(put64(put64(b, x.CreatedAt), x.SeenAt), x.Expires)
	return putText(putText(b, x.UserAgent), x.Address)
}

func scanSession(v []byte, hash [32]byte) (chat.Session, error) {
	s := scan(v)
	x := chat.Session{TokenHash: hash}
	copy(x.User[:], s.take(16))
	copy(x.Device[:], s.take(16))
	x.CreatedAt, x.SeenAt, x.Expires = s.i64(), s.i64(), s.i64()
	x.UserAgent, x.Address = s.text(), s.text()
	return x, s.end("session")
}

func putMedia(m *chat.Media) []byte {
	b := append([]byte{valueVersion}, m.Owner[:]...)
	b = append(append(b, m.Conversation[:]...), m.SHA256[:]...)
	b = put64(put64(b, m.Size), m.CreatedAt)
	b = put64(put64(b, int64(m.Width)), int64(m.Height))
	b = putBool(putBool(putBool(b, m.Avatar), m.Thumb), m.Ready)
	return putText(putText(b, m.ContentType), m.Name)
}

func scanMedia(v []byte, id chat.MediaID) (chat.Media, error) {
	s := scan(v)
	m := chat.Media{ID: id}
	copy(m.Owner[:], s.take(16))
	copy(m.Conversation[:], s.take(16))
	m.SHA256 = s.hash()
	m.Size, m.CreatedAt = s.i64(), s.i64()
	m.Width, m.Height = int(s.i64()), int(s.i64())
	m.Avatar, m.Thumb, m.Ready = s.u8() == 1, s.u8() == 1, s.u8() == 1
	m.ContentType, m.Name = s.text(), s.text()
	return m, s.end("media")
}

func putChange(c *store.ChangeEntry) []byte {
	b := append([]byte{valueVersion, byte(c.Kind)}, c.Conversation[:]...)
	b = append(append(b, c.User[:]...), c.Other[:]...)
	b = append(append(b, c.Device[:]...), c.Session[:]...)
	return putBool(b, c.Removed)
}

func scanChange(v []byte, id chat.EventID) (store.ChangeEntry, error) {
	s := scan(v)
	c := store.ChangeEntry{ID: id, Kind: store.ChangeKind(s.u8())}
	copy(c.Conversation[:], s.take(16))
	copy(c.User[:], s.take(16))
	copy(c.Other[:], s.take(16))
	copy(c.Device[:], s.take(16))
	c.Session = s.hash()
	c.Removed = s.u8() == 1
	return c, s.end("change")
}

func putLease(l *store.Lease) []byte {
	return append(put64(put64([]byte{valueVersion}, l.Counter), l.HighWater), l.Holder...)
}

func scanLease(v []byte, dc string, slot int) (store.Lease, error) {
	s := scan(v)
	l := store.Lease{DC: dc, Slot: slot, Counter: s.i64(), HighWater: s.i64()}
	l.Holder = s.rest()
	return l, s.end("lease")
}
