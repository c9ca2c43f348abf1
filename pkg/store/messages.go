package store

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
)

// Append is the commit of one message: its row, its claim row, its bucket, and an inbox row for each recipient.
type Append struct {
	Message    chat.Message
	Kind       chat.Kind // of the conversation: decides the bucket's width
	Claim      Claim     // zero ClientMessage: no claim row (server-made messages)
	Recipients []chat.UserID
	// Rewrite: the message row exists; write only claim and inbox rows again, under a new event id.
	Rewrite bool
}

// Update is an edit or deletion of a stored message, with the event that tells its recipients.
type Update struct {
	Conversation chat.ConversationID
	Kind         chat.Kind
	Message      chat.MessageID
	Version      chat.MessageID // id of this edit; the larger wins
	Content      string         // edit only
	At           int64
	Delete       bool // beats every edit, whatever its version
	Fanout       Fanout
}

// React sets or removes one member's reaction.
type React struct {
	Conversation chat.ConversationID
	Kind         chat.Kind
	Message      chat.MessageID
	Reaction     chat.Reaction // empty Emoji removes; At decides between two
	Fanout       Fanout
}

// Ref names a message with what is needed to find its partition.
type Ref struct {
	Conversation chat.ConversationID
	Kind         chat.Kind
	Message      chat.MessageID
}

// History asks for one page of a conversation, bounded on both sides; both bounds are exclusive.
type History struct {
	Conversation chat.ConversationID
	Kind         chat.Kind
	After        chat.MessageID // 0: from the first
	Before       chat.MessageID // 0: up to the newest
	Newest       bool           // page from the upper end (newest first) rather than from the lower end
	Limit        int            // ≥ 1; the engine returns at most this many
	Bare         bool           // without reactions, whose reading costs a statement more where there are any messages
}

// Messages is the port to message rows and their reactions.
type Messages interface {
	// Append commits a message; when it returns nil all of it is durable, and every recipient's log holds the returned
	// event, visible to any log read begun after the store's horizon passed it. Only when all rows were written is nil
	// returned. An existing message row is never overwritten by an older or equal write, and never resurrected once deleted.
	// For a buried id it returns ErrConflict, or takes the write without the message ever appearing. Message ids come from
	// the clock that the engine was opened with. What a points to may be used again once it has returned, whatever it did.
	Append(ctx context.Context, a *Append) (chat.EventID, error)
	// Message returns one row, deleted ones too (Deleted set, Content empty). ErrNotFound.
	Message(ctx context.Context, ref Ref) (chat.Message, error)
	// Batch returns the rows that exist, in the order of refs, missing ones left out. At most 500 refs.
	Batch(ctx context.Context, refs []Ref) ([]chat.Message, error)
	// History returns a page in the order asked for: ascending, or descending with Newest. It reads non-empty buckets
	// only. Reactions are filled, by user id, at most 256 a message, unless Bare. Deleted rows are part of it.
	History(ctx context.Context, h History) ([]chat.Message, error)
	// Update edits or deletes; ErrNotFound when there is no such row. It returns the event's id, and the row as it is after
	// it. A deleted row keeps its MediaID, so that the blob can be found and removed.
	Update(ctx context.Context, u Update) (chat.Message, chat.EventID, error)
	// React sets or removes a reaction and returns the event's id. It doesn't look whether the message exists.
	React(ctx context.Context, r React) (chat.EventID, error)
	// Bury makes sure that a message id never appears: a write of it still under way dies too, and so does a row that exists.
	Bury(ctx context.Context, ref Ref) error
}

// Claim binds a sender's clientMessageId to a message id.
type Claim struct {
	User          chat.UserID
	ClientMessage chat.ClientMessageID
	Message       chat.MessageID
	Conversation  chat.ConversationID
	Digest        [16]byte // of the payload; another digest under the same key is a client's mistake
}

// Claims is the port to durable claims, kept 30 days. Append writes claims too, on the usual way.
type Claims interface {
	// Get returns the claim. ErrNotFound.
	Get(ctx context.Context, user chat.UserID, key chat.ClientMessageID) (Claim, error)
	// PutIfAbsent writes the claim unless one exists, and returns the one that holds now.
	PutIfAbsent(ctx context.Context, c Claim) (Claim, error)
	// Move replaces the message id of a claim if it is still from. ErrConflict otherwise.
	Move(ctx context.Context, c Claim, from chat.MessageID) error
}
