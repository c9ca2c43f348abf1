package pebblestore

import (
	"encoding/binary"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// Table prefixes: the first byte of every key. Values are never reused for another table. The comments give the rest of
// the key; ids are 16 raw bytes, message and event ids 8 bytes big endian, days 4 bytes big endian.
const (
	tabMeta     byte = 0x01 // name
	tabMessage  byte = 'M'  // conversation, message id
	tabReaction byte = 'R'  // conversation, message id, user
	tabInbox    byte = 'I'  // day, user, event id
	tabClaim    byte = 'C'  // 10-day window, user, client message id
	tabDevice   byte = 'E'  // user, device, part
	tabChannel  byte = 'Q'  // user, device, conversation; merged: max
	tabConv     byte = 'V'  // conversation
	tabMember   byte = 'P'  // conversation, user
	tabListed   byte = 'U'  // user, conversation
	tabHead     byte = 'J'  // conversation; merged: newest
	tabMark     byte = 'A'  // conversation, user; merged: max of each half
	tabUser     byte = 'T'  // user
	tabUsername byte = 'N'  // username
	tabExternal byte = 'X'  // external subject
	tabSearch   byte = 'S'  // lower-case name, 0, user
	tabSession  byte = 'Z'  // token hash
	tabSignIn   byte = 'Y'  // user, token hash
	tabBlock    byte = 'K'  // user, blocked
	tabMedia    byte = 'D'  // media
	tabUpload   byte = 'W'  // created at, media
	tabChange   byte = 'L'  // change id
	tabLease    byte = 'G'  // dc, 0, slot
)

// Parts of a device: one range read fetches a user's devices whole.
const (
	partDevice byte = iota
	partCursor      // merged: max
	partAcks
)

const (
	dayMillis   = 86_400_000
	claimMillis = 10 * dayMillis
	inboxDays   = 30
	claimDays   = 30
)

// dayOf is the inbox bucket of an event.
func dayOf(e chat.EventID) uint32 {
	return uint32((id.ID(e).UnixMillis() - id.EpochMillis) / dayMillis)
}

// dayStart is the smallest id of an inbox bucket.
func dayStart(day uint32) chat.EventID {
	return chat.EventID(id.AtMillis(int64(day)*dayMillis + id.EpochMillis))
}

// windowOf is the claims bucket of a message.
func windowOf(m chat.MessageID) uint32 {
	return uint32((id.ID(m).UnixMillis() - id.EpochMillis) / claimMillis)
}

// Appenders of key parts.
func put32(k []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(k, v) }
func put64[T ~int64](k []byte, v T) []byte {
	return binary.BigEndian.AppendUint64(k, uint64(v))
}

func messageKey(k []byte, c chat.ConversationID, m chat.MessageID) []byte {
	return put64(append(append(k, tabMessage), c[:]...), m)
}

func reactionKey(k []byte, c chat.ConversationID, m chat.MessageID, u chat.UserID) []byte {
	return append(put64(append(append(k, tabReaction), c[:]...), m), u[:]...)
}

const inboxKeyLen = 1 + 4 + 16 + 8

func inboxKey(k []byte, day uint32, u chat.UserID, e chat.EventID) []byte {
	return put64(append(put32(append(k, tabInbox), day), u[:]...), e)
}

func claimKey(k []byte, window uint32, u chat.UserID, c chat.ClientMessageID) []byte {
	return append(append(put32(append(k, tabClaim), window), u[:]...), c[:]...)
}

func deviceKey(k []byte, u chat.UserID, d chat.DeviceID, part byte) []byte {
	return append(append(append(append(k, tabDevice), u[:]...), d[:]...), part)
}

func channelKey(k []byte, u chat.UserID, d chat.DeviceID, c chat.ConversationID) []byte {
	return append(append(append(append(k, tabChannel), u[:]...), d[:]...), c[:]...)
}

// pairKey is the key of the tables keyed by two 16-byte ids.
func pairKey[A, B any](tab byte, a chat.ID[A], b chat.ID[B]) []byte {
	k := make([]byte, 0, 33)
	return append(append(append(k, tab), a[:]...), b[:]...)
}

// oneKey is the key of the tables keyed by one 16-byte id, and the prefix of those keyed by two.
func oneKey[A any](tab byte, a chat.ID[A]) []byte {
	return append(append(make([]byte, 0, 33), tab), a[:]...)
}

func textKey(tab byte, s string) []byte {
	return append(append(make([]byte, 0, 1+len(s)+17), tab), s...)
}

func searchKey(name string, u chat.UserID) []byte {
	return append(append(textKey(tabSearch, name), 0), u[:]...)
}

func hashKey(h [32]byte) []byte { return append(append(make([]byte, 0, 33), tabSession), h[:]...) }

func signInKey(u chat.UserID, h [32]byte) []byte {
	return append(append(append(make([]byte, 0, 49), tabSignIn), u[:]...), h[:]...)
}

func uploadKey(at int64, m chat.MediaID) []byte {
	return append(put64(append(make([]byte, 0, 25), tabUpload), at), m[:]...)
}

func changeKey(e chat.EventID) []byte { return put64(append(make([]byte, 0, 9), tabChange), e) }

func leaseKey(dc string, slot int) []byte {
	return put32(append(textKey(tabLease, dc), 0), uint32(slot))
}

// after is the smallest key above every key with a prefix.
func after(prefix []byte) []byte {
	k := append([]byte(nil), prefix...)
	for i := len(k) - 1; i >= 0; i-- {
		if k[i] != 0xff {
			k[i]++
			return k[:i+1]
		}
	}
	return nil
}
