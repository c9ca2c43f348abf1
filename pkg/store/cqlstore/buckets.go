package cqlstore

import (
	"hash/maphash"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

const (
	hourMillis = 3_600_000
	dayMillis  = 24 * hourMillis
)

// window is the width in ms of the time windows that part a conversation's messages: wide where few are written, so that a
// page seldom needs several partitions, and narrow where many are, so that none grows without bound.
func window(k chat.Kind) int64 {
	switch k {
	case chat.Group:
		return dayMillis
	case chat.Channel:
		return hourMillis
	}
	return 10 * dayMillis
}

// MessageBucket is the start (Unix ms) of the window that holds a message: messages.bucket. Windows count from 1970.
func MessageBucket(k chat.Kind, m chat.MessageID) int64 {
	ms, w := id.ID(m).UnixMillis(), window(k)
	return ms - ms%w
}

// InboxBucket is the start (Unix ms) of the day that holds an event: inbox.bucket.
func InboxBucket(e chat.EventID) int64 {
	ms := id.ID(e).UnixMillis()
	return ms - ms%dayMillis
}

// micros is an id's time as a write timestamp: Unix µs.
func micros[T ~int64](of T) int64 { return id.ID(of).UnixMillis() * 1000 }

// bucketKey names a window of a conversation.
type bucketKey struct {
	conversation chat.ConversationID
	bucket       int64
}

const recentShards = 16

// recent is a bounded memory of keys used lately. Each shard has two generations: when the young one is full it becomes the
// old one, whose keys are forgotten; a key that is met moves back. Forgetting costs a statement, never more.
type recent[K comparable, V any] struct {
	seed   maphash.Seed
	half   int // keys of one generation of one shard
	shards [recentShards]struct {
		mu         sync.Mutex
		young, old map[K]V
	}
}

// newRecent remembers at least size/2 keys and at most size.
func newRecent[K comparable, V any](size int) *recent[K, V] {
	r := &recent[K, V]{seed: maphash.MakeSeed(), half: max(size/2/recentShards, 1)}
	for i := range r.shards {
		r.shards[i].young = make(map[K]V)
	}
	return r
}

func (r *recent[K, V]) get(k K) (V, bool) {
	s := &r.shards[maphash.Comparable(r.seed, k)%recentShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.young[k]; ok {
		return v, true
	}
	v, ok := s.old[k]
	if ok {
		delete(s.old, k)
		r.keep(&s.young, &s.old, k, v)
	}
	return v, ok
}

// update sets a key to what f makes of its value (the zero value when it isn't known).
func (r *recent[K, V]) update(k K, f func(V) V) {
	s := &r.shards[maphash.Comparable(r.seed, k)%recentShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.young[k]
	if !ok {
		v = s.old[k]
		delete(s.old, k)
	}
	r.keep(&s.young, &s.old, k, f(v))
}

func (r *recent[K, V]) forget(k K) {
	s := &r.shards[maphash.Comparable(r.seed, k)%recentShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, k)
	delete(s.old, k)
}

func (r *recent[K, V]) keep(young, old *map[K]V, k K, v V) {
	if _, ok := (*young)[k]; !ok && len(*young) >= r.half {
		*old, *young = *young, make(map[K]V)
	}
	(*young)[k] = v
}
