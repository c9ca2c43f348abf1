package service

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// pollEvery is how often the change log is read.
	pollEvery = 2 * time.Second
	// cacheLife is how long the caches count after the last reading of the change log; then reads go to the store.
	cacheLife = 5 * time.Second
	// pollPage is how many entries of the change log are read at once.
	pollPage = 1000
	// maxBlocks is how many people one user may block.
	maxBlocks = 1000

	memberRowsCached = 1 << 19 // rows of members in all
	usersCached      = 1 << 16
	listsCached      = 1 << 17 // device lists, and block lists
)

// caches holds what every message needs to know of people and conversations. The change log keeps it honest: it counts
// only while the last reading of the log began at most cacheLife ago, on the wall clock and on the monotonic one.
type caches struct {
	members *cache[chat.ConversationID, *chat.Membership]
	blocks  *cache[chat.UserID, []chat.UserID]
	devices *cache[chat.UserID, []chat.DeviceID]
	users   *cache[chat.UserID, chat.User]

	// epoch counts the times that everything was forgotten, from 1.
	epoch atomic.Uint32

	start      time.Time
	polledMono atomic.Int64 // since start; 0 = never
	polledWall atomic.Int64 // Unix ms
	// after is where the log is read on from, and applied what of the entries behind it was carried out already: engines
	// whose entries appear out of order tell of them again. Both are owned by the goroutine that polls.
	after   chat.EventID
	applied map[chat.EventID]struct{}
}

func newCaches(now time.Time) *caches {
	c := &caches{
		members: newCache[chat.ConversationID](memberRowsCached, func(m *chat.Membership) int { return 4 + len(m.Members) }),
		blocks:  newCache[chat.UserID](listsCached, func(b []chat.UserID) int { return 1 + len(b) }),
		devices: newCache[chat.UserID, []chat.DeviceID](listsCached, nil),
		users:   newCache[chat.UserID, chat.User](usersCached, nil),
		start:   now.Add(-time.Hour), // so that no reading has the monotonic time 0
		applied: make(map[chat.EventID]struct{}),
	}
	c.epoch.Store(1)
	return c
}

// valid reports whether the caches may be believed now.
func (c *caches) valid(now time.Time) bool {
	mono := c.polledMono.Load()
	if mono == 0 || int64(now.Sub(c.start))-mono > int64(cacheLife) {
		return false
	}
	wall := now.UnixMilli() - c.polledWall.Load() // the monotonic clock stands still while the machine sleeps
	return wall <= cacheLife.Milliseconds() && wall >= -cacheLife.Milliseconds()
}

func (c *caches) clear() {
	c.epoch.Add(1)
	c.members.clear()
	c.blocks.clear()
	c.devices.clear()
	c.users.clear()
}

// membership returns a conversation with its members; of a channel without them. The errors are the store's. What it
// returns is shared: never change it.
func (s *Service) membership(ctx context.Context, conv chat.ConversationID) (*chat.Membership, error) {
	if !s.caches.valid(s.now()) {
		return s.store.Members.Membership(ctx, conv)
	}
	if m, ok := s.caches.members.get(conv); ok {
		return m, nil
	}
	return s.caches.members.load(ctx, conv, func(ctx context.Context) (*chat.Membership, error) {
		return s.store.Members.Membership(ctx, conv)
	})
}

// blocked reports whether by has blocked who.
func (s *Service) blocked(ctx context.Context, by, who chat.UserID) (bool, error) {
	list, ok := []chat.UserID(nil), false
	valid := s.caches.valid(s.now())
	if valid {
		list, ok = s.caches.blocks.get(by)
	}
	if !valid {
		return s.store.Blocks.Has(ctx, by, who)
	}
	if !ok {
		var err error
		list, err = s.caches.blocks.load(ctx, by, func(ctx context.Context) ([]chat.UserID, error) {
			return s.store.Blocks.List(ctx, by, maxBlocks+1)
		})
		if err != nil {
			return false, err
		}
	}
	if len(list) == 0 {
		return false, nil
	}
	_, found := slices.BinarySearchFunc(list, who, chat.UserID.Compare)
	// Before anybody is refused the store is asked: word of the end of a block may be on its way here. So it is with more
	// than Block lets pass (a race), of which the list may not hold all.
	if found || len(list) > maxBlocks {
		return s.store.Blocks.Has(ctx, by, who)
	}
	return false, nil
}

// apart reports whether either of two people has blocked the other.
func (s *Service) apart(ctx context.Context, a, b chat.UserID) (bool, error) {
	if yes, err := s.blocked(ctx, a, b); yes || err != nil {
		return yes, err
	}
	return s.blocked(ctx, b, a)
}

// devices returns the ids of a user's devices. The slice is shared: never change it.
func (s *Service) devices(ctx context.Context, user chat.UserID) ([]chat.DeviceID, error) {
	read := func(ctx context.Context) ([]chat.DeviceID, error) {
		list, err := s.store.Devices.List(ctx, user)
		if err != nil {
			return nil, err
		}
		ids := make([]chat.DeviceID, len(list))
		for i := range list {
			ids[i] = list[i].ID
		}
		return ids, nil
	}
	if !s.caches.valid(s.now()) {
		return read(ctx)
	}
	if ids, ok := s.caches.devices.get(user); ok {
		return ids, nil
	}
	ids, err := s.caches.devices.load(ctx, user, read)
	if err == nil && len(ids) == 0 {
		s.caches.devices.drop(user) // nobody is told of a first one
	}
	return ids, err
}

