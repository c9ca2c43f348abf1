package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// Connect returns an Operator for a data folder: the running server's when one serves it, otherwise one that works on the
// folder itself. The caller closes it.
func Connect(data string, log *slog.Logger) (operate.Operator, func() error, error) {
	nothing := func() error { return nil }
	p, alive, err := operate.ReadPlace(data)
	if err != nil {
		return nil, nothing, err
	}
	if alive && answers(p.Admin) {
		return operate.NewRemote(p), nothing, nil
	}
	if _, err := os.Stat(storeDir(data)); err != nil {
		return nil, nothing, fmt.Errorf("%s is no data folder of murre: name it with --data (or MURRE_DATA)", data)
	}
	db, err := openStore(data, config.Default(), log)
	if err != nil {
		var busy *inUseError
		if errors.As(err, &busy) && alive {
			return nil, nothing, fmt.Errorf("%w; its admin port can't be reached: stop it, or start it with --admin", err)
		}
		return nil, nothing, err
	}
	accounts, err := auth.New(auth.Options{
		Users: db.Ports().Users, Sessions: db.Ports().Sessions, Changes: db.Ports().Changes, Router: nobody{}, Log: log, Closed: true,
	})
	if err != nil {
		return nil, nothing, fmt.Errorf("accounts: %w", closing(err, db))
	}
	return desk(db, accounts, data, log), db.Close, nil
}

// answers tells whether somebody listens there: the pid in the file of a server that crashed may be another program's now.
func answers(addr string) bool {
	if addr == "" {
		return false
	}
	c, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		return false
	}
	_ = c.Close() // it was only a knock
	return true
}

// nobody is the router where nobody is connected.
type nobody struct{}

func (nobody) Push(context.Context, *chat.Push) {}

func desk(db *pebblestore.DB, accounts *auth.Auth, data string, log *slog.Logger) *operate.Desk {
	return operate.NewDesk(operate.Options{
		Store: db.Ports(), Accounts: account{accounts}, Finder: db, Log: log,
		Backup: func(ctx context.Context, to string) (operate.Backup, error) {
			if !filepath.IsAbs(to) {
				return operate.Backup{}, chat.Invalid("folder", "must be an absolute path")
			}
			return backup(ctx, db, data, to)
		},
	})
}

// account shows auth to the desk.
type account struct{ auth *auth.Auth }

func (a account) CreateUser(ctx context.Context, u operate.NewUser) (chat.User, error) {
	return a.auth.CreateUser(ctx, auth.Registration{Username: u.Username, Password: u.Password, DisplayName: u.DisplayName})
}

func (a account) Mint(ctx context.Context, user chat.UserID) (string, error) {
	return a.auth.Mint(ctx, user, auth.Client{UserAgent: "murre token"})
}
