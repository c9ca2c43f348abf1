package pebblestore

import (
	"sync/atomic"
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

func TestFreshIDsIsNeverWrong(t *testing.T) {
	var reserved atomic.Int64
	reserved.Store(1_000_000)
	f := newFreshIDs(&reserved)
	f.begin(100)
	last := id.ID(900_000)
	for _, m := range []chat.MessageID{1, 100, 900_001, 1_000_000} {
		if f.certain(m, last) {
			t.Errorf("%d: of before, not made yet, or not reserved", m)
		}
	}
	// Ids come almost in order, some late.
	written := make(map[chat.MessageID]bool)
	for i := chat.MessageID(101); i < 60_000; i++ {
		m := i ^ 7
		if f.certain(m, last) && written[m] {
			t.Fatalf("%d was written", m)
		}
		if !written[m] && i-101 < freshIDsKept/2 && m > 100 && !f.certain(m, last) {
			t.Fatalf("%d is fresh", m)
		}
		f.add(m)
		written[m] = true
	}
	for m := range written {
		if f.certain(m, last) {
			t.Fatalf("%d was written", m)
		}
	}
	if len(f.seen) != freshIDsKept || len(f.ring) != freshIDsKept {
		t.Fatalf("keeps %d ids", len(f.seen))
	}
}
