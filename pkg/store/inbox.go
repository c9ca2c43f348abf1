package store

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// LogPage is a stretch of one user's inbox log, ascending by event id.
type LogPage struct {
	Events []chat.Event
	// Horizon: every event with an id ≤ Horizon was visible when the read began. Events beyond it may be in Events,
	// but others before them may still appear.
	Horizon chat.EventID
	// More: the limit was reached, there may be more after the last event.
	More bool
}

// Inbox is the port to the pending log: one log a user, append-only, kept 30 days.
type Inbox interface {
	// Append writes an event that has no message row of its own (membership). It returns its id. Durable as Messages.Append.
	Append(ctx context.Context, f Fanout) (chat.EventID, error)
	// Read returns up to limit (1..1,000) events after an id (exclusive), without an upper bound on the id.
	Read(ctx context.Context, user chat.UserID, after chat.EventID, limit int) (LogPage, error)
	// Horizon is what a read begun now would return as LogPage.Horizon. It does no I/O.
	Horizon() chat.EventID
	// Lag is how far the horizon trails the clock: 0 where commits are ordered, so that reads see every earlier one; D + S
	// (12 s) where rows of one write appear one by one on many nodes.
	Lag() time.Duration
	// KeptSince is the oldest id that the log is sure to still hold; a cursor before it is a gap (0 only in the first 30 days of a store).
	KeptSince() chat.EventID
}

// Devices is the port to the devices of a user.
type Devices interface {
	// List returns the devices of a user, at most chat.MaxDevices (+ those of a race).
	List(ctx context.Context, user chat.UserID) ([]chat.Device, error)
	// Get returns one. ErrNotFound.
	Get(ctx context.Context, user chat.UserID, device chat.DeviceID) (chat.Device, error)
	// Put writes a device's descriptive columns (not the cursor, save on the first write, when AckedTo is stored too).
	Put(ctx context.Context, d chat.Device) error
	// SetCursor moves AckedTo forward; a smaller value than stored changes nothing unless back is set (the client asked).
	SetCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, to chat.EventID, back bool) error
	// SaveAcks replaces what was acked beyond the cursor, in one write.
	SaveAcks(ctx context.Context, user chat.UserID, device chat.DeviceID, base chat.EventID, beyond []chat.EventID) error
	// Delete removes the device, its cursor and its channel cursors.
	Delete(ctx context.Context, user chat.UserID, device chat.DeviceID) error
}

// ChannelCursors is the port to the cursors of devices in the logs of channels (chat.ChannelLog).
type ChannelCursors interface {
	// ChannelCursor returns a device's cursor in a channel, 0 when it has none yet.
	ChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID) (chat.EventID, error)
	// SetChannelCursor moves it forward; a smaller value than stored changes nothing.
	SetChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID, to chat.EventID) error
}
