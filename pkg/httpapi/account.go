package httpapi

import (
	"context"
	"net/http"

	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
)

// Account answers a sign-in.
type Account struct {
	User  User   `json:"user"`
	Token string `json:"token" doc:"Bearer token; the cookie holds the same"`
}

type accountOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Account
}

type userOutput struct{ Body User }

func (a *API) signedIn(w who, u *chat.User, token string) *accountOutput {
	return &accountOutput{
		SetCookie: *auth.Cookie(token, a.o.SecureCookies || secure(w.r)),
		Body:      Account{User: userView(u), Token: token},
	}
}

type registerInput struct {
	Body struct {
		Username    string `json:"username" doc:"3 to 32 of a-z, 0-9, _ and ." minLength:"3" maxLength:"32"`
		Password    string `json:"password" doc:"10 to 128 characters" minLength:"10" maxLength:"128"`
		DisplayName string `json:"displayName,omitempty" doc:"Default: the username" maxLength:"64"`
	}
}

type loginInput struct {
	Body struct {
		Username string `json:"username" minLength:"1" maxLength:"64"`
		Password string `json:"password" minLength:"1" maxLength:"1024"`
	}
}

type profileInput struct {
	Body struct {
		DisplayName *string `json:"displayName,omitempty" minLength:"1" maxLength:"64"`
		AvatarID    *string `json:"avatarId,omitempty" doc:"Id of a completed upload with purpose avatar; empty removes"`
	}
}

type passwordInput struct {
	Body struct {
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"1024"`
		NewPassword     string `json:"newPassword" doc:"10 to 128 characters" minLength:"10" maxLength:"128"`
	}
}

func (a *API) accountRoutes() {
	route(a, endpoint{
		id: "register", method: http.MethodPost, path: "/auth/register", tag: "Account", summary: "Make an account and sign in",
		description: "FORBIDDEN while registration is closed; CONFLICT when the username is taken.",
		status:      http.StatusCreated, public: true, signIn: true,
	}, func(ctx context.Context, w who, in *registerInput) (*accountOutput, error) {
		u, token, err := a.o.Accounts.Register(ctx, auth.Registration{
			Username: in.Body.Username, Password: in.Body.Password, DisplayName: in.Body.DisplayName,
		}, client(w.r))
		if err != nil {
			return nil, err
		}
		return a.signedIn(w, &u, token), nil
	})

	route(a, endpoint{
		id: "login", method: http.MethodPost, path: "/auth/login", tag: "Account", summary: "Sign in",
		public: true, signIn: true,
	}, func(ctx context.Context, w who, in *loginInput) (*accountOutput, error) {
		u, token, err := a.o.Accounts.Login(ctx, in.Body.Username, in.Body.Password, client(w.r))
		if err != nil {
			return nil, err
		}
		return a.signedIn(w, &u, token), nil
	})

	type logoutOutput struct {
		SetCookie http.Cookie `header:"Set-Cookie"`
	}
	route(a, endpoint{
		id: "logout", method: http.MethodPost, path: "/auth/logout", tag: "Account", summary: "End this sign-in",
		description: "Its open sockets close with 4002 within 5 seconds.",
	}, func(ctx context.Context, w who, _ *struct{}) (*logoutOutput, error) {
		if err := a.o.Accounts.Logout(ctx, w.identity); err != nil {
			return nil, err
		}
		return &logoutOutput{SetCookie: *auth.Cookie("", a.o.SecureCookies || secure(w.r))}, nil
	})

	route(a, endpoint{id: "me", method: http.MethodGet, path: "/me", tag: "Account", summary: "The caller's account"},
		func(ctx context.Context, w who, _ *struct{}) (*userOutput, error) {
			u, err := a.o.Accounts.User(ctx, w.User)
			if err != nil {
				return nil, err
			}
			return &userOutput{Body: userView(&u)}, nil
		})

	route(a, endpoint{
		id: "change-me", method: http.MethodPatch, path: "/me", tag: "Account", summary: "Change name or avatar", limited: true,
	}, a.changeProfile)

	route(a, endpoint{
		id: "change-password", method: http.MethodPost, path: "/me/password", tag: "Account", summary: "Change the password",
		description: "Ends every other sign-in of the account.", limited: true, signIn: true,
	}, func(ctx context.Context, w who, in *passwordInput) (*none, error) {
		return &none{}, a.o.Accounts.ChangePassword(ctx, w.User, w.Session, in.Body.CurrentPassword, in.Body.NewPassword)
	})
}

func (a *API) changeProfile(ctx context.Context, w who, in *profileInput) (*userOutput, error) {
	change := auth.ProfileChange{DisplayName: in.Body.DisplayName}
	if in.Body.AvatarID != nil {
		avatar, err := a.avatar(ctx, w, "avatarId", *in.Body.AvatarID)
		if err != nil {
			return nil, err
		}
		change.Avatar = &avatar
	}
	if change.DisplayName == nil && change.Avatar == nil {
		return nil, chat.Invalid("displayName", "or avatarId is required")
	}
	u, err := a.o.Accounts.ChangeProfile(ctx, w.User, change)
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: userView(&u)}, nil
}

// avatar checks that an id names a completed avatar upload of the caller; "" is none.
func (a *API) avatar(ctx context.Context, w who, field, s string) (chat.MediaID, error) {
	media, err := uuid(field, s, chat.ParseMediaID)
	if err != nil || media.IsZero() {
		return media, err
	}
	m, err := a.o.Service.MediaFor(ctx, w.Caller, media)
	switch code := chat.CodeOf(err); {
	case err != nil && code != chat.CodeForbidden && code != chat.CodeNotFound:
		return media, err
	case err != nil || !m.Avatar || !m.Ready || m.Owner != w.User:
		return media, chat.Invalid(field, "is not an uploaded avatar of yours")
	}
	return media, nil
}
