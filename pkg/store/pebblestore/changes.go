package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// changes implements store.Changes.
type changes struct{ d *DB }

// Append writes entries.
func (s changes) Append(ctx context.Context, entries []store.ChangeEntry) error {
	entries = slices.Clone(entries)
	return s.d.write(ctx, "append changes", func(t *tx) (err error) {
		ids := make([]chat.EventID, len(entries))
		for i := range ids {
			if ids[i], err = t.nextEvent(); err != nil {
				return err
			}
		}
		for i := range entries {
			t.set(changeKey(ids[i]), putChange(&entries[i]))
		}
		return nil
	})
}

// Since returns entries after an id, and the id to go on from.
func (s changes) Since(ctx context.Context, from chat.EventID, limit int) (out []store.ChangeEntry, end chat.EventID, err error) {
	err = s.d.read(ctx, "changes", func(v *view) error {
		end = max(v.horizon, from, 1) // never 0, which asks for the end only: an empty store has one too
		if from == 0 {
			return nil
		}
		return v.scan(changeKey(from+1), []byte{tabChange + 1}, func(key, value []byte) (bool, error) {
			c, err := scanChange(value, lastID[chat.EventID](key))
			out = append(out, c)
			if len(out) >= limit {
				end = c.ID
				return false, err
			}
			return true, err
		})
	})
	return out, end, err
}

// leases implements store.Leases.
type leases struct{ d *DB }

func loadLease(get func([]byte) ([]byte, error), dc string, slot int) (store.Lease, error) {
	b, err := get(leaseKey(dc, slot))
	if errors.Is(err, pebble.ErrNotFound) {
		return store.Lease{DC: dc, Slot: slot}, nil
	}
	if err != nil {
		return store.Lease{}, err
	}
	return scanLease(b, dc, slot)
}

// Get returns a slot's row.
func (s leases) Get(ctx context.Context, dc string, slot int) (out store.Lease, err error) {
	err = s.d.read(ctx, "lease", func(v *view) (err error) {
		out, err = loadLease(v.get, dc, slot)
		return err
	})
	return out, err
}

// Put is a compare-and-set.
func (s leases) Put(ctx context.Context, prev, next store.Lease) error {
	return s.d.write(ctx, "put lease", func(t *tx) error {
		have, err := loadLease(t.get, next.DC, next.Slot)
		if err != nil {
			return err
		}
		if have == next {
			return nil
		}
		if have.Holder != prev.Holder || have.Counter != prev.Counter || have.HighWater != prev.HighWater {
			return fmt.Errorf("%w: lease was changed", store.ErrConflict)
		}
		t.set(leaseKey(next.DC, next.Slot), putLease(&next))
		return nil
	})
}

// List returns the rows of a datacenter, by slot.
func (s leases) List(ctx context.Context, dc string) (out []store.Lease, err error) {
	prefix := append(textKey(tabLease, dc), 0)
	err = s.d.read(ctx, "leases", func(v *view) error {
		return v.scan(prefix, after(prefix), func(key, value []byte) (bool, error) {
			b := key[len(key)-4:]
			slot := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
			l, err := scanLease(value, dc, slot)
			out = append(out, l)
			return true, err
		})
	})
	return out, err
}

// Now is the machine's clock: the embedded store has no other.
func (s leases) Now(context.Context) (int64, error) { return s.d.o.Now().UnixMilli(), nil }
