package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// Times of a lease.
const (
	// Term is how long a slot must be seen unchanged before another may take it. Ids are reserved for less
	// (id.DefaultAhead), so a holder that can't renew has stopped by then.
	Term = 20 * time.Second
	// watchEvery is how often the rows of the others are looked at.
	watchEvery = 5 * time.Second
	// releaseAfter is how long a slot must be seen unchanged before a bystander releases it.
	releaseAfter = 10 * Term
	// callTimeout bounds one call to the store.
	callTimeout = 5 * time.Second
	// attempts to find a slot when others take them at the same time.
	attempts = 32
)

// Errors, wrapped with what happened.
var (
	// ErrLost: another process holds the slot. The process must end: it can make no more ids.
	ErrLost = errors.New("node slot lost to another process")
	// ErrNameTaken: a running process has the same name.
	ErrNameTaken = errors.New("another running gateway has this name")
	// ErrNoSlot: all slots are held.
	ErrNoSlot = errors.New("no free node slot")
)

// Options of a Lease. Leases, DC, Name, Nonce and Log are required.
type Options struct {
	Leases store.Leases
	DC     string
	Name   string // of this process, unique among those that run
	Nonce  string // of this run
	Log    *slog.Logger
	// First and Last bound the slots to choose from; default all of them. Datacenters have ranges that don't overlap.
	First, Last int
	// Boot is a monotonic clock that counts time asleep; default id.NewBoot.
	Boot func() time.Duration
}

// Lease is a held slot. Take makes one; Reserve is for the clock; Run watches until the process ends.
type Lease struct {
	o Options

	mu      sync.Mutex
	row     store.Lease
	unknown bool         // the last write timed out: the row may be what it was or what was written, or become that later
	final   func() id.ID // the last id made
	lost    error
	failed  chan struct{} // closed when lost is set
}

// seen is another's row and since when it is as it is.
type seen struct {
	row   store.Lease
	since time.Duration
}

// Take leases a slot: a released one, one never used, or one that was seen unchanged for a Term (which takes that long).
func Take(ctx context.Context, o Options) (*Lease, error) {
	if o.Last == 0 {
		o.Last = id.MaxSlot
	}
	if o.Boot == nil {
		o.Boot = id.NewBoot()
	}
	began, asked := make(map[int]seen), make(map[int]store.Lease)
	for try := 0; ; try++ {
		rows, err := list(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("lease: list node slots: %w", err)
		}
		rows = newest(rows, asked)
		from, ok := free(o, rows, began)
		if !ok {
			if err := pause(ctx, time.Second); err != nil {
				return nil, fmt.Errorf("lease: %w: %w", ErrNoSlot, err)
			}
			continue
		}
		to := from
		to.Holder, to.Counter = o.Name+"/"+o.Nonce, from.Counter+1
		err = put(ctx, o, from, to)
		if err == nil {
			return &Lease{o: o, row: to, failed: make(chan struct{})}, nil
		}
		// Refused: the list was behind. Unknown, as when many start at once: look whether it was written; should it be later, the
		// slot is released in time.
		if row, gerr := get(ctx, o, to.Slot); gerr == nil {
			if row == to {
				return &Lease{o: o, row: to, failed: make(chan struct{})}, nil
			}
			asked[row.Slot] = row
		}
		if try >= attempts {
			return nil, fmt.Errorf("lease: take node slot %d: %w", to.Slot, err)
		}
		if perr := pause(ctx, time.Duration(rand.Int64N(int64(100*time.Millisecond)))); perr != nil {
			return nil, fmt.Errorf("lease: take node slot %d: %w", to.Slot, errors.Join(err, perr))
		}
	}
}

// newest is a list, which may be behind, with what is known of slots that were asked for. Counters only grow.
func newest(rows []store.Lease, asked map[int]store.Lease) []store.Lease {
	listed := make(map[int]bool, len(rows))
	for i := range rows {
		listed[rows[i].Slot] = true
		if a, ok := asked[rows[i].Slot]; ok && a.Counter > rows[i].Counter {
			rows[i] = a
		}
	}
	for slot, a := range asked {
		if !listed[slot] {
			rows = append(rows, a)
		}
	}
	return rows
}

// free returns the row of a slot to take.
func free(o Options, rows []store.Lease, began map[int]seen) (store.Lease, bool) {
	used := make(map[int]bool, len(rows))
	now := o.Boot()
	var old *store.Lease
	for i := range rows {
		r := rows[i]
		used[r.Slot] = true
		if r.Slot < o.First || r.Slot > o.Last {
			continue
		}
		if r.Holder == "" {
			return r, true
		}
		if s, ok := began[r.Slot]; !ok || s.row != r {
			began[r.Slot] = seen{row: r, since: now}
		} else if now-s.since > Term {
			old = &rows[i]
		}
	}
	for s := o.First; s <= o.Last; s++ {
		if !used[s] {
			return store.Lease{DC: o.DC, Slot: s}, true
		}
	}
	if old != nil {
		return *old, true
	}
	return store.Lease{}, false
}

// Slot is the slot held.
func (l *Lease) Slot() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.row.Slot
}

