package inbox

import (
	"context"
	"fmt"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// Page is a stretch of a user's log as read over HTTP.
type Page struct {
	Batch
	// Gap: the log no longer holds what came after the cursor; the page starts at what it holds.
	Gap bool
	// UpTo: everything before this moment (Unix ms) that the log holds for the user was in this page or before its cursor.
	UpTo int64
}

// Sync reads up to limit (1..MaxBatch) events after a cursor for a client without a connection. It moves no cursor: the
// next call names the Last of this one. It is the user's own log: channels are read as history.
func (l *Log) Sync(ctx context.Context, user chat.UserID, after chat.EventID, limit int) (Page, error) {
	limit = max(1, min(limit, chat.MaxBatch))
	after = min(after, l.o.Store.Inbox.Horizon()) // one from the future would skip what is still to come
	p := Page{Batch: Batch{Last: after}}
	if kept := l.o.Store.Inbox.KeptSince(); after < kept {
		p.Gap, p.Last = after != 0, kept
	}
	for {
		lp, err := l.o.Store.Inbox.Read(ctx, user, p.Last, limit)
		if err != nil {
			return p, fmt.Errorf("read the log: %w", err)
		}
		items, stop, err := l.show(ctx, user, nil, lp.Events, lp.Horizon)
		if err != nil {
			return p, err
		}
		p.Items, p.More = items, lp.More
		last := p.Last
		for _, e := range lp.Events {
			// The cursor never passes the horizon: what lies beyond is shown now and again on the next call.
			if e.ID <= lp.Horizon && (stop == 0 || e.ID < stop) {
				last = e.ID
			}
		}
		upTo := lp.Horizon
		if lp.More || stop != 0 {
			upTo = last
		}
		p.UpTo = id.ID(upTo).UnixMillis()
		moved := last > p.Last
		p.Last = last
		if len(items) > 0 || !lp.More || !moved {
			return p, nil
		}
	}
}
