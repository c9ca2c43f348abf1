package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/murre-chat/murre/pkg/admit/localadmit"
	"github.com/murre-chat/murre/pkg/bus/localbus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/media/diskmedia"
	"github.com/murre-chat/murre/pkg/observe"
	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/presence/localpresence"
	"github.com/murre-chat/murre/pkg/session/localsession"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// embeddedVerify is how often an active device's log is read again: a read of the embedded log costs next to nothing.
const embeddedVerify = time.Second

// openEmbedded opens the engines of a single process, all in the data folder.
func openEmbedded(cfg *config.Config, log *slog.Logger) (_ *engines, err error) {
	db, err := openStore(cfg.Data, cfg, log)
	if err != nil {
		return nil, err
	}
	blobs, err := diskmedia.Open(diskmedia.Options{Dir: mediaDir(cfg.Data)})
	if err != nil {
		return nil, fmt.Errorf("open media: %w", closing(err, db))
	}
	ports := db.Ports()
	return &engines{
		ports: ports, clock: db.Clock(), sessions: localsession.New(), bus: localbus.New(), alone: true,
		admission: localadmit.New(localadmit.Options{Claims: ports.Claims, Rates: cfg.Rates.Limits()}),
		presence:  localpresence.New(localpresence.Options{Users: ports.Users, Log: log}),
		blobs:     blobs, finder: db, backup: backupTo(db, cfg.Data), verify: embeddedVerify,
		ready: db.Ping, close: db.Close,
		measure: func(m *observe.Metrics) { measureStore(m, db) },
	}, nil
}

// backupTo returns how to back up a store and the media beside it.
func backupTo(db *pebblestore.DB, data string) func(ctx context.Context, to string) (operate.Backup, error) {
	return func(ctx context.Context, to string) (operate.Backup, error) {
		if !filepath.IsAbs(to) {
			return operate.Backup{}, chat.Invalid("folder", "must be an absolute path")
		}
		return backup(ctx, db, data, to)
	}
}

var _ clock = (*id.Clock)(nil)
