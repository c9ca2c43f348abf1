package netpoll

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readBuffer  = 64 << 10
	writeBuffer = 64 << 10
	eventBatch  = 256

	slotListener = -1
)

var past = time.Unix(0, 1)

// Conn.state, of the loop alone.
const (
	statePaused   = 1 << iota // EPOLLIN is off by SetReading
	stateReadEnd              // the peer's end of stream was read
	stateWaiting              // the socket is full: EPOLLOUT is on
	stateFinished             // our side is shut down
	stateDead                 // closed or detached
)

// loop is one event loop: one epoll descriptor, one goroutine, its own buffers, slots and timers.
type loop struct {
	p    *poller
	id   int
	ep   int
	file *os.File        // owns ep
	raw  syscall.RawConn // ep in the runtime's poller: the loop sleeps as a goroutine, without holding a thread

	count    traffic
	sleeping atomic.Bool // about to block, or blocked, in epoll_wait
	stopping atomic.Bool

	mu      sync.Mutex // guards the next four; a leaf
	ready   []*Conn    // something to write
	posts   []func()
	arrived []newcomer
	over    bool // the last turn is done

	// Of the loop's goroutine alone.
	spareReady  []*Conn
	sparePosts  []func()
	spareNew    []newcomer
	slots       []*Conn
	free        []int32
	gen         uint32
	wheel       *wheel
	now         uint32 // ticks, as of this turn
	listening   bool
	acceptAgain uint32 // tick at which a paused listener resumes; 0: not paused
	events      []unix.EpollEvent
	rbuf, wbuf  []byte
}

func newLoop(p *poller, id int) (*loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("netpoll: epoll_create: %w", err)
	}
	if err := unix.SetNonblock(ep, true); err != nil { // what tells os.NewFile to poll it
		unix.Close(ep)
		return nil, fmt.Errorf("netpoll: epoll descriptor non-blocking: %w", err)
	}
	f := os.NewFile(uintptr(ep), "epoll")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("netpoll: epoll descriptor: %w", err)
	}
	l := &loop{p: p, id: id, ep: ep, file: f, raw: raw, wheel: newWheel(),
		events: make([]unix.EpollEvent, eventBatch), rbuf: make([]byte, readBuffer), wbuf: make([]byte, writeBuffer)}
	if err := f.SetReadDeadline(time.Time{}); err != nil { // not every kernel lets epoll poll epoll
		f.Close()
		return nil, fmt.Errorf("netpoll: epoll descriptor isn't pollable: %w", err)
	}
	return l, nil
}

// release frees the loop after its last turn, and does what was handed to it since.
func (l *loop) release() {
	l.file.Close()
	l.mu.Lock()
	l.over = true
	posts, arrived := l.posts, l.arrived
	l.posts, l.arrived = nil, nil
	l.mu.Unlock()
	for _, n := range arrived {
		unix.Close(n.fd)
		l.p.open.Add(-1)
	}
	for _, f := range posts {
		f()
	}
}

func (l *loop) run() {
	for !l.stopping.Load() {
		n := l.wait()
		l.now = l.clock()
		for i := range n {
			l.event(&l.events[i])
		}
		for _, slot := range l.wheel.advance(l.now) {
			if c := l.slots[slot]; c != nil {
				c.handler.Timeout(c)
			}
		}
		if l.acceptAgain != 0 && int32(l.now-l.acceptAgain) >= 0 {
			l.resumeAccepting()
		}
		l.work()
	}
	l.closeListener()
	for _, c := range l.slots {
		if c != nil {
			l.close(c, ErrStopped)
		}
	}
	for l.work() { // what was posted must run: others wait for it
	}
}

// wait returns events. It gives other goroutines a chance before it blocks: on a busy machine they are the ones that make
// the next work for this loop, and blocking costs a hand-over of the processor.
func (l *loop) wait() int {
	if n := poll(l.ep, l.events); n > 0 || l.pending() {
		return n
	}
	runtime.Gosched()
	if n := poll(l.ep, l.events); n > 0 {
		return n
	}
	// Before sleeping is visible: from there on a waker's deadline, in the past, must stand.
	_ = l.file.SetReadDeadline(time.Now().Add(l.patience()))
	l.sleeping.Store(true)
	defer l.sleeping.Store(false)
	if l.pending() || l.stopping.Load() { // queued before sleeping was visible, so that nobody woke us
		return 0
	}
	n := 0
	_ = l.raw.Read(func(uintptr) bool {
		n = poll(l.ep, l.events)
		return n > 0
	}) // an error is the deadline: a timer, or somebody who woke us
	return n
}

// patience is how long to wait for events: until a timer may be due.
func (l *loop) patience() time.Duration {
	idle := l.wheel.idle()
	if l.acceptAgain != 0 {
		idle = min(idle, l.acceptAgain-l.now)
	}
	passed := l.clock() - l.wheel.now
	if idle < passed {
		return 0
	}
	return time.Duration(idle-passed+1) * Tick
}

func (l *loop) clock() uint32 { return uint32(time.Since(l.p.start) / Tick) }

