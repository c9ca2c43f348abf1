package presence

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	// Grace is how long somebody whose last connection ended still counts as online, so that a reconnect is silent.
	Grace = 5 * time.Second
	// InterestFor is how long a watcher hears of a user after asking.
	InterestFor = 5 * time.Minute
)

// Subscriber is told when somebody went online or offline, with those who want to know. It is called by one goroutine,
// and what it takes delays the next.
type Subscriber func(ctx context.Context, p chat.Presence, watchers []chat.UserID)

// Presence is the port to who is online. Its methods but States and Run never block.
type Presence interface {
	// Connected and Disconnected come in pairs, one a connection, in any order: the end may be told before the beginning.
	Connected(user chat.UserID, device chat.DeviceID)
	Disconnected(user chat.UserID, device chat.DeviceID)
	// Watch lets a watcher hear of users for InterestFor. Beyond the engine's bounds interest is dropped silently.
	Watch(watcher chat.UserID, users []chat.UserID)
	// States returns one state a user, in the order of users; at most 500.
	States(ctx context.Context, users []chat.UserID) ([]chat.Presence, error)
	// Subscribe names who is told; call it before Run.
	Subscribe(s Subscriber)
	// Run tells of changes and stores when people were last seen, until ctx ends.
	Run(ctx context.Context) error
}
