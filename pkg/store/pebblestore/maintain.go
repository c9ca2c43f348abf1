package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// maintain watches the free space and a committer that is stuck, and replaces a dead engine, until the DB is closed. It waits for
// no write of its own: nobody would watch that one.
func (d *DB) maintain() {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		var dead chan struct{}
		if e := d.engine.Load(); e != nil {
			dead = e.dead
		}
		select {
		case <-d.ctx.Done():
			return
		case <-dead:
			d.giveUp()
			d.replace()
		case <-look.C:
			was := d.space.full.Load()
			d.space.look()
			if full := d.space.full.Load(); full != was {
				d.logger().Warn("disk space", slog.Bool("full", full), slog.Uint64("free_bytes", d.space.free.Load()))
			}
			d.replace()
			if e := d.engine.Load(); e != nil && !e.isStalled() && e.watch(d.o.StallAfter) {
				d.logger().Error("storage engine stalled: writes are refused until the disk takes them")
			}
		}
	}
}

// sweeps drops what expired, now and then, until the DB is closed.
func (d *DB) sweeps() {
	every := time.NewTicker(d.o.SweepEvery)
	defer every.Stop()
	for {
		d.sweepAndLog()
		select {
		case <-d.ctx.Done():
			return
		case <-every.C:
		}
	}
}

// giveUp takes a dead engine out of service and fences it off from the folder.
func (d *DB) giveUp() {
	e := d.engine.Load()
	if e == nil || !e.isDead() {
		return
	}
	d.logger().Error("storage engine failed, opening it again", slog.Any("err", *e.cause.Load()))
	d.horizon.Store(max(d.horizon.Load(), int64(e.horizon())))
	d.engine.Store(nil)
	e.fs.fence()
}

// replace opens a new engine when there is none. What the dead one had synced is there; what it hadn't was never answered.
func (d *DB) replace() {
	if d.engine.Load() != nil || d.space.full.Load() {
		return
	}
	e, err := d.openEngine()
	if err != nil {
		d.logger().Warn("storage engine can't be opened, will try again", slog.Any("err", err))
		return
	}
	e.ids.begin(chat.MessageID(d.highWater.Load() - 1))
	d.stats.reopened.Add(1)
	e.begin(chat.EventID(d.clock.Last()))
	d.engine.Store(e)
	d.logger().Info("storage engine opened again")
}

// settleClock stores the exact high water at a clean close, so that the next start doesn't run ahead by the reservation.
// The committer has ended: no id made from now on is stored.
func (d *DB) settleClock(e *engine) error {
	if d.ownClock == nil {
		return nil
	}
	exact := int64(max(d.clock.Last(), id.ID(e.ids.newest))) + 1
	if exact >= d.highWater.Load() {
		return nil
	}
	return e.pdb.Set(metaHighWater, metaValue(exact), pebble.Sync)
}

func (d *DB) sweepAndLog() {
	if err := d.sweep(d.ctx); err != nil && d.ctx.Err() == nil {
		d.logger().Warn("sweep of expired rows failed, will try again", slog.Any("err", err))
	}
}

// sweep drops what expired: whole key ranges of the inbox logs, the claims and the change log, and single sign-ins.
func (d *DB) sweep(ctx context.Context) error {
	now := id.At(d.o.Now())
	if now == 0 {
		return nil
	}
	return errors.Join(d.sweepLogs(ctx, now), d.sweepSessions(ctx))
}

func (d *DB) sweepLogs(ctx context.Context, now id.ID) error {
	oldestDay := int64(dayOf(chat.EventID(now))) - inboxDays
	oldestWindow := int64(windowOf(chat.MessageID(now))) - claimDays*dayMillis/claimMillis
	o := ops.Get().(*op)
	o.reclaims = true
	o.fn = func(t *tx) error {
		created, err := d.created(t, now)
		if err != nil {
			return err
		}
		kept := int64(0)
		if oldestDay > 0 && dayStart(uint32(oldestDay)) > chat.EventID(created) {
			kept = int64(dayStart(uint32(oldestDay)))
		}
		if kept > d.keptSince.Load() {
			t.delRange(put32([]byte{tabInbox}, 0), put32([]byte{tabInbox}, uint32(oldestDay)))
			t.set(metaKeptSince, metaValue(kept))
			d.keptSince.Store(kept)
		}
		if oldestWindow > 0 {
			t.delRange(put32([]byte{tabClaim}, 0), put32([]byte{tabClaim}, uint32(oldestWindow)))
		}
		if day := now.UnixMillis() - dayMillis; day > id.EpochMillis {
			t.delRange(changeKey(0), changeKey(chat.EventID(id.AtMillis(day))))
		}
		return nil
	}
	return d.submit(ctx, "sweep", o)
}

// created returns (and on a new store writes) the moment from which the store has logs.
func (d *DB) created(t *tx, now id.ID) (int64, error) {
	v, err := t.get(metaCreated)
	if errors.Is(err, pebble.ErrNotFound) {
		t.set(metaCreated, metaValue(int64(now)))
		return int64(now), nil
	}
	if err != nil {
		return 0, err
	}
	return scanCursor(v)
}

const (
	sweepBatch  = 500
	sessionKept = 30 * dayMillis // after its end, for lists and audits
)

// sweepSessions removes sign-ins that ended long ago, some at a time.
func (d *DB) sweepSessions(ctx context.Context) error {
	limit := d.o.Now().UnixMilli() - sessionKept
	from := []byte{tabSession}
	for from != nil {
		var dead [][]byte
		err := d.read(ctx, "sweep sessions", func(v *view) error {
			n := 0
			start := from
			from = nil
			return v.scan(start, []byte{tabSession + 1}, func(key, value []byte) (bool, error) {
				var hash [32]byte
				copy(hash[:], key[1:])
				x, err := scanSession(value, hash)
				if err != nil {
					return false, err
				}
				if x.Expires < limit {
					dead = append(dead, append([]byte(nil), key...), signInKey(x.User, hash))
				}
				if n++; n == sweepBatch {
					from = append(append([]byte(nil), key...), 0)
					return false, nil
				}
				return true, nil
			})
		})
		if err != nil {
			return err
		}
		if len(dead) == 0 {
			continue
		}
		o := ops.Get().(*op)
		o.reclaims = true
		o.fn = func(t *tx) error {
			for _, k := range dead {
				t.del(k)
			}
			return nil
		}
		if err := d.submit(ctx, "sweep sessions", o); err != nil {
			return fmt.Errorf("after %d: %w", len(dead)/2, err)
		}
	}
	return nil
}
