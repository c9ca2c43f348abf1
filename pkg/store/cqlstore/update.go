package cqlstore

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// erasedAhead is by how much a deletion's timestamp is ahead of its time: above every edit that may be under way. It can't be
// the largest of all, as ScyllaDB refuses timestamps of more than three days in the future.
const erasedAhead = 24 * time.Hour

// An edit is the tuple (version, at, content): of two of one millisecond the larger version wins, as it comes first.
var (
	beforeUpdate = written(forUpdate, getMessage.cql, getMessage.names...)
	editMessage  = written(forUpdate, "UPDATE messages USING TIMESTAMP ? SET edit = (?, ?, ?) WHERE conversation_id = ? AND bucket = ? AND message_id = ?",
		"timestamp", "version", "edited_at", "content", "conversation_id", "bucket", "message_id")
	eraseMessage = written(forUpdate, "UPDATE messages USING TIMESTAMP ? SET deleted = true, content = '', edit = (?, ?, '') WHERE conversation_id = ? AND bucket = ? AND message_id = ?",
		"timestamp", "version", "edited_at", "conversation_id", "bucket", "message_id")
	buryMessage = written(forUpdate, "DELETE FROM messages USING TIMESTAMP ? WHERE conversation_id = ? AND bucket = ? AND message_id = ?",
		"timestamp", "conversation_id", "bucket", "message_id")
)

// Update edits or deletes, and tells it afterwards: whoever reads the event early finds the row changed. A deletion leaves
// empty text rather than tombstones, which could be collected before a late retry of the message comes. It keeps the version
// and the MediaID.
func (m messages) Update(ctx context.Context, u store.Update) (chat.Message, chat.EventID, error) {
	ref := store.Ref{Conversation: u.Conversation, Kind: u.Kind, Message: u.Message}
	row, err := m.row(ctx, beforeUpdate, ref)
	if err != nil {
		return chat.Message{}, 0, err
	}
	c, bucket, msg := uuid(u.Conversation), MessageBucket(u.Kind, u.Message), int64(u.Message)
	switch {
	case row.Deleted:
	case u.Delete:
		at := max(micros(u.Version), m.d.now().UnixMicro()) + erasedAhead.Microseconds()
		if err := m.d.exec(ctx, eraseMessage, at, int64(row.Version), row.EditedAt, c, bucket, msg); err != nil {
			return chat.Message{}, 0, err
		}
		row.Deleted, row.Content = true, ""
	case u.Version > row.Version:
		if err := m.d.exec(ctx, editMessage, micros(u.Version), int64(u.Version), u.At, u.Content, c, bucket, msg); err != nil {
			return chat.Message{}, 0, err
		}
		row.Version, row.EditedAt, row.Content = u.Version, u.At, u.Content
	}
	ev, err := m.d.tell(ctx, &u.Fanout.Event, u.Fanout.Recipients)
	if err != nil {
		return chat.Message{}, 0, err
	}
	return row, ev, nil
}

// Bury deletes the row just above its own timestamp: a write of it that is still under way dies with it. What edits or a
// deletion may have written is no row without it.
func (m messages) Bury(ctx context.Context, ref store.Ref) error {
	return m.d.exec(ctx, buryMessage, micros(ref.Message)+1, uuid(ref.Conversation), MessageBucket(ref.Kind, ref.Message), int64(ref.Message))
}
