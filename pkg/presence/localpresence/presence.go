package localpresence

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	flushEvery   = 2 * time.Second
	expireEvery  = 50 * time.Millisecond // at most: when thousands leave at once, they are told of together
	sweepEvery   = 10 * time.Second
	maxSeen      = 1 << 17 // last seen times that wait to be stored; beyond it they are lost
	writers      = 32      // at once, when last seen times are stored
	flushTimeout = 5 * time.Second
)

// Options of a Presence.
type Options struct {
	Users store.Users // where last seen times are kept
	Log   *slog.Logger
	Now   func() time.Time // default time.Now
}

// Presence implements presence.Presence for one process.
type Presence struct {
	users store.Users
	log   *slog.Logger
	now   func() time.Time
	start time.Time
	tell  presence.Subscriber
	kick  chan struct{}

	mu      sync.Mutex
	here    map[chat.UserID]int32 // connections; below 0 while an end was told before its beginning
	leaving map[chat.UserID]int64 // when the last connection ended, Unix ms; still counts as online
	queue   []leaver              // oldest first from head; an entry that leaving doesn't agree with is stale
	head    int
	seen    map[chat.UserID]int64 // to be stored
	saving  map[chat.UserID]int64 // being stored
	dirty   map[chat.UserID]struct{}
	watch   interests
}

type leaver struct {
	user chat.UserID
	at   int64 // Unix ms
	due  time.Time
}

var _ presence.Presence = (*Presence)(nil)

// New makes a Presence.
func New(o Options) *Presence {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Presence{
		users: o.Users, log: o.Log, now: o.Now, start: o.Now(), kick: make(chan struct{}, 1),
		tell: func(context.Context, chat.Presence, []chat.UserID) {},
		here: make(map[chat.UserID]int32), leaving: make(map[chat.UserID]int64),
		seen: make(map[chat.UserID]int64), dirty: make(map[chat.UserID]struct{}),
		watch: interests{of: make(map[chat.UserID][]interest), held: make(map[chat.UserID]int)},
	}
}

// Subscribe implements presence.Presence.
func (p *Presence) Subscribe(s presence.Subscriber) { p.tell = s }

// Connected implements presence.Presence.
func (p *Presence) Connected(user chat.UserID, _ chat.DeviceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here[user]++
	switch p.here[user] {
	case 0: // its end was told first: it came and went at once
		delete(p.here, user)
		return
	case 1:
	default:
		return
	}
	if _, back := p.leaving[user]; back {
		delete(p.leaving, user)
		return
	}
	p.changed(user)
}

// Disconnected implements presence.Presence.
func (p *Presence) Disconnected(user chat.UserID, _ chat.DeviceID) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.here[user]--; p.here[user] != 0 {
		return
	}
	delete(p.here, user)
	at := now.UnixMilli()
	p.leaving[user] = at
	p.queue = append(p.queue, leaver{user: user, at: at, due: now.Add(presence.Grace)})
	if len(p.queue) == p.head+1 {
		p.wake()
	}
}

// changed marks a user whose watchers are to be told, if there are any.
func (p *Presence) changed(u chat.UserID) {
	if len(p.watch.of[u]) > 0 {
		p.dirty[u] = struct{}{}
		p.wake()
	}
}

func (p *Presence) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// Watch implements presence.Presence.
func (p *Presence) Watch(watcher chat.UserID, users []chat.UserID) {
	now := p.second()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range users {
		p.watch.add(watcher, u, now)
	}
}

// second is the time interests count in.
func (p *Presence) second() int32 { return int32(p.now().Sub(p.start) / time.Second) }

// States implements presence.Presence.
func (p *Presence) States(ctx context.Context, users []chat.UserID) ([]chat.Presence, error) {
	out := make([]chat.Presence, len(users))
	var ask []chat.UserID
	now := p.now().UnixMilli()
	p.mu.Lock()
	for i, u := range users {
		if out[i] = p.state(u, now); out[i].LastSeen == 0 {
			ask = append(ask, u)
		}
	}
	p.mu.Unlock()
	if len(ask) == 0 {
		return out, nil
	}
	rows, err := p.users.Batch(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("read when users were last seen: %w", err)
	}
	at := make(map[chat.UserID]int64, len(rows))
	for i := range rows {
		at[rows[i].ID] = rows[i].LastSeen
	}
	for i := range out {
		if out[i].LastSeen == 0 {
			out[i].LastSeen = at[out[i].User]
		}
	}
	return out, nil
}