func (l *loop) event(e *unix.EpollEvent) {
	switch e.Fd {
	case slotListener:
		if l.listening && l.acceptAgain == 0 {
			l.p.accept(l)
		}
	default:
		c := l.slots[e.Fd]
		if c == nil || c.gen != uint32(e.Pad) {
			return // of a connection that ended earlier in this turn
		}
		if e.Events&unix.EPOLLOUT != 0 {
			c.state &^= stateWaiting
			l.flush(c)
			if c.state&(stateWaiting|stateDead) == 0 {
				l.watch(c)
			}
		}
		if e.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 && c.state&stateDead == 0 {
			l.read(c, e.Events)
		}
	}
}

func (l *loop) read(c *Conn, events uint32) {
	if c.state&(statePaused|stateReadEnd) != 0 {
		if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 { // these come unasked for
			l.close(c, socketError(c.fd))
		}
		return
	}
	n, err := read(c.fd, l.rbuf)
	switch {
	case err == unix.EAGAIN:
	case err != nil:
		l.close(c, err)
	case n == 0:
		c.state |= stateReadEnd
		c.handler.EOF(c)
		if c.state&stateDead != 0 {
			return
		}
		if c.state&stateFinished != 0 {
			l.close(c, nil)
			return
		}
		l.watch(c)
	default:
		l.count.in.Add(uint64(n))
		c.handler.Data(c, l.rbuf[:n])
	}
}

func socketError(fd int32) error {
	if code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code != 0 {
		return unix.Errno(code)
	}
	return unix.ECONNRESET
}

// pending tells whether work has something to do.
func (l *loop) pending() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ready)+len(l.posts)+len(l.arrived) > 0
}

// work does what other goroutines, and this turn's handlers, left to do.
func (l *loop) work() bool {
	l.mu.Lock()
	ready, posts, arrived := l.ready, l.posts, l.arrived
	l.ready, l.posts, l.arrived = l.spareReady[:0], l.sparePosts[:0], l.spareNew[:0]
	l.mu.Unlock()
	for _, n := range arrived {
		l.register(n.fd, n.remote)
	}
	for _, f := range posts {
		f()
	}
	for _, c := range ready {
		l.flush(c)
	}
	clear(posts)
	clear(ready)
	l.spareReady, l.sparePosts, l.spareNew = ready, posts, arrived
	return len(ready)+len(posts)+len(arrived) > 0
}

func (l *loop) register(fd int, remote netip.AddrPort) {
	if l.stopping.Load() {
		unix.Close(fd)
		l.p.open.Add(-1)
		return
	}
	c := &Conn{owner: l, fd: int32(fd), gen: l.gen}
	l.gen++
	if n := len(l.free); n > 0 {
		c.slot, l.free = l.free[n-1], l.free[:n-1]
	} else {
		c.slot = int32(len(l.slots))
		l.slots = append(l.slots, nil)
	}
	l.slots[c.slot] = c
	if c.handler = l.p.opt.Accept(c, remote); c.handler == nil {
		l.forget(c)
		unix.Close(fd)
		return
	}
	if c.state&stateDead != 0 {
		return
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: c.slot, Pad: int32(c.gen)}
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		l.close(c, fmt.Errorf("netpoll: epoll_ctl add: %w", err))
	}
}

// watch tells the kernel what c waits for now.
func (l *loop) watch(c *Conn) {
	e := unix.EpollEvent{Fd: c.slot, Pad: int32(c.gen)}
	if c.state&(statePaused|stateReadEnd) == 0 {
		e.Events |= unix.EPOLLIN
	}
	if c.state&stateWaiting != 0 {
		e.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_MOD, int(c.fd), &e); err != nil {
		l.close(c, fmt.Errorf("netpoll: epoll_ctl mod: %w", err))
	}
}

func (l *loop) close(c *Conn, err error) {
	if c.state&stateDead != 0 {
		return
	}
	l.forget(c)
	unix.Close(int(c.fd)) // leaves the epoll set by itself: the descriptor was never duplicated
	c.handler.Closed(c, err)
}

// forget takes c out of the loop: no event, timer or write reaches it any more.
func (l *loop) forget(c *Conn) {
	c.state |= stateDead
	c.shut()
	l.wheel.stop(c.slot)
	l.slots[c.slot] = nil
	l.free = append(l.free, c.slot)
	l.p.open.Add(-1)
}

// wake ends the loop's sleep, if it sleeps, without a system call.
func (l *loop) wake() {
	if l.sleeping.Load() && l.sleeping.CompareAndSwap(true, false) {
		_ = l.file.SetReadDeadline(past) // fails when the loop is over
	}
}

// submit has f run in the next turn; false when there is none any more.
func (l *loop) submit(f func()) bool {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return false
	}
	l.posts = append(l.posts, f)
	l.mu.Unlock()
	l.wake()
	return true
}

func (l *loop) hand(n newcomer) {
	l.mu.Lock()
	l.arrived = append(l.arrived, n)
	l.mu.Unlock()
	l.wake()
}

func (l *loop) stop() {
	l.stopping.Store(true)
	l.submit(func() {})
}
