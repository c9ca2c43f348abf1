package cqlstore

import (
	"context"
	"fmt"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	maxBatch = 500
	// maxIn is how many rows of one partition a statement names; ScyllaDB takes 100 by default.
	maxIn = 50
)

const messageColumns = "message_id, sender_id, client_message_id, content_type, content, media_id, reply_to, edit, deleted"

var (
	getMessage = written(forMessage, "SELECT "+messageColumns+" FROM messages WHERE conversation_id = ? AND bucket = ? AND message_id = ?",
		"conversation_id", "bucket", "message_id")
	getMessages = written(forMessage, "SELECT "+messageColumns+" FROM messages WHERE conversation_id = ? AND bucket = ? AND message_id IN ?",
		"conversation_id", "bucket", "message_ids")
)

// messages implements store.Messages.
type messages struct{ d *DB }

// messageRow is what messageColumns are scanned into. The driver takes the edit, a tuple, apart.
type messageRow struct {
	id, reply             int64
	sender, client, media [16]byte
	contentType, content  string
	editVersion, editAt   int64
	editContent           string
	deleted               bool
	dest                  [11]any
}

func newMessageRow() *messageRow {
	r := &messageRow{}
	r.dest = [...]any{&r.id, &r.sender, &r.client, &r.contentType, &r.content, &r.media, &r.reply, &r.editVersion, &r.editAt, &r.editContent, &r.deleted}
	return r
}

// message makes a message of the row; false: there is none, only what was left of a buried one.
func (r *messageRow) message(c chat.ConversationID) (chat.Message, bool) {
	if r.sender == [16]byte{} {
		return chat.Message{}, false
	}
	t, _ := chat.ParseContentType(r.contentType)
	m := chat.Message{
		ID: chat.MessageID(r.id), Conversation: c, Sender: r.sender, ClientMessageID: r.client, ContentType: t, Content: r.content,
		MediaID: r.media, ReplyTo: chat.MessageID(r.reply), Deleted: r.deleted,
	}
	if r.editVersion != 0 {
		m.Version, m.EditedAt, m.Content = chat.MessageID(r.editVersion), r.editAt, r.editContent
	}
	if m.Deleted {
		m.Content = "" // an edit may have met the deletion
	}
	return m, true
}

// Message returns one row, without reactions.
func (m messages) Message(ctx context.Context, ref store.Ref) (chat.Message, error) {
	return m.row(ctx, getMessage, ref)
}

func (m messages) row(ctx context.Context, s *statement, ref store.Ref) (chat.Message, error) {
	r := newMessageRow()
	if err := m.d.one(ctx, s, []any{uuid(ref.Conversation), MessageBucket(ref.Kind, ref.Message), int64(ref.Message)}, r.dest[:]...); err != nil {
		return chat.Message{}, err
	}
	msg, ok := r.message(ref.Conversation)
	if !ok {
		return chat.Message{}, fmt.Errorf("cqlstore: message: %w", store.ErrNotFound)
	}
	return msg, nil
}

// messageGroup are messages of one partition, read at once.
type messageGroup struct {
	bucketKey
	ids []int64
}

type messageKey struct {
	conversation chat.ConversationID
	message      chat.MessageID
}

// Batch returns the rows that exist, without reactions: one read a partition, up to maxIn rows each.
func (m messages) Batch(ctx context.Context, refs []store.Ref) ([]chat.Message, error) {
	if len(refs) > maxBatch {
		return nil, fmt.Errorf("cqlstore: %d messages in one read, at most %d", len(refs), maxBatch)
	}
	groups := groupRefs(refs)
	found := make(map[messageKey]chat.Message, len(refs))
	var mu sync.Mutex
	err := m.d.each(ctx, len(groups), func(ctx context.Context, i int) error {
		g := &groups[i]
		r := newMessageRow()
		return m.d.rows(ctx, getMessages, maxIn, []any{uuid(g.conversation), g.bucket, g.ids}, r.dest[:], func() (bool, error) {
			if msg, ok := r.message(g.conversation); ok {
				mu.Lock()
				found[messageKey{g.conversation, msg.ID}] = msg
				mu.Unlock()
			}
			return true, nil
		})
	})
	if err != nil {
		return nil, err
	}
	out := make([]chat.Message, 0, len(found))
	for _, ref := range refs {
		if msg, ok := found[messageKey{ref.Conversation, ref.Message}]; ok {
			out = append(out, msg)
		}
	}
	return out, nil
}

// groupRefs sorts refs into partitions, without doubles.
func groupRefs(refs []store.Ref) []messageGroup {
	groups := make([]messageGroup, 0, min(len(refs), 16))
	open := make(map[bucketKey]int, cap(groups)) // the group that takes more
	seen := make(map[messageKey]struct{}, len(refs))
	for _, ref := range refs {
		if _, ok := seen[messageKey{ref.Conversation, ref.Message}]; ok {
			continue
		}
		seen[messageKey{ref.Conversation, ref.Message}] = struct{}{}
		k := bucketKey{ref.Conversation, MessageBucket(ref.Kind, ref.Message)}
		i, ok := open[k]
		if !ok || len(groups[i].ids) == maxIn {
			i = len(groups)
			groups = append(groups, messageGroup{bucketKey: k})
			open[k] = i
		}
		groups[i].ids = append(groups[i].ids, int64(ref.Message))
	}
	return groups
}
