package localadmit

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/admit/flight"
)

const (
	// blockClaims is how many claims one block of the filter takes, at 16 bits each.
	blockClaims = 1 << 18
	blockWords  = blockClaims * 16 / 64
	// maxBlocks bounds the filter: 16 MiB, 8 million claims.
	maxBlocks = 32
	// keyAge is how far a v7 key's time may lie from the moment of its first use, and from now, for the filter to be asked.
	// A client whose clock is further off costs a look into the store for each message.
	keyAge = 10 * time.Second
)

// recent is a filter over the keys of the last minutes' claims: a key it doesn't know has no claim row, which spares
// the usual message a look into the store. It forgets whole blocks, the oldest first, and knows since when it is
// complete: since the process started at best.
type recent struct {
	seed maphash.Seed

	mu     sync.Mutex
	since  time.Time
	blocks []*block // oldest first
}

// block is a Bloom filter that keeps the bits of one key in one cache line.
type block struct {
	last  time.Time // of the newest claim in it
	count int
	bits  [blockWords]uint64
}

func newRecent(now time.Time) *recent { return &recent{seed: maphash.MakeSeed(), since: now} }

func (r *recent) hash(k flight.Key) uint64 {
	var b [32]byte
	copy(b[:16], k.User[:])
	copy(b[16:], k.ClientMessage[:])
	return maphash.Bytes(r.seed, b[:])
}

// bitsOf returns the cache line of a hash and its four bits (of 512) in it.
func bitsOf(h uint64) (line int, bits [4]uint16) {
	line = int((h>>36)%(blockWords/8)) * 8
	for i := range bits {
		bits[i] = uint16(h>>(9*i)) & 511
	}
	return line, bits
}

// unknown reports whether a key certainly has no claim yet. A key whose own time isn't known or isn't near, or that may
// have been used before the filter began, is not certain.
func (r *recent) unknown(k flight.Key, now time.Time) bool {
	made, ok := k.ClientMessage.Time()
	if !ok || now.Sub(made).Abs() >= keyAge {
		return false
	}
	line, bits := bitsOf(r.hash(k))
	r.mu.Lock()
	defer r.mu.Unlock()
	if made.Add(-keyAge).Before(r.since) {
		return false
	}
	for _, b := range r.blocks {
		if b.has(line, bits) {
			return false
		}
	}
	return true
}

// add enters a key before its claim is written.
func (r *recent) add(k flight.Key, now time.Time) {
	line, bits := bitsOf(r.hash(k))
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.blocks)
	if n == 0 || r.blocks[n-1].count >= blockClaims {
		// Claims older than twice keyAge are of no use: a key near now can't have been used then.
		for n > 0 && (n >= maxBlocks || now.Sub(r.blocks[0].last) > 3*keyAge) {
			r.since = r.blocks[0].last
			r.blocks = append(r.blocks[:0], r.blocks[1:]...)
			n--
		}
		r.blocks = append(r.blocks, &block{})
		n++
	}
	b := r.blocks[n-1]
	b.count++
	b.last = now
	for _, bit := range bits {
		b.bits[line+int(bit>>6)] |= 1 << (bit & 63)
	}
}

func (b *block) has(line int, bits [4]uint16) bool {
	for _, bit := range bits {
		if b.bits[line+int(bit>>6)]&(1<<(bit&63)) == 0 {
			return false
		}
	}
	return true
}
