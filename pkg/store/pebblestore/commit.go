package pebblestore

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// maxBatchBytes ends a group: a larger batch would only make its writers wait for each other.
	maxBatchBytes = 2 << 20
	maxGroup      = 4096
)

// op is one write on its way through the committer. Ops are pooled; one whose writer gave up is left to the collector.
type op struct {
	// One of the two is set: a message, or anything else.
	isAppend bool
	fn       func(*tx) error

	append     store.Append // Recipients is a copy: the committer may read it after its writer has given up
	recipients []chat.UserID
	event      chat.EventID

	reclaims bool // frees space: done on a full disk too
	err      error
	answered atomic.Bool // by the committer, or by the watch of a stalled one
	done     chan error
}

var ops = sync.Pool{New: func() any { return &op{done: make(chan error, 1)} }}

// answer wakes the writer, once.
func (o *op) answer(err error) {
	if o.answered.CompareAndSwap(false, true) {
		o.done <- err
	}
}

func (o *op) release() {
	o.isAppend, o.fn, o.reclaims, o.err, o.event = false, nil, false, nil, 0
	o.append = store.Append{}
	o.answered.Store(false)
	o.recipients = o.recipients[:0]
	ops.Put(o)
}

// tx is what the committer's ops work on. An op reads first, takes event ids, and then writes: it must not fail after its
// first write, nor read after it.
type tx struct {
	e       *engine
	batch   *pebble.Batch
	written bool // the current op has begun to write
	applied bool // batches of this group were applied, unsynced
	last    chat.EventID
}

// get reads a key as the committed and the earlier ops left it. The value is the caller's.
func (t *tx) get(key []byte) ([]byte, error) {
	if err := t.settle(); err != nil {
		return nil, err
	}
	v, closer, err := t.e.pdb.Get(key)
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), v...)
	return out, closer.Close()
}

// settle applies what earlier ops wrote, so that a read sees it.
func (t *tx) settle() error {
	if t.written {
		return errors.New("pebblestore: read after write within one op")
	}
	if t.batch.Empty() {
		return nil
	}
	t.applied = true
	t.e.stats.bytes.Add(uint64(t.batch.Len()))
	if err := t.e.pdb.Apply(t.batch, pebble.NoSync); err != nil {
		return err
	}
	return t.renew()
}

func (t *tx) renew() error {
	if err := t.batch.Close(); err != nil {
		return err
	}
	t.batch = t.e.pdb.NewBatch()
	return nil
}

// set, merge, del and delRange write. A batch in memory doesn't fail.
func (t *tx) set(key, value []byte) {
	t.written = true
	_ = t.batch.Set(key, value, nil)
}

func (t *tx) merge(key, value []byte) {
	t.written = true
	_ = t.batch.Merge(key, value, nil)
}

func (t *tx) del(key []byte) {
	t.written = true
	_ = t.batch.Delete(key, nil)
}

func (t *tx) delRange(from, to []byte) {
	t.written = true
	_ = t.batch.DeleteRange(from, to, nil)
}

// nextEvent takes an event id; commit order is id order, as there is one committer.
func (t *tx) nextEvent() (chat.EventID, error) {
	next, err := t.e.clock.Next()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	t.last = chat.EventID(next)
	return t.last, nil
}

// fanout writes an event to the logs of its recipients.
func (t *tx) fanout(ev *chat.Event, event chat.EventID, recipients []chat.UserID) {
	if len(recipients) == 0 {
		return
	}
	t.written = true
	var buf [1 + 3 + 16 + 8 + 16 + 16]byte
	value := putEvent(buf[:0], ev)
	day := dayOf(event)
	for i := range recipients {
		d := t.batch.SetDeferred(inboxKeyLen, len(value))
		inboxKey(d.Key[:0], day, recipients[i], event)
		copy(d.Value, value)
		_ = d.Finish()
	}
	t.e.stats.inboxRows.Add(uint64(len(recipients)))
}

