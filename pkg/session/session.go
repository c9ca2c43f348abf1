package session

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
)

// GatewayID names one running gateway process: its name and its boot epoch, so that a restarted one is another.
type GatewayID struct {
	Name  string
	Epoch int64
}

// Entry says that a gateway holds a device's connection.
type Entry struct {
	User    chat.UserID
	Device  chat.DeviceID
	Gateway GatewayID
	Seq     int64 // connect sequence: of two entries for one device the larger is the newer
}

// Route is a gateway and the users among those asked for who have a device there.
type Route struct {
	Gateway GatewayID
	Users   []chat.UserID
}

// Registry says which gateway holds which device. It is a hint: entries may be lost or stale without losing a message.
type Registry interface {
	// Register records a connection and returns the entry it replaced, if any. A newer entry is never overwritten by an older.
	Register(ctx context.Context, e Entry) (replaced *Entry, err error)
	// Remove takes an entry away unless a newer one stands there. It reports whether it was the user's last device.
	Remove(ctx context.Context, e Entry) (last bool, err error)
	// Routes groups users by the gateways, other than self, that hold devices of theirs.
	Routes(ctx context.Context, self GatewayID, users []chat.UserID) ([]Route, error)
	// Online reports for each user whether any device of theirs is connected.
	Online(ctx context.Context, users []chat.UserID) ([]bool, error)
	// Follow records that a gateway has connected members of a channel; with on false, that it has none any more.
	Follow(ctx context.Context, g GatewayID, channel chat.ConversationID, on bool) error
	// Followers returns the gateways, other than self, that follow a channel.
	Followers(ctx context.Context, self GatewayID, channel chat.ConversationID) ([]GatewayID, error)
	// Run keeps leases until ctx ends.
	Run(ctx context.Context) error
}
