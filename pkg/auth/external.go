package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// external checks a JWT and finds, or makes, the user of its subject.
func (a *Auth) external(ctx context.Context, token string) (Identity, error) {
	c, err := a.o.JWT.verify(ctx, token, a.now())
	if err != nil {
		return Identity{}, err
	}
	subject := c.external()
	user, ok := a.subjects.Get(subject)
	if !ok {
		u, err := a.userOf(ctx, subject, c)
		if err != nil {
			return Identity{}, err
		}
		user = u.ID
		a.subjects.Add(subject, user)
	}
	return Identity{User: user, Expires: c.expires}, nil
}

// userOf returns the user bound to a subject, made on first sight. Of two that make it at once one wins, and both return it.
func (a *Auth) userOf(ctx context.Context, subject string, c claims) (chat.User, error) {
	// Every round either finds the user or fails on a name that the next round doesn't try.
	for _, name := range usernames(c, subject) {
		u, err := a.o.Users.ByExternal(ctx, subject)
		if err == nil {
			return u, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return chat.User{}, storeError("look up external user", err)
		}
		display, err := validDisplayName(c.Name)
		if err != nil {
			display = name
		}
		now := a.now()
		u = chat.User{ID: chat.NewUserID(now), Username: name, DisplayName: display, External: subject, CreatedAt: now.UnixMilli()}
		err = a.o.Users.Create(ctx, u)
		if err == nil {
			return u, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return chat.User{}, storeError("create external user", err)
		}
	}
	u, err := a.o.Users.ByExternal(ctx, subject)
	if err != nil {
		return chat.User{}, storeError("create external user", err)
	}
	return u, nil
}

// usernames derives the usernames to try for a subject: what the issuer prefers, then the same with parts of the
// subject's hash behind it, the last of which nobody else can have but by a collision of 80 bits.
func usernames(c claims, subject string) []string {
	plain := cleanUsername(c.PreferredUsername)
	if plain == "" {
		plain = cleanUsername(c.Subject)
	}
	sum := sha256.Sum256([]byte(subject))
	tag := hex.EncodeToString(sum[:10])
	if plain == "" {
		return []string{"user_" + tag[:8], "user_" + tag}
	}
	short := plain
	if max := chat.MaxUsername - 1 - 6; len(short) > max {
		short = short[:max]
	}
	return []string{plain, short + "_" + tag[:6], "user_" + tag}
}

// cleanUsername makes a username of free text: lower case, other characters dropped, an email's local part only.
func cleanUsername(s string) string {
	s, _, _ = strings.Cut(strings.ToLower(s), "@")
	var b []byte
	for i := 0; i < len(s) && len(b) < chat.MaxUsername; i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.':
			b = append(b, c)
		case c == '-' || c == ' ':
			b = append(b, '_')
		}
	}
	if chat.ValidUsername(string(b)) != "" {
		return ""
	}
	return string(b)
}
