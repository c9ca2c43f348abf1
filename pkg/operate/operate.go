package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Operator is what the commands need, from a running server or from a data folder.
type Operator interface {
	// AddUser makes an account, whether registration is open or not.
	AddUser(ctx context.Context, u NewUser) (User, error)
	// Token signs a user in and returns the session's token.
	Token(ctx context.Context, username string) (Token, error)
	// Trace says where a message is. A zero conversation is searched for.
	Trace(ctx context.Context, message chat.MessageID, conversation chat.ConversationID) (*Trace, error)
	// Backup writes a copy of everything to a folder that must not exist, an absolute path on the server's machine.
	Backup(ctx context.Context, to string) (Backup, error)
}

// NewUser is an account to make.
type NewUser struct {
	Username    string `json:"username"`
	Password    string `json:"password"`
	DisplayName string `json:"displayName,omitempty"`
}

// User is an account as operators see it.
type User struct {
	ID          chat.UserID `json:"id"`
	Username    string      `json:"username"`
	DisplayName string      `json:"displayName"`
}

// Token is a fresh sign-in.
type Token struct {
	User  User   `json:"user"`
	Token string `json:"token"`
}

// Backup says what was written.
type Backup struct {
	Folder  string        `json:"folder"`
	Files   int           `json:"files"`
	Bytes   int64         `json:"bytes"`
	Elapsed time.Duration `json:"elapsed"`
}

// Accounts is what a Desk needs of the sign-in service.
type Accounts interface {
	CreateUser(ctx context.Context, u NewUser) (chat.User, error)
	Mint(ctx context.Context, user chat.UserID) (token string, err error)
}

// Finder finds the conversation of a message by the message's id alone. ErrNotFound of pkg/store.
type Finder interface {
	FindMessage(ctx context.Context, m chat.MessageID) (chat.ConversationID, error)
}

// Options are what a Desk works with; all are required.
type Options struct {
	Store    store.Store
	Accounts Accounts
	Finder   Finder
	// Backup writes the whole of the data to a new folder.
	Backup func(ctx context.Context, to string) (Backup, error)
	Log    *slog.Logger
}

// Desk is an Operator on a store's ports.
type Desk struct{ o Options }

var _ Operator = (*Desk)(nil)

// NewDesk returns a Desk.
func NewDesk(o Options) *Desk { return &Desk{o: o} }

// AddUser implements Operator.
func (d *Desk) AddUser(ctx context.Context, u NewUser) (User, error) {
	made, err := d.o.Accounts.CreateUser(ctx, u)
	if err != nil {
		return User{}, err
	}
	d.o.Log.Info("operator made a user", "user", made.ID)
	return userOf(made), nil
}

// Token implements Operator.
func (d *Desk) Token(ctx context.Context, username string) (Token, error) {
	u, err := d.o.Store.Users.ByUsername(ctx, username)
	if errors.Is(err, store.ErrNotFound) {
		return Token{}, chat.NotFound(fmt.Sprintf("no user %q", username))
	}
	if err != nil {
		return Token{}, fmt.Errorf("read user: %w", err)
	}
	token, err := d.o.Accounts.Mint(ctx, u.ID)
	if err != nil {
		return Token{}, err
	}
	d.o.Log.Info("operator signed a user in", "user", u.ID)
	return Token{User: userOf(u), Token: token}, nil
}

// Backup implements Operator.
func (d *Desk) Backup(ctx context.Context, to string) (Backup, error) {
	b, err := d.o.Backup(ctx, to)
	if err != nil {
		return Backup{}, err
	}
	d.o.Log.Info("backup written", "folder", b.Folder, "bytes", b.Bytes, "elapsed", b.Elapsed)
	return b, nil
}

func userOf(u chat.User) User {
	return User{ID: u.ID, Username: u.Username, DisplayName: u.DisplayName}
}