// HighWater is the reservation of the slot: ids made from now on must be at or above it.
func (l *Lease) HighWater() id.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return id.ID(l.row.HighWater)
}

// SetFinal tells how to learn the last id made, so that a slot that is released is reserved no further than it was used.
// Release comes when no more ids are made.
func (l *Lease) SetFinal(f func() id.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.final = f
}

// Lost is closed when the lease ends: its slot went to another, its name is another's, or it was released.
func (l *Lease) Lost() <-chan struct{} { return l.failed }

// Reserve makes it durable that ids below upTo may be used; the clock calls it. ErrLost ends the process.
func (l *Lease) Reserve(ctx context.Context, upTo id.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	if l.unknown {
		row, err := get(ctx, l.o, l.row.Slot)
		if err != nil {
			return fmt.Errorf("lease: read node slot %d: %w", l.row.Slot, err)
		}
		if row.Holder != l.row.Holder {
			return l.loseLocked(row)
		}
		l.row, l.unknown = row, false
	}
	next := l.row
	next.Counter++
	next.HighWater = max(next.HighWater, int64(upTo))
	err := put(ctx, l.o, l.row, next)
	switch {
	case err == nil:
		l.row = next
		return nil
	case errors.Is(err, store.ErrConflict):
		row, gerr := get(ctx, l.o, l.row.Slot)
		if gerr != nil {
			l.unknown = true
			return fmt.Errorf("lease: read node slot %d: %w", l.row.Slot, gerr)
		}
		if row.Holder != l.row.Holder {
			return l.loseLocked(row)
		}
		// It is ours: an attempt inside the driver had got through, or an earlier one whose outcome was unknown, and which
		// the store did only after it was asked for the row.
		l.row = row
		if row == next {
			return nil
		}
		return fmt.Errorf("lease: renew node slot %d: an earlier attempt came in between: %w", l.row.Slot, err)
	}
	l.unknown = true
	return fmt.Errorf("lease: renew node slot %d: %w", l.row.Slot, err)
}

func (l *Lease) loseLocked(row store.Lease) error {
	l.lost = fmt.Errorf("%w: slot %d is held by %q", ErrLost, row.Slot, row.Holder)
	close(l.failed)
	return l.lost
}

// Run watches the other slots until ctx ends, then releases its own. It returns ErrNameTaken when a process of the same
// name proves to be alive (the younger of two ends), and ErrLost when the slot went to another.
func (l *Lease) Run(ctx context.Context) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	others := make(map[int]seen)
	for {
		select {
		case <-ctx.Done():
			l.release(context.WithoutCancel(ctx))
			return nil
		case <-l.failed:
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.lost
		case <-t.C:
		}
		rows, err := list(ctx, l.o)
		if err != nil {
			continue // the clock says by itself when the store is gone for too long
		}
		if err := l.look(ctx, rows, others); err != nil {
			l.release(context.WithoutCancel(ctx))
			return err
		}
	}
}

// look notes which rows changed, releases the slots of the dead, and finds a living process of the same name.
func (l *Lease) look(ctx context.Context, rows []store.Lease, others map[int]seen) error {
	own, now := l.Slot(), l.o.Boot()
	for _, r := range rows {
		if r.Slot == own || r.Holder == "" {
			delete(others, r.Slot)
			continue
		}
		before, known := others[r.Slot]
		name, nonce, _ := strings.Cut(r.Holder, "/")
		switch {
		case !known || before.row.Holder != r.Holder:
			others[r.Slot] = seen{row: r, since: now}
		case before.row != r:
			others[r.Slot] = seen{row: r, since: now}
			if name == l.o.Name && nonce < l.o.Nonce {
				return fmt.Errorf("%w: %s (slot %d); give each gateway its own --name", ErrNameTaken, r.Holder, r.Slot)
			}
		case now-before.since > releaseAfter && r.Slot >= l.o.First && r.Slot <= l.o.Last:
			to := r
			to.Holder, to.Counter = "", r.Counter+1
			if err := put(ctx, l.o, r, to); err == nil {
				l.o.Log.Info("released the node slot of a gateway that is gone", "slot", r.Slot, "holder", r.Holder)
			}
			delete(others, r.Slot)
		}
	}
	return nil
}

// release gives the slot back, best effort: one that isn't given back is found by others in time.
func (l *Lease) release(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return
	}
	to := l.row
	to.Holder, to.Counter = "", to.Counter+1
	if l.final != nil && !l.unknown {
		to.HighWater = min(to.HighWater, int64(l.final())+1)
	}
	if err := put(ctx, l.o, l.row, to); err != nil {
		l.o.Log.Warn("node slot not released, it will be taken for free in time", "slot", l.row.Slot, "error", err)
	}
	l.lost = fmt.Errorf("%w: released", ErrLost)
	close(l.failed)
}

func list(ctx context.Context, o Options) ([]store.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return o.Leases.List(ctx, o.DC)
}

func get(ctx context.Context, o Options, slot int) (store.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return o.Leases.Get(ctx, o.DC, slot)
}

func put(ctx context.Context, o Options, from, to store.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return o.Leases.Put(ctx, from, to)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
