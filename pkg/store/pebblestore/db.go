package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	formatFile = "MURRE_FORMAT"
	// embeddedAhead is the reservation of the DB's own clock: after a crash ids go on at most this far ahead of the time.
	embeddedAhead = 4 * time.Second
)

var (
	metaHighWater = append([]byte{tabMeta}, "high_water"...)
	metaKeptSince = append([]byte{tabMeta}, "kept_since"...)
	metaCreated   = append([]byte{tabMeta}, "created"...)
)

// DB is the embedded store.
type DB struct {
	o        Options
	lock     io.Closer
	cache    *pebble.Cache
	clock    Clock
	ownClock *id.Clock
	stats    counters
	space    space

	engine    atomic.Pointer[engine] // nil while a dead one is being replaced
	horizon   atomic.Int64           // of the last view of a dead engine
	highWater atomic.Int64           // ids below it may have been made
	keptSince atomic.Int64
	closed    atomic.Bool
	ctx       context.Context // of the background goroutines
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// Open opens (or makes) the data folder and starts the committer, the maintenance goroutine and, unless NewClock is set,
// the clock. Close stops them. ErrInUse, *FormatError.
func Open(o Options) (*DB, error) {
	o = o.withDefaults()
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("pebblestore: open %s: %w", o.Dir, err)
	}
	lock, err := o.FS.Lock(o.FS.PathJoin(o.Dir, "LOCK"))
	if err != nil {
		var file *os.PathError
		if !errors.As(err, &file) { // the lock file could be opened, so it is the lock that is held
			err = fmt.Errorf("%w (%w)", ErrInUse, err)
		}
		return nil, fmt.Errorf("pebblestore: open %s: %w", o.Dir, err)
	}
	d := &DB{o: o, lock: lock, cache: pebble.NewCache(o.CacheBytes)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.space.init(&d.o)
	if err := d.open(); err != nil {
		d.cancel()
		d.wg.Wait()
		d.cache.Unref()
		return nil, errors.Join(fmt.Errorf("pebblestore: open %s: %w", o.Dir, err), lock.Close())
	}
	return d, nil
}

func (d *DB) open() error {
	if err := checkFormat(d.o.FS, d.o.Dir); err != nil {
		return err
	}
	d.space.look()
	e, err := d.openEngine()
	if err != nil {
		return err
	}
	if err := d.setUp(e); err != nil {
		return errors.Join(err, e.pdb.Close())
	}
	d.engine.Store(e)
	e.begin(chat.EventID(d.clock.Last()))
	if d.ownClock != nil {
		if err := d.ownClock.Renew(d.ctx); err != nil && !errors.Is(err, store.ErrUnavailable) {
			return errors.Join(err, e.finish(2*d.o.StallAfter), e.pdb.Close())
		}
		d.wg.Go(func() { _ = d.ownClock.Run(d.ctx) })
	}
	d.wg.Go(d.maintain)
	d.wg.Go(d.sweeps)
	return nil
}

// setUp reads what the database says about itself and makes the clock from it.
func (d *DB) setUp(e *engine) error {
	high, err := metaInt(e.pdb, metaHighWater)
	if err != nil {
		return err
	}
	kept, err := metaInt(e.pdb, metaKeptSince)
	if err != nil {
		return err
	}
	d.highWater.Store(high)
	d.keptSince.Store(kept)
	if d.o.NewClock != nil {
		d.clock, err = d.o.NewClock(id.ID(high), d.Reserve)
		if err != nil {
			return fmt.Errorf("clock: %w", err)
		}
	} else {
		d.ownClock = id.NewClock(id.ClockOptions{HighWater: id.ID(high), Reserve: d.Reserve, Ahead: embeddedAhead, Log: d.o.Logger})
		d.clock = d.ownClock
	}
	e.clock = d.clock
	e.ids.begin(chat.MessageID(high - 1))
	return nil
}

// openEngine opens the database; its committer isn't started yet.
func (d *DB) openEngine() (*engine, error) {
	e := &engine{
		fs: newFencedFS(d.o.FS, d.o.Dir), clock: d.clock, log: d.o.Logger, noSync: d.o.NoSync, limit: d.o.MaxWaiting,
		full: d.space.full.Load, spent: d.space.spent, stats: &d.stats, ids: newFreshIDs(&d.highWater),
		wake: make(chan struct{}, 1), gathered: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), dead: make(chan struct{}),
	}
	if err := openPebble(e, &d.o, d.cache); err != nil {
		e.fail(err)
		e.fs.fence()
		if strings.Contains(err.Error(), "format major version") {
			return nil, &FormatError{Dir: d.o.Dir, Found: err.Error(), Supported: FormatVersion}
		}
		return nil, err
	}
	return e, nil
}

