package roster

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// runSeen stores last seen times until ctx ends, and then those of everybody who is still here.
func (r *Roster) runSeen(ctx context.Context) {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			now := r.now().UnixMilli()
			r.mu.Lock()
			for u, n := range r.here {
				if n > 0 {
					r.seen[u] = now
				}
			}
			for u, at := range r.leaving {
				r.seen[u] = at
			}
			r.mu.Unlock()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			r.flushSeen(last, maxSeen)
			return
		case <-t.C:
			write, cancel := context.WithTimeout(ctx, flushTimeout)
			r.flushSeen(write, seenAFlush)
			cancel()
		}
	}
}

// flushSeen stores up to most of the last seen times. After the first that fails no more are tried: what is left is kept.
func (r *Roster) flushSeen(ctx context.Context, most int) {
	type seen struct {
		user chat.UserID
		at   int64
	}
	r.mu.Lock()
	work := make([]seen, 0, min(most, len(r.seen)))
	r.saving = make(map[chat.UserID]int64, cap(work)) // not changed until it is put away below
	for u, at := range r.seen {
		if len(work) == most {
			break
		}
		work = append(work, seen{u, at})
		r.saving[u] = at
		delete(r.seen, u)
	}
	r.mu.Unlock()
	var (
		next   atomic.Int64
		failed atomic.Pointer[error]
		wg     sync.WaitGroup
		stored = make([]bool, len(work))
	)
	for range min(writers, len(work)) {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(work) {
					return
				}
				if err := r.users.Update(ctx, work[i].user, store.UserChange{LastSeen: &work[i].at}); err != nil {
					failed.Store(&err)
					return
				}
				stored[i] = true
			}
		})
	}
	wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saving = nil
	left := 0
	for i, s := range work {
		if stored[i] {
			continue
		}
		left++
		if len(r.seen) < maxSeen {
			r.seen[s.user] = max(r.seen[s.user], s.at)
		}
	}
	if err := failed.Load(); err != nil {
		r.log.Warn("store when users were last seen, will try again", "users", left, "error", *err)
	}
}
