package inbox

import (
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

// A device that has everything is live as soon as it is open: nothing is read a second time.
func TestLookFindsNothing(t *testing.T) {
	r := newRig(t, true)
	id := r.device(t)
	r.postAs(t, r.nextID(t), r.conv, chat.Direct, "to another, so that the horizon is beyond the cursor", r.a)
	place := r.log.Place(r.stored(t, id), 0)
	pending, err := r.log.Look(r.ctx, &place)
	if err != nil || pending {
		t.Fatalf("pending %v, error %v, want nothing pending", pending, err)
	}
	reads := r.faults.Calls("Inbox.Read")
	p := &phone{r: r, id: id, changed: make(chan struct{}, 1)}
	p.dev.Hold()
	r.log.Open(&p.dev, place, p)
	p.dev.Release(place)
	if len(p.synced) != 1 || len(p.batches) != 0 {
		t.Fatalf("%d synced and %d batches, want synced at once", len(p.synced), len(p.batches))
	}
	if !p.show(r.post(t, "one")) {
		t.Error("a live push was refused")
	}
	if again := r.faults.Calls("Inbox.Read") - reads; again != 0 {
		t.Errorf("the log was read %d times more", again)
	}
}

// What is sent between the look and the device's opening was offered to nobody who took it: it comes from the log.
func TestLookThenAPush(t *testing.T) {
	r := newRig(t, true)
	id := r.device(t)
	r.postAs(t, r.nextID(t), r.conv, chat.Direct, "to another", r.a)
	place := r.log.Place(r.stored(t, id), 0)
	if pending, err := r.log.Look(r.ctx, &place); err != nil || pending {
		t.Fatalf("pending %v, error %v", pending, err)
	}
	p := &phone{r: r, id: id, changed: make(chan struct{}, 1)}
	if p.show(r.post(t, "one")) {
		t.Fatal("a device that isn't open took a push")
	}
	p.dev.Hold()
	r.log.Open(&p.dev, place, p)
	p.dev.Release(place)
	p.ackAllBatches(t)
	p.untilSynced(t, 1)
	if len(p.got) != 1 || p.got[0].Message.Content != "one" {
		t.Errorf("got %d messages, want the one", len(p.got))
	}
}

func TestLookPending(t *testing.T) {
	r := newRig(t, true)
	id := r.device(t)
	first := r.post(t, "one")
	for _, c := range []struct {
		name   string
		beyond []chat.EventID
		want   bool
	}{
		{"unacked", nil, true},
		{"acked beyond the cursor", []chat.EventID{first.Event.ID}, false},
	} {
		d := r.stored(t, id)
		d.AckedBeyond = c.beyond
		place := r.log.Place(d, 0)
		pending, err := r.log.Look(r.ctx, &place)
		if err != nil || pending != c.want {
			t.Errorf("%s: pending %v, error %v, want %v", c.name, pending, err, c.want)
		}
		if place.caughtUp.upTo != 0 {
			t.Errorf("%s: caught up, with an event behind the cursor", c.name)
		}
	}
	r.faults.Add(faultstore.Fault{Op: "Inbox.Read", Times: 1})
	place := r.log.Place(r.stored(t, id), 0)
	if _, err := r.log.Look(r.ctx, &place); err == nil || place.caughtUp.upTo != 0 {
		t.Errorf("error %v, want the store's", err)
	}
}
