package service

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	cacheShards = 16
	// loadTimeout bounds a read that fills a cache: it serves all who wait for it, so it doesn't end with its first caller.
	loadTimeout = 5 * time.Second
)

var errLoadFailed = errors.New("the read that was waited for did not finish")

// cache is a sharded LRU of values read from the store, bounded by weight, with one read a key at a time. When it is full
// the least recently used value leaves. A value is shared between its readers: never change one.
type cache[K interface {
	comparable
	~[16]byte
}, V any] struct {
	shards [cacheShards]cacheShard[K, V]
	weight func(V) int
	drops  atomic.Uint64
}

type cacheShard[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*cacheEntry[K, V]
	newest  *cacheEntry[K, V]
	oldest  *cacheEntry[K, V]
	flights map[K]*flight[V]
	held    int
	max     int
}

type cacheEntry[K comparable, V any] struct {
	key          K
	value        V
	weight       int
	newer, older *cacheEntry[K, V]
}

// flight is one read under way.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// newCache makes a cache that holds values of the given weight together; weight nil counts 1 a value.
func newCache[K interface {
	comparable
	~[16]byte
}, V any](maxWeight int, weight func(V) int) *cache[K, V] {
	c := &cache[K, V]{weight: weight}
	for i := range c.shards {
		c.shards[i].entries = make(map[K]*cacheEntry[K, V])
		c.shards[i].flights = make(map[K]*flight[V])
		c.shards[i].max = max(maxWeight/cacheShards, 1)
	}
	return c
}

func (c *cache[K, V]) shard(k K) *cacheShard[K, V] {
	b := [16]byte(k)
	return &c.shards[binary.LittleEndian.Uint32(b[12:])%cacheShards] // the tail of a UUID is random
}

// get returns a value held.
func (c *cache[K, V]) get(k K) (V, bool) {
	sh := c.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.entries[k]
	if !ok {
		var none V
		return none, false
	}
	if sh.newest != e {
		sh.unlink(e)
		sh.link(e)
	}
	return e.value, true
}

// load reads a value and holds it, unless the key is dropped meanwhile. Callers of one key share one read; one that comes
// after a drop never gets what was read before it.
func (c *cache[K, V]) load(ctx context.Context, k K, read func(context.Context) (V, error)) (V, error) {
	sh := c.shard(k)
	sh.mu.Lock()
	if e, ok := sh.entries[k]; ok { // read since the caller looked
		sh.mu.Unlock()
		return e.value, nil
	}
	if f, ok := sh.flights[k]; ok {
		sh.mu.Unlock()
		select {
		case <-f.done:
			return f.value, f.err
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
	f := &flight[V]{done: make(chan struct{}), err: errLoadFailed}
	sh.flights[k] = f
	sh.mu.Unlock()
	defer func() {
		sh.mu.Lock()
		if sh.flights[k] == f {
			delete(sh.flights, k)
			if f.err == nil {
				sh.put(k, f.value, c.weigh(f.value))
			}
		}
		sh.mu.Unlock()
		close(f.done)
	}()
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	f.value, f.err = read(rctx)
	return f.value, f.err
}

func (c *cache[K, V]) weigh(v V) int {
	if c.weight == nil {
		return 1
	}
	return c.weight(v)
}

// keep holds a value that was read after stamp was taken from drops, unless anything was dropped since.
func (c *cache[K, V]) keep(k K, v V, stamp uint64) {
	sh := c.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if c.drops.Load() == stamp {
		sh.put(k, v, c.weigh(v))
	}
}

// drop forgets a key, and what a read under way will find for it.
func (c *cache[K, V]) drop(k K) {
	c.drops.Add(1) // before the lock: what is kept after it was read after it
	sh := c.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.flights, k)
	if e, ok := sh.entries[k]; ok {
		sh.remove(e)
	}
}

// clear forgets everything.
func (c *cache[K, V]) clear() {
	c.drops.Add(1)
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		clear(sh.flights)
		clear(sh.entries)
		sh.newest, sh.oldest, sh.held = nil, nil, 0
		sh.mu.Unlock()
	}
}

func (sh *cacheShard[K, V]) put(k K, v V, weight int) {
	if e, ok := sh.entries[k]; ok {
		sh.remove(e)
	}
	e := &cacheEntry[K, V]{key: k, value: v, weight: weight}
	sh.entries[k] = e
	sh.held += weight
	sh.link(e)
	for sh.held > sh.max && sh.oldest != e {
		sh.remove(sh.oldest)
	}
}

func (sh *cacheShard[K, V]) link(e *cacheEntry[K, V]) {
	e.newer, e.older = nil, sh.newest
	if sh.newest != nil {
		sh.newest.newer = e
	}
	sh.newest = e
	if sh.oldest == nil {
		sh.oldest = e
	}
}

func (sh *cacheShard[K, V]) unlink(e *cacheEntry[K, V]) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		sh.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		sh.oldest = e.newer
	}
}

func (sh *cacheShard[K, V]) remove(e *cacheEntry[K, V]) {
	sh.unlink(e)
	delete(sh.entries, e.key)
	sh.held -= e.weight
}
