package auth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/store"
)

// Authenticate says who a credential speaks for: a session token, or an external JWT where those are configured.
// UNAUTHENTICATED for anything else; UNAVAILABLE when the store or the JWKS can't be asked.
//
// An answer may be up to cacheFor old; see Confirm.
func (a *Auth) Authenticate(ctx context.Context, token string) (Identity, error) {
	return a.identify(ctx, token, cacheFor)
}

// Confirm is Authenticate that asks the store now: what was revoked on another gateway is refused at once, though this one
// hasn't heard of it. For what lasts, such as a connection. Who registers one asks Ended afterwards, so that no socket slips
// through between check and registration.
func (a *Auth) Confirm(ctx context.Context, token string) (Identity, error) {
	return a.identify(ctx, token, 0)
}

func (a *Auth) identify(ctx context.Context, token string, old time.Duration) (Identity, error) {
	switch {
	case token == "":
		return Identity{}, unauthenticated("sign in first")
	case len(token) > maxToken:
		return Identity{}, unauthenticated("the token is too long")
	case isSessionToken(token):
		return a.session(ctx, hashToken(token), old)
	case a.o.JWT != nil && strings.Count(token, ".") == 2:
		return a.external(ctx, token)
	}
	return Identity{}, unauthenticated("the token is not valid")
}

// session looks a token's hash up; an answer younger than old will do.
func (a *Auth) session(ctx context.Context, h [32]byte, old time.Duration) (Identity, error) {
	now := a.now()
	if c, ok := a.cache.get(h); ok {
		if c.revoked {
			return Identity{}, signedOut()
		}
		if now.Sub(c.at) < old && now.UnixMilli() < c.id.Expires {
			return c.id, nil
		}
	}
	s, err := a.o.Sessions.Get(ctx, h)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Identity{}, signedOut()
	case err != nil:
		return Identity{}, storeError("read session", err)
	case s.Expires <= now.UnixMilli():
		return Identity{}, unauthenticated("the session has expired")
	}
	if now.Add(SessionLife-extendEvery).UnixMilli() > s.Expires {
		select {
		case a.extends <- h:
		default: // full: the next use asks again
		}
	}
	id := Identity{User: s.User, Session: h, Expires: s.Expires}
	// at is the time before the read: an answer is never taken for younger than what it says.
	if !a.cache.put(h, answer{id: id, at: now}) {
		return Identity{}, signedOut()
	}
	return id, nil
}

func signedOut() error { return unauthenticated("signed out") }
