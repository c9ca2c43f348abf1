package transfer

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// Table is a kind of rows.
type Table uint8

// The tables, in the order in which they are copied: what may conflict comes first.
const (
	Users Table = iota
	Blocks
	Sessions
	Devices
	ChannelCursors
	Conversations
	Members
	Listed
	Heads
	Marks
	Media
	Messages
	Reactions
	Log
	Claims
	Tables // how many there are
)

var tableNames = [Tables]string{
	"users", "blocks", "sessions", "devices", "channel cursors", "conversations", "members", "listed conversations", "heads",
	"watermarks", "media", "messages", "reactions", "inbox", "claims",
}

// String returns the table's name for people and state files.
func (t Table) String() string {
	if t < Tables {
		return tableNames[t]
	}
	return ""
}

// Row is one row of a source. Value is of the table's type below, or chat.User, chat.Session, chat.Device, chat.Media,
// store.Head, store.Claim. It is the receiver's.
type Row struct {
	Table Table
	Key   []byte // where the row stands in the source's order; opaque
	Value any
	Size  int // bytes it takes in the source, roughly
}

// The rows that the domain has no type of its own for.
type (
	// BlockRow says whom a user blocked, and when (Unix ms).
	BlockRow struct {
		User, Blocked chat.UserID
		At            int64
	}
	// ChannelCursorRow is a device's cursor in the log of a channel.
	ChannelCursorRow struct {
		User    chat.UserID
		Device  chat.DeviceID
		Channel chat.ConversationID
		To      chat.EventID
	}
	// ConversationRow is a conversation with the version of its membership.
	ConversationRow struct {
		chat.Conversation
		Version int64
	}
	// MemberRow is a member of a conversation, a former one too. Created is the conversation's.
	MemberRow struct {
		Conversation chat.ConversationID
		Kind         chat.Kind
		Created      int64
		chat.Member
	}
	// ListedRow is an entry of a user's list of conversations. Created is the conversation's.
	ListedRow struct {
		User    chat.UserID
		Created int64
		store.ListedConversation
	}
	// MarkRow holds a member's watermarks.
	MarkRow struct {
		Conversation chat.ConversationID
		chat.Receipt
	}
	// MessageRow is a message, a deleted one too, as store.Messages returns it.
	MessageRow struct {
		Kind chat.Kind
		chat.Message
	}
	// ReactionRow is a member's reaction, a removed one too (empty emoji).
	ReactionRow struct {
		Kind         chat.Kind
		Conversation chat.ConversationID
		Message      chat.MessageID
		chat.Reaction
	}
	// LogRow is an event of a user's log, or of a channel's under the channel's id.
	LogRow struct {
		User chat.UserID
		chat.Event
	}
	// OrphanRow stands for a row whose conversation doesn't exist: nothing can read it, and it isn't copied.
	OrphanRow struct{ Conversation chat.ConversationID }
)

// SourceInfo says what a source is.
type SourceInfo struct {
	// Identity is equal for two openings only if nothing was written between them.
	Identity string
	// HighWater: every id in the source is below it.
	HighWater id.ID
	// Made is the moment by which the source's rows without a time of their own are dated (Unix ms): the same as long as
	// Identity is.
	Made int64
}

// Source is a store opened to be read only. It doesn't change while it is open.
type Source interface {
	Info() SourceInfo
	// Count returns how many rows a table has, orphans included.
	Count(ctx context.Context, t Table) (int64, error)
	// Rows hands out a table's rows after a key (nil: from the start) in order, until yield returns an error, which it
	// returns.
	Rows(ctx context.Context, t Table, after []byte, yield func(Row) error) error
	Close() error
}

// Target is a store that rows are copied into. It is safe for concurrent use.
type Target interface {
	// Occupied names a table that holds rows, "" when the target is empty.
	Occupied(ctx context.Context) (string, error)
	// Taken returns the rows among users (at most 500) that can't be written because someone else has their username or
	// external subject, each with a text that says so.
	Taken(ctx context.Context, users []chat.User) ([]string, error)
	// Write writes rows of one table; doing it twice changes nothing, and what is newer in the target stays. It returns when
	// all are durable. Rows that have expired are left out.
	Write(ctx context.Context, rows []Row) error
	// Check reads rows back and compares each cell.
	Check(ctx context.Context, rows []Row) (Checked, error)
	// Finish makes sure that no gateway makes ids below a high water.
	Finish(ctx context.Context, highWater id.ID) error
}

// Checked is what a check found. Names are the target's tables.
type Checked struct {
	Rows    map[string]int64 // rows of the target that are as they should be
	Sums    map[string]Sum   // of their cells
	Expired int64            // rows of the source that have outlived their time
	Wrong   []Difference     // the first ones; Missing and Differ count all
	Missing int64            // rows that aren't there
	Differ  int64            // rows that hold something else
	Newer   int64            // rows that were changed in the target since they were copied
}

// Difference is a row of the target that is not as it should be.
type Difference struct {
	Table string
	Row   string // its key
	What  string // "missing", or the cells and what they hold
}
