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

// The parts of a commit that aren't inbox rows.
const (
	partMessage uint8 = iota
	partClaim
	partBucket
)

// commit is one Append under way. Nothing of it outlives the call: it returns when every statement has.
type commit struct {
	d     *DB
	a     *store.Append
	event chat.Event
	key   bucketKey
	parts [3]uint8
	n     int // of parts
}

// Append commits a message: all its rows at once. A buried id is taken, without the message ever appearing: the burial
// outranks its row.
func (m messages) Append(ctx context.Context, a *store.Append) (chat.EventID, error) {
	d := m.d
	msg := &a.Message
	c := &commit{d: d, a: a, key: bucketKey{msg.Conversation, MessageBucket(a.Kind, msg.ID)},
		event: chat.Event{Kind: chat.EventMessage, Conversation: msg.Conversation, Message: msg.ID, Actor: msg.Sender}}
	newBucket := false
	if !a.Rewrite {
		c.add(partMessage)
		if _, known := d.buckets.get(c.key); !known {
			newBucket = true
			c.add(partBucket)
		}
	}
	if !a.Claim.ClientMessage.IsZero() {
		c.add(partClaim)
	}
	began := d.boot()
	var err error
	if c.event.ID, err = d.event(); err != nil {
		return 0, err
	}
	if err := d.each(ctx, c.n+len(a.Recipients), c.do); err != nil {
		return 0, err
	}
	if newBucket {
		d.buckets.update(c.key, func(struct{}) struct{} { return struct{}{} })
	}
	if len(a.Recipients) > 0 && d.boot()-began > d.patience() {
		return d.tell(ctx, &c.event, a.Recipients)
	}
	return c.event.ID, nil
}

func (c *commit) add(part uint8) {
	c.parts[c.n] = part
	c.n++
}

// do runs the i-th statement of the commit.
func (c *commit) do(ctx context.Context, i int) error {
	if i >= c.n {
		return c.d.inboxRow(ctx, c.a.Recipients[i-c.n], &c.event)
	}
	switch c.parts[i] {
	case partMessage:
		return c.message(ctx)
	case partClaim:
		cl := &c.a.Claim
		return c.d.exec(ctx, putClaim, uuid(cl.User), uuid(cl.ClientMessage), int64(cl.Message), uuid(cl.Conversation), cl.Digest[:], micros(cl.Message))
	}
	return c.d.exec(ctx, putBucket, uuid(c.key.conversation), c.key.bucket, c.key.bucket*1000)
}

func (c *commit) message(ctx context.Context) error {
	m := &c.a.Message
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
	return c.d.exec(ctx, putMessage, uuid(m.Conversation), c.key.bucket, int64(m.ID), uuid(m.Sender), client, m.ContentType.String(), m.Content, media, reply, micros(m.ID))
}