// hasOther reports whether a caller has another device than the one that asks.
func (s *Service) hasOther(ctx context.Context, c Caller) (bool, error) {
	if c.Sole != 0 && Sole(s.caches.epoch.Load()) == c.Sole && s.caches.valid(s.now()) {
		return false, nil
	}
	devices, err := s.devices(ctx, c.User)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(devices, func(d chat.DeviceID) bool { return d != c.Device }), nil
}

// users returns the public parts of those users among ids who exist.
func (s *Service) users(ctx context.Context, ids []chat.UserID) (map[chat.UserID]chat.User, error) {
	out := make(map[chat.UserID]chat.User, len(ids))
	valid := s.caches.valid(s.now())
	var missing []chat.UserID
	for _, u := range ids {
		if _, have := out[u]; have {
			continue
		}
		if valid {
			if v, ok := s.caches.users.get(u); ok {
				out[u] = v
				continue
			}
		}
		missing = append(missing, u)
	}
	stamp := s.caches.users.drops.Load()
	for chunk := range slices.Chunk(missing, 500) {
		rows, err := s.store.Users.Batch(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			u := public(rows[i])
			out[u.ID] = u
			if valid {
				s.caches.users.keep(u.ID, u, stamp)
			}
		}
	}
	return out, nil
}

// user returns the public part of one user. ErrNotFound.
func (s *Service) user(ctx context.Context, u chat.UserID) (chat.User, error) {
	read := func(ctx context.Context) (chat.User, error) {
		rows, err := s.store.Users.Batch(ctx, []chat.UserID{u})
		if err != nil {
			return chat.User{}, err
		}
		if len(rows) == 0 {
			return chat.User{}, store.ErrNotFound
		}
		return public(rows[0]), nil
	}
	if !s.caches.valid(s.now()) {
		return read(ctx)
	}
	if v, ok := s.caches.users.get(u); ok {
		return v, nil
	}
	return s.caches.users.load(ctx, u, read)
}

// public leaves of a user what others may see; when they were last seen is presence, not part of it.
func public(u chat.User) chat.User {
	return chat.User{ID: u.ID, Username: u.Username, DisplayName: u.DisplayName, Avatar: u.Avatar, CreatedAt: u.CreatedAt}
}

// Invalidate drops what is cached about the subject of a control push, for those who know of a change before the change
// log tells.
func (s *Service) Invalidate(p *chat.Push) {
	if p.Control == nil {
		return
	}
	switch p.Control.Kind {
	case chat.ControlInvalidate:
		s.caches.members.drop(p.Control.Conversation)
	case chat.ControlNewDevice:
		for _, u := range p.Recipients {
			s.caches.devices.drop(u)
		}
	case chat.ControlBlock:
		s.caches.blocks.drop(p.Event.Actor)
	case chat.ControlProfile:
		for _, u := range p.Recipients {
			s.caches.users.drop(u)
		}
	}
}

// Watch lets f hear of every entry of the change log, from one goroutine; call it before Run. f must not block.
func (s *Service) Watch(f func(e *store.ChangeEntry)) { s.watchers = append(s.watchers, f) }

// runChanges reads the change log until ctx ends.
func (s *Service) runChanges(ctx context.Context) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	failing := false
	for {
		err := s.pollChanges(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.log.Warn("read the change log, members are read from the store meanwhile", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// pollChanges applies what the change log holds since the last call.
func (s *Service) pollChanges(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollEvery)
	defer cancel()
	c := s.caches
	begin := s.now()
	for at := c.after; ; {
		entries, end, err := s.store.Changes.Since(ctx, at, pollPage)
		if err != nil {
			return err
		}
		if at == 0 && (end != 0 || c.polledMono.Load() == 0) {
			c.clear() // what the log held up to its end is unknown
		}
		for i := range entries {
			if _, done := c.applied[entries[i].ID]; !done {
				s.applyChange(&entries[i])
				c.applied[entries[i].ID] = struct{}{}
			}
			at = entries[i].ID
		}
		c.after = max(c.after, end)
		if len(entries) < pollPage {
			break
		}
	}
	for e := range c.applied {
		if e <= c.after {
			delete(c.applied, e)
		}
	}
	c.polledWall.Store(begin.UnixMilli())
	c.polledMono.Store(int64(begin.Sub(c.start)))
	return nil
}

func (s *Service) applyChange(e *store.ChangeEntry) {
	switch e.Kind {
	case store.LogMembers:
		s.caches.members.drop(e.Conversation)
	case store.LogBlock:
		s.caches.blocks.drop(e.User)
	case store.LogDevice:
		s.caches.devices.drop(e.User)
	case store.LogProfile:
		s.caches.users.drop(e.User)
	case store.LogSession: // pkg/auth's concern, which watches
	}
	for _, w := range s.watchers {
		w(e)
	}
}

// unavailable wraps an error of the store for the client; one made for clients already is left as it is.
func unavailable(op string, err error) error {
	var e *chat.Error
	if errors.As(err, &e) {
		return err
	}
	return chat.Unavailable(op, err)
}
