package gateway

import (
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
)

const hubShards = 64

// hub knows who is connected here: by user, and by channel.
type hub struct {
	shards [hubShards]hubShard

	mu       sync.RWMutex
	channels map[chat.ConversationID]map[*conn]struct{}
}

type hubShard struct {
	mu    sync.RWMutex
	users map[chat.UserID]*conn // a user's connections, linked by conn.next
	_     [24]byte
}

func (h *hub) init() {
	for i := range h.shards {
		h.shards[i].users = make(map[chat.UserID]*conn)
	}
	h.channels = make(map[chat.ConversationID]map[*conn]struct{})
}

func (h *hub) shard(u chat.UserID) *hubShard {
	// The last bytes of v4 and v7 UUIDs are random; a hostile choice of them only makes one shard fuller.
	return &h.shards[u[15]%hubShards]
}

// add enters a connection and returns the older one of the same device, which is taken out. It reports false, and enters
// nothing, when a newer one is in already: the two were opened out of order.
func (h *hub) add(c *conn) (old *conn, ok bool) {
	s := h.shard(c.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	link := s.users[c.user]
	var prev *conn
	for o := link; o != nil; prev, o = o, o.next {
		if o.device != c.device {
			continue
		}
		if o.seq > c.seq {
			return nil, false
		}
		if prev == nil {
			link = o.next
		} else {
			prev.next = o.next
		}
		o.next, o.listed = nil, false
		old = o
		break
	}
	c.next, c.listed = link, true
	s.users[c.user] = c
	return old, true
}

// remove takes a connection out, if it is in.
func (h *hub) remove(c *conn) bool {
	s := h.shard(c.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.listed {
		return false
	}
	c.listed = false
	head := s.users[c.user]
	if head == c {
		if c.next == nil {
			delete(s.users, c.user)
		} else {
			s.users[c.user] = c.next
		}
	} else {
		for o := head; o != nil; o = o.next {
			if o.next == c {
				o.next = c.next
				break
			}
		}
	}
	c.next = nil
	return true
}

// of calls f for each connection of a user, under the shard's read lock: f must not block or call the hub.
func (h *hub) of(u chat.UserID, f func(*conn)) {
	s := h.shard(u)
	s.mu.RLock()
	for c := s.users[u]; c != nil; c = c.next {
		f(c)
	}
	s.mu.RUnlock()
}

// each calls f for every connection, shard by shard, outside the locks.
func (h *hub) each(f func(*conn)) {
	var batch []*conn
	for i := range h.shards {
		s := &h.shards[i]
		batch = batch[:0]
		s.mu.RLock()
		for _, c := range s.users {
			for ; c != nil; c = c.next {
				batch = append(batch, c)
			}
		}
		s.mu.RUnlock()
		for _, c := range batch {
			f(c)
		}
	}
}

// follow enters a connection that is in the hub into a channel. One that was taken out meanwhile stays out: whoever took
// it out calls leave afterwards, which sees followed or that it isn't listed.
// It reports whether it is the channel's first here.
func (h *hub) follow(ch chat.ConversationID, c *conn) (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.followed.Store(true)
	s := h.shard(c.user)
	s.mu.RLock()
	listed := c.listed
	s.mu.RUnlock()
	if !listed {
		return false
	}
	m := h.channels[ch]
	if m == nil {
		m = make(map[*conn]struct{})
		h.channels[ch] = m
		first = true
	}
	m[c] = struct{}{}
	return first
}

// unfollow takes a connection out of a channel, and returns the channel when nobody here follows it any more.
func (h *hub) unfollow(ch chat.ConversationID, c *conn) (empty []chat.ConversationID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.channels[ch]; m != nil {
		delete(m, c)
		if len(m) == 0 {
			delete(h.channels, ch)
			return []chat.ConversationID{ch}
		}
	}
	return nil
}

// leave takes a connection that was removed out of all channels, and returns those that nobody here follows any more.
func (h *hub) leave(c *conn) (empty []chat.ConversationID) {
	if !c.followed.Load() {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch, m := range h.channels {
		if _, ok := m[c]; ok {
			delete(m, c)
			if len(m) == 0 {
				delete(h.channels, ch)
				empty = append(empty, ch)
			}
		}
	}
	return empty
}

// followed reports whether anybody here follows a channel.
func (h *hub) followed(ch chat.ConversationID) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.channels[ch]) > 0
}

// ofChannel calls f for each connection that follows a channel, as of.
func (h *hub) ofChannel(ch chat.ConversationID, f func(*conn)) {
	h.mu.RLock()
	for c := range h.channels[ch] {
		f(c)
	}
	h.mu.RUnlock()
}
