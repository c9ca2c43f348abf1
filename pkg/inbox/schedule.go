package inbox

import (
	"container/heap"
	"time"
)

type place uint8

const (
	nowhere place = iota
	inBusy
	inIdle
)

// dueHeap orders busy devices by their due time; a device knows its place so that it can be taken out.
type dueHeap []*Device

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	d := x.(*Device)
	d.index = int32(len(*h))
	*h = append(*h, d)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}

// deviceList is an intrusive list in due order: every idle device waits equally long.
type deviceList struct {
	head, tail *Device
	n          int
}

func (l *deviceList) push(d *Device) {
	d.prev, d.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = d
	} else {
		l.head = d
	}
	l.tail = d
	l.n++
}

func (l *deviceList) pushFront(d *Device) {
	d.prev, d.next = nil, l.head
	if l.head != nil {
		l.head.prev = d
	} else {
		l.tail = d
	}
	l.head = d
	l.n++
}

func (l *deviceList) remove(d *Device) {
	l.n--
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		l.head = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		l.tail = d.prev
	}
	d.prev, d.next = nil, nil
}

func (l *Log) busyAtLocked(d *Device, at int64) {
	d.due = at
	d.where = inBusy
	heap.Push(&l.busy, d)
}

// rereadsFor is for how many idle devices one reread of ReadAll's may be under way. Each waits for the one before: in a store that
// has much to do they take a small part, however many gateways read again.
const rereadsFor = 20_000

// pace spreads the rereads of ReadAll.
type pace struct {
	from, spread int64 // mono, ms
	of, begun    int64 // devices
}

// due is when the next begins (mono).
func (p *pace) due() int64 { return p.from + p.spread*min(p.begun, p.of)/max(p.of, 1) }

// idleLocked lets a device wait until it's read again without a reason: VerifyIdle from now, or, when its last read doesn't count
// any more, with those whom ReadAll found idle.
func (l *Log) idleLocked(d *Device, counts bool) {
	l.unscheduleLocked(d)
	d.where = inIdle
	if counts {
		d.due = l.mono() + l.o.VerifyIdle.Milliseconds()
		l.idle.push(d)
		return
	}
	d.due = l.all.Load() + l.o.VerifyIdle.Milliseconds()
	if h := l.idle.head; h != nil {
		d.due = min(d.due, h.due)
	}
	l.idle.pushFront(d)
}

func (l *Log) unscheduleLocked(d *Device) {
	switch d.where {
	case inBusy:
		heap.Remove(&l.busy, int(d.index))
	case inIdle:
		l.idle.remove(d)
	}
	d.where = nowhere
}

// nextLocked takes the device out that is due, or returns how long none is.
func (l *Log) nextLocked(now int64) (*Device, time.Duration) {
	next := now + time.Hour.Milliseconds()
	if len(l.busy) > 0 {
		d := l.busy[0]
		if d.due <= now {
			l.unscheduleLocked(d)
			return d, 0
		}
		next = min(next, d.due)
	}
	d := l.idle.head
	if d == nil {
		return nil, time.Duration(next-now) * time.Millisecond
	}
	switch {
	case d.due <= now:
		l.unscheduleLocked(d)
		return d, 0
	case d.due > l.all.Load()+l.o.VerifyIdle.Milliseconds(): // read since ReadAll, and so are all behind it
		next = min(next, d.due)
	case len(l.rereading) >= 1+l.idle.n/rereadsFor: // the end of one of them wakes Run
	case now < l.paced.due():
		next = min(next, l.paced.due())
	case l.o.Load.Any():
		next = min(next, now+stepEvery)
	default:
		l.unscheduleLocked(d)
		l.rereading[d] = struct{}{}
		l.paced.begun++
		return d, 0
	}
	return nil, time.Duration(next-now) * time.Millisecond
}
