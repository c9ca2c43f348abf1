package cqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// changeBucket is the width in ms of a partition of the change log.
	changeBucket = 10 * 60 * 1000
	// changesKept is how long entries live in ms: the table's TTL.
	changesKept = dayMillis
	// changesAhead is how far in ms another gateway's ids may be ahead of our clock: by more than S after it was killed and
	// came back, as their slot was reserved ahead.
	changesAhead = int64(ahead / time.Millisecond)
	changesPage  = 1000
)

var (
	changeInsert = built(forChange, qb.Insert("change_log").Columns("bucket", "change_id", "kind", "conversation_id", "user_id", "other_id", "device_id",
		"session", "removed").TimestampNamed("written"))
	changeSelect = built(forChangeLog, qb.Select("change_log").Columns("change_id", "kind", "conversation_id", "user_id", "other_id", "device_id",
		"session", "removed").Where(qb.Eq("bucket"), qb.Gt("change_id")).LimitNamed("limit"))
)

// changeKinds are the kinds as the table holds them.
var changeKinds = [...]string{
	store.LogMembers: "members", store.LogSession: "session", store.LogDevice: "device", store.LogBlock: "block", store.LogProfile: "profile",
}

// changes implements store.Changes.
type changes struct{ d *DB }

func bucketOfChange(ms int64) int64 { return ms - ms%changeBucket }

// Append writes entries. What took longer than D is written again under new ids: a reader has passed the old ones by then.
func (s changes) Append(ctx context.Context, entries []store.ChangeEntry) error {
	for {
		begun := s.d.boot()
		ids := make([]chat.EventID, len(entries))
		for i := range ids {
			ev, err := s.d.event()
			if err != nil {
				return err
			}
			ids[i] = ev
		}
		err := together(ctx, len(entries), func(ctx context.Context, i int) error { return s.write(ctx, ids[i], &entries[i]) })
		if err != nil || s.d.boot()-begun < s.d.patience() {
			return err
		}
	}
}

func (s changes) write(ctx context.Context, n chat.EventID, e *store.ChangeEntry) error {
	if e.Kind == 0 || int(e.Kind) >= len(changeKinds) {
		return fmt.Errorf("cqlstore: change of kind %d", e.Kind)
	}
	at := id.ID(n).UnixMillis()
	return s.d.exec(ctx, changeInsert, bucketOfChange(at), int64(n), changeKinds[e.Kind], orUnset(e.Conversation, uuid(e.Conversation)),
		orUnset(e.User, uuid(e.User)), orUnset(e.Other, uuid(e.Other)), orUnset(e.Device, uuid(e.Device)),
		orUnset(e.Session, e.Session[:]), e.Removed, stamp(at))
}

// Since reads the log up to its newest entry, and goes on from the horizon: until then an entry with a smaller id may appear.
func (s changes) Since(ctx context.Context, after chat.EventID, limit int) ([]store.ChangeEntry, chat.EventID, error) {
	now := s.d.now().UnixMilli()
	horizon := max(chat.EventID(id.AtMillis(now-s.d.o.Lag.Milliseconds())), 1)
	if after == 0 {
		return nil, horizon, nil
	}
	oldest := now - changesKept - changeBucket
	var out []store.ChangeEntry
	for bucket := bucketOfChange(max(id.ID(after).UnixMillis(), oldest)); bucket <= now+changesAhead; bucket += changeBucket {
		some, err := s.read(ctx, bucket, after, limit-len(out))
		if err != nil {
			return nil, after, err
		}
		if out = append(out, some...); len(out) >= limit {
			return out, out[len(out)-1].ID, nil
		}
	}
	return out, horizon, nil
}

func (s changes) read(ctx context.Context, bucket int64, after chat.EventID, limit int) (out []store.ChangeEntry, err error) {
	var (
		e       store.ChangeEntry
		kind    string
		session []byte
	)
	dest := []any{(*int64)(&e.ID), &kind, (*[16]byte)(&e.Conversation), (*[16]byte)(&e.User), (*[16]byte)(&e.Other), (*[16]byte)(&e.Device),
		&session, &e.Removed}
	err = s.d.rows(ctx, changeSelect, min(limit, changesPage), []any{bucket, int64(after), limit}, dest, func() (bool, error) {
		k := slices.Index(changeKinds[:], kind)
		if k <= 0 {
			return true, nil // of a newer version
		}
		e.Kind = store.ChangeKind(k)
		e.Session = [32]byte{}
		copy(e.Session[:], session)
		out = append(out, e)
		return true, nil
	})
	return out, err
}
