package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2/qb"
	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/store"
)

// Timestamps are bound in microseconds. ScyllaDB refuses those more than three days ahead (restrict_future_timestamp), so "above
// all others" can't be a constant of the far future.

// statement is one CQL statement with what is known about it. Values are bound by position; names say which they are.
type statement struct {
	cql     string
	names   []string
	purpose purpose
	// once: it must not be tried again after a timeout (a compare-and-set). Everything else here is idempotent: it binds its
	// timestamp, or writes values that a repetition doesn't change.
	once bool
}

// built makes a statement of a builder's. It is for the tables of statements at the head of each file, which are constant.
func built(p purpose, b qb.Builder) *statement {
	cql, names := b.ToCql()
	return &statement{cql: cql, names: names, purpose: p}
}

// written makes a statement of its text, with the names of what is bound.
func written(p purpose, cql string, names ...string) *statement {
	return &statement{cql: cql, names: names, purpose: p}
}

// conditional marks a compare-and-set.
func (s *statement) conditional() *statement {
	s.once = true
	return s
}

// intercept stands between the query layer and the driver in tests: it runs the statement, or fails before or after it.
type intercept func(ctx context.Context, s *statement, run func() error) error

// run executes one statement under its deadline, the breaker and the counters. do gets the bounded context.
func (d *DB) run(ctx context.Context, s *statement, do func(ctx context.Context) error) error {
	if d.closed.Load() {
		return fmt.Errorf("cqlstore: %s: %w", purposeNames[s.purpose], store.ErrClosed)
	}
	parent := ctx
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > d.o.Timeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.o.Timeout)
		defer cancel()
	}
	d.stats.begun[s.purpose].Add(1)
	start := time.Now()
	err := d.inTurn(ctx, s, do)
	d.stats.done(s.purpose, time.Since(start), err == nil || err == gocql.ErrNotFound)
	if err == nil {
		return nil
	}
	return d.translate(parent, purposeNames[s.purpose], err)
}

// inTurn executes one statement when there is room for it. What keeps the gateway itself alive waits for nobody, nor does a copy,
// which bounds itself.
func (d *DB) inTurn(ctx context.Context, s *statement, do func(ctx context.Context) error) error {
	switch s.purpose {
	case forLease, forChangeLog, forSchema, forCopy:
		return d.guarded(ctx, s, do)
	}
	// An attempt must have its time still, or what it isn't answered in says nothing of the store.
	turn, cancel := context.WithTimeout(ctx, d.o.Timeout-d.o.attempt()-d.o.Timeout/20)
	err := d.flow.enter(turn)
	cancel()
	if err != nil {
		return err
	}
	began := time.Now()
	err = d.guarded(ctx, s, do)
	o := outcomeOf(err)
	if took := time.Since(began); o == answered && !s.once && took > time.Duration(flowSlow*float64(d.o.attempt())) {
		o = late
	}
	d.flow.leave(o)
	return err
}

// Busy reports whether what begins now had better be refused at once: more statements wait for their turn than are under way. What
// takes several would get no further than some of them, and be asked for again.
func (d *DB) Busy() bool { return d.flow.busy(1) }

// NearlyBusy reports whether an eighth of that waits already.
func (d *DB) NearlyBusy() bool { return d.flow.busy(1. / 8) }

// Down reports whether the store isn't asked at all, for it didn't answer.
func (d *DB) Down() bool { return d.guard.State() == breaker.Open }

// guarded executes one statement unless the breaker is open.
func (d *DB) guarded(ctx context.Context, s *statement, do func(ctx context.Context) error) error {
	start := time.Now()
	return d.guard.Do(func() error {
		var err error
		if hook := d.hook.Load(); hook != nil {
			err = (*hook)(ctx, s, func() error { return do(ctx) })
		} else {
			err = do(ctx)
		}
		if err == nil {
			return nil
		}
		return judge(err, !s.once, time.Since(start) >= d.o.attempt())
	})
}

func (d *DB) query(ctx context.Context, s *statement, values []any) *gocql.Query {
	return d.session.Session.Query(s.cql, values...).WithContext(ctx).Idempotent(!s.once)
}

// exec runs a statement that returns no rows.
func (d *DB) exec(ctx context.Context, s *statement, values ...any) error {
	return d.run(ctx, s, func(ctx context.Context) error { return d.query(ctx, s, values).Exec() })
}

// one reads a single row into dest (nulls become zero values). ErrNotFound.
func (d *DB) one(ctx context.Context, s *statement, values []any, dest ...any) error {
	return d.run(ctx, s, func(ctx context.Context) error { return d.query(ctx, s, values).Scan(dest...) })
}

// serial reads a single row as compare-and-set left it: what a LWT whose outcome is unknown did is settled first. ErrNotFound.
func (d *DB) serial(ctx context.Context, s *statement, values []any, dest ...any) error {
	return d.run(ctx, s, func(ctx context.Context) error {
		q := d.query(ctx, s, values)
		q.SetConsistency(d.serialLevel)
		return q.Scan(dest...)
	})
}

