package auth

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// answers is the bounded cache of Authenticate. What is known to be revoked stays revoked: an answer read from the store
// before the revocation can't replace it afterwards. When full the one unused longest goes.
type answers struct {
	mu  sync.Mutex
	lru *simplelru.LRU[[32]byte, answer] // guarded by mu
}

type answer struct {
	id      Identity
	at      time.Time
	revoked bool
}

func newAnswers(size int) (*answers, error) {
	l, err := simplelru.NewLRU[[32]byte, answer](size, nil)
	if err != nil {
		return nil, fmt.Errorf("auth: cache: %w", err)
	}
	return &answers{lru: l}, nil
}

func (c *answers) get(h [32]byte) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Get(h)
}

// put stores an answer and reports false when the session was revoked meanwhile.
func (c *answers) put(h [32]byte, a answer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.lru.Peek(h); ok && old.revoked {
		return false
	}
	c.lru.Add(h, a)
	return true
}

func (c *answers) revoke(h [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Add(h, answer{revoked: true})
}
