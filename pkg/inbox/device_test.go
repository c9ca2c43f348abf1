package inbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

func TestCatchUpGoesByBatchesAndAcks(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	var want []chat.MessageID
	for i := range 120 {
		want = append(want, r.post(t, fmt.Sprint(i)).Message.ID)
	}
	p := r.connect(t, dev, 0)
	for n := 1; n <= 3; n++ {
		p.until(t, "batch", func() bool { return len(p.batches) == n })
		p.mu.Lock()
		b := p.batches[n-1]
		p.mu.Unlock()
		if len(b.Items) > chat.MaxBatch || b.More != (n < 3) {
			t.Errorf("batch %d holds %d events, more %v", n, len(b.Items), b.More)
		}
		if n < 3 { // half an ack brings nothing
			p.dev.AckBatch(b.Items[len(b.Items)/2].Event.ID)
			p.dev.step(r.ctx)
			p.mu.Lock()
			if len(p.batches) != n || len(p.synced) != 0 {
				t.Errorf("after half an ack of batch %d: %d batches, %d synced", n, len(p.batches), len(p.synced))
			}
			p.mu.Unlock()
		}
		p.dev.AckBatch(b.Last)
	}
	p.untilSynced(t, 1)
	if got := p.messages(); !slices.Equal(got, want) {
		t.Errorf("got %d messages, want the %d in order", len(got), len(want))
	}
	p.close(t)
	if d := r.stored(t, dev); d.AckedTo < p.got[119].Event.ID {
		t.Errorf("cursor %s after everything was acked, last event %s", d.AckedTo, p.got[119].Event.ID)
	}
	if m := r.notes.mark(r.conv); m != want[119] {
		t.Errorf("delivered to %s, want %s", m, want[119])
	}
}

