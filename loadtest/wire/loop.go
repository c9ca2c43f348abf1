//go:build linux

package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/murre-chat/murre/pkg/protocol"
)

// flushEvery is how often gathered acks are sent: an ack waits at most twice as long.
const flushEvery = 90 * time.Millisecond

// Loop drives the connections of many clients from one goroutine.
type Loop struct {
	epoll, wake int
	buf         []byte    // what a read fills; frames are handled out of it
	byFD        []*conn   // open connections by descriptor
	dirty       []*conn   // with bytes to write at the end of the turn
	acking      []*Client // with gathered acks
	nextFlush   int64
	now         int64 // Unix nanoseconds, taken once a turn
	dials       uint64
	sources     []netip.Prefix
	spare       [][]byte // buffers for writing that no connection uses
	schedule    func(now int64) time.Duration
	scratch     []byte               // a frame being encoded
	frame       protocol.ServerFrame // the frame being handled

	mu    sync.Mutex // guards calls
	calls []func()

	// Counters, for reports; read them on the loop.
	Reads, Writes, FramesIn, FramesOut, BytesIn, BytesOut uint64
}

// NewLoop makes a loop. Run drives it.
func NewLoop() (*Loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("wire: epoll: %w", err)
	}
	ev, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(ep)
		return nil, fmt.Errorf("wire: eventfd: %w", err)
	}
	l := &Loop{epoll: ep, wake: ev, buf: make([]byte, 1<<18), byFD: make([]*conn, 1024)}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(ev)}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, ev, &event); err != nil {
		_ = unix.Close(ep)
		_ = unix.Close(ev)
		return nil, fmt.Errorf("wire: watch the eventfd: %w", err)
	}
	l.now = time.Now().UnixNano()
	return l, nil
}

// From sets the IPv4 networks that connections are made from, in turn. Without any, those to a server on the loopback are
// spread over 127.0.0.0/8, others begin where the system says. Call it before the first connection.
func (l *Loop) From(sources []netip.Prefix) { l.sources = sources }

// source is where the next connection to a server begins; false: where the system says.
func (l *Loop) source(to netip.Addr) (from [4]byte, ok bool) {
	n := l.dials
	l.dials++
	if len(l.sources) == 0 {
		return [4]byte{127, byte(1 + n/4096%200), byte(n % 4096 / 256), byte(1 + n%250)}, to.IsLoopback()
	}
	p := l.sources[n%uint64(len(l.sources))].Masked()
	// Neither a network's own address nor its broadcast address is a host's.
	hosts := uint64(1) << (32 - p.Bits())
	at := n / uint64(len(l.sources)) % max(1, hosts-min(hosts-1, 2))
	if hosts > 2 {
		at++
	}
	net := p.Addr().As4()
	binary.BigEndian.PutUint32(from[:], binary.BigEndian.Uint32(net[:])+uint32(at))
	return from, true
}

// Spare buffers are few: there are never many connections with something to write.
const (
	maxSpare  = 256
	maxBuffer = 16 << 10 // larger ones go back to the heap
)

// buffer is an empty one for writing.
func (l *Loop) buffer() []byte {
	if n := len(l.spare); n > 0 {
		b := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return b
	}
	return make([]byte, 0, 512)
}

func (l *Loop) takeBack(b []byte) {
	if cap(b) > 0 && cap(b) <= maxBuffer && len(l.spare) < maxSpare {
		l.spare = append(l.spare, b[:0])
	}
}

// Now is the time of this turn in Unix nanoseconds. Call it on the loop.
func (l *Loop) Now() int64 { return l.now }

// Schedule sets a function that is called every turn with the time and says in how long it wants to be called again at
// the latest (0: no matter). nil takes it away. Call it on the loop.
func (l *Loop) Schedule(f func(now int64) time.Duration) { l.schedule = f }

// Do runs f on the loop, soon, and doesn't wait.
func (l *Loop) Do(f func()) {
	l.mu.Lock()
	l.calls = append(l.calls, f)
	first := len(l.calls) == 1
	l.mu.Unlock()
	if first {
		one := uint64(1)
		_, _ = unix.Write(l.wake, (*[8]byte)(unsafe.Pointer(&one))[:])
	}
}

// Call runs f on the loop and waits for it.
func (l *Loop) Call(ctx context.Context, f func()) error {
	done := make(chan struct{})
	l.Do(func() { f(); close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run drives the loop until ctx ends, then closes all connections without a word and frees the loop.
func (l *Loop) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.Do(func() {}) })
	defer stop()
	defer l.free()
	events := make([]unix.EpollEvent, 1024)
	for ctx.Err() == nil {
		n, err := l.wait(events)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wire: epoll wait: %w", err)
		}
		l.now = time.Now().UnixNano()
		for i := 0; i < n; i++ {
			fd := int(events[i].Fd)
			if fd == l.wake {
				var b [8]byte
				_, _ = unix.Read(l.wake, b[:])
				continue
			}
			if c := l.byFD[fd]; c != nil {
				c.ready(events[i].Events)
			}
		}
		l.runCalls()
		l.flushAcks()
		for i := 0; i < len(l.dirty); i++ {
			c := l.dirty[i]
			c.dirty = false
			if c.fd >= 0 {
				c.flush()
			}
		}
		clear(l.dirty)
		l.dirty = l.dirty[:0]
	}
	return nil
}

// wait waits for events as long as nothing is due.
func (l *Loop) wait(events []unix.EpollEvent) (int, error) {
	sleep := 50 * time.Millisecond
	if l.schedule != nil {
		if s := l.schedule(l.now); s > 0 && s < sleep {
			sleep = s
		}
	}
	if len(l.dirty) > 0 {
		sleep = 0
	}
	if sleep == 0 {
		r, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if e != 0 {
			return 0, e
		}
		return int(r), nil
	}
	// epoll_pwait2 takes nanoseconds: epoll_wait's milliseconds would make every scheduled send late.
	ts := unix.NsecToTimespec(sleep.Nanoseconds())
	r, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if e == unix.ENOSYS {
		return unix.EpollWait(l.epoll, events, int(sleep.Milliseconds()))
	}
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

func (l *Loop) runCalls() {
	l.mu.Lock()
	calls := l.calls
	l.calls = nil
	l.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

func (l *Loop) flushAcks() {
	if l.now < l.nextFlush {
		return
	}
	l.nextFlush = l.now + flushEvery.Nanoseconds()
	list := l.acking
	l.acking = nil
	for _, c := range list {
		c.FlushAcks()
	}
	if l.acking == nil {
		clear(list)
		l.acking = list[:0]
	}
}

func (l *Loop) add(c *conn, events uint32) error {
	for c.fd >= len(l.byFD) {
		l.byFD = append(l.byFD, make([]*conn, len(l.byFD))...)
	}
	l.byFD[c.fd] = c
	event := unix.EpollEvent{Events: events, Fd: int32(c.fd)}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, &event)
}

func (l *Loop) free() {
	for _, c := range l.byFD {
		if c != nil {
			_ = unix.Close(c.fd)
		}
	}
	_ = unix.Close(l.epoll)
	_ = unix.Close(l.wake)
}