// checkFormat refuses a folder of a newer version before anything in it is touched, and marks a new one.
func checkFormat(fs vfs.FS, dir string) error {
	path := fs.PathJoin(dir, formatFile)
	f, err := fs.Open(path)
	if err != nil {
		names, listErr := fs.List(dir)
		if listErr != nil {
			return listErr
		}
		for _, n := range names {
			if strings.HasPrefix(n, "MANIFEST") {
				return &FormatError{Dir: dir, Found: "unknown (no " + formatFile + ")", Supported: FormatVersion}
			}
		}
		return writeFormat(fs, dir)
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	found := strings.TrimSpace(string(text))
	if v, err := strconv.Atoi(found); err != nil || v < 1 || v > FormatVersion {
		return &FormatError{Dir: dir, Found: strconv.Quote(found), Supported: FormatVersion}
	}
	return nil
}

func writeFormat(fs vfs.FS, dir string) error {
	f, err := fs.Create(fs.PathJoin(dir, formatFile), "murre")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d\n", FormatVersion)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// makeDir makes a folder and its missing parents so that a power cut doesn't take them back. The folder above the first
// one that exists is synced too, where allowed: whoever made the data folder for us may not have done so.
func makeDir(fs vfs.FS, dir string) error {
	var parents []string
	for at := fs.PathDir(dir); ; at = fs.PathDir(at) {
		parents = append(parents, at)
		if _, err := fs.Stat(at); err == nil || fs.PathDir(at) == at {
			break
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, p := range parents {
		if err := syncDir(fs, p); err != nil {
			return err
		}
	}
	_ = syncDir(fs, fs.PathDir(parents[len(parents)-1])) // perhaps not ours to open
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func metaInt(r pebble.Reader, key []byte) (int64, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := scanCursor(v)
	return n, errors.Join(err, closer.Close())
}

func metaValue(n int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{valueVersion}, uint64(n))
}

// Clock returns the clock that makes the store's event ids. Message ids must come from it too.
func (d *DB) Clock() Clock { return d.clock }

// Reserve makes it durable that ids below upTo may have been made. It never goes back.
func (d *DB) Reserve(ctx context.Context, upTo id.ID) error {
	if int64(upTo) <= d.highWater.Load() {
		return nil
	}
	err := d.write(ctx, "reserve ids", func(t *tx) error {
		stored, err := t.get(metaHighWater)
		high := int64(0)
		if err == nil {
			high, err = scanCursor(stored)
		}
		if err != nil && !errors.Is(err, pebble.ErrNotFound) {
			return err
		}
		t.set(metaHighWater, metaValue(max(high, int64(upTo))))
		return nil
	})
	if err != nil {
		return err
	}
	for have := d.highWater.Load(); have < int64(upTo); have = d.highWater.Load() {
		if d.highWater.CompareAndSwap(have, int64(upTo)) {
			break
		}
	}
	return nil
}

// Ports returns the store's ports. They are valid until Close.
func (d *DB) Ports() store.Store {
	return store.Store{
		Messages: messages{d}, Inbox: inbox{d}, Claims: claims{d}, Devices: devices{d}, Channels: channels{d},
		Conversations: conversations{d}, Members: members{d}, Listing: listing{d}, Watermarks: watermarks{d},
		Users: users{d}, Sessions: sessions{d}, Blocks: blocks{d}, Media: media{d}, Changes: changes{d},
		Leases: leases{d}, Engine: d,
	}
}

// Ping reports whether reads and writes work now.
func (d *DB) Ping(context.Context) error {
	if d.closed.Load() {
		return store.ErrClosed
	}
	if e := d.engine.Load(); e == nil || e.isDead() {
		return fmt.Errorf("pebblestore: %w: storage engine failed, trying to open it again", store.ErrUnavailable)
	}
	if e := d.engine.Load(); e != nil && e.isStalled() {
		return fmt.Errorf("pebblestore: %w", errStalled)
	}
	if d.space.full.Load() {
		return fmt.Errorf("pebblestore: %w", errDiskFull())
	}
	if d.ownClock != nil {
		if err := d.ownClock.Ready(); err != nil {
			return fmt.Errorf("pebblestore: %w: %w", store.ErrUnavailable, err)
		}
	}
	return nil
}

// Close commits what waits, stops every goroutine and releases the folder. Ports answer ErrClosed afterwards.
func (d *DB) Close() error {
	d.closeOnce.Do(func() {
		d.closed.Store(true)
		d.cancel()
		d.wg.Wait()
		if e := d.engine.Swap(nil); e != nil {
			if d.closeErr = e.finish(2 * d.o.StallAfter); d.closeErr == nil {
				d.closeErr = errors.Join(d.settleClock(e), e.pdb.Close())
			}
		}
		d.cache.Unref()
		d.closeErr = errors.Join(d.closeErr, d.lock.Close())
	})
	return d.closeErr
}

// write evaluates fn in the committer and returns once it is durable and visible.
func (d *DB) write(ctx context.Context, what string, fn func(*tx) error) error {
	o := ops.Get().(*op)
	o.fn = fn
	return d.submit(ctx, what, o)
}

// submit runs an op whose result (other than its error) nobody reads, and gives it back to the pool.
func (d *DB) submit(ctx context.Context, what string, o *op) error {
	if err := d.send(ctx, what, o); err != nil {
		return err
	}
	err := o.err
	o.release()
	if err != nil {
		return fmt.Errorf("pebblestore: %s: %w", what, translate(err))
	}
	return nil
}

// send hands an op to the committer; nil means that it was evaluated and o.err holds its own error.
func (d *DB) send(ctx context.Context, what string, o *op) error {
	e := d.engine.Load()
	if e == nil {
		if d.closed.Load() {
			return fmt.Errorf("pebblestore: %s: %w", what, store.ErrClosed)
		}
		return fmt.Errorf("pebblestore: %s: %w: storage engine failed", what, store.ErrUnavailable)
	}
	if err := e.submit(ctx, o); err != nil {
		return fmt.Errorf("pebblestore: %s: %w", what, err)
	}
	return nil
}

// read runs fn on the current view.
func (d *DB) read(ctx context.Context, what string, fn func(*view) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("pebblestore: %s: %w: %w", what, store.ErrUnavailable, err)
	}
	var v *view
	if e := d.engine.Load(); e != nil {
		e.readers.RLock()
		defer e.readers.RUnlock()
		v = e.acquire()
	}
	if v == nil {
		if d.closed.Load() {
			return fmt.Errorf("pebblestore: %s: %w", what, store.ErrClosed)
		}
		return fmt.Errorf("pebblestore: %s: %w: storage engine failed", what, store.ErrUnavailable)
	}
	defer v.release()
	if err := fn(v); err != nil {
		return fmt.Errorf("pebblestore: %s: %w", what, translate(err))
	}
	return nil
}

// translate keeps Pebble's errors from crossing a port.
func translate(err error) error {
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return store.ErrNotFound
	case errors.Is(err, errFenced):
		return store.ErrUnavailable
	}
	return err
}

// logger is for the maintenance goroutine.
func (d *DB) logger() *slog.Logger { return d.o.Logger }
