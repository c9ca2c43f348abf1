package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Limits of what is said when something fails for everybody at once.
const (
	calmWindow = 10 * time.Second
	calmCount  = 20   // records of one message in a window; the rest is only counted
	calmKinds  = 1024 // messages told apart; beyond it all others are one
)

// calm is a handler that bounds warnings and errors: while a database is away they come from every connection, many times
// a second. Of each message the first of a window go out; the first of the next says how many did not.
type calm struct {
	slog.Handler
	seen *seen // shared by the handlers made of this one
}

type seen struct {
	mu    sync.Mutex
	kinds map[string]*kind
}

type kind struct {
	since time.Time
	count int
}

func newCalm(h slog.Handler) slog.Handler { return calm{h, &seen{kinds: make(map[string]*kind)}} }

// Handle implements slog.Handler.
func (c calm) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		out, left := c.seen.take(r.Message, r.Time)
		if !out {
			return nil
		}
		if left > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("leftOut", left))
		}
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (c calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	return calm{c.Handler.WithAttrs(attrs), c.seen}
}

// WithGroup implements slog.Handler.
func (c calm) WithGroup(name string) slog.Handler { return calm{c.Handler.WithGroup(name), c.seen} }

// take reports whether a message goes out, and how many of its kind did not in the window before.
func (s *seen) take(message string, now time.Time) (out bool, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[message]
	if k == nil {
		if len(s.kinds) >= calmKinds {
			message = ""
			k = s.kinds[message]
		}
		if k == nil {
			k = &kind{since: now}
			s.kinds[message] = k
		}
	}
	if passed := now.Sub(k.since); passed >= calmWindow || passed < 0 {
		left = max(0, k.count-calmCount)
		k.since, k.count = now, 0
	}
	k.count++
	return k.count <= calmCount, left
}
