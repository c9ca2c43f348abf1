package roster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	flushEvery   = 2 * time.Second
	expireEvery  = 50 * time.Millisecond // at most: when thousands leave at once, they are told of together
	batch        = 500                   // changes told of at a time
	maxSeen      = 1 << 17               // last seen times that wait to be stored; beyond it they are lost
	writers      = 4                     // at once, when last seen times are stored
	seenAFlush   = 400                   // so many of them are: when thousands leave at once, messages need the store more
	flushTimeout = 5 * time.Second
)

// Interests knows who wants to hear of whom; it is best effort.
type Interests interface {
	// Watch lets a watcher hear of users for presence.InterestFor. It never blocks.
	Watch(watcher chat.UserID, users []chat.UserID)
	// Watchers returns for each user who wants to hear of them now.
	Watchers(ctx context.Context, users []chat.UserID) [][]chat.UserID
	// Run does what Watch left to do, until ctx ends.
	Run(ctx context.Context)
}

// Elsewhere reports for each user whether another process holds a connection of theirs.
type Elsewhere func(ctx context.Context, users []chat.UserID) ([]bool, error)

// Options of a Roster.
type Options struct {
	Users     store.Users // where last seen times are kept
	Interests Interests
	Elsewhere Elsewhere // nil: there is no other process
	Log       *slog.Logger
	Now       func() time.Time // default time.Now
}

// Roster implements presence.Presence for the connections of one process.
type Roster struct {
	users     store.Users
	interests Interests
	elsewhere Elsewhere
	log       *slog.Logger
	now       func() time.Time
	tell      presence.Subscriber
	kick      chan struct{}
	unsure    atomic.Uint64

	mu      sync.Mutex
	here    map[chat.UserID]int32 // connections; below 0 while an end was told before its beginning
	leaving map[chat.UserID]int64 // when the last connection ended, Unix ms; still counts as online
	queue   []leaver              // oldest first from head; an entry that leaving doesn't agree with is stale
	head    int
	seen    map[chat.UserID]int64 // to be stored
	saving  map[chat.UserID]int64 // being stored
	dirty   map[chat.UserID]struct{}
}

type leaver struct {
	user chat.UserID
	at   int64 // Unix ms
	due  time.Time
}

var _ presence.Presence = (*Roster)(nil)

// New makes a Roster.
func New(o Options) *Roster {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Roster{
		users: o.Users, interests: o.Interests, elsewhere: o.Elsewhere, log: o.Log, now: o.Now, kick: make(chan struct{}, 1),
		tell: func(context.Context, chat.Presence, []chat.UserID) {},
		here: make(map[chat.UserID]int32), leaving: make(map[chat.UserID]int64),
		seen: make(map[chat.UserID]int64), dirty: make(map[chat.UserID]struct{}),
	}
}

// Subscribe implements presence.Presence.
func (r *Roster) Subscribe(s presence.Subscriber) { r.tell = s }

// Connected implements presence.Presence.
func (r *Roster) Connected(user chat.UserID, _ chat.DeviceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.here[user]++
	switch r.here[user] {
	case 0: // its end was told first: it came and went at once
		delete(r.here, user)
		return
	case 1:
	default:
		return
	}
	if _, back := r.leaving[user]; back {
		delete(r.leaving, user)
		return
	}
	r.changed(user)
}

// Disconnected implements presence.Presence.
func (r *Roster) Disconnected(user chat.UserID, _ chat.DeviceID) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.here[user]--; r.here[user] != 0 {
		return
	}
	delete(r.here, user)
	at := now.UnixMilli()
	r.leaving[user] = at
	r.queue = append(r.queue, leaver{user: user, at: at, due: now.Add(presence.Grace)})
	if len(r.queue) == r.head+1 {
		r.wake()
	}
}

// changed marks a user whose watchers are to be told.
func (r *Roster) changed(u chat.UserID) {
	r.dirty[u] = struct{}{}
	r.wake()
}

func (r *Roster) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Watch implements presence.Presence.
func (r *Roster) Watch(watcher chat.UserID, users []chat.UserID) { r.interests.Watch(watcher, users) }