// state is what is known here; LastSeen 0: the store knows.
func (p *Presence) state(u chat.UserID, now int64) chat.Presence {
	if p.here[u] > 0 {
		return chat.Presence{User: u, Online: true, LastSeen: now}
	}
	if at, ok := p.leaving[u]; ok {
		return chat.Presence{User: u, Online: true, LastSeen: at}
	}
	return chat.Presence{User: u, LastSeen: max(p.seen[u], p.saving[u])}
}

// Run implements presence.Presence.
func (p *Presence) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { p.runSeen(ctx) })
	defer wg.Wait()
	grace := time.NewTimer(time.Hour)
	defer grace.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		grace.Reset(p.expire())
		p.announce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-p.kick:
		case <-grace.C:
		case <-sweep.C:
			p.mu.Lock()
			p.watch.sweep(p.second())
			p.mu.Unlock()
		}
	}
}

// expire turns those whose grace is over offline and says how long until the next is due.
func (p *Presence) expire() time.Duration {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.head < len(p.queue) && !p.queue[p.head].due.After(now); p.head++ {
		l := p.queue[p.head]
		if at, ok := p.leaving[l.user]; !ok || at != l.at {
			continue
		}
		delete(p.leaving, l.user)
		if len(p.seen) < maxSeen {
			p.seen[l.user] = l.at
		}
		p.changed(l.user)
	}
	if p.head == len(p.queue) {
		p.queue, p.head = nil, 0
		return time.Hour
	}
	if p.head > len(p.queue)/2 {
		p.queue, p.head = append([]leaver(nil), p.queue[p.head:]...), 0
	}
	return max(p.queue[p.head].due.Sub(now), expireEvery)
}

// announce tells the watchers of everybody who changed.
func (p *Presence) announce(ctx context.Context) {
	type news struct {
		state    chat.Presence
		watchers []chat.UserID
	}
	now, sec := p.now().UnixMilli(), p.second()
	p.mu.Lock()
	list := make([]news, 0, len(p.dirty))
	for u := range p.dirty {
		if w := p.watch.watchers(u, sec); len(w) > 0 {
			list = append(list, news{state: p.state(u, now), watchers: w})
		}
	}
	clear(p.dirty)
	p.mu.Unlock()
	for _, n := range list {
		p.tell(ctx, n.state, n.watchers)
	}
}

// runSeen stores last seen times until ctx ends, and then those of everybody who is still here.
func (p *Presence) runSeen(ctx context.Context) {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			now := p.now().UnixMilli()
			p.mu.Lock()
			for u, n := range p.here {
				if n > 0 {
					p.seen[u] = now
				}
			}
			for u, at := range p.leaving {
				p.seen[u] = at
			}
			p.mu.Unlock()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			p.flushSeen(last)
			return
		case <-t.C:
			write, cancel := context.WithTimeout(ctx, flushTimeout)
			p.flushSeen(write)
			cancel()
		}
	}
}

func (p *Presence) flushSeen(ctx context.Context) {
	p.mu.Lock()
	if len(p.seen) == 0 {
		p.mu.Unlock()
		return
	}
	p.saving, p.seen = p.seen, make(map[chat.UserID]int64)
	saving := p.saving // not changed until it is put away below
	p.mu.Unlock()
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
				if err := p.users.Update(ctx, s.user, store.UserChange{LastSeen: &s.at}); err != nil {
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
		p.log.Warn("store when users were last seen, will try again", "users", len(failed), "error", firstErr)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saving = nil
	for _, s := range failed {
		if len(p.seen) < maxSeen {
			p.seen[s.user] = max(p.seen[s.user], s.at)
		}
	}
}
