package service

import (
	"slices"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

func TestReadIsStoredBeforeItIsPushed(t *testing.T) {
	r, f := faulty(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	m := r.send(p[0], conv, "x")
	f.Add(faultstore.Fault{Op: "Watermarks.Put", Times: 1})
	if err := r.Read(t.Context(), p[1], conv, m.ID); err != nil {
		t.Fatal(err)
	}
	r.flushReceipts(t.Context())
	if s := r.pushes.take(chat.PushStatus); len(s) != 0 {
		t.Errorf("pushed before it was stored: %v", s)
	}
	r.flushReceipts(t.Context())
	s := r.pushes.take(chat.PushStatus)
	if len(s) != 1 || s[0].Status.Status != chat.Read || s[0].Status.Messages[0] != m.ID || !slices.Contains(s[0].Recipients, p[0].User) {
		t.Errorf("pushes %+v", s)
	}
	w, err := r.store.Watermarks.Get(t.Context(), conv, p[1].User)
	if err != nil || w.ReadTo != m.ID {
		t.Errorf("%+v %v", w, err)
	}
}

// What was read is shown as delivered, though the cursor that proves deliveries has not come so far.
func TestReadIsDelivered(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	m := r.send(p[0], conv, "x")
	if err := r.Read(t.Context(), p[1], conv, m.ID); err != nil {
		t.Fatal(err)
	}
	r.flushReceipts(t.Context())
	all, err := r.Receipts(t.Context(), p[0], conv, 0)
	r.code(err, 0)
	one, err := r.MessageReceipts(t.Context(), p[0], conv, m.ID)
	r.code(err, 0)
	for _, got := range [][]chat.Receipt{all, one} {
		if len(got) != 1 || got[0].User != p[1].User || got[0].DeliveredTo != m.ID || got[0].ReadTo != m.ID {
			t.Errorf("%+v", got)
		}
	}
}

// A read mark is clamped to what exists; one row shows that a message does.
func TestReadMarksAreClamped(t *testing.T) {
	r, f := faulty(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	one, two := r.send(p[0], conv, "1"), r.send(p[0], conv, "2")
	for _, c := range []struct{ upTo, want chat.MessageID }{{1, 0}, {one.ID - 1, 0}, {one.ID, one.ID}, {two.ID - 1, one.ID}, {two.ID, two.ID}, {two.ID + 1<<40, two.ID}} {
		exact := c.upTo == c.want
		if exact {
			f.Add(faultstore.Fault{Op: "Messages.History"}) // no need of it
		}
		if err := r.Read(t.Context(), p[1], conv, c.upTo); err != nil {
			t.Fatalf("up to %s: %v", c.upTo, err)
		}
		f.Clear()
		r.flushReceipts(t.Context())
		w, err := r.store.Watermarks.Get(t.Context(), conv, p[1].User)
		if err != nil || w.ReadTo != c.want {
			t.Errorf("up to %s: %+v %v, want %s", c.upTo, w, err, c.want)
		}
	}
}

func TestWatermarksOnlyMoveForward(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	one, two := r.send(p[0], conv, "1"), r.send(p[0], conv, "2")
	for _, to := range []chat.MessageID{two.ID, one.ID} {
		r.MarkDelivered(p[1].User, conv, to)
		r.flushReceipts(t.Context())
	}
	for _, to := range []chat.MessageID{two.ID, one.ID} {
		if err := r.Read(t.Context(), p[1], conv, to); err != nil {
			t.Fatal(err)
		}
		r.flushReceipts(t.Context())
	}
	w, err := r.store.Watermarks.Get(t.Context(), conv, p[1].User)
	if err != nil || w.ReadTo != two.ID || w.DeliveredTo != two.ID {
		t.Errorf("%+v %v", w, err)
	}
}

// TestWhatWasReadIsntStoredAsDelivered: nor is a message that came this way, or a mark that was stored, asked for.
func TestWhatWasReadIsntStoredAsDelivered(t *testing.T) {
	r, f := faulty(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	one, two := r.send(p[0], conv, "1"), r.send(p[0], conv, "2")
	r.Delivered(p[1].User, p[0].User, conv, one.ID)
	f.Add(faultstore.Fault{Op: "Messages.Message"})
	f.Add(faultstore.Fault{Op: "Watermarks.Get"})
	read := func() {
		t.Helper()
		if err := r.Read(t.Context(), p[1], conv, one.ID); err != nil {
			t.Fatal(err)
		}
	}
	read()
	r.MarkDelivered(p[1].User, conv, one.ID)
	if !r.flushReceipts(t.Context()) {
		t.Fatal("not stored")
	}
	f.Clear()
	w, err := r.store.Watermarks.Get(t.Context(), conv, p[1].User)
	if err != nil || w.ReadTo != one.ID || w.DeliveredTo != 0 {
		t.Errorf("%+v %v", w, err)
	}
	r.pushes.take(0)
	f.Add(faultstore.Fault{Op: "Watermarks.Put"})
	r.MarkDelivered(p[1].User, conv, one.ID)
	read()
	if !r.flushReceipts(t.Context()) || len(r.pushes.take(chat.PushStatus)) != 0 {
		t.Error("what is known was stored or told again")
	}
	f.Clear()
	r.MarkDelivered(p[1].User, conv, two.ID)
	r.flushReceipts(t.Context())
	if w, err = r.store.Watermarks.Get(t.Context(), conv, p[1].User); err != nil || w.DeliveredTo != two.ID {
		t.Errorf("%+v %v", w, err)
	}
}

func TestDeliveredNamesExactlyWhatWasAcked(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	one, _, three := r.send(p[0], conv, "1"), r.send(p[0], conv, "2"), r.send(p[0], conv, "3")
	r.pushes.take(0)
	r.Delivered(p[1].User, p[0].User, conv, one.ID)
	r.Delivered(p[1].User, p[0].User, conv, three.ID)
	r.Delivered(p[0].User, p[0].User, conv, three.ID) // one's own device
	r.flushReceipts(t.Context())
	s := r.pushes.take(chat.PushStatus)
	if len(s) != 1 || !slices.Equal(s[0].Status.Messages, []chat.MessageID{one.ID, three.ID}) {
		t.Errorf("%+v", s)
	}
}

func TestReceiptsAreBoundedWhileNothingCanBeStored(t *testing.T) {
	r, f := faulty(t)
	f.Add(faultstore.Fault{Op: "Watermarks.Put"})
	u := chat.NewUserID(time.Now())
	for range maxMarks + 1000 {
		r.MarkDelivered(u, chat.NewConversationID(time.Now()), 1)
	}
	r.flushReceipts(t.Context())
	for range 1000 {
		r.MarkDelivered(u, chat.NewConversationID(time.Now()), 1)
	}
	if n := len(r.receipts.marks); n > maxMarks {
		t.Errorf("%d marks wait, at most %d may", n, maxMarks)
	}
}
