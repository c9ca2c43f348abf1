package roster

import (
	"context"
	"sync"
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
			r.flushSeen(last)
			return
		case <-t.C:
			write, cancel := context.WithTimeout(ctx, flushTimeout)
			r.flushSeen(write)
			cancel()
		}
	}
}

func (r *Roster) flushSeen(ctx context.Context) {
	r.mu.Lock()
	if len(r.seen) == 0 {
		r.mu.Unlock()
		return
	}
	r.saving, r.seen = r.seen, make(map[chat.UserID]int64)
	saving := r.saving // not changed until it is put away below
	r.mu.Unlock()
	type seen struct {
		user chat.UserID
		at   int64
	}
	work := make(chan seen)
	var mu sync.Mutex
	var failed []seen
	var firstErr error
	var wg sync.WaitGroup
	for range min(writers, len(saving)) {
		wg.Go(func() {
			for s := range work {
				if err := r.users.Update(ctx, s.user, store.UserChange{LastSeen: &s.at}); err != nil {
					mu.Lock()
					failed = append(failed, s)
					firstErr = err
					mu.Unlock()
				}
			}
		})
	}
	for u, at := range saving {
		work <- seen{u, at}
	}
	close(work)
	wg.Wait()
	if firstErr != nil {
		r.log.Warn("store when users were last seen, will try again", "users", len(failed), "error", firstErr)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saving = nil
	for _, s := range failed {
		if len(r.seen) < maxSeen {
			r.seen[s.user] = max(r.seen[s.user], s.at)
		}
	}
}
