package cqlstore

import (
	"context"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

var (
	putMessage = written(forAppend, "INSERT INTO messages (conversation_id, bucket, message_id, sender_id, client_message_id, content_type, content, media_id, reply_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"conversation_id", "bucket", "message_id", "sender_id", "client_message_id", "content_type", "content", "media_id", "reply_to", "timestamp")
	putClaim = written(forClaim, "INSERT INTO claims (user_id, client_message_id, message_id, conversation_id, digest) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"user_id", "client_message_id", "message_id", "conversation_id", "digest", "timestamp")
	putBucket = written(forBucket, "INSERT INTO message_buckets (conversation_id, bucket) VALUES (?, ?) USING TIMESTAMP ?",
		"conversation_id", "bucket", "timestamp")
)

// Append commits a message: all its rows at once. A buried id is taken, without the message ever appearing: the burial
// outranks its row.
func (m messages) Append(ctx context.Context, a *store.Append) (chat.EventID, error) {
	d := m.d
	msg := &a.Message
	key := bucketKey{msg.Conversation, MessageBucket(a.Kind, msg.ID)}
	event := chat.Event{Kind: chat.EventMessage, Conversation: msg.Conversation, Message: msg.ID, Actor: msg.Sender}
	rows := make([]bound, 0, 3+len(a.Recipients))
	newBucket := false
	if !a.Rewrite {
		rows = append(rows, rowOfMessage(key, msg))
		if _, known := d.buckets.get(key); !known {
			newBucket = true
			rows = append(rows, bound{putBucket, []any{uuid(key.conversation), key.bucket, key.bucket * 1000}})
		}
	}
	if !a.Claim.ClientMessage.IsZero() {
		cl := &a.Claim
		rows = append(rows, bound{putClaim, []any{uuid(cl.User), uuid(cl.ClientMessage), int64(cl.Message), uuid(cl.Conversation), cl.Digest[:], micros(cl.Message)}})
	}
	began := d.boot()
	var err error
	if event.ID, err = d.event(); err != nil {
		return 0, err
	}
	for _, u := range a.Recipients {
		rows = append(rows, inboxRow(u, &event))
	}
	if err := d.write(ctx, rows); err != nil {
		return 0, err
	}
	if newBucket {
		d.buckets.update(key, func(struct{}) struct{} { return struct{}{} })
	}
	if len(a.Recipients) > 0 && d.boot()-began > d.patience() {
		return d.tell(ctx, &event, a.Recipients)
	}
	return event.ID, nil
}

// rowOfMessage is a message in its bucket.
func rowOfMessage(key bucketKey, m *chat.Message) bound {
	var client, media, reply any = gocql.UnsetValue, gocql.UnsetValue, gocql.UnsetValue
	if !m.ClientMessageID.IsZero() {
		client = uuid(m.ClientMessageID)
	}
	if !m.MediaID.IsZero() {
		media = uuid(m.MediaID)
	}
	if m.ReplyTo != 0 {
		reply = int64(m.ReplyTo)
	}
	return bound{putMessage, []any{uuid(m.Conversation), key.bucket, int64(m.ID), uuid(m.Sender), client, m.ContentType.String(), m.Content, media, reply, micros(m.ID)}}
}
