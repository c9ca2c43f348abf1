package window

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
)

// Shards is how many parts Windows are locked and swept in.
const Shards = 64

const (
	steps       = 256
	maxPerShard = 1 << 20 / Shards
)

// Windows are the sliding windows of one limit. They are safe for concurrent use.
type Windows struct {
	count  int
	width  int64 // µs
	step   int64 // µs: events closer together than this count as one run
	shards [Shards]shard
}

type shard struct {
	mu   sync.Mutex
	keys map[[16]byte]*window
}

// window is what one key did lately: runs of events, oldest first from head.
type window struct {
	runs  []run
	head  int
	total int
}

type run struct {
	at int64 // µs, of the first event
	n  int32
}

// New makes the windows of one limit; Count and Window of the rate are above 0.
func New(r admit.Rate) *Windows {
	w := &Windows{count: r.Count, width: r.Window.Microseconds()}
	w.step = w.width / steps
	for i := range w.shards {
		w.shards[i].keys = make(map[[16]byte]*window)
	}
	return w
}

func (w *Windows) of(k [16]byte) *shard {
	// Ids end in random bytes, but addresses may differ in any: mix all.
	h := binary.LittleEndian.Uint64(k[:8]) ^ binary.LittleEndian.Uint64(k[8:])
	h *= 0x9e3779b97f4a7c15
	return &w.shards[h>>58]
}

// Take counts one event of a key and returns 0, or counts nothing and returns how long to wait. now is in microseconds from
// any moment, on a clock that doesn't run back.
func (w *Windows) Take(k [16]byte, now int64) time.Duration {
	sh := w.of(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	win, ok := sh.keys[k]
	if !ok {
		if len(sh.keys) >= maxPerShard {
			sh.dropOne()
		}
		win = &window{}
		sh.keys[k] = win
	}
	win.expire(now - w.width)
	if win.total >= w.count {
		wait := win.runs[win.head].at + w.width - now
		return time.Duration(max(wait, 1)) * time.Microsecond
	}
	win.total++
	if n := len(win.runs); n > win.head && now-win.runs[n-1].at < w.step {
		win.runs[n-1].n++
		return 0
	}
	if win.head > 0 && len(win.runs) == cap(win.runs) {
		n := copy(win.runs, win.runs[win.head:])
		win.runs, win.head = win.runs[:n], 0
	}
	win.runs = append(win.runs, run{at: now, n: 1})
	return 0
}

// GiveBack takes back the newest event of a key.
func (w *Windows) GiveBack(k [16]byte) {
	sh := w.of(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	win, ok := sh.keys[k]
	if !ok || win.head == len(win.runs) {
		return
	}
	last := &win.runs[len(win.runs)-1]
	last.n--
	win.total--
	if last.n == 0 {
		win.runs = win.runs[:len(win.runs)-1]
	}
}

// expire forgets runs at or before a moment.
func (win *window) expire(until int64) {
	for win.head < len(win.runs) && win.runs[win.head].at <= until {
		win.total -= int(win.runs[win.head].n)
		win.head++
	}
	if win.head == len(win.runs) {
		win.runs, win.head = win.runs[:0], 0
	}
}

// Sweep forgets the idle keys of a shard, 0 to Shards - 1.
func (w *Windows) Sweep(i int, now int64) {
	sh := &w.shards[i]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.forgetIdle(w, now)
}

func (sh *shard) forgetIdle(w *Windows, now int64) {
	for k, win := range sh.keys {
		if n := len(win.runs); n == 0 || win.runs[n-1].at <= now-w.width {
			delete(sh.keys, k)
		}
	}
}

// dropOne drops one key at random; a full shard isn't searched for idle ones, as every newcomer would pay for that.
func (sh *shard) dropOne() {
	for k := range sh.keys {
		delete(sh.keys, k)
		return
	}
}

// Len is the number of keys held.
func (w *Windows) Len() int {
	n := 0
	for i := range w.shards {
		sh := &w.shards[i]
		sh.mu.Lock()
		n += len(sh.keys)
		sh.mu.Unlock()
	}
	return n
}
