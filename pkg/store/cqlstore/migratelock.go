package cqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/store"
)

const (
	// lockLife is how long a migrator that died keeps the others waiting, in seconds.
	lockLife  = 60
	lockRenew = lockLife * time.Second / 4

	cqlMakeLock = "CREATE TABLE IF NOT EXISTS schema_lock (scope text, holder text, PRIMARY KEY ((scope)))"
	cqlLock     = "INSERT INTO schema_lock (scope, holder) VALUES ('schema', ?) IF NOT EXISTS USING TTL ?"
	cqlRelock   = "UPDATE schema_lock USING TTL ? SET holder = ? WHERE scope = 'schema' IF holder = ?"
	cqlUnlock   = "DELETE FROM schema_lock WHERE scope = 'schema' IF holder = ?"
)

// schemaLock is the lock under which the schema is changed: a row by compare-and-set, which ends by itself.
type schemaLock struct {
	s      *gocql.Session
	holder string
}

// lockHolder names this process, for whoever waits.
func lockHolder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s pid %d %s", host, os.Getpid(), rand.Text()[:8])
}

// hold calls do under the lock. do's context ends when the lock is lost.
func (l *schemaLock) hold(ctx context.Context, wait bool, do func(ctx context.Context) error) error {
	for {
		holder, err := l.take(ctx)
		if err == nil && holder == l.holder {
			break
		}
		if err == nil {
			err = fmt.Errorf("%w by %q (%d s at most after it died)", ErrLocked, holder, lockLife)
		}
		if !wait || nap(ctx) != nil {
			return err
		}
	}
	work, lost := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { l.renew(work, lost) })
	err := do(work)
	lost(nil)
	wg.Wait()
	if cause := context.Cause(work); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), ddlTimeout)
	defer cancel()
	// Should this fail the lock ends by itself.
	_, _ = l.s.Query(cqlUnlock, l.holder).WithContext(release).MapScanCAS(map[string]any{})
	return err
}

// take tries to get the lock and returns who has it.
func (l *schemaLock) take(ctx context.Context) (holder string, err error) {
	have := map[string]any{}
	applied, err := l.s.Query(cqlLock, l.holder, lockLife).WithContext(ctx).MapScanCAS(have)
	if err != nil {
		return "", fmt.Errorf("cqlstore: lock the schema: %w: %s", store.ErrUnavailable, err.Error())
	}
	if applied {
		return l.holder, nil
	}
	holder, _ = have["holder"].(string)
	return holder, nil
}

// renew keeps the lock until ctx ends. A failed renewal may be tried again while the lock lives.
func (l *schemaLock) renew(ctx context.Context, lost context.CancelCauseFunc) {
	t := time.NewTicker(lockRenew)
	defer t.Stop()
	held := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		one, cancel := context.WithTimeout(ctx, lockRenew)
		applied, err := l.s.Query(cqlRelock, lockLife, l.holder, l.holder).WithContext(one).MapScanCAS(map[string]any{})
		cancel()
		switch {
		case err == nil && applied:
			held = now
		case err == nil || time.Since(held) > lockLife*time.Second-2*lockRenew:
			lost(fmt.Errorf("%w: the lock was lost", ErrLocked))
			return
		}
	}
}