func TestBatchIsBoundedInBytes(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	for range 30 {
		r.post(t, strings.Repeat("x", 10_000))
	}
	p := r.connect(t, dev, 0)
	p.ackAllBatches(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, b := range p.batches {
		size := 0
		for _, it := range b.Items {
			size += len(it.Message.Content)
		}
		if size > maxBatchBytes {
			t.Errorf("batch %d holds %d bytes of text", i, size)
		}
	}
	if len(p.got) != 30 {
		t.Errorf("%d events, want 30", len(p.got))
	}
}

func TestLivePushesAndCursor(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	one, two := r.post(t, "one"), r.post(t, "two")
	if !p.show(one) || !p.show(two) {
		t.Fatal("a live device refused a push")
	}
	p.dev.AckMessages(two.Message.ID)
	p.until(t, "stored ack", func() bool { return len(r.stored(t, dev).AckedBeyond) == 1 })
	if d := r.stored(t, dev); d.AckedTo >= one.Event.ID || d.AckedBeyond[0] != two.Event.ID {
		t.Errorf("cursor %s, beyond %v, with %s unacked", d.AckedTo, d.AckedBeyond, one.Event.ID)
	}
	if m := r.notes.mark(r.conv); m >= one.Message.ID {
		t.Errorf("delivered to %s is claimed while %s is unacked", m, one.Message.ID)
	}
	p.dev.AckEvents(one.Event.ID)
	p.until(t, "cursor", func() bool { return r.stored(t, dev).AckedTo >= two.Event.ID })
	p.until(t, "mark", func() bool { return r.notes.mark(r.conv) == two.Message.ID })
	p.until(t, "idle device", p.resting)
	if p.dev.main.w != nil {
		t.Error("an idle device holds on to its traffic")
	}
	if n := len(p.messages()); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

func TestLostPushIsFound(t *testing.T) {
	r := newRig(t, true)
	p := r.connect(t, r.device(t), 0)
	p.untilSynced(t, 1)
	lost := r.post(t, "lost")
	p.show(r.post(t, "seen"))
	p.until(t, "the lost message", func() bool { return len(p.got) == 2 })
	if p.got[1].Event.ID != lost.Event.ID {
		t.Errorf("got %v", p.got[1])
	}
}

// While the store has too much to do verify reads are put off; what is pending is sent all the same.
func TestVerifyReadsArePutOffWhileTheStoreIsBusy(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	r.busy.Store(true)
	r.post(t, "pending")
	p := r.connect(t, dev, 0)
	p.until(t, "what was pending", func() bool { return len(p.got) == 1 })
	p.ackAllBatches(t)
	p.untilSynced(t, 1)
	r.post(t, "lost")
	r.log.ReadAll(time.Millisecond)
	time.Sleep(1500 * time.Millisecond) // a step or two
	p.mu.Lock()
	n := len(p.got)
	p.mu.Unlock()
	if n != 1 {
		t.Errorf("%d came", n)
	}
	r.busy.Store(false)
	p.until(t, "the lost message", func() bool { return len(p.got) == 2 })
}

// A gap is known the moment it happens, when what was lost is too young to be taken for lost and the device was read
// just before.
func TestReadAllFindsYoungEventsOfIdleDevices(t *testing.T) {
	r := newRig(t, true)
	p := r.connect(t, r.device(t), 0)
	p.untilSynced(t, 1)
	lost := r.post(t, "lost")
	r.log.ReadAll(10 * time.Millisecond)
	p.until(t, "the lost message", func() bool { return len(p.got) == 1 })
	if p.got[0].Event.ID != lost.Event.ID {
		t.Errorf("got %v", p.got[0])
	}
}

func TestLostPushIsFoundWithTheClockSetBack(t *testing.T) {
	r := newRig(t, true)
	p := r.connect(t, r.device(t), 0)
	p.untilSynced(t, 1)
	r.notes.setWall(func() time.Time { return time.Now().Add(-time.Hour) })
	r.post(t, "lost")
	p.show(r.post(t, "seen"))
	p.until(t, "the lost message", func() bool { return len(p.got) == 2 })
	r.notes.setWall(func() time.Time { return time.Now().Add(time.Hour) })
	p.show(r.post(t, "after a step forward"))
	p.until(t, "the third", func() bool { return len(p.got) == 3 })
	p.dev.AckMessages(p.messages()...)
	p.until(t, "idle device", p.resting)
}

// A push refused by the connection while a read is under way that saw it in flight: the read must not move past it.
func TestRefusedPushIsNotPassedByAReadUnderWay(t *testing.T) {
	r := newRig(t, false)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	x := r.post(t, "x")
	if !p.dev.Offer(x) {
		t.Fatal("refused")
	}
	pg, err := p.dev.read(r.ctx, &p.dev.main, 0, verifyPage) // sees x in flight
	if err != nil {
		t.Fatal(err)
	}
	p.dev.Behind(x) // the connection didn't take it
	p.dev.pushMissed(&p.dev.main, pg)
	p.dev.mu.Lock()
	c := p.dev.main.cursor()
	p.dev.mu.Unlock()
	if c >= x.Event.ID {
		t.Fatalf("the cursor %s passed %s, which was never sent", c, x.Event.ID)
	}
	p.dev.Drained()
	p.until(t, "x", func() bool { return len(p.got) == 1 })
}

// The same, refused after the read: what was read up to claims it no more.
func TestRefusedPushIsReadAgain(t *testing.T) {
	r := newRig(t, false)
	p := r.connect(t, r.device(t), 0)
	p.untilSynced(t, 1)
	x := r.post(t, "x")
	if !p.dev.Offer(x) {
		t.Fatal("refused")
	}
	if err := p.dev.verify(r.ctx); err != nil {
		t.Fatal(err)
	}
	p.dev.Behind(x)
	p.dev.Drained()
	p.until(t, "x", func() bool { return len(p.got) == 1 })
}

func TestAckedBeyondSurvivesAReconnect(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	var pushes []*chat.Push
	for i := range 6 {
		pushes = append(pushes, r.post(t, fmt.Sprint(i)))
		p.show(pushes[i])
	}
	for _, i := range []int{1, 2, 5} {
		p.dev.AckMessages(pushes[i].Message.ID)
	}
	p.close(t)
	q := r.connect(t, dev, 0)
	q.ackAllBatches(t)
	if got := q.messages(); !slices.Equal(got, []chat.MessageID{pushes[0].Message.ID, pushes[3].Message.ID, pushes[4].Message.ID}) {
		t.Errorf("after the reconnect %v", got)
	}
	q.close(t)
	if d := r.stored(t, dev); d.AckedTo < pushes[5].Event.ID {
		t.Errorf("cursor %s, want %s", d.AckedTo, pushes[5].Event.ID)
	}
}

func TestGoingBack(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	var pushes []*chat.Push
	for i := range 5 {
		pushes = append(pushes, r.post(t, fmt.Sprint(i)))
	}
	p := r.connect(t, dev, 0)
	p.ackAllBatches(t)
	six := r.post(t, "six")
	seven := r.post(t, "seven")
	p.show(six)
	p.show(seven)
	p.dev.AckMessages(seven.Message.ID) // beyond the cursor
	p.close(t)
	q := r.connect(t, dev, pushes[2].Event.ID)
	q.until(t, "batch", func() bool { return len(q.batches) == 1 })
	if got := q.messages(); len(got) != 4 || got[0] != pushes[3].Message.ID {
		t.Errorf("back to the third: %v", got)
	}
	q.close(t) // nothing acked: the stored cursor went back, and what was acked beyond it counts no more
	if d := r.stored(t, dev); d.AckedTo >= pushes[3].Event.ID || len(d.AckedBeyond) != 0 {
		t.Errorf("stored cursor %s beyond %v, want below %s and nothing", d.AckedTo, d.AckedBeyond, pushes[3].Event.ID)
	}
	s := r.connect(t, dev, 0)
	s.ackAllBatches(t)
	if n := len(s.messages()); n != 4 {
		t.Errorf("%d messages after the reconnect, want 4", n)
	}
	s.close(t)
	if f := r.log.Place(r.stored(t, dev), chat.EventID(id.At(time.Now().Add(time.Hour)))); f.Back != 0 {
		t.Error("a cursor of the future moved the device")
	}
}

func TestBehindAtMaxInflightAndResume(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	refused := 0
	const n = MaxInflight + 100
	for i := range n {
		if !p.show(r.post(t, fmt.Sprint(i))) {
			refused++
		}
	}
	if refused < 100 || p.dev.Unacked() > MaxInflight {
		t.Errorf("%d refused, %d unacked", refused, p.dev.Unacked())
	}
	if _, ok := p.dev.Synced(); ok {
		t.Error("synced while behind")
	}
	seen := make(map[chat.MessageID]int)
	for at := 0; len(seen) < n; {
		p.until(t, "more", func() bool { return len(p.got) > at })
		for _, m := range p.messages()[at:] {
			seen[m]++
			at++
			p.dev.AckMessages(m)
		}
	}
	for m, k := range seen {
		if k != 1 {
			t.Errorf("%s came %d times", m, k)
		}
	}
	p.untilSynced(t, 2)
}

func TestRefusedBatchIsSentWhenDrained(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	x := r.post(t, "x")
	p := &phone{r: r, id: dev, changed: make(chan struct{}, 1), refuse: true}
	p.dev.Release(r.open(t, p, 0))
	p.until(t, "refusal", func() bool {
		p.mu.Unlock()
		defer p.mu.Lock()
		p.dev.mu.Lock()
		defer p.dev.mu.Unlock()
		return p.dev.state == behind
	})
	p.setFull(false)
	p.dev.Drained()
	p.ackAllBatches(t)
	if got := p.messages(); !slices.Equal(got, []chat.MessageID{x.Message.ID}) {
		t.Errorf("got %v", got)
	}
}

func TestRefusedPushComesFromTheLog(t *testing.T) {
	r := newRig(t, true)
	p := r.connect(t, r.device(t), 0)
	p.untilSynced(t, 1)
	p.setFull(true)
	x := r.post(t, "x")
	if p.show(x) {
		t.Fatal("taken")
	}
	p.setFull(false)
	p.dev.Drained()
	p.until(t, "x", func() bool { return len(p.got) == 1 })
	p.ackAllBatches(t)
	p.untilSynced(t, 2)
}

func TestGap(t *testing.T) {
	r := newRig(t, true)
	x := r.post(t, "x")
	d := chat.Device{User: r.b, ID: chat.NewDeviceID(time.Now()), AckedTo: 5, CreatedAt: 1}
	if err := r.store.Devices.Put(r.ctx, d); err != nil {
		t.Fatal(err)
	}
	ports := r.store
	ports.Inbox = keptFrom{r.store.Inbox, 100}
	r.log.o.Store = ports
	p := r.connect(t, d.ID, 0)
	p.untilSynced(t, 1)
	p.mu.Lock()
	lines := slices.Clone(p.lines)
	p.mu.Unlock()
	if !slices.Equal(lines, []string{"gap", "synced"}) || p.gaps[0] < x.Event.ID {
		t.Errorf("%v, gap from %v", lines, p.gaps)
	}
	p.until(t, "stored cursor", func() bool { return r.stored(t, d.ID).AckedTo >= x.Event.ID })
}

// A new device starts where the log did when it was made, and the log's start moves on before it is read.
func TestNoGapOfAYoungDevice(t *testing.T) {
	r := newRig(t, true)
	kept := chat.EventID(id.At(time.Now().Add(-time.Hour)))
	d := chat.Device{User: r.b, ID: chat.NewDeviceID(time.Now()), AckedTo: kept - 1, CreatedAt: time.Now().UnixMilli()}
	if err := r.store.Devices.Put(r.ctx, d); err != nil {
		t.Fatal(err)
	}
	r.post(t, "x")
	ports := r.store
	ports.Inbox = keptFrom{r.store.Inbox, kept}
	r.log.o.Store = ports
	p := r.connect(t, d.ID, 0)
	p.ackAllBatches(t)
	p.untilSynced(t, 1)
	if got := p.messages(); len(got) != 1 || len(p.gaps) != 0 {
		t.Errorf("%d messages, want 1; gaps %v", len(got), p.gaps)
	}
}

// keptFrom is a log that begins later.
type keptFrom struct {
	store.Inbox
	from chat.EventID
}

func (k keptFrom) KeptSince() chat.EventID { return k.from }

func TestTwoDevicesHaveTheirOwnCursors(t *testing.T) {
	r := newRig(t, true)
	d1, d2 := r.device(t), r.device(t)
	p, q := r.connect(t, d1, 0), r.connect(t, d2, 0)
	p.untilSynced(t, 1)
	q.untilSynced(t, 1)
	x := r.post(t, "x")
	p.show(x)
	q.show(x)
	p.dev.AckMessages(x.Message.ID)
	p.until(t, "cursor", func() bool { return r.stored(t, d1).AckedTo >= x.Event.ID })
	q.close(t)
	if c := r.stored(t, d2).AckedTo; c >= x.Event.ID {
		t.Errorf("the second device's cursor %s moved", c)
	}
}

// One message may be out twice, after a resend wrote its rows again: one ack by its id acks both.
func TestAckOfAMessageOutTwice(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	x := r.post(t, "x")
	again := *x
	e, err := r.store.Messages.Append(r.ctx, &store.Append{Message: *x.Message, Kind: chat.Direct, Recipients: []chat.UserID{r.b}, Rewrite: true})
	if err != nil {
		t.Fatal(err)
	}
	again.Event.ID = e
	p.show(x)
	p.show(&again)
	p.dev.AckMessages(x.Message.ID)
	if n := p.dev.Unacked(); n != 0 {
		t.Errorf("%d unacked", n)
	}
	p.until(t, "cursor", func() bool { return r.stored(t, dev).AckedTo >= e })
}

// Commit order isn't id order: a mark of the larger message would claim the smaller one, which is still on its way.
func TestDeliveredNeverClaimsAMessageStillBeingStored(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	first := r.nextID(t)
	r.notes.mu.Lock()
	r.notes.horizon = func() chat.MessageID { return first - 1 }
	r.notes.mu.Unlock()
	two := r.post(t, "two")
	p.show(two)
	p.dev.AckMessages(two.Message.ID)
	p.until(t, "cursor", func() bool { return r.stored(t, dev).AckedTo >= two.Event.ID })
	if m := r.notes.mark(r.conv); m != 0 {
		t.Errorf("delivered to %s is claimed, %s was not even stored", m, first)
	}
	one := r.postAs(t, first, r.conv, chat.Direct, "one", r.b)
	r.notes.mu.Lock()
	r.notes.horizon = nil
	r.notes.mu.Unlock()
	p.show(one)
	p.dev.step(r.ctx)
	if m := r.notes.mark(r.conv); m >= first {
		t.Errorf("delivered to %s is claimed, %s is unacked", m, first)
	}
	p.dev.AckMessages(first)
	p.until(t, "mark", func() bool { return r.notes.mark(r.conv) == two.Message.ID })
}

// A page that ends before the horizon proves nothing about smaller ids.
func TestDeliveredIsNotProvedByHalfACatchUp(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	small := r.nextID(t)
	for i := range chat.MaxBatch {
		r.post(t, fmt.Sprint(i))
	}
	r.postAs(t, small, r.conv, chat.Direct, "small id, late event", r.b)
	p := r.connect(t, dev, 0)
	p.until(t, "batch", func() bool { return len(p.batches) == 1 })
	p.setFull(true) // the second batch doesn't go out
	p.dev.AckBatch(p.batches[0].Last)
	p.until(t, "cursor", func() bool { return r.stored(t, dev).AckedTo >= p.batches[0].Last })
	if m := r.notes.mark(r.conv); m >= small {
		t.Errorf("delivered to %s is claimed, %s wasn't sent", m, small)
	}
	p.setFull(false)
	p.dev.Drained()
	p.ackAllBatches(t)
	p.until(t, "mark", func() bool { return r.notes.mark(r.conv) > small })
}

func TestCloseStoresWhatWasAcked(t *testing.T) {
	r := newRig(t, false)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	x := r.post(t, "x")
	p.show(x)
	p.dev.AckMessages(x.Message.ID)
	p.close(t)
	p.close(t) // twice does nothing
	if c := r.stored(t, dev).AckedTo; c < x.Event.ID {
		t.Errorf("cursor %s, want %s", c, x.Event.ID)
	}
	if p.show(r.post(t, "late")) {
		t.Error("a closed device took a push")
	}
}

// With the log unreadable the acks are stored beyond the cursor, so that nothing is sent twice.
func TestCloseStoresAcksWithoutTheLog(t *testing.T) {
	r := newRig(t, false)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	x := r.post(t, "x")
	p.show(x)
	p.dev.AckMessages(x.Message.ID)
	r.faults.Add(faultstore.Fault{Op: "Inbox.Read"})
	if err := p.dev.Close(r.ctx); err == nil {
		t.Error("no error of a failed read")
	}
	r.faults.Clear()
	q := r.connect(t, dev, 0)
	q.untilSynced(t, 1)
	if n := len(q.messages()); n != 0 {
		t.Errorf("%d messages again", n)
	}
	q.close(t)
}

func TestAFailingStoreIsTriedAgain(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	x := r.post(t, "x")
	p := &phone{r: r, id: dev, changed: make(chan struct{}, 1)}
	place := r.open(t, p, 0)
	r.faults.Add(faultstore.Fault{Op: "Inbox.Read", Times: 1})
	r.faults.Add(faultstore.Fault{Op: "Devices.SetCursor", Times: 1, Applied: true})
	p.dev.Release(place)
	p.ackAllBatches(t)
	p.until(t, "cursor", func() bool { return r.stored(t, dev).AckedTo >= x.Event.ID })
}

func TestIdleDeviceCostsNoWrites(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	x := r.post(t, "x")
	p := r.connect(t, dev, 0)
	p.ackAllBatches(t)
	p.until(t, "cursor", func() bool { return r.stored(t, dev).AckedTo >= x.Event.ID })
	p.close(t)
	writes := r.faults.Calls("Devices.SetCursor") + r.faults.Calls("Devices.SaveAcks")
	for range 5 {
		q := r.connect(t, dev, 0)
		q.untilSynced(t, 1)
		q.close(t)
	}
	if n := r.faults.Calls("Devices.SetCursor") + r.faults.Calls("Devices.SaveAcks") - writes; n != 0 {
		t.Errorf("%d writes for 5 connections without news", n)
	}
}

func TestStaleIsSaidUntilAcked(t *testing.T) {
	r := newRig(t, false)
	p := r.connect(t, r.device(t), 0)
	p.until(t, "the first step's end", func() bool {
		p.dev.mu.Lock()
		defer p.dev.mu.Unlock()
		return len(p.synced) == 1 && !p.dev.stepping
	})
	x := r.post(t, "x")
	p.show(x)
	p.dev.mu.Lock()
	p.dev.progress -= staleAfter.Milliseconds() + 1
	p.dev.mu.Unlock()
	p.dev.step(r.ctx)
	p.dev.step(r.ctx)
	p.dev.AckMessages(x.Message.ID)
	p.dev.step(r.ctx)
	if p.stale != 2 {
		t.Errorf("said %d times, want 2", p.stale)
	}
	p.close(t)
}

// What a step was storing when the connection ended must not come after what the end stores.
func TestTheEndStoresLast(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	first, second, third := r.post(t, "left unacked"), r.post(t, "acked"), r.post(t, "acked at the end")
	for _, m := range []*chat.Push{first, second, third} {
		p.show(m)
	}
	r.faults.Add(faultstore.Fault{Op: "Devices.SaveAcks", Delay: 300 * time.Millisecond, OnlyDelay: true, Times: 1})
	p.dev.AckEvents(second.Event.ID)
	p.until(t, "save", func() bool { return r.faults.Calls("Devices.SaveAcks") > 0 })
	p.dev.AckEvents(third.Event.ID)
	p.close(t)
	r.log.wg.Wait()
	if got := r.stored(t, dev).AckedBeyond; len(got) != 2 {
		t.Errorf("%d acks are stored, want 2", len(got))
	}
}
