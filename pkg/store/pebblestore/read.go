package pebblestore

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// get reads one row; the value is the caller's. pebble.ErrNotFound.
func (v *view) get(key []byte) ([]byte, error) {
	b, closer, err := v.snap.Get(key)
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), b...)
	return out, closer.Close()
}

// has reports whether a row exists.
func (v *view) has(key []byte) (bool, error) {
	_, closer, err := v.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, closer.Close()
}

// scan calls fn with the rows from a key to another (exclusive), in order, until it returns false. Keys and values are
// valid during the call only.
func (v *view) scan(from, to []byte, fn func(key, value []byte) (bool, error)) (err error) {
	it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if more, err := fn(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// batch reads rows by key and hands over those that exist, in the order of keys.
func (v *view) batch(n int, key func(i int) []byte, found func(i int, value []byte) error) error {
	for i := range n {
		b, closer, err := v.snap.Get(key(i))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(found(i, b), closer.Close()); err != nil {
			return err
		}
	}
	return nil
}
