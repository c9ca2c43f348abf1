package roster

import (
	"context"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
)

const (
	maxInterests  = 1 << 20
	maxPerWatcher = 1000
	maxPerWatched = 1024
	sweepUsers    = 20_000
	sweepEvery    = 10 * time.Second
	refreshAfter  = int32(presence.InterestFor / time.Second / 10)
)

// Memory is the Interests of one process. Memory: 24 bytes an interest, of which at most 1 M are held in all, 1,000 a
// watcher and 1,024 a watched user; what is beyond is dropped.
type Memory struct {
	now   func() time.Time
	start time.Time

	mu sync.Mutex
	in interests
}

var _ Interests = (*Memory)(nil)

// NewMemory makes an empty Memory. With now nil it uses time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, start: now(), in: interests{of: make(map[chat.UserID][]interest), held: make(map[chat.UserID]int)}}
}

// second is the time interests count in.
func (m *Memory) second() int32 { return int32(m.now().Sub(m.start) / time.Second) }

// Watch implements Interests.
func (m *Memory) Watch(watcher chat.UserID, users []chat.UserID) { m.Add(watcher, users) }

// Add is Watch, and returns those users whose interest is new or wasn't renewed for a tenth of its time.
func (m *Memory) Add(watcher chat.UserID, users []chat.UserID) (renewed []chat.UserID) {
	now := m.second()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range users {
		if m.in.add(watcher, u, now) {
			renewed = append(renewed, u)
		}
	}
	return renewed
}

// Watchers implements Interests.
func (m *Memory) Watchers(_ context.Context, users []chat.UserID) [][]chat.UserID {
	now := m.second()
	out := make([][]chat.UserID, len(users))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, u := range users {
		out[i] = m.in.watchers(u, now)
	}
	return out
}

// Run implements Interests: it forgets interests that ran out.
func (m *Memory) Run(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			m.mu.Lock()
			m.in.sweep(m.second())
			m.mu.Unlock()
		}
	}
}

// interests is who wants to hear of whom. The mutex of Memory guards it.
type interests struct {
	of    map[chat.UserID][]interest // by watched user
	held  map[chat.UserID]int        // by watcher
	total int
}

type interest struct {
	watcher chat.UserID
	until   int32 // seconds
}

// add reports whether the interest is new, or wasn't renewed for a while.
func (in *interests) add(watcher, user chat.UserID, now int32) bool {
	until := now + int32(presence.InterestFor/time.Second)
	list := in.of[user]
	for i := range list {
		if list[i].watcher == watcher {
			old := list[i].until
			list[i].until = until
			return until-old >= refreshAfter
		}
	}
	if len(list) >= maxPerWatched {
		list = in.prune(user, now)
	}
	if len(list) >= maxPerWatched || in.held[watcher] >= maxPerWatcher || in.total >= maxInterests {
		return false
	}
	in.of[user] = append(list, interest{watcher: watcher, until: until})
	in.held[watcher]++
	in.total++
	return true
}

// watchers returns who wants to hear of a user now.
func (in *interests) watchers(user chat.UserID, now int32) []chat.UserID {
	list := in.prune(user, now)
	if len(list) == 0 {
		return nil
	}
	out := make([]chat.UserID, len(list))
	for i := range list {
		out[i] = list[i].watcher
	}
	return out
}

// prune forgets what has run out of a user's list and returns the rest.
func (in *interests) prune(user chat.UserID, now int32) []interest {
	list := in.of[user]
	kept := list[:0]
	for _, w := range list {
		if w.until > now {
			kept = append(kept, w)
			continue
		}
		in.total--
		if in.held[w.watcher]--; in.held[w.watcher] == 0 {
			delete(in.held, w.watcher)
		}
	}
	if len(kept) == 0 {
		delete(in.of, user)
		return nil
	}
	in.of[user] = kept
	return kept
}

// sweep prunes some users; iteration starts anywhere, so all come up in time.
func (in *interests) sweep(now int32) {
	n := 0
	for u := range in.of {
		in.prune(u, now)
		if n++; n == sweepUsers {
			return
		}
	}
}
