package presence

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	// TypingSilence is how long after their last event a typist has stopped.
	TypingSilence = 3500 * time.Millisecond
	// typingAgain is how soon an event of somebody who is known to type is announced again: clients show it for 3 s.
	typingAgain = time.Second
	// maxTyping is how many typists are tracked at most. Beyond it a start is announced and nobody announces the stop: the
	// clients' own 3 s end it.
	maxTyping = 1 << 16
)

// Typist is somebody typing in a conversation.
type Typist struct {
	Conversation chat.ConversationID
	User         chat.UserID
}

// Typing tracks who is typing, with one goroutine and no timer a typist.
type Typing struct {
	now     func() time.Time
	stopped func(ctx context.Context, t Typist)
	kick    chan struct{}

	mu    sync.Mutex
	known map[Typist]*typist
	queue typists // by deadline as it was when entered; a later one is found when it comes up
}

type typist struct {
	Typist
	due       time.Time // place in the queue
	deadline  time.Time
	announced time.Time
	over      bool
}

// NewTyping makes a tracker; Run calls stopped for each typist who fell silent. now nil is time.Now.
func NewTyping(now func() time.Time, stopped func(ctx context.Context, t Typist)) *Typing {
	if now == nil {
		now = time.Now
	}
	return &Typing{now: now, stopped: stopped, kick: make(chan struct{}, 1), known: make(map[Typist]*typist)}
}

// Start notes a typing event and says whether to announce it.
func (t *Typing) Start(k Typist) bool {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.known[k]; ok {
		e.deadline = now.Add(TypingSilence)
		if now.Sub(e.announced) < typingAgain {
			return false
		}
		e.announced = now
		return true
	}
	if len(t.queue) >= maxTyping {
		return true
	}
	e := &typist{Typist: k, due: now.Add(TypingSilence), deadline: now.Add(TypingSilence), announced: now}
	t.known[k] = e
	heap.Push(&t.queue, e)
	if t.queue[0] == e {
		select {
		case t.kick <- struct{}{}:
		default:
		}
	}
	return true
}

// Stop notes that somebody stopped and says whether to announce it: not when nobody was told of the start.
func (t *Typing) Stop(k Typist) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.known[k]
	if ok {
		e.over = true // its place in the queue is left when it comes up
		delete(t.known, k)
	}
	return ok
}

// Run announces stops until ctx ends.
func (t *Typing) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		gone, next := t.expire()
		for _, k := range gone {
			t.stopped(ctx, k)
		}
		if len(gone) > 0 {
			continue
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-t.kick:
		case <-timer.C:
		}
	}
}

// expire takes out those who fell silent and says how long until the next may.
func (t *Typing) expire() ([]Typist, time.Duration) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	var gone []Typist
	for len(t.queue) > 0 {
		e := t.queue[0]
		switch {
		case e.due.After(now):
			return gone, e.due.Sub(now)
		case e.over:
			heap.Pop(&t.queue)
		case e.deadline.After(now):
			e.due = e.deadline
			heap.Fix(&t.queue, 0)
		default:
			heap.Pop(&t.queue)
			delete(t.known, e.Typist)
			gone = append(gone, e.Typist)
		}
	}
	return gone, time.Hour
}

type typists []*typist

func (q typists) Len() int           { return len(q) }
func (q typists) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q typists) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *typists) Push(x any)        { *q = append(*q, x.(*typist)) }
func (q *typists) Pop() any {
	old := *q
	n := len(old) - 1
	e := old[n]
	old[n] = nil
	*q = old[:n]
	return e
}
