package cqlstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// maxSpread is how many statements run at once for one call; maxSmall how many do without a token.
	maxSpread = 64
	maxSmall  = 8
	// maxTellings is how often an event is told whose rows take longer than D: a database that slow is helped by nobody's
	// writing on, and the sender tries again later.
	maxTellings = 4
)

const inboxMessageRow = "INSERT INTO inbox (user_id, bucket, event_id, kind, conversation_id, message_id, actor_id) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"

var (
	putInbox    = written(forInbox, inboxMessageRow, "user_id", "bucket", "event_id", "kind", "conversation_id", "message_id", "actor_id", "timestamp")
	putOwnInbox = written(forOwnInbox, inboxMessageRow, putInbox.names...)
	putChanged  = written(forInbox, "INSERT INTO inbox (user_id, bucket, event_id, kind, conversation_id, message_id, actor_id, change, subject_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"user_id", "bucket", "event_id", "kind", "conversation_id", "message_id", "actor_id", "change", "subject_id", "timestamp")
)

var eventKinds = [...]string{chat.EventMessage: "message", chat.EventEdit: "edit", chat.EventDelete: "delete", chat.EventReaction: "reaction", chat.EventConversation: "conversation"}

func eventKind(k chat.EventKind) string {
	if int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return ""
}

// inboxRow is an event in one log.
func inboxRow(u chat.UserID, e *chat.Event) bound {
	at := micros(e.ID)
	bucket := InboxBucket(e.ID)
	if e.Change != 0 || !e.Subject.IsZero() {
		var change, subject any = gocql.UnsetValue, gocql.UnsetValue
		if e.Change != 0 {
			change = e.Change.String()
		}
		if !e.Subject.IsZero() {
			subject = uuid(e.Subject)
		}
		return bound{putChanged, []any{uuid(u), bucket, int64(e.ID), eventKind(e.Kind), uuid(e.Conversation), int64(e.Message), uuid(e.Actor), change, subject, at}}
	}
	s := putInbox
	if u == e.Actor {
		s = putOwnInbox
	}
	return bound{s, []any{uuid(u), bucket, int64(e.ID), eventKind(e.Kind), uuid(e.Conversation), int64(e.Message), uuid(e.Actor), at}}
}

// tell writes an event to the logs of its recipients under fresh ids until all of its rows were written within D of the id's
// making, and returns that id. It is what makes the horizon true. e.ID is changed. ErrUnavailable: maxTellings weren't enough.
func (d *DB) tell(ctx context.Context, e *chat.Event, recipients []chat.UserID) (chat.EventID, error) {
	for range maxTellings {
		began := d.boot()
		var err error
		if e.ID, err = d.event(); err != nil {
			return 0, err
		}
		if len(recipients) == 0 {
			return e.ID, nil
		}
		rows := make([]bound, len(recipients))
		for i, u := range recipients {
			rows[i] = inboxRow(u, e)
		}
		if err := d.write(ctx, rows); err != nil {
			return 0, err
		}
		if d.boot()-began <= d.patience() {
			return e.ID, nil
		}
	}
	return 0, fmt.Errorf("cqlstore: inbox: %w: %d times slower than %s", store.ErrUnavailable, maxTellings, d.patience())
}

// spread is the work of one call to each.
type spread struct {
	ctx    context.Context
	do     func(ctx context.Context, i int) error
	n      int64
	next   atomic.Int64
	failed atomic.Bool
	mu     sync.Mutex
	err    error
	wg     sync.WaitGroup
}

func (s *spread) work() {
	for !s.failed.Load() {
		i := s.next.Add(1) - 1
		if i >= s.n {
			return
		}
		if err := s.do(s.ctx, int(i)); err != nil {
			s.failed.Store(true)
			s.mu.Lock()
			if s.err == nil {
				s.err = err
			}
			s.mu.Unlock()
		}
	}
}

// each calls do for 0 to n-1, several at once, and returns when all have returned: nil when all succeeded, else the first error;
// then some were not begun. The caller's goroutine does its part, so a few statements never wait for a token and many go on
// without one.
func (d *DB) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	switch n {
	case 0:
		return nil
	case 1:
		return do(ctx, 0)
	}
	s := &spread{ctx: ctx, do: do, n: int64(n)}
	if n <= maxSmall {
		// One deadline for all of them is one timer instead of n.
		var cancel context.CancelFunc
		s.ctx, cancel = context.WithTimeout(ctx, d.o.Timeout)
		defer cancel()
		s.wg.Add(n - 1)
		for range n - 1 {
			go func() {
				defer s.wg.Done()
				s.work()
			}()
		}
	} else {
		d.help(s, min(n, maxSpread)-1)
	}
	s.work()
	s.wg.Wait()
	return s.err
}

// help adds goroutines to the work, as far as tokens are free.
func (d *DB) help(s *spread, n int) {
	for range n {
		select {
		case d.helpers <- struct{}{}:
		default:
			return
		}
		s.wg.Go(func() {
			defer func() { <-d.helpers }()
			s.work()
		})
	}
}
