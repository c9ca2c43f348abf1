package cqlstore

import (
	"context"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

var (
	getChannelCursor = written(forCursor, "SELECT acked_to FROM channel_cursors WHERE user_id = ? AND device_id = ? AND channel_id = ?",
		"user_id", "device_id", "channel_id")
	setChannelCursor = written(forCursor, "INSERT INTO channel_cursors (user_id, device_id, channel_id, acked_to) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
		"user_id", "device_id", "channel_id", "acked_to", "timestamp")
	deleteChannelCursors = written(forDevice, "DELETE FROM channel_cursors USING TIMESTAMP ? WHERE user_id = ? AND device_id = ?",
		"timestamp", "user_id", "device_id")
)

// channels implements store.ChannelCursors.
type channels struct{ d *DB }

// ChannelCursor returns a device's cursor in a channel.
func (s channels) ChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID) (chat.EventID, error) {
	var to int64
	err := s.d.one(ctx, getChannelCursor, []any{uuid(user), uuid(device), uuid(c)}, &to)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	return chat.EventID(to), nil
}

// SetChannelCursor moves it forward: the event's own time is the timestamp, so the latest event wins. What is set to an event
// from before the device was removed has no effect, and the stretch after the start is read once more.
func (s channels) SetChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID, to chat.EventID) error {
	return s.d.exec(ctx, setChannelCursor, uuid(user), uuid(device), uuid(c), int64(to), micros(to))
}
