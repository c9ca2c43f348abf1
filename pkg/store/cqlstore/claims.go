package cqlstore

import (
	"context"
	"fmt"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// casAttempts is how often a compare-and-set whose outcome stayed unknown is tried.
const casAttempts = 3

var (
	getClaim = written(forClaimCAS, "SELECT message_id, conversation_id, digest FROM claims WHERE user_id = ? AND client_message_id = ?",
		"user_id", "client_message_id")
	newClaim = written(forClaimCAS, "INSERT INTO claims (user_id, client_message_id, message_id, conversation_id, digest) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS",
		"user_id", "client_message_id", "message_id", "conversation_id", "digest").conditional()
	// moveClaim writes all columns: they shall end together.
	moveClaim = written(forClaimCAS, "UPDATE claims SET message_id = ?, conversation_id = ?, digest = ? WHERE user_id = ? AND client_message_id = ? IF message_id = ?",
		"message_id", "conversation_id", "digest", "user_id", "client_message_id", "from").conditional()
)

// claims implements store.Claims.
type claims struct{ d *DB }

// Get returns the claim.
func (c claims) Get(ctx context.Context, user chat.UserID, key chat.ClientMessageID) (store.Claim, error) {
	return c.read(ctx, c.d.one, user, key)
}

func (c claims) read(ctx context.Context, one func(context.Context, *statement, []any, ...any) error, user chat.UserID, key chat.ClientMessageID) (store.Claim, error) {
	out := store.Claim{User: user, ClientMessage: key}
	var digest []byte
	if err := one(ctx, getClaim, []any{uuid(user), uuid(key)}, (*int64)(&out.Message), (*[16]byte)(&out.Conversation), &digest); err != nil {
		return store.Claim{}, err
	}
	copy(out.Digest[:], digest)
	return out, nil
}

// PutIfAbsent writes the claim unless one exists. While the outcome is unknown it is tried again: a claim of an earlier attempt is
// found as the one that holds.
func (c claims) PutIfAbsent(ctx context.Context, claim store.Claim) (store.Claim, error) {
	applied, have, err := c.d.casUntilKnown(ctx, newClaim, uuid(claim.User), uuid(claim.ClientMessage), int64(claim.Message), uuid(claim.Conversation), claim.Digest[:])
	switch {
	case err != nil:
		return store.Claim{}, err
	case applied:
		return claim, nil
	}
	return claimOf(claim.User, claim.ClientMessage, have), nil
}

// claimOf reads the row that a compare-and-set found.
func claimOf(user chat.UserID, key chat.ClientMessageID, have map[string]any) store.Claim {
	out := store.Claim{User: user, ClientMessage: key}
	message, _ := have["message_id"].(int64)
	conversation, _ := have["conversation_id"].(gocql.UUID)
	digest, _ := have["digest"].([]byte)
	out.Message, out.Conversation = chat.MessageID(message), chat.ConversationID(conversation)
	copy(out.Digest[:], digest)
	return out
}

// Move replaces the message id of a claim. Doing it twice changes nothing.
func (c claims) Move(ctx context.Context, claim store.Claim, from chat.MessageID) error {
	applied, have, err := c.d.casUntilKnown(ctx, moveClaim, int64(claim.Message), uuid(claim.Conversation), claim.Digest[:], uuid(claim.User), uuid(claim.ClientMessage), int64(from))
	if err != nil || applied {
		return err
	}
	if holds := claimOf(claim.User, claim.ClientMessage, have); holds.Message != claim.Message {
		return fmt.Errorf("cqlstore: claim_cas: %w: claim is of another message", store.ErrConflict)
	}
	return nil
}
