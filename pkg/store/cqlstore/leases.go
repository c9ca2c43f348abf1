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

	leaseSelect = built(forLease, qb.Select("node_leases").Columns(leaseColumns...).Where(qb.Eq("dc"), qb.Eq("slot")))
	leaseList   = built(forLease, qb.Select("node_leases").Columns(append([]string{"slot"}, leaseColumns...)...).Where(qb.Eq("dc")))
	leaseInsert = built(forLease, qb.Insert("node_leases").Columns("dc", "slot", "holder", "counter", "high_water").Unique()).conditional()
	leaseUpdate = built(forLease, qb.Update("node_leases").Set(leaseColumns...).Where(qb.Eq("dc"), qb.Eq("slot")).
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
		err = nil
	}
	return l, err
}

// Put is a compare-and-set. After an ErrUnavailable it may have happened; the same Put again then returns nil.
func (s leases) Put(ctx context.Context, prev, next store.Lease) error {
	applied, have, err := s.d.casUntilKnown(ctx, leaseUpdate, next.Holder, next.Counter, next.HighWater, next.DC, next.Slot, prev.Holder, prev.Counter, prev.HighWater)
	if free := (store.Lease{DC: prev.DC, Slot: prev.Slot}); err == nil && !applied && len(have) == 0 && prev == free {
		applied, have, err = s.d.casUntilKnown(ctx, leaseInsert, next.DC, next.Slot, next.Holder, next.Counter, next.HighWater)
	}
	if err != nil || applied {
		return err
	}
	holder, _ := have["holder"].(string)
	counter, _ := have["counter"].(int64)
	high, _ := have["high_water"].(int64)
	if now := (store.Lease{DC: next.DC, Slot: next.Slot, Holder: holder, Counter: counter, HighWater: high}); now == next {
		return nil
	}
	return fmt.Errorf("cqlstore: lease of slot %d: %w: it was changed", next.Slot, store.ErrConflict)
}

// List returns the rows of a datacenter, by slot.
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
