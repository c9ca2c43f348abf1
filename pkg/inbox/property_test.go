package inbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

// world is a user's log and two devices that come and go, and what is true of them.
type world struct {
	*rig
	posted  []*chat.Push
	devices []*member
	ever    map[chat.EventID]bool // acked by some device
}

// member is one device: what its client has stored and acked, across connections.
type member struct {
	id    chat.DeviceID
	p     *phone
	at    int // of what p got, how much the client has looked at
	got   map[chat.EventID]bool
	acked map[chat.EventID]bool
}

func (w *world) settle() { w.log.wg.Wait() }

func (w *world) post(t fataler, conversation bool) {
	if !conversation {
		w.posted = append(w.posted, w.rig.post(t, fmt.Sprint(len(w.posted))))
		return
	}
	e := chat.Event{Kind: chat.EventConversation, Change: chat.ChangeRenamed, Conversation: w.conv, Message: w.nextID(t), Actor: w.a}
	n, err := w.store.Inbox.Append(w.ctx, store.Fanout{Event: e, Recipients: []chat.UserID{w.b}})
	if err != nil {
		t.Fatal(err)
	}
	e.ID = n
	w.posted = append(w.posted, &chat.Push{Kind: chat.PushConversation, Event: e, Conversation: &chat.ConversationChange{}})
}

// look lets a client take note of what came.
func (m *member) look() {
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	for ; m.at < len(m.p.got); m.at++ {
		m.got[m.p.got[m.at].Event.ID] = true
	}
}

func (w *world) ack(m *member, e *chat.Push, byMessage bool) {
	if byMessage && e.Message != nil {
		m.p.dev.AckMessages(e.Message.ID)
	} else {
		m.p.dev.AckEvents(e.Event.ID)
	}
	m.acked[e.Event.ID], w.ever[e.Event.ID] = true, true
}

func (w *world) ackBatch(m *member) {
	m.p.mu.Lock()
	var b Batch
	if n := len(m.p.batches); n > 0 {
		b = m.p.batches[n-1]
	}
	m.p.mu.Unlock()
	for _, it := range b.Items {
		m.acked[it.Event.ID], w.ever[it.Event.ID] = true, true
	}
	m.p.dev.AckBatch(b.Last)
}

func (w *world) reconnect(t fataler, m *member, back chat.EventID, orderly bool) {
	if orderly {
		if err := m.p.dev.Close(w.ctx); err != nil {
			t.Fatal(err)
		}
	} else { // the process died, say: nothing is saved
		m.p.dev.mu.Lock()
		m.p.dev.state = closed
		m.p.dev.mu.Unlock()
	}
	if back != 0 && back < w.stored(t, m.id).AckedTo {
		for e := range m.acked {
			if e > back {
				delete(m.acked, e)
			}
		}
	}
	m.p, m.at = w.connect(t, m.id, back), 0
}

// check holds at every moment.
func (w *world) check(t fataler) {
	for i, m := range w.devices {
		cursor := w.stored(t, m.id).AckedTo
		for _, e := range w.posted {
			if e.Event.ID <= cursor && !m.acked[e.Event.ID] {
				t.Fatalf("device %d: the stored cursor %s passed %s, which was never acked", i, cursor, e.Event.ID)
			}
		}
		if n := m.p.dev.Unacked(); n > MaxInflight+chat.MaxBatch {
			t.Fatalf("device %d: %d unacked", i, n)
		}
		if upTo, ok := m.p.dev.Synced(); ok {
			for _, e := range w.posted {
				if e.Event.ID.Time().UnixMilli() < upTo && !m.acked[e.Event.ID] {
					t.Fatalf("device %d: synced to %d, %s of %d is unacked", i, upTo, e.Event.ID, e.Event.ID.Time().UnixMilli())
				}
			}
		}
	}
	mark := w.notes.mark(w.conv)
	for _, e := range w.posted {
		if e.Message != nil && e.Message.ID <= mark && !w.ever[e.Event.ID] {
			t.Fatalf("delivered to %s is claimed, %s was never acked", mark, e.Message.ID)
		}
	}
}

