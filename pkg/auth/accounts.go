package auth

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Registration is what a new account needs.
type Registration struct {
	Username    string
	Password    string
	DisplayName string // default: the username
}

// Client describes where a sign-in comes from, for the list of sessions that its owner sees.
type Client struct {
	UserAgent string // at most 200 bytes are kept
	Address   string
}

// Register makes an account and signs it in. FORBIDDEN while registration is closed; VALIDATION_ERROR names the field;
// CONFLICT when the username is taken.
func (a *Auth) Register(ctx context.Context, r Registration, c Client) (chat.User, string, error) {
	if a.o.Closed {
		return chat.User{}, "", chat.Forbidden("registration is closed")
	}
	u, err := a.CreateUser(ctx, r)
	if err != nil {
		return chat.User{}, "", err
	}
	token, err := a.Mint(ctx, u.ID, c)
	return u, token, err
}

// CreateUser makes an account, whether registration is open or not.
func (a *Auth) CreateUser(ctx context.Context, r Registration) (chat.User, error) {
	if why := chat.ValidUsername(r.Username); why != "" {
		return chat.User{}, chat.Invalid("username", "%s", why)
	}
	if err := validPassword("password", r.Password); err != nil {
		return chat.User{}, err
	}
	if r.DisplayName == "" {
		r.DisplayName = r.Username
	}
	name, err := validDisplayName(r.DisplayName)
	if err != nil {
		return chat.User{}, err
	}
	// Cheap before dear: a taken name costs no hashing. Create decides.
	switch _, err := a.o.Users.ByUsername(ctx, r.Username); {
	case err == nil:
		return chat.User{}, taken()
	case !errors.Is(err, store.ErrNotFound):
		return chat.User{}, storeError("look up username", err)
	}
	hash, err := a.hash.make(ctx, r.Password)
	if err != nil {
		return chat.User{}, err
	}
	now := a.now()
	u := chat.User{ID: chat.NewUserID(now), Username: r.Username, DisplayName: name, Password: hash, CreatedAt: now.UnixMilli()}
	if err := a.o.Users.Create(ctx, u); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return chat.User{}, taken()
		}
		return chat.User{}, storeError("create user", err)
	}
	return u, nil
}

func taken() error {
	return &chat.Error{Code: chat.CodeConflict, Field: "username", Message: "is taken"}
}

// Login checks a password and makes a session. A wrong password and an unknown username are answered alike, and take alike.
func (a *Auth) Login(ctx context.Context, username, password string, c Client) (chat.User, string, error) {
	if username == "" {
		return chat.User{}, "", chat.Invalid("username", "is required")
	}
	if password == "" {
		return chat.User{}, "", chat.Invalid("password", "is required")
	}
	username = strings.ToLower(username)
	var u chat.User
	if chat.ValidUsername(username) == "" {
		var err error
		if u, err = a.o.Users.ByUsername(ctx, username); err != nil && !errors.Is(err, store.ErrNotFound) {
			return chat.User{}, "", storeError("look up username", err)
		}
	}
	ok, stale, err := a.hash.check(ctx, clip(password), u.Password)
	if err != nil {
		return chat.User{}, "", err
	}
	if !ok {
		return chat.User{}, "", unauthenticated("wrong username or password")
	}
	if stale {
		a.rehash(ctx, u.ID, password)
	}
	token, err := a.Mint(ctx, u.ID, c)
	return u, token, err
}

// clip bounds what is hashed; a password longer than any allowed can't match anyway.
func clip(password string) string {
	if len(password) > 4*chat.MaxPassword+1 {
		return password[:4*chat.MaxPassword+1]
	}
	return password
}

// rehash brings a stored hash to today's parameters. The sign-in doesn't depend on it.
func (a *Auth) rehash(ctx context.Context, user chat.UserID, password string) {
	hash, err := a.hash.make(ctx, password)
	if err == nil {
		err = a.o.Users.Update(ctx, user, store.UserChange{Password: &hash})
	}
	if err != nil {
		a.o.Log.Warn("a password could not be rehashed", "user", user.String(), "err", err)
	}
}

// ChangePassword checks the current password, sets a new one and ends every other session of the user. keep is the
// caller's own session. FORBIDDEN for accounts of an external identity.
func (a *Auth) ChangePassword(ctx context.Context, user chat.UserID, keep [32]byte, current, next string) error {
	if err := validPassword("newPassword", next); err != nil {
		return err
	}
	us, err := a.o.Users.Batch(ctx, []chat.UserID{user})
	if err != nil {
		return storeError("read user", err)
	}
	if len(us) == 0 {
		return unauthenticated("the account is gone")
	}
	if us[0].Password == "" {
		return chat.Forbidden("this account has no password here")
	}
	ok, _, err := a.hash.check(ctx, clip(current), us[0].Password)
	if err != nil {
		return err
	}
	if !ok {
		return &chat.Error{Code: chat.CodeUnauthenticated, Field: "currentPassword", Message: "wrong password"}
	}
	hash, err := a.hash.make(ctx, next)
	if err != nil {
		return err
	}
	if err := a.o.Users.Update(ctx, user, store.UserChange{Password: &hash}); err != nil {
		return storeError("set password", err)
	}
	return a.RevokeAll(ctx, user, keep)
}

// User returns an account. UNAUTHENTICATED when it is gone.
func (a *Auth) User(ctx context.Context, user chat.UserID) (chat.User, error) {
	us, err := a.o.Users.Batch(ctx, []chat.UserID{user})
	if err != nil {
		return chat.User{}, storeError("read user", err)
	}
	if len(us) == 0 {
		return chat.User{}, unauthenticated("the account is gone")
	}
	return us[0], nil
}

// ProfileChange sets the fields that are not nil. Whether the avatar may be used is the caller's business.
type ProfileChange struct {
	DisplayName *string
	Avatar      *chat.MediaID // zero removes
}

// ChangeProfile changes name and avatar and tells the change log.
func (a *Auth) ChangeProfile(ctx context.Context, user chat.UserID, c ProfileChange) (chat.User, error) {
	change := store.UserChange{Avatar: c.Avatar}
	if c.DisplayName != nil {
		name, err := validDisplayName(*c.DisplayName)
		if err != nil {
			return chat.User{}, err
		}
		change.DisplayName = &name
	}
	if err := a.o.Users.Update(ctx, user, change); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return chat.User{}, unauthenticated("the account is gone")
		}
		return chat.User{}, storeError("change profile", err)
	}
	if err := a.o.Changes.Append(ctx, []store.ChangeEntry{{Kind: store.LogProfile, User: user}}); err != nil {
		return chat.User{}, storeError("log profile change", err)
	}
	a.o.Router.Push(ctx, &chat.Push{
		Kind: chat.PushControl, Recipients: []chat.UserID{user}, Control: &chat.Control{Kind: chat.ControlProfile},
	})
	return a.User(ctx, user)
}

// validDisplayName trims a name; it may hold anything visible, in at most chat.MaxDisplayName code points.
func validDisplayName(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		return "", chat.Invalid("displayName", "must be valid UTF-8")
	case n == 0 || n > chat.MaxDisplayName:
		return "", chat.Invalid("displayName", "must have 1 to %d characters", chat.MaxDisplayName)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "", chat.Invalid("displayName", "must not have control characters")
		}
	}
	return s, nil
}
