package localsession

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

const shards = 64

// Registry implements session.Registry in memory. It never fails.
type Registry struct {
	users [shards]shard

	// only is the one gateway that ever registered a device here, nil when there are several: then Routes for that
	// gateway has nothing to look up. all is guarded by mu and only grows.
	only atomic.Pointer[session.GatewayID]
	all  atomic.Pointer[[]session.GatewayID]
	mu   sync.Mutex

	followMu sync.RWMutex
	channels map[chat.ConversationID][]session.GatewayID
}

type shard struct {
	mu    sync.RWMutex
	users map[chat.UserID]slot
}

// slot holds a user's devices: the first in place, as most have only one.
type slot struct {
	first link
	more  *[]link
}

type link struct {
	device  chat.DeviceID
	seq     int64
	gateway uint32 // index into all
}

var _ session.Registry = (*Registry)(nil)

// New makes an empty Registry.
func New() *Registry {
	r := &Registry{channels: make(map[chat.ConversationID][]session.GatewayID)}
	for i := range r.users {
		r.users[i].users = make(map[chat.UserID]slot)
	}
	r.all.Store(&[]session.GatewayID{})
	return r
}

func (r *Registry) shard(u chat.UserID) *shard {
	return &r.users[binary.LittleEndian.Uint32(u[12:])%shards]
}

// gateway returns the index of a gateway, entering it when it is new.
func (r *Registry) gateway(g session.GatewayID) uint32 {
	if i := slices.Index(*r.all.Load(), g); i >= 0 {
		return uint32(i)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := *r.all.Load()
	if i := slices.Index(all, g); i >= 0 {
		return uint32(i)
	}
	if len(all) == 0 {
		r.only.Store(&g)
	} else {
		r.only.Store(nil)
	}
	all = append(slices.Clone(all), g)
	r.all.Store(&all)
	return uint32(len(all) - 1)
}

// Register implements session.Registry.
func (r *Registry) Register(_ context.Context, e session.Entry) (*session.Entry, error) {
	l := link{device: e.Device, seq: e.Seq, gateway: r.gateway(e.Gateway)}
	sh := r.shard(e.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s, ok := sh.users[e.User]
	if !ok {
		sh.users[e.User] = slot{first: l}
		return nil, nil
	}
	at := s.find(e.Device)
	if at == nil {
		more := []link{l}
		if s.more != nil {
			more = append(*s.more, l)
		}
		s.more = &more
		sh.users[e.User] = s
		return nil, nil
	}
	old := *at
	if old.seq > l.seq || (old.seq == l.seq && old.gateway == l.gateway) {
		return nil, nil
	}
	*at = l
	sh.users[e.User] = s
	return &session.Entry{User: e.User, Device: e.Device, Gateway: (*r.all.Load())[old.gateway], Seq: old.seq}, nil
}

// find returns the place of a device in the slot, nil when it has none.
func (s *slot) find(d chat.DeviceID) *link {
	if s.first.device == d {
		return &s.first
	}
	if s.more != nil {
		for i := range *s.more {
			if (*s.more)[i].device == d {
				return &(*s.more)[i]
			}
		}
	}
	return nil
}

// Remove implements session.Registry.
func (r *Registry) Remove(_ context.Context, e session.Entry) (bool, error) {
	sh := r.shard(e.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s, ok := sh.users[e.User]
	if !ok {
		return false, nil
	}
	at := s.find(e.Device)
	if at == nil || at.seq > e.Seq || (*r.all.Load())[at.gateway] != e.Gateway {
		return false, nil
	}
	if s.more == nil {
		delete(sh.users, e.User)
		return true, nil
	}
	rest := make([]link, 0, len(*s.more))
	for _, l := range *s.more {
		if l.device != e.Device {
			rest = append(rest, l)
		}
	}
	if s.first.device == e.Device {
		s.first, rest = rest[0], rest[1:]
	}
	s.more = nil
	if len(rest) > 0 {
		s.more = &rest
	}
	sh.users[e.User] = s
	return false, nil
}

// Routes implements session.Registry.
func (r *Registry) Routes(_ context.Context, self session.GatewayID, users []chat.UserID) ([]session.Route, error) {
	if only := r.only.Load(); only != nil && *only == self {
		return nil, nil
	}
	var out []session.Route
	all := *r.all.Load()
	for _, u := range users {
		sh := r.shard(u)
		sh.mu.RLock()
		s, ok := sh.users[u]
		if ok {
			out = route(out, all, self, u, s.first)
			if s.more != nil {
				for _, l := range *s.more {
					out = route(out, all, self, u, l)
				}
			}
		}
		sh.mu.RUnlock()
	}
	return out, nil
}

func route(out []session.Route, all []session.GatewayID, self session.GatewayID, u chat.UserID, l link) []session.Route {
	if int(l.gateway) >= len(all) { // entered after all was read: a hint may miss it
		return out
	}
	g := all[l.gateway]
	if g == self {
		return out
	}
	for i := range out {
		if out[i].Gateway == g {
			if n := len(out[i].Users); out[i].Users[n-1] != u { // two devices of a user at one gateway
				out[i].Users = append(out[i].Users, u)
			}
			return out
		}
	}
	return append(out, session.Route{Gateway: g, Users: []chat.UserID{u}})
}

// Online implements session.Registry.
func (r *Registry) Online(_ context.Context, users []chat.UserID) ([]bool, error) {
	out := make([]bool, len(users))
	for i, u := range users {
		sh := r.shard(u)
		sh.mu.RLock()
		_, out[i] = sh.users[u]
		sh.mu.RUnlock()
	}
	return out, nil
}

// Run implements session.Registry; there are no leases to keep.
func (r *Registry) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
