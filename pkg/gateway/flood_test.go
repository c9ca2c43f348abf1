package gateway

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/service"
)

// flood sends n messages to a conversation, many at once.
func (p *person) flood(c chat.ConversationID, n int) {
	p.r.t.Helper()
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range 128 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				_, err := p.r.service.Send(context.Background(), p.caller(), service.SendRequest{
					Conversation: c, ClientMessage: chat.NewClientMessageID(time.Now()), ContentType: chat.Text,
					Content: "a message of about a hundred and twenty bytes, as people write them when they have something to say to each other",
				})
				if err != nil {
					p.r.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAClientThatNeverReads sends 100,000 messages to a client that reads nothing: what the gateway keeps for it is bounded,
// others don't notice, and it gets everything once it reads.
func TestAClientThatNeverReads(t *testing.T) {
	const n = 100_000 / raceSlows
	r := newRig(t)
	a, b, other := r.person(), r.person(), r.person()
	c, fine := a.chat(b), a.chat(other)
	deaf := b.connect(chat.DeviceID{})
	must(t, deaf.conn.(*net.TCPConn).SetReadBuffer(64<<10))
	po := other.connect(chat.DeviceID{})
	a.flood(c, 2000) // pools and caches are warm, and it is behind
	before := heap()
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.flood(c, n-2000)
	}()
	slowest := time.Duration(0)
	for flooding := true; flooding; {
		select {
		case <-done:
			flooding = false
		default:
		}
		began := time.Now()
		m := a.say(fine, "while the other is flooded")
		for got := po.until("message"); got.text("id") != m.ID.String(); got = po.until("message") {
			continue // verify reads may show one twice
		}
		po.write(fmt.Sprintf(`{"type":"ack","payload":{"messageId":%q}}`, m.ID))
		slowest = max(slowest, time.Since(began))
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d messages to a deaf client: heap grew by %d KiB, slowest to another %v", n, grown>>10, slowest)
	if grown > 24<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	if slowest > 3*time.Second {
		t.Errorf("another client waited %v", slowest)
	}
	r.gateway.hub.of(b.id, func(c *conn) {
		if u := c.dev.Unacked(); u > inbox.MaxInflight+chat.MaxBatch {
			t.Errorf("%d unacked", u)
		}
		if q := c.ws.Load().Outbound(); q > 512<<10 {
			t.Errorf("%d bytes queued", q)
		}
	})
	got := make(map[string]bool)
	hear := func(p *phone) (closed bool) {
		for len(got) < n {
			f, err := p.next()
			if err != nil || f.Type == "close" {
				return true
			}
			for _, m := range p.ack(f) {
				got[m] = true
			}
		}
		return false
	}
	must(t, deaf.conn.(*net.TCPConn).SetReadBuffer(1<<20))
	if hear(deaf) { // it was given up as too slow: it comes back
		hear(b.open(chat.DeviceID{}))
	}
	if len(got) != n {
		t.Errorf("%d messages came, want %d", len(got), n)
	}
}

// TestAClientThatNeverAcks reads everything and acks nothing: it gets no more than the limit, others are fine, and all of
// it is pending when it comes back.
func TestAClientThatNeverAcks(t *testing.T) {
	const n = inbox.MaxInflight + 300
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	p := b.connect(chat.DeviceID{})
	second := &person{r: r, id: b.id, token: b.token, device: chat.NewDeviceID(time.Now())}
	q := second.connect(chat.DeviceID{})
	var reads sync.WaitGroup
	var came atomic.Int64
	reads.Go(func() {
		for {
			f, err := p.next()
			if err != nil || f.Type == "close" {
				return
			}
			if f.Type == "message" || f.Type == "pending_messages" {
				came.Add(1)
			}
		}
	})
	a.flood(c, n)
	got := make(map[string]bool)
	for len(got) < n {
		f, err := q.next()
		must(t, err)
		for _, m := range q.ack(f) {
			got[m] = true
		}
	}
	a.flood(c, 10)
	if k := came.Load(); k > inbox.MaxInflight {
		t.Errorf("%d came to a client that never acks", k)
	}
	must(t, p.conn.Close())
	reads.Wait()
	r.eventually("end of the connection", func() bool { return r.gateway.Stats.Connected.Load() == 1 })
	back := b.open(chat.DeviceID{})
	if f := back.until("welcome"); f.field("pending") != true {
		t.Errorf("%s", f.Payload)
	}
	if ids := back.catchUp(); len(ids) < n+10 {
		t.Errorf("%d pending, want %d", len(ids), n+10)
	}
}

// TestAFloodOfSendsPausesReading sends faster than the store stores: the socket isn't read meanwhile, little waits in the
// gateway, and all of it is answered in the end.
func TestAFloodOfSendsPausesReading(t *testing.T) {
	const n = 3000
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	p := a.connect(chat.DeviceID{})
	var me *conn
	r.gateway.hub.of(a.id, func(c *conn) { me = c })
	most, waiting := 0, 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			p.say(c, chat.NewClientMessageID(time.Now()), "x")
		}
	})
	for i := range n {
		p.until("message")
		if i%10 != 0 {
			continue
		}
		me.mu.Lock()
		if me.work != nil {
			most, waiting = max(most, cap(me.work.queue)), max(waiting, len(me.work.queue)-me.work.head)
		}
		me.mu.Unlock()
	}
	wg.Wait()
	t.Logf("%d sends: at most %d seen waiting, queue of %d", n, waiting, most)
	// What the loop had read before it paused is still cut into frames: a buffer's worth.
	if most > 4096 {
		t.Errorf("the queue grew to %d", most)
	}
}
