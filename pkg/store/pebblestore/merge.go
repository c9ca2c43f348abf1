package pebblestore

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// forwardOnly is the merger of the values that only move forward: whatever order writes come in, the largest wins, with
// no read on the write path. Its name is stored in the database: a change of meaning needs a new name.
func forwardOnly() *pebble.Merger {
	return &pebble.Merger{
		Name: "murre.forward.1",
		Merge: func(key, value []byte) (pebble.ValueMerger, error) {
			if len(key) == 0 {
				return nil, fmt.Errorf("merge of an empty key: %w", errCorrupt)
			}
			m := &forward{halves: key[0] == tabMark}
			return m, m.MergeNewer(value)
		},
	}
}

// forward keeps the largest operand by its first 8 bytes; with halves, of both the first and the second 8 bytes.
type forward struct {
	halves bool
	value  []byte
}

// MergeNewer implements pebble.ValueMerger; of two equals the newer wins.
func (f *forward) MergeNewer(v []byte) error { return f.merge(v, true) }

// MergeOlder implements pebble.ValueMerger.
func (f *forward) MergeOlder(v []byte) error { return f.merge(v, false) }

func (f *forward) merge(v []byte, newer bool) error {
	if len(v) < 9 || v[0] != valueVersion || (f.halves && len(v) != 17) {
		return fmt.Errorf("merge operand: %w", errCorrupt)
	}
	if f.value == nil {
		f.value = append([]byte(nil), v...)
		return nil
	}
	if f.halves {
		forwardHalf(f.value[1:9], v[1:9])
		forwardHalf(f.value[9:17], v[9:17])
		return nil
	}
	have, other := binary.BigEndian.Uint64(f.value[1:]), binary.BigEndian.Uint64(v[1:])
	if other > have || (other == have && newer) {
		f.value = append(f.value[:0], v...)
	}
	return nil
}

// Finish implements pebble.ValueMerger.
func (f *forward) Finish(bool) ([]byte, io.Closer, error) { return f.value, nil, nil }

func forwardHalf(have, other []byte) {
	if binary.BigEndian.Uint64(other) > binary.BigEndian.Uint64(have) {
		copy(have, other)
	}
}
