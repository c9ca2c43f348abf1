package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/admit/redisadmit"
	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/bus/faultbus"
	"github.com/murre-chat/murre/pkg/bus/redisbus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/lease"
	"github.com/murre-chat/murre/pkg/media/s3media"
	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/presence/redispresence"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/session/redissession"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

const (
	// clusterVerify is how often an active device's log is read again where that is a query.
	clusterVerify = 30 * time.Second
	// clusterCommits bounds the messages that one gateway stores at once: at 20 ms a commit that is 25,000 a second, and in an
	// overload it is what keeps a commit within its time.
	clusterCommits = 512
	// openTimeout bounds the opening of a cluster's engines.
	openTimeout = 30 * time.Second
)

// openCluster connects to the engines of a cluster and takes a node slot.
func openCluster(ctx context.Context, cfg *config.Config, self session.GatewayID, log *slog.Logger) (_ *engines, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	cql, err := cqlstore.Parse(cfg.Store)
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	rds, err := rediscluster.Parse(cfg.Redis)
	if err != nil {
		return nil, fmt.Errorf("--redis: %w", err)
	}
	s3, err := s3media.Parse(cfg.S3)
	if err != nil {
		return nil, err
	}
	if err := ownFolder(cfg.Data); err != nil {
		return nil, err
	}
	cql.Log, rds.Log, s3.Log = log, log, log

	db, err := cqlstore.Open(ctx, cql)
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	defer func() {
		if err != nil {
			err = closing(err, db)
		}
	}()
	redis, err := rediscluster.Open(rds)
	if err != nil {
		return nil, fmt.Errorf("--redis: %w", err)
	}
	defer func() {
		if err != nil {
			err = closing(err, redis)
		}
	}()
	blobs, err := s3media.Open(ctx, s3)
	if err != nil {
		return nil, fmt.Errorf("--s3: %w", err)
	}
	ports := db.Ports()
	slot, err := lease.Take(ctx, lease.Options{
		Leases: ports.Leases, DC: db.DC(), Name: self.Name, Nonce: fmt.Sprintf("%013d-%s", self.Epoch, rand.Text()[:6]), Log: log,
	})
	if err != nil {
		return nil, err
	}
	clock := id.NewClock(id.ClockOptions{
		Slot: slot.Slot(), HighWater: slot.HighWater(), Reserve: slot.Reserve, Log: log,
		Wall: func() time.Time { return time.Now().Add(cfg.ClockOffset) },
		References: []id.Reference{
			func(ctx context.Context) (time.Time, error) {
				ms, err := ports.Leases.Now(ctx)
				return time.UnixMilli(ms), err
			},
			redis.Time,
		},
	})
	slot.SetFinal(clock.Last)
	db.SetClock(clock)
	// A clock that isn't right now doesn't keep the gateway from starting: it says why it isn't ready.
	if err := errors.Join(clock.Renew(ctx), clock.Check(ctx)); err != nil {
		log.Warn("the clock isn't ready", "error", err)
	}
	log.Info("node slot taken", "slot", slot.Slot(), "name", self.Name, "dc", db.DC())

	mediaAt := s3.Public
	if s3.ViaGateway {
		mediaAt = ""
	}
	e := &engines{}
	sessions := redissession.New(redissession.Options{
		Redis: redis, Self: self, Log: log,
		Replaced: func(local, _ session.Entry) { e.replaced(local) },
	})
	admission := redisadmit.New(redisadmit.Options{Cluster: redis, Claims: ports.Claims, Rates: cfg.Rates.Limits(), Log: log})
	hints := redisbus.New(redisbus.Options{Cluster: redis, Log: log})
	var between bus.Bus = hints
	if cfg.FaultBusDrop > 0 {
		between = faultbus.Wrap(between, faultbus.Options{DropOneIn: cfg.FaultBusDrop, Seed: uint64(self.Epoch)})
	}
	*e = engines{
		ports: ports, clock: clock, sessions: sessions, bus: between, blobs: blobs, mediaAt: mediaAt, verify: clusterVerify,
		admission: admission, maxCommits: clusterCommits,
		presence: redispresence.New(redispresence.Options{Redis: redis, Sessions: sessions, Self: self, Users: ports.Users, Log: log}),
		local:    sessions.SetLocal,
		settled:  hints.Settled,
		unfit:    clock.Off,
		load:     overload.Signals{Busy: db.Busy, Near: db.NearlyBusy, Down: db.Down},
		finder:   nothingFound{},
		backup: func(context.Context, string) (operate.Backup, error) {
			return operate.Backup{}, chat.Invalid("store", "a cluster is backed up with its database's own tools (nodetool snapshot), not by murre")
		},
		before: []part{{"redis", redis.Run}, {"node slot", slot.Run}, {"clock", clock.Run}},
		ready: func(ctx context.Context) error {
			if err := clock.Ready(); err != nil {
				return err
			}
			return db.Ping(ctx)
		},
		close:   func() error { return errors.Join(redis.Close(), db.Close()) },
		measure: clusterParts{db: db, redis: redis, bus: hints, sessions: sessions, admission: admission, blobs: blobs}.measure,
	}
	return e, nil
}

// ownFolder makes the folder that says where this gateway is. It holds no data: but two gateways can't share one.
func ownFolder(data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if p, alive, err := operate.ReadPlace(data); err == nil && alive && p.PID != os.Getpid() && answers(p.Admin) {
		return fmt.Errorf("--data: %s belongs to another gateway (pid %d, serving %s): give each its own", data, p.PID, p.Listen)
	}
	return nil
}

// gatewayName is the name of this process among the gateways.
func gatewayName(cfg *config.Config) string {
	if cfg.Name != "" {
		return cfg.Name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "murre"
	}
	if cfg.Store == "embedded" {
		return host
	}
	return host + cfg.Listen[strings.LastIndexByte(cfg.Listen, ':'):]
}
