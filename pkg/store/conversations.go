package store

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
)

// Conversations is the port to conversation rows.
type Conversations interface {
	// Get returns a conversation's row. ErrNotFound.
	Get(ctx context.Context, c chat.ConversationID) (chat.Conversation, error)
}

// MemberChange is one conditional batch on a conversation: it applies whole, if Version is still the stored one, or not at all.
type MemberChange struct {
	Conversation chat.ConversationID
	Version      int64 // expected; 0 creates (ErrConflict when it exists)
	Create       *chat.Conversation
	Rename       *string
	Avatar       *chat.MediaID
	Set          []chat.Member // rows to write, whole
	// Listed users get, Unlisted lose, the conversation in their list. Unlisting keeps preferences.
	Listed   []chat.UserID
	Unlisted []chat.UserID
	// Log is appended to the change log in the same write (or right after it, before the call returns).
	Log    []ChangeEntry
	Fanout []Fanout
}

// Members is the port to membership. Rows are never deleted; changes are serial by version.
type Members interface {
	// Membership returns the conversation with all members of a direct conversation or group (left ones too); for a
	// channel only the conversation and version. ErrNotFound.
	Membership(ctx context.Context, c chat.ConversationID) (*chat.Membership, error)
	// Member returns one row. ErrNotFound.
	Member(ctx context.Context, c chat.ConversationID, u chat.UserID) (chat.Member, error)
	// Page returns up to limit rows by user id after one (exclusive; zero = from the start), left ones too.
	Page(ctx context.Context, c chat.ConversationID, after chat.UserID, limit int) ([]chat.Member, error)
	// Change applies a conditional batch and returns the new version and the event ids of its fan-outs. ErrConflict.
	Change(ctx context.Context, m MemberChange) (version int64, events []chat.EventID, err error)
	// CreateDirect writes a direct conversation with constant columns: doing it twice changes nothing.
	CreateDirect(ctx context.Context, c chat.Conversation, a, b chat.UserID) error
}

// ListedConversation is one entry of a user's conversation list.
type ListedConversation struct {
	Conversation chat.ConversationID
	Kind         chat.Kind
	Muted        bool
	Archived     bool
	Listed       bool // false: left or removed
}

// Head is the newest message of a conversation, for lists.
type Head struct {
	Conversation chat.ConversationID
	Last         chat.MessageID
	Preview      string // at most 120 code points
	Sender       chat.UserID
}

// Listing is the port to the lists that people see of their conversations.
type Listing interface {
	// Conversations pages through a user's list by conversation id, after one (exclusive; zero = start).
	Conversations(ctx context.Context, user chat.UserID, after chat.ConversationID, limit int) ([]ListedConversation, error)
	// Listed returns one entry. ErrNotFound.
	Listed(ctx context.Context, user chat.UserID, c chat.ConversationID) (ListedConversation, error)
	// SetPreferences writes muted and archived of an entry that exists (ErrNotFound, where the engine looks).
	SetPreferences(ctx context.Context, user chat.UserID, l ListedConversation) error
	// PutHeads moves heads forward (an older Last than stored changes nothing); write-behind, many at once.
	PutHeads(ctx context.Context, heads []Head) error
	// Heads returns the heads that exist. At most 500.
	Heads(ctx context.Context, cs []chat.ConversationID) (map[chat.ConversationID]Head, error)
}

// Mark moves a member's watermarks; a zero id leaves that one alone.
type Mark struct {
	Conversation chat.ConversationID
	User         chat.UserID
	DeliveredTo  chat.MessageID
	ReadTo       chat.MessageID
}

// Watermarks is the port to receipts: each watermark only moves forward, whatever order writes come in.
type Watermarks interface {
	// Put moves many watermarks forward in one call.
	Put(ctx context.Context, marks []Mark) error
	// Get returns one member's. A member without any has zeros.
	Get(ctx context.Context, c chat.ConversationID, u chat.UserID) (chat.Receipt, error)
	// List returns the members' watermarks, at most limit, ordered by user id, after one (exclusive).
	List(ctx context.Context, c chat.ConversationID, after chat.UserID, limit int) ([]chat.Receipt, error)
}

// ChangeKind says what a change-log entry is about.
type ChangeKind uint8

// The kinds of change-log entries.
const (
	LogMembers ChangeKind = iota + 1 // Conversation: its membership changed
	LogSession                       // Session (or all of User, when zero): revoked
	LogDevice                        // User, Device: added or removed
	LogBlock                         // User blocked or unblocked Other
	LogProfile                       // User: name or avatar changed
)

// ChangeEntry is one row of the change log that every gateway polls.
type ChangeEntry struct {
	ID           chat.EventID // set by the engine
	Kind         ChangeKind
	Conversation chat.ConversationID
	User         chat.UserID
	Other        chat.UserID
	Device       chat.DeviceID
	Session      [32]byte
	Removed      bool
}

// Changes is the port to the change log, kept one day.
type Changes interface {
	// Append writes entries; they are visible to every Since begun afterwards.
	Append(ctx context.Context, entries []ChangeEntry) error
	// Since returns up to limit entries after an id, ascending, and the id to go on from. With id 0: none, and only the current
	// end is returned.
	//
	// A page of limit entries ends at its last one: go on from there at once. A shorter one reached the newest entry, and its end
	// is the log's horizon, as in Inbox: before after where the engine's Lag isn't 0, since entries with smaller ids may still
	// appear. So no entry is missed by who always goes on from end, and those of the last Lag are returned again by each read:
	// what is done with an entry must bear repetition, or skip the ids that it has seen.
	Since(ctx context.Context, after chat.EventID, limit int) (entries []ChangeEntry, end chat.EventID, err error)
}
