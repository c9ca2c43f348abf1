package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"sort"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// maxUserAgent is what is kept of a User-Agent, in bytes.
const maxUserAgent = 200

// Mint makes a session for a user and returns its token, the only time it is seen.
func (a *Auth) Mint(ctx context.Context, user chat.UserID, c Client) (string, error) {
	if err := a.makeRoom(ctx, user); err != nil {
		return "", err
	}
	if len(c.UserAgent) > maxUserAgent {
		c.UserAgent = c.UserAgent[:maxUserAgent]
	}
	token := newToken()
	now := a.now()
	err := a.o.Sessions.Put(ctx, chat.Session{
		TokenHash: hashToken(token), User: user, CreatedAt: now.UnixMilli(), SeenAt: now.UnixMilli(),
		Expires: now.Add(SessionLife).UnixMilli(), UserAgent: c.UserAgent, Address: c.Address,
	})
	if err != nil {
		return "", storeError("make session", err)
	}
	return token, nil
}

// makeRoom deletes expired sessions, and ends the ones unused longest, so that one more keeps within MaxSessions.
func (a *Auth) makeRoom(ctx context.Context, user chat.UserID) error {
	all, err := a.o.Sessions.List(ctx, user)
	if err != nil {
		return storeError("list sessions", err)
	}
	now := a.now().UnixMilli()
	var live []chat.Session
	var end [][32]byte
	for _, s := range all {
		if s.Expires <= now {
			end = append(end, s.TokenHash)
			continue
		}
		live = append(live, s)
	}
	sort.Slice(live, func(i, j int) bool { return live[i].SeenAt < live[j].SeenAt })
	for len(live) >= MaxSessions {
		end = append(end, live[0].TokenHash)
		live = live[1:]
	}
	return a.revoke(ctx, user, end)
}

// Sessions returns a user's live sessions, newest first.
func (a *Auth) Sessions(ctx context.Context, user chat.UserID) ([]chat.Session, error) {
	all, err := a.o.Sessions.List(ctx, user)
	if err != nil {
		return nil, storeError("list sessions", err)
	}
	now := a.now().UnixMilli()
	live := all[:0]
	for _, s := range all {
		if s.Expires > now {
			live = append(live, s)
		}
	}
	sort.Slice(live, func(i, j int) bool { return live[i].CreatedAt > live[j].CreatedAt })
	return live, nil
}

// SessionID is the public name of a session: its token's hash, from which no token can be made.
func SessionID(hash [32]byte) string { return base64.RawURLEncoding.EncodeToString(hash[:]) }

// ParseSessionID reads a session's public name.
func ParseSessionID(s string) (hash [32]byte, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(hash) {
		return hash, false
	}
	copy(hash[:], b)
	return hash, true
}

// Logout ends the session of a token's hash. Ending one that is gone is no error.
func (a *Auth) Logout(ctx context.Context, id Identity) error {
	if id.Session == ([32]byte{}) {
		return chat.Forbidden("this sign-in is not a session of this server")
	}
	return a.revoke(ctx, id.User, [][32]byte{id.Session})
}

// Revoke ends one session of a user. NOT_FOUND when the user has no such session.
func (a *Auth) Revoke(ctx context.Context, user chat.UserID, session [32]byte) error {
	s, err := a.o.Sessions.Get(ctx, session)
	if errors.Is(err, store.ErrNotFound) || (err == nil && s.User != user) {
		return chat.NotFound("no such session")
	}
	if err != nil {
		return storeError("read session", err)
	}
	return a.revoke(ctx, user, [][32]byte{session})
}

// RevokeAll ends all sessions of a user but keep (zero keeps none).
func (a *Auth) RevokeAll(ctx context.Context, user chat.UserID, keep [32]byte) error {
	for {
		all, err := a.o.Sessions.List(ctx, user)
		if err != nil {
			return storeError("list sessions", err)
		}
		var end [][32]byte
		for _, s := range all {
			if s.TokenHash != keep {
				end = append(end, s.TokenHash)
			}
		}
		if err := a.revoke(ctx, user, end); err != nil {
			return err
		}
		// The list is bounded; a user with more has them listed again.
		if len(end) == 0 {
			return nil
		}
	}
}

// revoke deletes sessions, tells every gateway through the change log, and closes open sockets by a push. The order
// matters: a socket closed before its session is deleted could come straight back.
func (a *Auth) revoke(ctx context.Context, user chat.UserID, sessions [][32]byte) error {
	if len(sessions) == 0 {
		return nil
	}
	entries := make([]store.ChangeEntry, 0, len(sessions))
	for _, h := range sessions {
		if err := a.o.Sessions.Delete(ctx, h); err != nil {
			return storeError("delete session", err)
		}
		a.cache.revoke(h)
		entries = append(entries, store.ChangeEntry{Kind: store.LogSession, User: user, Session: h, Removed: true})
	}
	if err := a.o.Changes.Append(ctx, entries); err != nil {
		return storeError("log revocation", err)
	}
	for _, h := range sessions {
		a.o.Router.Push(ctx, &chat.Push{
			Kind: chat.PushControl, Recipients: []chat.UserID{user},
			Control: &chat.Control{Kind: chat.ControlRevoked, Session: h},
		})
	}
	return nil
}

// Ended reports whether a session is known here to have been revoked, without asking the store: by this process, or by
// another as the change log told. It serves to close the gap between a check and what is opened after it.
func (a *Auth) Ended(session [32]byte) bool {
	known, ok := a.cache.get(session)
	return ok && known.revoked
}

// Revoked tells this process that a session was revoked elsewhere: what is cached of it counts no longer.
func (a *Auth) Revoked(session [32]byte) { a.cache.revoke(session) }
