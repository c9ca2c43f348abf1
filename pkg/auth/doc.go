// Package auth knows who is asking: accounts with passwords, sign-ins (sessions) with opaque tokens, and external JWTs.
//
// It isn't authorisation: who may read which conversation is pkg/service. It owns no socket either: a revocation deletes
// the session, writes the change log and pushes a control event, and gateways close what is open.
//
// Tokens are 32 random bytes; only their SHA-256 is stored. Authenticate is on the path of every connect and every REST
// call: a small cache answers repeated calls for at most cacheFor (4 s, so that a revocation holds everywhere within 5 s
// even where nobody told us), all others cost one store read.
//
// Start with auth.go, then authenticate.go. Locks: none is held while calling out.
package auth
