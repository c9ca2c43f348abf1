package cqlstore

import (
	"context"
	"math"
	"slices"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// bucketPage is how many windows are listed at once, maxWindows how many are read at once.
	bucketPage = 32
	maxWindows = 4
)

const (
	messagePage = "SELECT " + messageColumns + " FROM messages WHERE conversation_id = ? AND bucket = ? AND message_id > ? AND message_id < ? "
	listBuckets = "SELECT bucket FROM message_buckets WHERE conversation_id = ? AND bucket >= ? AND bucket <= ? "
)

var (
	newestMessages = written(forHistory, messagePage+"LIMIT ?", "conversation_id", "bucket", "after", "before", "limit")
	oldestMessages = written(forHistory, messagePage+"ORDER BY message_id ASC LIMIT ?", newestMessages.names...)
	newestBuckets  = written(forHistory, listBuckets+"LIMIT ?", "conversation_id", "from", "to", "limit")
	oldestBuckets  = written(forHistory, listBuckets+"ORDER BY bucket ASC LIMIT ?", newestBuckets.names...)
)

// span is a page being read: the bounds that are left, both exclusive.
type span struct {
	store.History
	after, before int64
}

// History pages through a conversation. Only windows that hold messages are read: one, and where it wasn't enough several.
func (m messages) History(ctx context.Context, h store.History) ([]chat.Message, error) {
	s := span{History: h, after: int64(max(h.After, 0)), before: int64(h.Before)}
	s.Limit = max(h.Limit, 1)
	if s.before <= 0 {
		s.before = math.MaxInt64
	}
	if s.before-s.after < 2 {
		return nil, nil
	}
	from, to := MessageBucket(h.Kind, chat.MessageID(s.after+1)), MessageBucket(h.Kind, chat.MessageID(s.before-1))
	out := make([]chat.Message, 0, min(s.Limit, 64))
	width := 1
	for len(out) < s.Limit && from <= to {
		windows, err := m.windows(ctx, &s, from, to)
		if err != nil {
			return nil, err
		}
		for at := 0; at < len(windows) && len(out) < s.Limit; {
			n := min(width, len(windows)-at)
			if out, err = m.readWindows(ctx, &s, windows[at:at+n], out); err != nil {
				return nil, err
			}
			at += n
			width = min(2*width, maxWindows)
		}
		if len(windows) < bucketPage {
			break
		}
		if s.Newest {
			to = windows[len(windows)-1] - 1
		} else {
			from = windows[len(windows)-1] + 1
		}
	}
	if h.Bare {
		return out, nil
	}
	if err := m.d.fillReactions(ctx, &s, out); err != nil {
		return nil, err
	}
	return out, nil
}

// windows lists windows that hold messages, in the order of the page.
func (m messages) windows(ctx context.Context, s *span, from, to int64) (out []int64, err error) {
	if from == to {
		return []int64{from}, nil
	}
	st := oldestBuckets
	if s.Newest {
		st = newestBuckets
	}
	var bucket int64
	err = m.d.rows(ctx, st, bucketPage, []any{uuid(s.Conversation), from, to, bucketPage}, []any{&bucket}, func() (bool, error) {
		out = append(out, bucket)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// readWindows appends to a page what the next windows hold, up to its limit.
func (m messages) readWindows(ctx context.Context, s *span, windows []int64, out []chat.Message) ([]chat.Message, error) {
	want := s.Limit - len(out)
	found := make([][]chat.Message, len(windows))
	err := m.d.each(ctx, len(windows), func(ctx context.Context, i int) (err error) {
		found[i], err = m.readWindow(ctx, s, windows[i], want)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, page := range found {
		out = append(out, page[:min(len(page), s.Limit-len(out))]...)
	}
	return out, nil
}

// readWindow reads up to want messages of one window. What was left of buried ones counts for the statement's limit only.
func (m messages) readWindow(ctx context.Context, s *span, bucket int64, want int) (out []chat.Message, err error) {
	st, after, before := oldestMessages, s.after, s.before
	if s.Newest {
		st = newestMessages
	}
	r := newMessageRow()
	for len(out) < want {
		rows, limit := 0, want-len(out)
		err := m.d.rows(ctx, st, limit, []any{uuid(s.Conversation), bucket, after, before, limit}, r.dest[:], func() (bool, error) {
			rows++
			if s.Newest {
				before = r.id
			} else {
				after = r.id
			}
			if msg, ok := r.message(s.Conversation); ok {
				out = append(out, msg)
			}
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		if rows < limit {
			break
		}
	}
	return out, nil
}

// fillReactions reads the reactions to a page: one range a window.
func (d *DB) fillReactions(ctx context.Context, s *span, page []chat.Message) error {
	var parts [][]chat.Message
	for rest := page; len(rest) > 0; {
		bucket := MessageBucket(s.Kind, rest[0].ID)
		n := slices.IndexFunc(rest, func(m chat.Message) bool { return MessageBucket(s.Kind, m.ID) != bucket })
		if n < 0 {
			n = len(rest)
		}
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return d.each(ctx, len(parts), func(ctx context.Context, i int) error {
		return d.windowReactions(ctx, s, parts[i])
	})
}
