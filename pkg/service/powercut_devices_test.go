package service

import (
	"context"
	"slices"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/inbox"
)

// devices is a gateway: it shows pushes on the receivers' devices, which ack at once, most of the time.
type devices struct {
	log *inbox.Log

	mu  sync.Mutex
	all []*receiver
}

// Push implements Router.
func (d *devices) Push(_ context.Context, p *chat.Push) {
	if p.Kind != chat.PushMessage {
		return
	}
	d.mu.Lock()
	all := slices.Clone(d.all)
	d.mu.Unlock()
	for _, r := range all {
		if slices.Contains(p.Recipients, r.user) && r.dev.Offer(p) {
			r.take(p)
		}
	}
}

// receiver is a connected device.
type receiver struct {
	o    *outage
	user chat.UserID
	dev  inbox.Device

	mu     sync.Mutex
	got    map[chat.MessageID]bool
	synced chan struct{}
	once   sync.Once
	acks   sync.WaitGroup
}

func (r *receiver) take(p *chat.Push) {
	r.mu.Lock()
	r.got[p.Message.ID] = true
	skip := int64(p.Message.ID)%7 == 0 // some it never acks
	r.mu.Unlock()
	if !skip {
		r.dev.AckMessages(p.Message.ID)
		r.o.note(r.user, p.Message.ID)
	}
}

// note remembers what a client has acked.
func (o *outage) note(u chat.UserID, m chat.MessageID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.acked[u] == nil {
		o.acked[u] = make(map[chat.MessageID]bool)
	}
	o.acked[u][m] = true
}

// Batch implements inbox.Sink.
func (r *receiver) Batch(b inbox.Batch) bool {
	r.mu.Lock()
	for i := range b.Items {
		if m := b.Items[i].Message; m != nil {
			r.got[m.ID] = true
			r.o.note(r.user, m.ID)
		}
	}
	r.mu.Unlock()
	r.acks.Go(func() { r.dev.AckBatch(b.Last) })
	return true
}

// Push implements inbox.Sink. It is called with the device locked, so the ack comes later.
func (r *receiver) Push(p *chat.Push) bool {
	r.acks.Go(func() { r.take(p) })
	return true
}

// Synced implements inbox.Sink.
func (r *receiver) Synced(int64)     { r.once.Do(func() { close(r.synced) }) }
func (r *receiver) Gap(chat.EventID) { r.o.t.Error("a gap") }
func (r *receiver) Stale()           {}

func (o *outage) connect(s *server, c Caller) (*receiver, error) {
	row, _, err := s.OpenDevice(context.Background(), c, "phone", "test")
	if err != nil {
		return nil, err
	}
	r := &receiver{o: o, user: c.User, got: make(map[chat.MessageID]bool), synced: make(chan struct{})}
	s.log.Open(&r.dev, s.log.Place(row, 0), r)
	d := s.router.(*devices)
	d.mu.Lock()
	d.all = append(d.all, r)
	d.mu.Unlock()
	r.dev.Start()
	return r, nil
}
