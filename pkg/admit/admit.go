package admit

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Limit names a rate limit.
type Limit uint8

// The limits; keys are users, conversations or addresses.
const (
	LimitMessage        Limit = iota // a user's messages
	LimitConversation                // messages in one conversation
	LimitTyping                      // a user's typing events
	LimitConnect                     // a user's connections
	LimitConnectAddress              // connections from one address
	LimitAuthAddress                 // sign-in attempts from one address
	LimitOther                       // a user's other actions
	NumLimits
)

// Names of the limits as they stand in the configuration.
var Names = [NumLimits]string{"message", "conversation", "typing", "connect", "connect-address", "auth-address", "other"}

// Rate is a number of events in a sliding window; Count 0 means unlimited.
type Rate struct {
	Count  int
	Window time.Duration
}

// Request asks to admit one message.
type Request struct {
	Claim store.Claim // Message is the id to use when the claim is fresh
	// Durable: the durable claim must be looked at even where memory says that the key is new.
	Durable bool
	// Resend: an earlier attempt may be under way somewhere.
	Resend bool
	// Since is when the sender's present connection began, or a later attempt on it ended unknown: no attempt that is still
	// under way began after it. Zero: unknown, one may have begun just now.
	Since time.Time
	// Renew makes a new message id. It is called when the engine had to wait, so that no message appears above what people have
	// read meanwhile; a fresh decision's Held then has the new id. nil: the claim's id is used, however old.
	Renew func() (chat.MessageID, error)
}

// Decision is the answer to a Request.
type Decision struct {
	// RetryAfter > 0: over a rate limit, named by Limit; nothing was claimed.
	RetryAfter time.Duration
	Limit      Limit
	// Fresh: the key was new; the request's claim holds. Otherwise Held is the claim that stands.
	Fresh bool
	Held  store.Claim
	// Written: the durable claim row is in the store already.
	Written bool
}

// Admission is the port to claims and rate limits.
type Admission interface {
	// Admit checks the message and conversation rates and takes the claim, in one round trip.
	Admit(ctx context.Context, r Request) (Decision, error)
	// Done says that the commit of an admitted message is over, well or not. Every Decision that isn't a refusal, fresh or
	// not, is ended by one Done.
	Done(c store.Claim)
	// Moved says that a durable claim was moved to another message id, which stands from now on. Best effort.
	Moved(ctx context.Context, c store.Claim)
	// Allow counts one event of another kind and returns 0, or how long to wait. The key is a user id's or an address's 16 bytes.
	Allow(ctx context.Context, l Limit, key [16]byte) (time.Duration, error)
	// Run sweeps what is idle until ctx ends.
	Run(ctx context.Context) error
}

// Key is the rate-limit key of an id.
func Key[K any](u chat.ID[K]) [16]byte { return u }
