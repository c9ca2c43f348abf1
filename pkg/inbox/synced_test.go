package inbox

import (
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat/id"
)

// After a crash ids start at the high water, ahead of the wall clock: what is said to be synced must not.
func TestSyncedIsNotAheadOfTheWallClock(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	if err := r.db.Clock().Merge(id.At(time.Now().Add(1500 * time.Millisecond))); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.post(t, "from the future")
	}
	p := r.connect(t, dev, 0)
	p.ackAllBatches(t)
	p.untilSynced(t, 1)
	now := time.Now().UnixMilli()
	p.mu.Lock()
	first := p.synced[0]
	p.mu.Unlock()
	if first > now {
		t.Errorf("synced up to %d ms from now", first-now)
	}
	if upTo, ok := p.dev.Synced(); ok && upTo > time.Now().UnixMilli() {
		t.Errorf("a heartbeat says synced up to %d ms from now", upTo-now)
	}
	p.close(t)
}
