package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// Times of the delivery rules (see ARCHITECTURE.md).
const (
	// AckDeadline is D: an acked message's rows were all written within it.
	AckDeadline = 10 * time.Second
	// ClockSlack is S: clocks of gateways differ by less.
	ClockSlack = 2 * time.Second
)

// Caller is who asks: an authenticated user, and the device and sign-in they ask from.
type Caller struct {
	User    chat.UserID
	Device  chat.DeviceID // zero over REST
	Session [32]byte      // hash of the token; zero for external identities
}

// Clock makes ids.
type Clock interface {
	Next() (id.ID, error)
	Merge(id.ID) error
}

// Router shows pushes live. It is best effort: what it drops is found in the log.
type Router interface {
	Push(ctx context.Context, p *chat.Push)
}

// Options are what a Service works with. All but Now are required.
type Options struct {
	Store  store.Store
	Clock  Clock
	Router Router
	Admit  admit.Admission
	Log    *slog.Logger
	Now    func() time.Time // default time.Now
}
