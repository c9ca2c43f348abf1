package pebblestore

import (
	"time"

	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const maxLogPage = 1000

// inbox implements store.Inbox.
type inbox struct{ d *DB }

// Append writes an event to its recipients' logs.
func (i inbox) Append(ctx context.Context, f store.Fanout) (chat.EventID, error) {
	recipients := append([]chat.UserID(nil), f.Recipients...)
	var ev chat.EventID
	err := i.d.write(ctx, "append event", func(t *tx) (err error) {
		if ev, err = t.nextEvent(); err == nil {
			t.fanout(&f.Event, ev, recipients)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return ev, nil
}

// Read walks the user's day buckets from the one of the cursor to that of the horizon.
func (i inbox) Read(ctx context.Context, user chat.UserID, from chat.EventID, limit int) (page store.LogPage, err error) {
	if limit < 1 || limit > maxLogPage {
		return page, fmt.Errorf("pebblestore: read log: limit %d, want 1 to %d", limit, maxLogPage)
	}
	err = i.d.read(ctx, "read log", func(v *view) error {
		page.Horizon = v.horizon
		return v.readLog(user, max(from, i.KeptSince()-1, 0), limit, &page)
	})
	if err != nil {
		return store.LogPage{}, err
	}
	return page, nil
}

func (v *view) readLog(user chat.UserID, from chat.EventID, limit int, page *store.LogPage) (err error) {
	first, last := dayOf(from), dayOf(v.horizon)
	it, err := v.snap.NewIter(&pebble.IterOptions{
		LowerBound: put32([]byte{tabInbox}, first), UpperBound: put32([]byte{tabInbox}, last+1),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var buf [inboxKeyLen]byte
	for day := first; day <= last; day++ {
		start := chat.EventID(0)
		if day == first {
			start = from + 1
		}
		key := inboxKey(buf[:0], day, user, start)
		prefix := key[:inboxKeyLen-8]
		ok := it.SeekGE(key)
		for ; ok && bytes.HasPrefix(it.Key(), prefix); ok = it.Next() {
			if len(page.Events) == limit {
				page.More = true
				return nil
			}
			b, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			if page.Events == nil {
				page.Events = make([]chat.Event, 0, min(limit, 64))
			}
			page.Events = append(page.Events, chat.Event{})
			if err := scanEvent(b, lastID[chat.EventID](it.Key()), &page.Events[len(page.Events)-1]); err != nil {
				return err
			}
		}
		if !ok {
			return it.Error()
		}
		// The next row of anyone tells which day comes next.
		if next := dayOfKey(it.Key()); next > day {
			day = next - 1
		}
	}
	return it.Error()
}

func dayOfKey(key []byte) uint32 {
	return uint32(key[1])<<24 | uint32(key[2])<<16 | uint32(key[3])<<8 | uint32(key[4])
}

// Lag is 0: ids are given in commit order.
func (i inbox) Lag() time.Duration { return 0 }

// Horizon is the last synced event: ids are given in commit order, so nothing appears below it any more.
func (i inbox) Horizon() chat.EventID {
	if e := i.d.engine.Load(); e != nil {
		if h := e.horizon(); h != 0 {
			return h
		}
	}
	return chat.EventID(i.d.horizon.Load())
}

// KeptSince is the start of the oldest day bucket that wasn't dropped.
func (i inbox) KeptSince() chat.EventID { return chat.EventID(i.d.keptSince.Load()) }
