// Package flight holds the claims of messages that are being committed by this process, so that of two attempts to send one
// message the second finds the first, whatever the stores of claims say meanwhile.
//
// Lock order: none, one shard's lock is held at a time and nothing is called under it.
package flight

import (
	"encoding/binary"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const shards = 1024

// Table is the claims under way. Its memory is theirs: a claim leaves with the last of its holders. The zero value isn't
// usable; see New.
type Table struct {
	shards [shards]shard
}

// Key is whose claim it is and which.
type Key struct {
	User          chat.UserID
	ClientMessage chat.ClientMessageID
}

// KeyOf returns the key of a claim.
func KeyOf(c store.Claim) Key { return Key{User: c.User, ClientMessage: c.ClientMessage} }

type shard struct {
	mu   sync.Mutex
	held map[Key]flight
	left uint64 // grows whenever a claim leaves
}

type flight struct {
	claim   store.Claim
	holders int
}

// New makes an empty table.
func New() *Table {
	t := &Table{}
	for i := range t.shards {
		t.shards[i].held = make(map[Key]flight)
	}
	return t
}

func (t *Table) shard(k Key) *shard {
	return &t.shards[binary.LittleEndian.Uint32(k.ClientMessage[12:])%shards]
}

// Join adds a holder to a claim that is under way. Otherwise it returns a mark for Enter.
func (t *Table) Join(k Key) (held store.Claim, mark uint64, ok bool) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.held[k]
	if ok {
		f.holders++
		s.held[k] = f
	}
	return f.claim, s.left, ok
}

// Enter puts a claim under way with one holder, unless its key is, or any claim may have left, since Join gave the mark: then
// what was found out since may be outdated, and the caller looks again.
func (t *Table) Enter(c store.Claim, mark uint64) bool {
	k := KeyOf(c)
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.held[k]; ok || s.left != mark {
		return false
	}
	s.held[k] = flight{claim: c, holders: 1}
	return true
}

// Move lets those who join later find another claim under the same key, if one is under way.
func (t *Table) Move(c store.Claim) {
	k := KeyOf(c)
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.held[k]; ok {
		f.claim = c
		s.held[k] = f
	}
}

// Done takes one holder away.
func (t *Table) Done(k Key) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.held[k]
	if !ok {
		return
	}
	if f.holders--; f.holders > 0 {
		s.held[k] = f
		return
	}
	delete(s.held, k)
	s.left++
}

// Len is the number of claims under way.
func (t *Table) Len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.held)
		s.mu.Unlock()
	}
	return n
}
