package app

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/observe"
	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/store"
)

// engines are what a server stands on: of a single process, or of a cluster.
type engines struct {
	ports     store.Store // as the database gives them
	clock     clock
	sessions  session.Registry
	bus       bus.Bus
	admission admit.Admission
	presence  presence.Presence
	blobs     media.Blobs
	mediaAt   string // the address where browsers fetch and send media themselves; "": this server
	alone     bool   // there are no other gateways

	// before run ahead of everything else, in the order of what stands on what; they end last.
	before []part
	// ready says why the engines can't serve now.
	ready func(ctx context.Context) error
	// settled waits until other gateways' envelopes arrive here; nil: nothing to wait for.
	settled func(ctx context.Context) error
	// unfit says why this process, unlike others, can't serve; nil: it can. May be nil itself.
	unfit func() error
	// load says when the store has too much to do, or does nothing.
	load overload.Signals
	// local is told how to find the connections of this process, once there is a gateway.
	local func(yield func(func(session.Entry) bool))
	// replaced closes a connection of this process whose device has a newer one elsewhere. Set before the engines run.
	replaced func(local session.Entry)
	// measure registers the engines' own metrics.
	measure func(m *observe.Metrics)

	// What operators ask for. finder finds a message by its id alone; backup is nil where the database has its own.
	finder operate.Finder
	backup func(ctx context.Context, to string) (operate.Backup, error)

	// maxCommits bounds the messages stored at once; 0: the store has its own bound.
	maxCommits int
	// verify is how often an active device's log is read again.
	verify time.Duration
	close  func() error
}

// clock makes ids and knows whether it may.
type clock interface {
	Next() (id.ID, error)
	Merge(id.ID) error
	Last() id.ID
}

// nothingFound is the finder where messages can't be found by their id alone.
type nothingFound struct{}

// FindMessage implements operate.Finder.
func (nothingFound) FindMessage(context.Context, chat.MessageID) (chat.ConversationID, error) {
	return chat.ConversationID{}, chat.Invalid("conversation", "is needed: a cluster doesn't find a message by its id alone")
}
