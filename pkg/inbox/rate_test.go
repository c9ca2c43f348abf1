package inbox

import (
	"fmt"
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
)

// TestMoreIsAckedThanTheHorizonPasses: a device in a busy group acks more events, before the horizon has passed them, than are
// remembered. It gets everything all the same, the rest from the log, and its cursor arrives.
func TestMoreIsAckedThanTheHorizonPasses(t *testing.T) {
	r, hold := trailingRig(t)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	got := make(map[chat.EventID]int)
	seen, batches, refused := 0, 0, 0
	ack := func() {
		p.mu.Lock()
		news := append([]chat.Push(nil), p.got[seen:]...)
		var last chat.EventID
		if len(p.batches) > batches {
			last = p.batches[len(p.batches)-1].Last
		}
		seen, batches = len(p.got), len(p.batches)
		p.mu.Unlock()
		for i := range news {
			got[news[i].Event.ID]++
			p.dev.AckEvents(news[i].Event.ID)
		}
		if last != 0 {
			p.dev.AckBatch(last)
		}
	}
	const n = 2*maxAcked + 500
	var last chat.EventID
	for i := range n {
		x := r.post(t, fmt.Sprint(i))
		last = x.Event.ID
		if !p.show(x) {
			refused++
		}
		ack()
		if i == n/2 {
			hold.move(last)
		}
	}
	p.until(t, "everything", func() bool {
		p.mu.Unlock()
		ack()
		p.mu.Lock()
		return len(got) == n
	})
	if refused == 0 {
		t.Error("nothing was left to the log")
	}
	again := 0
	for _, k := range got {
		again += k - 1
	}
	t.Logf("%d events, %d refused live, %d came twice, %d batches", n, refused, again, batches)
	hold.move(last)
	p.until(t, "the cursor at the end", func() bool { return r.stored(t, dev).AckedTo == last })
	p.close(t)
}

// TestAcksAreBoundedWhileTheHorizonStandsStill: with a clock that can't be trusted the horizon doesn't move. What a device acks
// then is remembered up to a bound; the rest waits in the log.
func TestAcksAreBoundedWhileTheHorizonStandsStill(t *testing.T) {
	r, hold := trailingRig(t)
	dev := r.device(t)
	const n = 3 * maxAcked
	var last chat.EventID
	for i := range n {
		last = r.post(t, fmt.Sprint(i)).Event.ID
	}
	p := r.connect(t, dev, 0)
	acked, most := 0, 0
	// ackMore acks the batches that came and returns how many events did. It is called with p.mu held, as until does.
	ackMore := func() int {
		for acked < len(p.batches) {
			upTo := p.batches[acked].Last
			acked++
			p.mu.Unlock()
			p.dev.AckBatch(upTo)
			p.mu.Lock()
		}
		p.mu.Unlock() // a device that is stepping holds its own lock when it takes this one
		p.dev.mu.Lock()
		if w := p.dev.main.w; w != nil {
			most = max(most, len(w.acked))
		}
		p.dev.mu.Unlock()
		p.mu.Lock()
		return len(p.got)
	}
	p.until(t, "the bound", func() bool { return ackMore() >= 2*maxAcked })
	for range 3 {
		p.dev.step(r.ctx)
		p.mu.Lock()
		ackMore()
		p.mu.Unlock()
	}
	if most > 2*maxAcked+chat.MaxBatch {
		t.Errorf("%d acks are remembered", most)
	}
	hold.move(last)
	p.until(t, "everything", func() bool { return ackMore() >= n })
	p.close(t)
}