// rows reads rows until each returns false: scan them there into what dest names. page is how many are fetched at once; reads
// that have a LIMIT take it as page.
func (d *DB) rows(ctx context.Context, s *statement, page int, values []any, dest []any, each func() (more bool, err error)) error {
	var failed error // each's own
	err := d.run(ctx, s, func(ctx context.Context) error {
		it := d.query(ctx, s, values).PageSize(page).Iter()
		for it.Scan(dest...) {
			more, err := each()
			if err != nil {
				failed = err
				break
			}
			if !more {
				break
			}
		}
		return it.Close()
	})
	if failed != nil {
		return failed
	}
	return err
}

// cas runs a compare-and-set. When it was not applied, have holds the row's columns as they are (those that the server names).
// An error that is uncertain leaves open whether it was applied.
func (d *DB) cas(ctx context.Context, s *statement, values ...any) (applied bool, have map[string]any, err error) {
	err = d.run(ctx, s, func(ctx context.Context) (err error) {
		have = make(map[string]any)
		applied, err = d.query(ctx, s, values).MapScanCAS(have)
		return err
	})
	return applied, have, err
}

const (
	// repeats is how often a compare-and-set that bears repetition is tried while its outcome is unknown: where many
	// contend, servers give up on some.
	repeats  = 6
	casPause = 50 * time.Millisecond
)

// casUntilKnown is cas for one that may be repeated, as its caller recognises in have what an earlier attempt did.
func (d *DB) casUntilKnown(ctx context.Context, s *statement, values ...any) (applied bool, have map[string]any, err error) {
	for attempt := range repeats {
		applied, have, err = d.cas(ctx, s, values...)
		if err == nil || !uncertain(err) {
			break
		}
		pause := casPause << attempt
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return applied, have, err
		}
	}
	return applied, have, err
}

// bound is a statement with its values, as a part of a batch.
type bound struct {
	s      *statement
	values []any
}

// batch runs idempotent statements at once, in no order: of one partition all of them or none. Counted as one statement of a
// purpose.
func (d *DB) batch(ctx context.Context, p purpose, parts []bound) error {
	return d.run(ctx, &statement{purpose: p}, func(ctx context.Context) error {
		return d.session.ExecuteBatch(d.newBatch(ctx, parts, true))
	})
}

// casBatch runs statements of one partition of which some have conditions: all of them if every condition holds, or none.
// When they don't, have holds the columns of the row that the server names. An uncertain error leaves open if it was applied.
func (d *DB) casBatch(ctx context.Context, p purpose, parts []bound) (applied bool, have map[string]any, err error) {
	err = d.run(ctx, &statement{purpose: p, once: true}, func(ctx context.Context) error {
		have = make(map[string]any)
		ok, it, err := d.session.MapExecuteBatchCAS(d.newBatch(ctx, parts, false), have)
		if err != nil {
			return err
		}
		applied = ok
		return it.Close()
	})
	return applied, have, err
}

func (d *DB) newBatch(ctx context.Context, parts []bound, idempotent bool) *gocql.Batch {
	d.stats.batched.Add(uint64(len(parts)))
	b := d.session.Session.Batch(gocql.UnloggedBatch).WithContext(ctx)
	b.Entries = make([]gocql.BatchEntry, len(parts))
	for i, p := range parts {
		b.Entries[i] = gocql.BatchEntry{Stmt: p.s.cql, Args: p.values, Idempotent: idempotent}
	}
	return b
}

// atOnce is how many single-partition reads or writes of one call are under way at a time.
const atOnce = 32

// together calls do for 0..n-1, at most atOnce at a time, and returns the first error; the rest is waited for.
func together(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	if n == 1 {
		return do(ctx, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// batchOf reads one row a key, in the order of keys; rows that don't exist are left out. At most maxBatch keys.
func batchOf[K, V any](ctx context.Context, keys []K, read func(ctx context.Context, key K) (V, error)) ([]V, error) {
	if len(keys) > maxBatch {
		return nil, fmt.Errorf("cqlstore: %d keys in one read, at most %d", len(keys), maxBatch)
	}
	rows := make([]V, len(keys))
	there := make([]bool, len(keys))
	err := together(ctx, len(keys), func(ctx context.Context, i int) (err error) {
		rows[i], err = read(ctx, keys[i])
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		there[i] = err == nil
		return err
	})
	if err != nil {
		return nil, err
	}
	out := rows[:0]
	for i, ok := range there {
		if ok {
			out = append(out, rows[i])
		}
	}
	return out, nil
}

// stamp is a moment in Unix milliseconds as the timestamp of a write, which must be positive.
func stamp(ms int64) int64 { return max(ms, 1) * 1000 }

// orUnset leaves a column as it is instead of writing a null, which would be a tombstone.
func orUnset[T comparable](v T, bind any) any {
	var zero T
	if v == zero {
		return gocql.UnsetValue
	}
	return bind
}
