package inbox

import (
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
)

// trailingRig is a rig whose horizon stands still until it is moved.
func trailingRig(t *testing.T) (*rig, *trailing) {
	r := newRig(t, true)
	hold := &trailing{Inbox: r.log.o.Store.Inbox}
	r.log.o.Store.Inbox, r.log.lag = hold, hold.Lag()
	r.notes.horizon = func() chat.MessageID { return chat.MessageID(hold.Horizon()) }
	return r, hold
}

// TestGoingBackToWhatWasAckedBeyondTheCursor: the client names the last event it still has. That lies beyond the stored cursor,
// which trails; what it acked after it is sent again all the same.
func TestGoingBackToWhatWasAckedBeyondTheCursor(t *testing.T) {
	r, _ := trailingRig(t)
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	x, y := r.post(t, "x"), r.post(t, "y")
	p.show(x)
	p.show(y)
	p.dev.AckEvents(x.Event.ID, y.Event.ID)
	p.close(t)
	q := r.connect(t, dev, x.Event.ID)
	q.until(t, "y once more", func() bool { return len(q.got) == 1 && q.got[0].Event.ID == y.Event.ID })
	q.close(t) // without an ack
	z := r.connect(t, dev, 0)
	z.until(t, "y once more", func() bool { return len(z.got) == 1 && z.got[0].Event.ID == y.Event.ID })
}

// TestWhoWentBackIsNotOvertaken: the cursor of a connection that ended is moved once the horizon has passed what it acked;
// but not when the client has gone back meanwhile, and has not acked that again.
func TestWhoWentBackIsNotOvertaken(t *testing.T) {
	for name, back := range map[string]func(first, second chat.EventID) chat.EventID{
		"before the stored cursor": func(first, _ chat.EventID) chat.EventID { return first - 1 },
		"beyond the stored cursor": func(_, second chat.EventID) chat.EventID { return second },
	} {
		t.Run(name, func(t *testing.T) {
			r, hold := trailingRig(t)
			dev := r.device(t)
			first := r.post(t, "first")
			hold.move(first.Event.ID)
			p := r.connect(t, dev, 0)
			p.ackAllBatches(t)
			p.until(t, "a stored cursor", func() bool { return r.stored(t, dev).AckedTo == first.Event.ID })
			second, third := r.post(t, "second"), r.post(t, "third")
			p.show(second)
			p.show(third)
			p.dev.AckEvents(second.Event.ID, third.Event.ID)
			p.close(t)
			q := r.connect(t, dev, back(first.Event.ID, second.Event.ID))
			q.until(t, "what it asked for", func() bool { return len(q.got) > 0 && q.got[len(q.got)-1].Event.ID == third.Event.ID })
			q.close(t) // without an ack
			hold.move(third.Event.ID)
			p.dev.afterwards(r.ctx) // as 13 s after its end
			if row := r.stored(t, dev); row.AckedTo >= third.Event.ID {
				t.Fatalf("the cursor has passed %s, which was asked for again and not acked", third.Event.ID)
			}
			z := r.connect(t, dev, 0)
			z.until(t, "the last event", func() bool { return len(z.got) > 0 && z.got[len(z.got)-1].Event.ID == third.Event.ID })
		})
	}
}

// TestAckedBeyondACursorThatIsNotStored: the horizon moved over nothing since the cursor was stored, which is no reason to
// store it. What was acked beyond is known all the same when the device comes back.
func TestAckedBeyondACursorThatIsNotStored(t *testing.T) {
	r, hold := trailingRig(t)
	dev := r.device(t)
	hold.move(chat.EventID(r.nextID(t)))
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	p.until(t, "a stored cursor", func() bool { return r.stored(t, dev).AckedTo == hold.Horizon() })
	later := chat.EventID(r.nextID(t))
	x := r.post(t, "x")
	p.show(x)
	p.dev.AckEvents(x.Event.ID)
	hold.move(later)
	p.close(t)
	q := r.connect(t, dev, 0)
	q.untilSynced(t, 1)
	if len(q.got) != 0 {
		t.Errorf("%d events came again; stored: %+v", len(q.got), r.stored(t, dev))
	}
}
