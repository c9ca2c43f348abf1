package store

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
)

// UserChange sets the fields that are not nil.
type UserChange struct {
	DisplayName *string
	Avatar      *chat.MediaID
	Password    *string
	LastSeen    *int64 // only forward
}

// Users is the port to accounts.
type Users interface {
	// Create writes a user whose username (and external subject, when set) nobody has. ErrConflict.
	Create(ctx context.Context, u chat.User) error
	// Batch returns the users that exist among at most 500 ids, in the order of ids.
	Batch(ctx context.Context, ids []chat.UserID) ([]chat.User, error)
	// ByUsername returns the holder of a username. ErrNotFound.
	ByUsername(ctx context.Context, name string) (chat.User, error)
	// ByExternal returns the user of an external subject. ErrNotFound.
	ByExternal(ctx context.Context, subject string) (chat.User, error)
	// Search returns at most limit users whose username or display name starts with a prefix, case-insensitively, by username.
	Search(ctx context.Context, prefix string, limit int) ([]chat.User, error)
	// Update changes a user. ErrNotFound.
	Update(ctx context.Context, u chat.UserID, c UserChange) error
}

// Sessions is the port to sign-ins.
type Sessions interface {
	Put(ctx context.Context, s chat.Session) error
	// Get returns a session, expired ones too. ErrNotFound.
	Get(ctx context.Context, tokenHash [32]byte) (chat.Session, error)
	// Extend moves SeenAt and Expires of an existing session; never resurrects a deleted one.
	Extend(ctx context.Context, tokenHash [32]byte, seenAt, expires int64) error
	// Delete removes a session; removing a missing one is no error.
	Delete(ctx context.Context, tokenHash [32]byte) error
	// List returns a user's sessions, at most 1,000.
	List(ctx context.Context, user chat.UserID) ([]chat.Session, error)
}

// Blocks is the port to who blocked whom.
type Blocks interface {
	Set(ctx context.Context, user, blocked chat.UserID, on bool, at int64) error
	Has(ctx context.Context, user, blocked chat.UserID) (bool, error)
	// List returns up to limit users whom user blocked, by id.
	List(ctx context.Context, user chat.UserID, limit int) ([]chat.UserID, error)
}

// Media is the port to the descriptions of blobs (the bytes are in pkg/media).
type Media interface {
	Put(ctx context.Context, m chat.Media) error
	// Batch returns those that exist, in the order of ids; at most 500.
	Batch(ctx context.Context, ids []chat.MediaID) ([]chat.Media, error)
	// Delete removes a description.
	Delete(ctx context.Context, id chat.MediaID) error
	// Unfinished returns up to limit descriptions that are not Ready and were created before a moment (Unix ms).
	Unfinished(ctx context.Context, before int64, limit int) ([]chat.Media, error)
}

// Lease is one node slot's row. It has no TTL.
type Lease struct {
	DC        string
	Slot      int
	Holder    string
	Counter   int64
	HighWater int64 // no id at or above it was made by an earlier holder
}

// Leases is the port to node slots, compare-and-set only.
type Leases interface {
	// Get returns a slot's row; a slot never taken is a zero Lease with DC and Slot set.
	Get(ctx context.Context, dc string, slot int) (Lease, error)
	// Put writes next if the row still has prev's holder, counter and high water. ErrConflict.
	Put(ctx context.Context, prev, next Lease) error
	// List returns the rows of a datacenter that were ever taken, by slot. One may be older than what Get returns, for as long
	// as its holder doesn't Put again; a Put that expects an old row is refused.
	List(ctx context.Context, dc string) ([]Lease, error)
	// Now is the store's own clock, for clock checks (Unix ms).
	Now(ctx context.Context) (int64, error)
}
