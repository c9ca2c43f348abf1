package gateway

import (
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/protocol"
)

// workPool lends the queues of connections that have work.
type workPool struct{ p sync.Pool }

func newWorks() *workPool {
	return &workPool{p: sync.Pool{New: func() any {
		return &work{queue: make([]*protocol.ClientFrame, 0, 4), at: make([]time.Time, 0, 4)}
	}}}
}

func (p *workPool) get() *work { return p.p.Get().(*work) }

func (p *workPool) put(w *work) {
	if cap(w.queue) > maxQueued {
		return
	}
	w.queue, w.at, w.head, w.paused = w.queue[:0], w.at[:0], 0, false
	p.p.Put(w)
}
