package store

import (
	"context"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
)

// Errors that engines return (wrapped).
var (
	ErrNotFound = errors.New("store: not found")
	// ErrConflict: the row is not as the compare-and-set expected it.
	ErrConflict = errors.New("store: conflict")
	// ErrUnavailable: the engine can't take writes (or reads) now: disk full, no quorum. Whether a write happened is unknown.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrClosed: the engine was closed.
	ErrClosed = errors.New("store: closed")
)

// Store is one engine's set of ports.
type Store struct {
	Messages      Messages
	Inbox         Inbox
	Claims        Claims
	Devices       Devices
	Channels      ChannelCursors
	Conversations Conversations
	Members       Members
	Listing       Listing
	Watermarks    Watermarks
	Users         Users
	Sessions      Sessions
	Blocks        Blocks
	Media         Media
	Changes       Changes
	Leases        Leases
	Engine        Engine
}

// Engine is what an operator asks of a whole engine.
type Engine interface {
	// Ping reports whether the engine takes reads and writes now: nil, or why not.
	Ping(ctx context.Context) error
	// Close flushes and ends; ports answer ErrClosed afterwards.
	Close() error
}

// Fanout is a durable event and the users whose logs get it. Recipients are distinct.
type Fanout struct {
	Event      chat.Event // ID is ignored: the engine makes a fresh one for each attempt
	Recipients []chat.UserID
}