const (
	// paceFrom is the group size from which the committer lets the next group gather: a sync costs some 80 µs of CPU
	// whatever it carries, so under load fewer and larger groups are cheaper, and nobody waits under little load.
	paceFrom = 4
	// paceFor is the longest that the start of a commit lies after the start of the one before, on purpose.
	paceFor = time.Millisecond
)

// pacer is the committer's memory of its last group.
type pacer struct {
	last  int
	began time.Time
	timer *time.Timer
}

// hold lets the next group gather until it is as large as the last one was, or paceFor has passed. Senders that wait
// for their answer before they send again are all back then, so a few fast senders aren't held up.
func (e *engine) hold(p *pacer) {
	if p.last < paceFrom {
		return
	}
	left := paceFor - time.Since(p.began)
	if left <= 0 {
		return
	}
	e.queueMu.Lock()
	enough := len(e.queue) >= p.last || e.stopped
	e.holdFor = p.last
	e.queueMu.Unlock()
	if !enough {
		if p.timer == nil {
			p.timer = time.NewTimer(left)
		} else {
			p.timer.Reset(left)
		}
		select {
		case <-p.timer.C:
		case <-e.gathered:
		case <-e.stop:
		case <-e.dead:
		}
		p.timer.Stop()
	}
	e.queueMu.Lock()
	e.holdFor = 0
	e.queueMu.Unlock()
	select {
	case <-e.gathered: // came too late to be waited for
	default:
	}
}

// run is the committer: it ends when the engine is stopped (after all that waited) or died.
func (e *engine) run() {
	defer close(e.done)
	defer func() {
		if r := recover(); r != nil {
			err, ok := r.(error)
			var bug runtime.Error
			if !ok || errors.As(err, &bug) {
				panic(r)
			}
			e.fail(err)
		}
	}()
	var group []*op
	var pace pacer
	for {
		e.hold(&pace)
		group = e.take(group[:0])
		if len(group) == 0 {
			select {
			case <-e.wake:
				continue
			case <-e.dead:
				return
			case <-e.stop:
				if group = e.take(group[:0]); len(group) == 0 {
					return
				}
			}
		}
		pace.last, pace.began = len(group), time.Now()
		for done := 0; done < len(group); {
			n, err := e.commit(group[done:])
			if err != nil {
				e.fail(err)
				return
			}
			done += n
		}
		e.settled(group)
	}
}

// commit evaluates ops, in order, until the batch is large enough, makes them durable and visible, and answers them.
// An error is the engine's end: nothing is answered then.
func (e *engine) commit(group []*op) (n int, err error) {
	began := time.Now()
	t := &tx{e: e, batch: e.pdb.NewBatch()}
	full := e.full()
	for n < len(group) && n < maxGroup && t.batch.Len() < maxBatchBytes {
		o := group[n]
		n++
		t.written = false
		switch {
		case full && !o.reclaims:
			o.err = errDiskFull()
		case o.isAppend:
			o.event, o.err = t.appendMessage(&o.append)
		default:
			o.err = o.fn(t)
		}
		if t.written && o.err != nil {
			return n, fmt.Errorf("op failed after its first write: %w", o.err)
		}
		if o.err != nil && e.isDead() {
			return n, o.err
		}
	}
	wrote := t.applied || !t.batch.Empty()
	if wrote {
		opts := pebble.Sync
		if e.noSync {
			opts = pebble.NoSync
		}
		size := t.batch.Len()
		e.stats.bytes.Add(uint64(size))
		if t.batch.Empty() {
			err = e.pdb.LogData(nil, opts)
		} else {
			err = e.pdb.Apply(t.batch, opts)
		}
		if err != nil {
			return n, err
		}
		e.publish(max(t.last, e.horizon()))
		e.stats.commit(n, time.Since(began))
		e.spent(size)
	}
	if err := t.batch.Close(); err != nil {
		return n, err
	}
	for _, o := range group[:n] {
		o.answer(o.err)
	}
	return n, nil
}
