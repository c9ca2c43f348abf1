package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// engine is one opened Pebble with its committer. It lives until the DB is closed or until it meets a fatal error: then
// it is dead for ever, and the DB opens another.
type engine struct {
	pdb    *pebble.DB
	fs     *fencedFS
	clock  Clock
	log    *slog.Logger
	noSync bool
	limit  int // of queue
	full   func() bool
	spent  func(bytes int)
	stats  *counters
	ids    *freshIDs // committer's own

	current  atomic.Pointer[view]
	wake     chan struct{} // the queue has become non-empty
	gathered chan struct{} // holdFor writes wait
	stop     chan struct{} // closed: end once the queue is empty
	done     chan struct{} // closed: the committer has ended
	dead     chan struct{} // closed: fatal error
	deadly   sync.Once
	cause    atomic.Pointer[error]

	readers sync.RWMutex // held for reading while something uses pdb but the committer

	queueMu sync.Mutex
	queue   []*op
	taken   []*op     // in the committer's hands
	takenAt time.Time // when it took them
	stalled bool      // it has had them for too long: no write is taken
	holdFor int       // the committer waits on gathered for so many
	stopped bool
}

// view is what reads see: the synced commits at one moment.
type view struct {
	snap    *pebble.Snapshot
	horizon chat.EventID
	refs    atomic.Int64
	e       *engine
}

func (v *view) release() {
	if v.refs.Add(-1) == 0 && !v.e.isDead() { // a dead engine's locks may hang
		_ = v.snap.Close() // never fails
	}
}

// openPebble opens the database in dir. A failure that is fatal to Pebble leaves its goroutine where it is: an Open that
// returns or unwinds frees what the flushes and compactions it has begun still use.
func openPebble(e *engine, o *Options, cache *pebble.Cache) error {
	po := &pebble.Options{
		FS:                 e.fs,
		Cache:              cache,
		Merger:             forwardOnly(),
		Logger:             &pebbleLog{e: e},
		FormatMajorVersion: pebble.FormatValueSeparation,
		MemTableSize:       o.MemTableBytes,
		// Four memtables let commits go on while a slow disk takes a flush.
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       32,
		LBaseMaxBytes:               256 << 20,
		MaxOpenFiles:                1000,
		BytesPerSync:                1 << 20,
	}
	for i := range po.Levels {
		l := &po.Levels[i]
		l.BlockSize = 16 << 10
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.FilterType = pebble.TableFilter
		if i == 0 {
			l.Compression = func() *sstable.CompressionProfile { return sstable.NoCompression } // soon rewritten
		}
	}
	po.TargetFileSizes[0] = 8 << 20
	e.fs.fatal = e.fail
	type opened struct {
		db  *pebble.DB
		err error
	}
	done := make(chan opened, 1)
	go func() {
		db, err := pebble.Open(o.Dir, po)
		done <- opened{db, err}
	}()
	select {
	case r := <-done:
		e.pdb = r.db
		e.fs.running.Store(true)
		return r.err
	case <-e.dead:
		return *e.cause.Load()
	}
}

// begin publishes the first view and starts the committer, which finish ends.
func (e *engine) begin(horizon chat.EventID) {
	e.publish(horizon)
	go e.run()
}

// finish lets the committer do what waits and ends it; one that is still stuck after a limit is given up.
func (e *engine) finish(limit time.Duration) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	e.queueMu.Lock()
	if !e.stopped {
		e.stopped = true
		close(e.stop)
	}
	e.queueMu.Unlock()
	select {
	case <-e.done:
	case <-e.dead:
	case <-t.C:
		e.fail(errStalled)
	}
	if e.isDead() {
		e.fs.fence()
		return *e.cause.Load()
	}
	e.readers.Lock() // waits for those under way
	defer e.readers.Unlock()
	if v := e.current.Swap(nil); v != nil {
		v.release()
	}
	return nil
}

func (e *engine) isDead() bool {
	select {
	case <-e.dead:
		return true
	default:
		return false
	}
}

// fail gives the engine up. Writers under way get ErrUnavailable: what they wrote is unknown.
func (e *engine) fail(cause error) {
	e.deadly.Do(func() {
		e.cause.Store(&cause)
		close(e.dead)
	})
}