// States implements presence.Presence. Without an answer from elsewhere it says what is known here.
func (r *Roster) States(ctx context.Context, users []chat.UserID) ([]chat.Presence, error) {
	out := make([]chat.Presence, len(users))
	now := r.now().UnixMilli()
	var away []chat.UserID
	r.mu.Lock()
	for i, u := range users {
		if out[i] = r.state(u, now); !out[i].Online {
			away = append(away, u)
		}
	}
	r.mu.Unlock()
	on := r.areElsewhere(ctx, away)
	var ask []chat.UserID
	for i := range out {
		switch {
		case on[out[i].User]:
			out[i] = chat.Presence{User: users[i], Online: true, LastSeen: now}
		case out[i].LastSeen == 0:
			ask = append(ask, users[i])
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	rows, err := r.users.Batch(ctx, ask)
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

// areElsewhere returns those of users who are connected to another process. An error says nothing of anybody.
func (r *Roster) areElsewhere(ctx context.Context, users []chat.UserID) map[chat.UserID]bool {
	if r.elsewhere == nil || len(users) == 0 {
		return nil
	}
	on, err := r.elsewhere(ctx, users)
	if err != nil {
		r.unsure.Add(1)
		return nil
	}
	out := make(map[chat.UserID]bool)
	for i, u := range users {
		if on[i] {
			out[u] = true
		}
	}
	return out
}

// Unsure counts how often it couldn't be found out whether users are connected elsewhere.
func (r *Roster) Unsure() uint64 { return r.unsure.Load() }

// state is what is known here; LastSeen 0: the store knows.
func (r *Roster) state(u chat.UserID, now int64) chat.Presence {
	if r.here[u] > 0 {
		return chat.Presence{User: u, Online: true, LastSeen: now}
	}
	if at, ok := r.leaving[u]; ok {
		return chat.Presence{User: u, Online: true, LastSeen: at}
	}
	return chat.Presence{User: u, LastSeen: max(r.seen[u], r.saving[u])}
}

// Run implements presence.Presence.
func (r *Roster) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { r.runSeen(ctx) })
	wg.Go(func() { r.interests.Run(ctx) })
	defer wg.Wait()
	grace := time.NewTimer(time.Hour)
	defer grace.Stop()
	for {
		grace.Reset(r.expire())
		r.announce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-r.kick:
		case <-grace.C:
		}
	}
}

// expire turns those whose grace is over offline and says how long until the next is due.
func (r *Roster) expire() time.Duration {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for ; r.head < len(r.queue) && !r.queue[r.head].due.After(now); r.head++ {
		l := r.queue[r.head]
		if at, ok := r.leaving[l.user]; !ok || at != l.at {
			continue
		}
		delete(r.leaving, l.user)
		if len(r.seen) < maxSeen {
			r.seen[l.user] = l.at
		}
		r.changed(l.user)
	}
	if r.head == len(r.queue) {
		r.queue, r.head = nil, 0
		return time.Hour
	}
	if r.head > len(r.queue)/2 {
		r.queue, r.head = append([]leaver(nil), r.queue[r.head:]...), 0
	}
	return max(r.queue[r.head].due.Sub(now), expireEvery)
}

// announce tells the watchers of everybody who changed, some at a time.
func (r *Roster) announce(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		users := make([]chat.UserID, 0, min(len(r.dirty), batch))
		for u := range r.dirty {
			if len(users) == batch {
				break
			}
			users = append(users, u)
			delete(r.dirty, u)
		}
		r.mu.Unlock()
		if len(users) == 0 {
			return
		}
		r.announceTo(ctx, users, r.interests.Watchers(ctx, users))
	}
}

func (r *Roster) announceTo(ctx context.Context, users []chat.UserID, watchers [][]chat.UserID) {
	states := make([]chat.Presence, 0, len(users))
	to := make([][]chat.UserID, 0, len(users))
	var away []chat.UserID
	now := r.now().UnixMilli()
	r.mu.Lock()
	for i, u := range users {
		if len(watchers[i]) == 0 {
			continue
		}
		state := r.state(u, now)
		if states, to = append(states, state), append(to, watchers[i]); !state.Online {
			away = append(away, u)
		}
	}
	r.mu.Unlock()
	on := r.areElsewhere(ctx, away)
	for i, state := range states {
		if !on[state.User] || state.Online { // who left here and is connected elsewhere didn't go offline
			r.tell(ctx, state, to[i])
		}
	}
}
