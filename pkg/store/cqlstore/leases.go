package cqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/store"
)

var (
	leaseColumns = []string{"holder", "counter", "high_water"}

	// What decides: a partition a slot, so that gateways don't stand in each other's way.
	leaseSelect = built(forLease, qb.Select("slot_leases").Columns(leaseColumns...).Where(qb.Eq("dc"), qb.Eq("slot")))
	leaseInsert = built(forLease, qb.Insert("slot_leases").Columns("dc", "slot", "holder", "counter", "high_water").Unique()).conditional()
	// The list of all, which follows. Before there was slot_leases it was what decided.
	leaseList   = built(forLease, qb.Select("node_leases").Columns(append([]string{"slot"}, leaseColumns...)...).Where(qb.Eq("dc")))
	leaseShown  = built(forLease, qb.Select("node_leases").Columns(leaseColumns...).Where(qb.Eq("dc"), qb.Eq("slot")))
	leaseShow   = built(forLease, qb.Insert("node_leases").Columns("dc", "slot", "holder", "counter", "high_water"))
	leaseUpdate = built(forLease, qb.Update("slot_leases").Set(leaseColumns...).Where(qb.Eq("dc"), qb.Eq("slot")).
			If(qb.EqNamed("holder", "had_holder"), qb.EqNamed("counter", "had_counter"), qb.EqNamed("high_water", "had_high_water"))).conditional()

	// Both servers know this spelling.
	storeNow = written(forLease, "SELECT toUnixTimestamp(now()) FROM system.local")
)

// leases implements store.Leases.
type leases struct{ d *DB }

// Get returns a slot's row as compare-and-set left it.
func (s leases) Get(ctx context.Context, dc string, slot int) (store.Lease, error) {
	l := store.Lease{DC: dc, Slot: slot}
	err := s.d.serial(ctx, leaseSelect, []any{dc, slot}, &l.Holder, &l.Counter, &l.HighWater)
	if errors.Is(err, store.ErrNotFound) {
		return s.shown(ctx, dc, slot)
	}
	return l, err
}

// shown is a slot's row in the list.
func (s leases) shown(ctx context.Context, dc string, slot int) (store.Lease, error) {
	l := store.Lease{DC: dc, Slot: slot}
	err := s.d.one(ctx, leaseShown, []any{dc, slot}, &l.Holder, &l.Counter, &l.HighWater)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return l, err
}

// Put is a compare-and-set. After an ErrUnavailable it may have happened; the same Put again then returns nil. What it finds or
// leaves is put into the list too, as far as that succeeds: the next Put does it again.
func (s leases) Put(ctx context.Context, prev, next store.Lease) error {
	applied, have, err := s.d.casUntilKnown(ctx, leaseUpdate, next.Holder, next.Counter, next.HighWater, next.DC, next.Slot, prev.Holder, prev.Counter, prev.HighWater)
	now := prev
	if err == nil && !applied && len(have) == 0 { // the slot is taken for the first time, or since there is this table
		if now, err = s.shown(ctx, next.DC, next.Slot); err == nil && now == prev {
			applied, have, err = s.d.casUntilKnown(ctx, leaseInsert, next.DC, next.Slot, next.Holder, next.Counter, next.HighWater)
		}
	}
	switch {
	case err != nil:
		return err
	case applied:
		now = next
	case len(have) > 0:
		now = store.Lease{DC: next.DC, Slot: next.Slot}
		now.Holder, _ = have["holder"].(string)
		now.Counter, _ = have["counter"].(int64)
		now.HighWater, _ = have["high_water"].(int64)
	}
	s.show(ctx, now)
	if now != next {
		return fmt.Errorf("cqlstore: lease of slot %d: %w: it was changed", next.Slot, store.ErrConflict)
	}
	return nil
}

// show puts a row into the list, at the server's time as compare-and-sets are: a gateway's clock may be wrong, and what one said
// that was ahead would hide what came later.
func (s leases) show(ctx context.Context, l store.Lease) {
	values := []any{l.DC, l.Slot, l.Holder, l.Counter, l.HighWater}
	_ = s.d.run(ctx, leaseShow, func(ctx context.Context) error {
		return s.d.query(ctx, leaseShow, values).DefaultTimestamp(false).Exec()
	})
}

// List returns the rows of a datacenter, by slot. A row may be older than what Get returns.
func (s leases) List(ctx context.Context, dc string) (out []store.Lease, err error) {
	l := store.Lease{DC: dc}
	err = s.d.rows(ctx, leaseList, 1000, []any{dc}, []any{&l.Slot, &l.Holder, &l.Counter, &l.HighWater}, func() (bool, error) {
		out = append(out, l)
		return true, nil
	})
	return out, err
}

// Now is the clock of the node that was asked.
func (s leases) Now(ctx context.Context) (ms int64, err error) {
	err = s.d.one(ctx, storeNow, nil, &ms)
	return ms, err
}
