package localbus

import (
	"context"
	"fmt"
	"sync"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/session"
)

// Bus implements bus.Bus. The zero value is not usable; see New.
type Bus struct {
	mu        sync.RWMutex
	receivers map[session.GatewayID]bus.Receiver
}

var _ bus.Bus = (*Bus)(nil)

// New returns a bus without receivers.
func New() *Bus { return &Bus{receivers: make(map[session.GatewayID]bus.Receiver)} }

// Publish implements bus.Bus. It never blocks longer than the receiver does, which by contract it doesn't.
func (b *Bus) Publish(ctx context.Context, to session.GatewayID, batch ...bus.Envelope) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("localbus: publish: %w", err)
	}
	b.mu.RLock()
	r := b.receivers[to]
	b.mu.RUnlock()
	if r == nil {
		return bus.ErrNoReceiver
	}
	for _, e := range batch {
		r.Receive(e)
	}
	return nil
}

// Subscribe implements bus.Bus; a later receiver of the same gateway replaces the earlier, nil ends the subscription.
func (b *Bus) Subscribe(self session.GatewayID, r bus.Receiver) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r == nil {
		delete(b.receivers, self)
		return
	}
	b.receivers[self] = r
}

// Run implements bus.Bus: there is nothing to run, it waits for the end.
func (b *Bus) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