// rest lets everything be delivered and acked, and checks that nothing is owed.
func (w *world) rest(t fataler) {
	w.faults.Clear()
	for i, m := range w.devices {
		m.p.setFull(false)
		m.p.dev.Drained()
		w.settle()
		for round := 0; ; round++ {
			m.look()
			w.ackBatch(m)
			for _, e := range w.posted {
				if m.got[e.Event.ID] {
					w.ack(m, e, round%2 == 0)
				}
			}
			w.settle()
			m.p.dev.step(w.ctx)
			w.check(t)
			m.look()
			if _, ok := m.p.dev.Synced(); ok && len(m.got) == len(w.posted) && len(m.acked) == len(w.posted) && m.p.dev.Unacked() == 0 {
				break
			}
			if round > 200 {
				t.Fatalf("device %d: %d of %d events came, %d acked; state %d", i, len(m.got), len(w.posted), len(m.acked), m.p.dev.state)
			}
			m.p.dev.mu.Lock()
			m.p.dev.verified, m.p.dev.calm = 0, 0
			m.p.dev.mu.Unlock()
		}
		if err := m.p.dev.Close(w.ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(w.posted); n > 0 && w.stored(t, m.id).AckedTo < w.posted[n-1].Event.ID {
			t.Fatalf("device %d: cursor %s after everything was acked, last event %s", i, w.stored(t, m.id).AckedTo, w.posted[n-1].Event.ID)
		}
		m.p, m.at = w.connect(t, m.id, 0), 0
		w.settle()
		if n := len(m.p.batches); n != 0 || len(m.p.synced) != 1 {
			t.Fatalf("device %d: %d batches, %d synced, when nothing was pending", i, n, len(m.p.synced))
		}
		if err := m.p.dev.Close(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func newWorld(t fataler, r *rig) *world {
	w := &world{rig: r, ever: make(map[chat.EventID]bool)}
	for range 2 {
		m := &member{id: r.device(t), got: make(map[chat.EventID]bool), acked: make(map[chat.EventID]bool)}
		m.p = r.connect(t, m.id, 0)
		w.devices = append(w.devices, m)
	}
	w.settle()
	return w
}

// TestNothingIsLostWhateverHappens does random things to two devices, one at a time: no cursor ever passes an unacked
// event, no delivery is claimed that did not happen, and in the end everything was delivered.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	t.Run("horizon is now", func(t *testing.T) { nothingIsLost(t, false) })
	t.Run("horizon trails", func(t *testing.T) { nothingIsLost(t, true) })
}

func nothingIsLost(t *testing.T, trails bool) {
	rapid.Check(t, func(rt *rapid.T) {
		r, stop := startRig(rt, false)
		defer stop()
		hold := &trailing{Inbox: r.log.o.Store.Inbox}
		if trails {
			r.log.o.Store.Inbox, r.log.lag = hold, hold.Lag()
			r.notes.horizon = func() chat.MessageID { return chat.MessageID(hold.Horizon()) }
		}
		w := newWorld(rt, r)
		device := func(t *rapid.T) *member { return w.devices[rapid.IntRange(0, 1).Draw(t, "device")] }
		rt.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				w.settle()
				for _, m := range w.devices {
					m.look()
				}
				w.check(t)
			},
			"post": func(t *rapid.T) {
				for range rapid.IntRange(1, 70).Draw(t, "n") {
					w.post(t, rapid.IntRange(0, 9).Draw(t, "kind") == 0)
					for _, m := range w.devices {
						if rapid.IntRange(0, 4).Draw(t, "lost") > 0 {
							m.p.show(w.posted[len(w.posted)-1])
						}
					}
				}
			},
			"ack": func(t *rapid.T) {
				m := device(t)
				m.look()
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					if len(w.posted) == 0 {
						return
					}
					e := w.posted[rapid.IntRange(0, len(w.posted)-1).Draw(t, "which")]
					if m.p.has(e.Event.ID) { // a client acks what came on this connection
						w.ack(m, e, rapid.Bool().Draw(t, "by message"))
					}
				}
			},
			"ack batch": func(t *rapid.T) { w.ackBatch(device(t)) },
			"full":      func(t *rapid.T) { device(t).p.setFull(true) },
			"drained": func(t *rapid.T) {
				m := device(t)
				m.p.setFull(false)
				m.p.dev.Drained()
			},
			"reconnect": func(t *rapid.T) { w.reconnect(t, device(t), 0, rapid.Bool().Draw(t, "orderly")) },
			"go back": func(t *rapid.T) {
				m := device(t)
				if len(w.posted) > 0 && !m.p.full() {
					w.reconnect(t, m, w.posted[rapid.IntRange(0, len(w.posted)-1).Draw(t, "to")].Event.ID, true)
					w.settle()
				}
			},
			"step": func(t *rapid.T) { device(t).p.dev.step(w.ctx) },
			"horizon": func(t *rapid.T) {
				if len(w.posted) > 0 {
					hold.move(w.posted[rapid.IntRange(0, len(w.posted)-1).Draw(t, "horizon")].Event.ID)
				}
			},
			"verify": func(t *rapid.T) {
				m := device(t)
				w.notes.setWall(func() time.Time { return time.Now().Add(time.Second) })
				m.p.dev.mu.Lock()
				m.p.dev.verified, m.p.dev.calm = 0, 0
				m.p.dev.mu.Unlock()
				m.p.dev.step(w.ctx)
				w.notes.setWall(nil)
			},
			"store fails": func(t *rapid.T) {
				w.faults.Clear()
				w.faults.Add(faultstore.Fault{Op: rapid.SampledFrom([]string{"Inbox.Read", "Devices.SaveAcks", "Messages.Batch"}).Draw(t, "op"), Times: 1})
				device(t).p.dev.step(w.ctx)
				w.faults.Clear()
			},
		})
		w.notes.setWall(func() time.Time { return time.Now().Add(time.Second) })
		if len(w.posted) > 0 {
			hold.move(w.posted[len(w.posted)-1].Event.ID)
		}
		w.rest(rt)
	})
}

