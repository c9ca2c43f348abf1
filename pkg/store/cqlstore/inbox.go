package cqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	maxLogPage = 1000
	// kept is how long a row of a log is sure to be there: its TTL, less what an event's id may be ahead of its row's writing
	// and what the servers' clocks may differ.
	kept = 30*24*time.Hour - 10*time.Minute
	// ahead is how far past the own clock events may lie: ids run ahead by what a slot's reservation was.
	ahead = id.DefaultAhead + 2*id.DefaultSlack
	// unborn is how long before its owner's id was made a log is looked at: clocks differ.
	unborn = time.Hour
	// maxDays is how many days of a log are read at once, where nothing was found yet.
	maxDays = 8
)

var getLog = written(forLog, "SELECT event_id, kind, change, conversation_id, message_id, actor_id, subject_id FROM inbox WHERE user_id = ? AND bucket = ? AND event_id > ? LIMIT ?",
	"user_id", "bucket", "event_id", "limit")

// inbox implements store.Inbox.
type inbox struct{ d *DB }

// Append writes an event to its recipients' logs.
func (i inbox) Append(ctx context.Context, f store.Fanout) (chat.EventID, error) {
	return i.d.tell(ctx, &f.Event, f.Recipients)
}

// Read walks the day buckets from the cursor's to the present: one, and where that wasn't enough several at once.
func (i inbox) Read(ctx context.Context, user chat.UserID, after chat.EventID, limit int) (store.LogPage, error) {
	if limit < 1 || limit > maxLogPage {
		return store.LogPage{}, fmt.Errorf("cqlstore: read log: limit %d, want 1 to %d", limit, maxLogPage)
	}
	page := store.LogPage{Horizon: i.Horizon()} // before the read begins
	after = max(after, i.KeptSince()-1, 0)
	if born, ok := user.Time(); ok {
		after = max(after, chat.EventID(id.At(born.Add(-unborn)))) // who is new has no thirty days to look through
	}
	var newest id.ID
	if c := i.d.clock.Load(); c != nil {
		newest = (*c).Last()
	}
	last := InboxBucket(chat.EventID(max(newest, id.At(i.d.now().Add(ahead)))))
	width := 1
	if InboxBucket(after)+dayMillis == last {
		width = 2
	}
	for day := InboxBucket(after); day <= last && len(page.Events) <= limit; {
		n := int(min(int64(width), (last-day)/dayMillis+1))
		days := make([][]chat.Event, n)
		want := limit + 1 - len(page.Events)
		if err := i.d.each(ctx, n, func(ctx context.Context, k int) (err error) {
			days[k], err = i.d.readDay(ctx, user, day+int64(k)*dayMillis, after, want)
			return err
		}); err != nil {
			return store.LogPage{}, err
		}
		for _, events := range days {
			if page.Events == nil {
				page.Events = events
			} else {
				page.Events = append(page.Events, events...)
			}
		}
		day += int64(n) * dayMillis
		width = min(4*width, maxDays)
	}
	if len(page.Events) > limit {
		page.Events, page.More = page.Events[:limit], true
	}
	return page, nil
}

// readDay reads at most limit events of one day, after an id.
func (d *DB) readDay(ctx context.Context, user chat.UserID, bucket int64, after chat.EventID, limit int) (out []chat.Event, err error) {
	var (
		event, message               int64
		kind, change                 string
		conversation, actor, subject [16]byte
	)
	dest := []any{&event, &kind, &change, &conversation, &message, &actor, &subject}
	err = d.rows(ctx, getLog, limit, []any{uuid(user), bucket, int64(after), limit}, dest, func() (bool, error) {
		out = append(out, chat.Event{
			ID: chat.EventID(event), Kind: parseEventKind(kind), Change: parseChange(change), Conversation: conversation,
			Message: chat.MessageID(message), Actor: actor, Subject: subject,
		})
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func parseEventKind(s string) chat.EventKind {
	for k := chat.EventMessage; int(k) < len(eventKinds); k++ {
		if eventKinds[k] == s {
			return k
		}
	}
	return 0
}

func parseChange(s string) chat.Change {
	for c := chat.ChangeCreated; s != "" && c <= chat.ChangeLeft; c++ {
		if c.String() == s {
			return c
		}
	}
	return 0
}

// Lag is D + S.
func (i inbox) Lag() time.Duration { return i.d.o.Lag }

// Horizon is the present less D + S, by the clock's own time: every row of an event before it was written, or will be written
// again under a later id. While the clock can't be trusted the horizon stands still.
func (i inbox) Horizon() chat.EventID {
	d := i.d
	var at id.ID
	if c := d.clock.Load(); c != nil {
		if now, err := (*c).Time(); err == nil {
			at = id.At(now.Add(-d.o.Lag))
		}
	}
	for {
		told := d.horizon.Load()
		if int64(at) <= told {
			return chat.EventID(told)
		}
		if d.horizon.CompareAndSwap(told, int64(at)) {
			return chat.EventID(at)
		}
	}
}

// KeptSince is thirty days ago, as far as that is sure.
func (i inbox) KeptSince() chat.EventID { return chat.EventID(id.At(i.d.now().Add(-kept))) }
