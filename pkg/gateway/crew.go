package gateway

import "sync"

// maxCrew is how many connections' work runs at once; the rest waits its turn. Each may wait for a commit, so it is many
// more than cores, but in a storm of connections a goroutine for each would leave its descriptor behind for good.
const maxCrew = 2048

// maxLeavers is how many connections are taken out of everything at once: nobody waits for it, and thousands that are cut off
// together would keep Redis and the store from those who are there.
const maxLeavers = 32

// crew runs the work of connections on goroutines that live while there is some. What waits is bounded by the
// connections: each has at most its frames' handling and its end in here.
type crew struct {
	wg  sync.WaitGroup
	max int // tasks at once

	mu      sync.Mutex
	running int
	waiting []task // from taken on
	taken   int
}

// task is one connection's frames to handle, or its end; or word to another gateway.
type task struct {
	c       *conn
	forget  bool
	release func()
}

func (t task) run() {
	switch {
	case t.release != nil:
		t.release()
	case t.forget:
		t.c.forget()
	default:
		t.c.run()
	}
}

// do runs a task soon. It doesn't block.
func (w *crew) do(t task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running >= w.max {
		w.waiting = append(w.waiting, t)
		return
	}
	w.running++
	w.wg.Add(1)
	go w.work(t)
}

func (w *crew) work(t task) {
	defer w.wg.Done()
	for {
		t.run()
		w.mu.Lock()
		if w.taken == len(w.waiting) {
			w.waiting, w.taken = w.waiting[:0], 0
			if cap(w.waiting) > maxCrew {
				w.waiting = nil
			}
			w.running--
			w.mu.Unlock()
			return
		}
		t = w.waiting[w.taken]
		w.waiting[w.taken] = task{}
		w.taken++
		if w.taken >= maxCrew && w.taken > len(w.waiting)/2 {
			w.waiting, w.taken = w.waiting[:copy(w.waiting, w.waiting[w.taken:])], 0
		}
		w.mu.Unlock()
	}
}

// wait returns when nothing runs or waits.
func (w *crew) wait() { w.wg.Wait() }
