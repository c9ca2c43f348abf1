package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/store"
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
	return desk(db.Ports(), accounts, db, backupTo(db, data), log), db.Close, nil
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

func desk(ports store.Store, accounts *auth.Auth, finder operate.Finder, backup func(context.Context, string) (operate.Backup, error), log *slog.Logger) *operate.Desk {
	return operate.NewDesk(operate.Options{Store: ports, Accounts: account{accounts}, Finder: finder, Log: log, Backup: backup})
}

func (a *App) desk() *operate.Desk {
	return desk(a.engines.ports, a.auth, a.engines.finder, a.engines.backup, a.log)
}

// account shows auth to the desk.
type account struct{ auth *auth.Auth }

func (a account) CreateUser(ctx context.Context, u operate.NewUser) (chat.User, error) {
	return a.auth.CreateUser(ctx, auth.Registration{Username: u.Username, Password: u.Password, DisplayName: u.DisplayName})
}

func (a account) Mint(ctx context.Context, user chat.UserID) (string, error) {
	return a.auth.Mint(ctx, user, auth.Client{UserAgent: "murre token"})
}
