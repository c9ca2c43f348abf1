package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// User is an account as others see it.
type User struct {
	ID          chat.UserID   `json:"id"`
	Username    string        `json:"username"`
	DisplayName string        `json:"displayName"`
	AvatarURL   string        `json:"avatarUrl,omitempty"`
	LastSeen    protocol.Time `json:"lastSeen,omitzero"`
}

// Account is the answer to Register and Login.
type Account struct {
	User  User   `json:"user"`
	Token string `json:"token"`
}

// Register makes an account; displayName may be empty. CONFLICT: the username is taken; FORBIDDEN: registration is closed.
func (r *REST) Register(ctx context.Context, username, password, displayName string) (Account, error) {
	in := struct {
		Username    string `json:"username"`
		Password    string `json:"password"`
		DisplayName string `json:"displayName,omitempty"`
	}{username, password, displayName}
	var out Account
	return out, r.call(ctx, http.MethodPost, "/auth/register", in, &out)
}

// Login signs in. UNAUTHENTICATED: wrong name or password.
func (r *REST) Login(ctx context.Context, username, password string) (Account, error) {
	in := struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}{username, password}
	var out Account
	return out, r.call(ctx, http.MethodPost, "/auth/login", in, &out)
}

// Logout ends the session of the token; its open sockets close with 4002.
func (r *REST) Logout(ctx context.Context) error {
	return r.call(ctx, http.MethodPost, "/auth/logout", nil, nil)
}

// Me returns the caller's account.
func (r *REST) Me(ctx context.Context) (User, error) {
	var out User
	return out, r.call(ctx, http.MethodGet, "/me", nil, &out)
}

// ChangePassword changes the caller's password and ends every other sign-in.
func (r *REST) ChangePassword(ctx context.Context, current, next string) error {
	in := struct {
		Current string `json:"currentPassword"`
		Next    string `json:"newPassword"`
	}{current, next}
	return r.call(ctx, http.MethodPost, "/me/password", in, nil)
}

// ChangeProfile changes the caller's display name and avatar; nil leaves as it is, the zero id removes the avatar.
func (r *REST) ChangeProfile(ctx context.Context, displayName *string, avatar *chat.MediaID) (User, error) {
	in := struct {
		DisplayName *string `json:"displayName,omitempty"`
		Avatar      *string `json:"avatarId,omitempty"`
	}{DisplayName: displayName}
	if avatar != nil {
		id := ""
		if !avatar.IsZero() {
			id = avatar.String()
		}
		in.Avatar = &id
	}
	var out User
	return out, r.call(ctx, http.MethodPatch, "/me", in, &out)
}

// Session is one sign-in.
type Session struct {
	ID        string        `json:"id"`
	CreatedAt protocol.Time `json:"createdAt"`
	SeenAt    protocol.Time `json:"seenAt"`
	UserAgent string        `json:"userAgent"`
	Current   bool          `json:"current"`
}

// Sessions lists the caller's sign-ins.
func (r *REST) Sessions(ctx context.Context) ([]Session, error) {
	var out struct {
		Sessions []Session `json:"sessions"`
	}
	err := r.call(ctx, http.MethodGet, "/me/sessions", nil, &out)
	return out.Sessions, err
}

// RevokeSession ends one sign-in; its sockets close with 4002 within 5 s.
func (r *REST) RevokeSession(ctx context.Context, id string) error {
	return r.call(ctx, http.MethodDelete, "/me/sessions/"+url.PathEscape(id), nil, nil)
}

// RevokeSessions ends all sign-ins, the caller's own too unless keepCurrent.
func (r *REST) RevokeSessions(ctx context.Context, keepCurrent bool) error {
	return r.call(ctx, http.MethodDelete, "/me/sessions?keepCurrent="+strconv.FormatBool(keepCurrent), nil, nil)
}

// Device is one installation of a client.
type Device struct {
	ID        chat.DeviceID `json:"id"`
	Name      string        `json:"name,omitempty"`
	CreatedAt protocol.Time `json:"createdAt"`
	SeenAt    protocol.Time `json:"seenAt"`
}

// Devices lists the caller's devices.
func (r *REST) Devices(ctx context.Context) ([]Device, error) {
	var out struct {
		Devices []Device `json:"devices"`
	}
	err := r.call(ctx, http.MethodGet, "/me/devices", nil, &out)
	return out.Devices, err
}

// RemoveDevice forgets a device and its cursor; its socket closes with 4002.
func (r *REST) RemoveDevice(ctx context.Context, d chat.DeviceID) error {
	return r.call(ctx, http.MethodDelete, "/me/devices/"+d.String(), nil, nil)
}

// SearchUsers finds users whose username or display name starts with query; limit 0 leaves it to the server.
func (r *REST) SearchUsers(ctx context.Context, query string, limit int) ([]User, error) {
	q := url.Values{"query": {query}}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var out struct {
		Users []User `json:"users"`
	}
	err := r.call(ctx, http.MethodGet, "/users?"+q.Encode(), nil, &out)
	return out.Users, err
}

// User returns one user.
func (r *REST) User(ctx context.Context, id chat.UserID) (User, error) {
	var out User
	return out, r.call(ctx, http.MethodGet, "/users/"+id.String(), nil, &out)
}

// Block stops a user's direct messages, presence and typing.
func (r *REST) Block(ctx context.Context, id chat.UserID) error {
	return r.call(ctx, http.MethodPost, "/blocks/"+id.String(), nil, nil)
}

// Unblock undoes Block.
func (r *REST) Unblock(ctx context.Context, id chat.UserID) error {
	return r.call(ctx, http.MethodDelete, "/blocks/"+id.String(), nil, nil)
}

// Blocks lists whom the caller blocked.
func (r *REST) Blocks(ctx context.Context) ([]User, error) {
	var out struct {
		Users []User `json:"users"`
	}
	err := r.call(ctx, http.MethodGet, "/blocks", nil, &out)
	return out.Users, err
}

// Presence returns the presence of at most chat.MaxPresenceUsers users; strangers are left out.
func (r *REST) Presence(ctx context.Context, users ...chat.UserID) ([]protocol.PresencePayload, error) {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.String()
	}
	var out struct {
		Presence []protocol.PresencePayload `json:"presence"`
	}
	err := r.call(ctx, http.MethodGet, "/presence?userIds="+strings.Join(ids, ","), nil, &out)
	return out.Presence, err
}
