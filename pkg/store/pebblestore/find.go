package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// FindMessage returns the conversation that holds a message, by the message's id alone: for operators, who trace one. It
// asks every conversation, with two seeks each: about 10 µs a conversation, until ctx ends. ErrNotFound.
func (d *DB) FindMessage(ctx context.Context, m chat.MessageID) (found chat.ConversationID, err error) {
	err = d.read(ctx, "find message", func(v *view) error {
		found, err = v.findMessage(ctx, m)
		return err
	})
	return found, err
}

func (v *view) findMessage(ctx context.Context, m chat.MessageID) (found chat.ConversationID, err error) {
	it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{tabMessage}, UpperBound: []byte{tabMessage + 1}})
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	key := make([]byte, 0, 25)
	for n, ok := 0, it.First(); ok; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return found, ctx.Err()
		}
		var c chat.ConversationID
		copy(c[:], it.Key()[1:17])
		key = messageKey(key[:0], c, m)
		if ok = it.SeekGE(key); ok && bytes.Equal(it.Key(), key) {
			value, err := it.ValueAndErr()
			if err != nil {
				return found, err
			}
			if _, buried, err := scanMessage(value, c, m); err != nil || !buried {
				return c, err
			}
		}
		if ok && bytes.HasPrefix(it.Key(), key[:17]) {
			// Past the id within the conversation: on to the next one.
			binary.BigEndian.PutUint64(key[17:], ^uint64(0))
			ok = it.SeekGE(append(key, 0))
		}
	}
	if err := it.Error(); err != nil {
		return found, err
	}
	return found, store.ErrNotFound
}
