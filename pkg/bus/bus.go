package bus

import (
	"context"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

var (
	// ErrNoReceiver: nobody is subscribed under that name; the gateway is gone.
	ErrNoReceiver = errors.New("bus: no receiver")
	// ErrUnavailable: the engine can't be reached, or too much waits already. Whether the batch arrives is unknown.
	ErrUnavailable = errors.New("bus: unavailable")
)

// Envelope carries one push to one gateway.
type Envelope struct {
	From session.GatewayID
	// Seq counts the envelopes of this sender to this receiver from 1; a hole means that one was lost.
	Seq  uint64
	Push *chat.Push // shared: receivers never change it; nil: only says how far Seq has come
}

// Receiver takes what arrives. It must not block.
type Receiver interface {
	Receive(e Envelope)
	// Gap says that envelopes may have been lost: the receiver re-reads the logs of its connected users.
	Gap(reason string)
}

// Bus carries envelopes between gateways, at most once, in order per pair while nothing is lost. It promises no delivery.
type Bus interface {
	// Publish hands envelopes over in their order, all in one round trip. ErrNoReceiver when nobody listens under that name.
	Publish(ctx context.Context, to session.GatewayID, batch ...Envelope) error
	// Subscribe sets the receiver of a gateway; Run delivers until ctx ends.
	Subscribe(self session.GatewayID, r Receiver)
	Run(ctx context.Context) error
}