// trailing is a log whose horizon trails, as that of a distributed store does, to where it is moved.
type trailing struct {
	store.Inbox
	mu sync.Mutex
	at chat.EventID
}

func (h *trailing) Lag() time.Duration { return time.Millisecond }

func (h *trailing) move(to chat.EventID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = max(h.at, to)
}

func (h *trailing) Horizon() chat.EventID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *trailing) Read(ctx context.Context, user chat.UserID, after chat.EventID, limit int) (store.LogPage, error) {
	at := h.Horizon()
	p, err := h.Inbox.Read(ctx, user, after, limit)
	p.Horizon = at
	return p, err
}

func (p *phone) has(e chat.EventID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.got, func(x chat.Push) bool { return x.Event.ID == e })
}

// TestNothingIsLostUnderConcurrency does the same things all at once, with the log running.
func TestNothingIsLostUnderConcurrency(t *testing.T) {
	r := newRig(t, true)
	var mu sync.Mutex // guards posted, and who is connected
	var posted []*chat.Push
	type slot struct {
		id    chat.DeviceID
		p     *phone
		got   map[chat.EventID]bool
		acked map[chat.EventID]bool
	}
	var slots []*slot
	for range 3 {
		s := &slot{id: r.device(t), got: make(map[chat.EventID]bool), acked: make(map[chat.EventID]bool)}
		s.p = r.connect(t, s.id, 0)
		slots = append(slots, s)
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	var posts, clients sync.WaitGroup
	quiet := make(chan struct{}) // closed when all is posted
	for n := range 3 {
		rng := rand.New(rand.NewPCG(uint64(n), 7))
		posts.Go(func() {
			for ctx.Err() == nil {
				x := r.post(t, "x")
				mu.Lock()
				posted = append(posted, x)
				var to []*phone
				for _, s := range slots {
					to = append(to, s.p)
				}
				mu.Unlock()
				for _, p := range to {
					if rng.IntN(20) > 0 {
						p.show(x)
					}
				}
			}
		})
	}
	deadline := time.Now().Add(30 * time.Second)
	for n, s := range slots {
		rng := rand.New(rand.NewPCG(uint64(n), 8))
		clients.Go(func() {
			at, batch := 0, 0
			for {
				running := true
				select {
				case <-quiet:
					running = false
				default:
				}
				s.p.mu.Lock()
				fresh := slices.Clone(s.p.got[at:])
				batches := slices.Clone(s.p.batches[batch:])
				s.p.mu.Unlock()
				at, batch = at+len(fresh), batch+len(batches)
				for _, x := range fresh {
					s.got[x.Event.ID] = true
				}
				rng.Shuffle(len(fresh), func(i, j int) { fresh[i], fresh[j] = fresh[j], fresh[i] })
				for _, x := range fresh {
					s.p.dev.AckMessages(x.Message.ID)
				}
				for _, b := range batches {
					s.p.dev.AckBatch(b.Last)
				}
				mu.Lock()
				all := len(posted)
				mu.Unlock()
				if _, synced := s.p.dev.Synced(); !running && synced && len(s.got) == all && s.p.dev.Unacked() == 0 {
					return
				}
				if time.Now().After(deadline) {
					t.Errorf("device %d: %d of %d events came", n, len(s.got), all)
					return
				}
				switch k := rng.IntN(200); {
				case running && k == 0:
					q := &phone{r: r, id: s.id, changed: make(chan struct{}, 1)}
					s.p.close(t)
					mu.Lock()
					place := r.open(t, q, 0)
					s.p = q
					mu.Unlock()
					q.dev.Release(place)
					at, batch = 0, 0
				case running && k < 3:
					s.p.setFull(true)
				case k < 20 || !running:
					s.p.setFull(false)
					s.p.dev.Drained()
				}
				select {
				case <-s.p.changed:
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	posts.Wait()
	close(quiet)
	clients.Wait()
	last := chat.EventID(0)
	for _, x := range posted {
		last = max(last, x.Event.ID)
	}
	for n, s := range slots {
		s.p.until(t, "an end of everything", func() bool { return s.p.dev.Unacked() == 0 })
		s.p.close(t)
		if c := r.stored(t, s.id).AckedTo; c < last {
			t.Errorf("device %d: cursor %s, last event %s", n, c, last)
		}
	}
	t.Logf("%d events to 3 devices", len(posted))
}

// TestCursorMovesAfterTheDeviceHasGone: what was acked beyond the horizon isn't pending for ever when the device stays away.
func TestCursorMovesAfterTheDeviceHasGone(t *testing.T) {
	r := newRig(t, true)
	hold := &trailing{Inbox: r.log.o.Store.Inbox}
	r.log.o.Store.Inbox, r.log.lag = hold, hold.Lag()
	r.notes.horizon = func() chat.MessageID { return chat.MessageID(hold.Horizon()) }
	dev := r.device(t)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	x := r.post(t, "x")
	p.show(x)
	p.dev.AckEvents(x.Event.ID)
	if err := p.dev.Close(r.ctx); err != nil {
		t.Fatal(err)
	}
	row, err := r.store.Devices.Get(r.ctx, r.b, dev)
	if err != nil || row.AckedTo >= x.Event.ID || len(row.AckedBeyond) != 1 {
		t.Fatalf("at the end of the connection: %+v, %v", row, err)
	}
	hold.move(x.Event.ID)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		row, err := r.store.Devices.Get(r.ctx, r.b, dev)
		if err != nil {
			t.Fatal(err)
		}
		if row.AckedTo == x.Event.ID {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cursor stays at %s", row.AckedTo)
		}
	}
}
