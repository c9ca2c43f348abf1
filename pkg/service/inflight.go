package service

import (
	"slices"
	"sync"

	"github.com/murre-chat/murre/pkg/chat"
)

// inflight knows the ids of messages that are being committed in this process. What lies under the oldest of them is
// settled: no smaller id of this process will appear any more.
type inflight struct {
	mu   sync.Mutex
	ids  []chat.MessageID // ascending; negative once done
	head int
	last chat.MessageID
}

// next makes an id and enters it in one step, so that horizon never passes an id that was made but not entered.
func (f *inflight) next(c Clock) (chat.MessageID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := c.Next()
	if err != nil {
		return 0, err
	}
	f.last = chat.MessageID(n)
	f.ids = append(f.ids, f.last)
	return f.last, nil
}

// join enters an id once more that another attempt is committing now. It reports false when none is: the horizon has
// passed the id then, and it must not appear any more.
func (f *inflight) join(m chat.MessageID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(m)
	if i == len(f.ids) || f.ids[i] != m {
		return false
	}
	f.ids = slices.Insert(f.ids, i, m)
	return true
}

// find returns where the first entry of m that isn't done is, or where it would be. f.mu is held.
func (f *inflight) find(m chat.MessageID) int {
	lo, hi := f.head, len(f.ids)
	for lo < hi { // done entries are negated: compare absolute values
		mid := int(uint(lo+hi) >> 1)
		v := f.ids[mid]
		if v < 0 {
			v = -v
		}
		if v < m {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for lo < len(f.ids) && f.ids[lo] == -m {
		lo++
	}
	return lo
}

func (f *inflight) done(m chat.MessageID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.find(m); i < len(f.ids) && f.ids[i] == m {
		f.ids[i] = -m
	}
	for f.head < len(f.ids) && f.ids[f.head] < 0 {
		f.head++
	}
	if f.head == len(f.ids) {
		f.ids, f.head = f.ids[:0], 0
	} else if f.head > 1024 && f.head > len(f.ids)/2 {
		n := copy(f.ids, f.ids[f.head:])
		f.ids, f.head = f.ids[:n], 0
	}
}

// horizon returns an id such that no message with a smaller or equal one is still being committed here, nor will be.
func (f *inflight) horizon(c Clock) chat.MessageID {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == 0 { // nothing was sent since the start: all that is stored is older than an id made now
		if n, err := c.Next(); err == nil {
			f.last = chat.MessageID(n)
		}
	}
	if f.head < len(f.ids) {
		m := f.ids[f.head]
		if m < 0 {
			m = -m
		}
		return m - 1
	}
	return f.last
}