// publish makes the commits so far what reads see.
func (e *engine) publish(horizon chat.EventID) {
	v := &view{snap: e.pdb.NewSnapshot(), horizon: horizon, e: e}
	v.refs.Store(1)
	if old := e.current.Swap(v); old != nil {
		old.release()
	}
}

func (e *engine) horizon() chat.EventID {
	if v := e.current.Load(); v != nil {
		return v.horizon
	}
	return 0
}

// acquire returns the current view; the caller releases it. Nil once the engine has ended.
func (e *engine) acquire() *view {
	for {
		v := e.current.Load()
		if v == nil {
			return nil
		}
		if n := v.refs.Load(); n > 0 && v.refs.CompareAndSwap(n, n+1) {
			return v
		}
	}
}

// take returns the writes that wait.
func (e *engine) take(into []*op) []*op {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	into, e.queue = e.queue, into
	e.taken = into
	if len(into) > 0 {
		e.takenAt = time.Now()
	}
	return into
}

// settled forgets what the committer had taken and answered.
func (e *engine) settled(group []*op) {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	e.taken, e.stalled = nil, false
	clear(group)
}

// watch answers the writers of a committer that has been stuck for longer than a limit (a disk that hangs, a flush that
// finds no space) and refuses more until it moves again. What it was at remains unknown; what waited is not done.
func (e *engine) watch(limit time.Duration) (stalled bool) {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	if len(e.taken) == 0 || time.Since(e.takenAt) < limit {
		return false
	}
	for _, o := range e.taken {
		o.answer(errStalled)
	}
	for _, o := range e.queue {
		o.answer(errStalled)
	}
	clear(e.queue)
	e.queue, e.stalled = e.queue[:0], true
	return true
}

func (e *engine) isStalled() bool {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	return e.stalled
}

var errStalled = fmt.Errorf("%w: the disk doesn't take writes", store.ErrUnavailable)

// submit queues a write and waits until it is durable and visible. An error of the op itself is in o.err, with nil
// returned; any other error means that the op isn't the caller's any more.
func (e *engine) submit(ctx context.Context, o *op) error {
	e.queueMu.Lock()
	switch {
	case e.stopped:
		e.queueMu.Unlock()
		return store.ErrClosed
	case e.stalled:
		e.queueMu.Unlock()
		return errStalled
	case len(e.queue) >= e.limit:
		e.queueMu.Unlock()
		return fmt.Errorf("%w: too many writes wait", store.ErrUnavailable)
	}
	e.queue = append(e.queue, o)
	first, enough := len(e.queue) == 1, len(e.queue) == e.holdFor
	e.queueMu.Unlock()
	if enough {
		select {
		case e.gathered <- struct{}{}:
		default:
		}
	}
	if first {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
	select {
	case err := <-o.done:
		if errors.Is(err, errStalled) {
			return err
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	case <-e.dead:
		return fmt.Errorf("%w: storage engine failed", store.ErrUnavailable)
	}
}

// pebbleLog passes Pebble's log on. A fatal error must not end the process: it ends the engine.
type pebbleLog struct{ e *engine }

// Infof implements pebble.Logger.
func (l *pebbleLog) Infof(format string, args ...any) {
	if l.e.log.Enabled(context.Background(), slog.LevelDebug) {
		l.e.log.Debug("pebble", slog.String("event", fmt.Sprintf(format, args...)))
	}
}

// Errorf implements pebble.Logger.
func (l *pebbleLog) Errorf(format string, args ...any) {
	l.e.log.Warn("pebble", slog.String("event", fmt.Sprintf(format, args...)))
}

// Fatalf implements pebble.Logger: it never returns, as Pebble expects. While the database is opened the goroutine is
// parked. Afterwards Pebble's own ends with its deferred calls (its locks are free again), and one of ours panics, which run
// turns into an error.
func (l *pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: "+format, args...)
	l.e.fail(err)
	if !l.e.fs.running.Load() {
		park()
	}
	if calledByUs() {
		panic(err)
	}
	runtime.Goexit()
}

// calledByUs reports whether the goroutine began in this package's committer.
func calledByUs() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "/pebblestore.") {
			return true
		}
		if !more {
			return false
		}
	}
}
