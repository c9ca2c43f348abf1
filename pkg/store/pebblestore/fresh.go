package pebblestore

import (
	"sync/atomic"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

const freshIDsKept = 16_384

// freshIDs tells the committer that a message id was certainly never written, so that the usual append needs no read.
// It remembers the newest ids written by this process; older ones, those of earlier processes and those that the clock
// hasn't made are not certain.
type freshIDs struct {
	reserved *atomic.Int64
	floor    chat.MessageID // ids up to it are not certain
	seen     map[chat.MessageID]struct{}
	ring     []chat.MessageID
	next     int
	newest   chat.MessageID // of all written by this engine
}

func newFreshIDs(reserved *atomic.Int64) *freshIDs {
	return &freshIDs{reserved: reserved, seen: make(map[chat.MessageID]struct{})}
}

// begin sets the floor: everything below was perhaps written by an earlier engine.
func (f *freshIDs) begin(floor chat.MessageID) { f.floor = floor }

func (f *freshIDs) certain(m chat.MessageID, last id.ID) bool {
	if m <= f.floor || m > chat.MessageID(last) || int64(m) >= f.reserved.Load() {
		return false
	}
	_, ok := f.seen[m]
	return !ok
}

func (f *freshIDs) add(m chat.MessageID) {
	f.newest = max(f.newest, m)
	if m <= f.floor {
		return
	}
	if _, ok := f.seen[m]; ok {
		return
	}
	f.seen[m] = struct{}{}
	if len(f.ring) < freshIDsKept {
		f.ring = append(f.ring, m)
		return
	}
	old := f.ring[f.next]
	delete(f.seen, old)
	f.floor = max(f.floor, old)
	f.ring[f.next] = m
	f.next = (f.next + 1) % freshIDsKept
}
