package service

import (
	"encoding/binary"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
)

// recentSlots is how many entries each table of recents has: at 100 messages a second, those of more than a minute.
const recentSlots = 1 << 13

// recents remembers what the store was told, or is known to hold, of late, so that it isn't asked. It is of one size: what is newer
// takes the place of something older, and whoever finds nothing asks the store.
type recents struct {
	mu       sync.Mutex
	messages [recentSlots]recentMessage
	reads    [recentSlots]recentRead
}

// recentMessage is a message that reached somebody here: it is stored.
type recentMessage struct {
	conv chat.ConversationID
	id   chat.MessageID
}

// recentRead is a read mark as it was stored by this gateway; there may be a later one of another's.
type recentRead struct {
	key  markKey
	upTo chat.MessageID
}

func messageSlot(m chat.MessageID) uint64 { return uint64(m) * 0x9e3779b97f4a7c15 >> 51 }

func readSlot(k markKey) uint64 {
	return (binary.LittleEndian.Uint64(k.conv[8:]) ^ binary.LittleEndian.Uint64(k.user[8:])) * 0x9e3779b97f4a7c15 >> 51
}

// noteMessage remembers that a conversation holds a message.
func (r *recents) noteMessage(c chat.ConversationID, m chat.MessageID) {
	r.mu.Lock()
	r.messages[messageSlot(m)] = recentMessage{c, m}
	r.mu.Unlock()
}

// holds reports whether a conversation is known to hold a message.
func (r *recents) holds(c chat.ConversationID, m chat.MessageID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages[messageSlot(m)] == recentMessage{c, m}
}

// noteRead remembers that a read mark was stored.
func (r *recents) noteRead(k markKey, upTo chat.MessageID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := &r.reads[readSlot(k)]; s.key != k || s.upTo < upTo {
		*s = recentRead{k, upTo}
	}
}

// readTo returns up to where a member is known to have read, 0 if nothing is known.
func (r *recents) readTo(k markKey) chat.MessageID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := &r.reads[readSlot(k)]; s.key == k {
		return s.upTo
	}
	return 0
}
