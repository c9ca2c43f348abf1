package inbox

import "container/heap"

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
type deviceList struct{ head, tail *Device }

func (l *deviceList) push(d *Device) {
	d.prev, d.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = d
	} else {
		l.head = d
	}
	l.tail = d
}

func (l *deviceList) remove(d *Device) {
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

func (l *Log) unscheduleLocked(d *Device) {
	switch d.where {
	case inBusy:
		heap.Remove(&l.busy, int(d.index))
	case inIdle:
		l.idle.remove(d)
	}
	d.where = nowhere
}
