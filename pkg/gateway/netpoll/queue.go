package netpoll

import "sync"

// queue holds the frames that wait for one connection; borrowed from a pool while something waits.
type queue struct {
	frames [][]byte
	head   int // first frame not fully written
	off    int // bytes of it already written
}

var queues = sync.Pool{New: func() any { return &queue{frames: make([][]byte, 0, 8)} }}

// keptFrames bounds what a queue keeps allocated when it goes back to the pool.
const keptFrames = 256

func newQueue() *queue { return queues.Get().(*queue) }

func (q *queue) free() {
	clear(q.frames)
	if cap(q.frames) > keptFrames {
		return
	}
	q.frames, q.head, q.off = q.frames[:0], 0, 0
	queues.Put(q)
}

func (q *queue) empty() bool { return q.head == len(q.frames) }

// next returns bytes to write now: the first frame when it is large or alone, else as many frames as fit, copied to buf.
func (q *queue) next(buf []byte) []byte {
	first := q.frames[q.head][q.off:]
	if q.head+1 == len(q.frames) || len(first) >= len(buf)/4 {
		return first
	}
	n := copy(buf, first)
	for _, frame := range q.frames[q.head+1:] {
		if n+len(frame) > len(buf) {
			break
		}
		n += copy(buf[n:], frame)
	}
	return buf[:n]
}

// advance drops the first n bytes.
func (q *queue) advance(n int) {
	for q.head < len(q.frames) {
		rest := len(q.frames[q.head]) - q.off
		if n < rest {
			q.off += n
			return
		}
		n -= rest
		q.frames[q.head] = nil // written: let the memory go
		q.head++
		q.off = 0
	}
}

// join appends what was queued while q was being written.
func (q *queue) join(later *queue) {
	if later == nil {
		return
	}
	if q.head > 0 {
		kept := copy(q.frames, q.frames[q.head:])
		clear(q.frames[kept:])
		q.frames, q.head = q.frames[:kept], 0
	}
	q.frames = append(q.frames, later.frames[later.head:]...)
	later.free()
}
