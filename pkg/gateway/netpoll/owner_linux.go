package netpoll

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The loop as its connections' owner, and its listener.

func (l *loop) index() int                  { return l.id }
func (l *loop) bound() int                  { return l.p.opt.MaxOutbound }
func (l *loop) ticks() uint32               { return l.now }
func (l *loop) traffic() *traffic           { return &l.count }
func (l *loop) post(_ *Conn, f func()) bool { return l.submit(f) }
func (l *loop) closeLater(c *Conn, e error) { l.submit(func() { l.close(c, e) }) }

func (l *loop) dirty(c *Conn) {
	l.mu.Lock()
	l.ready = append(l.ready, c)
	l.mu.Unlock()
	l.wake()
}

func (l *loop) setTimeout(c *Conn, d time.Duration) {
	if c.state&stateDead != 0 {
		return
	}
	if d <= 0 {
		l.wheel.stop(c.slot)
		return
	}
	l.wheel.set(c.slot, l.now, d)
}

func (l *loop) setReading(c *Conn, on bool) {
	paused := c.state&statePaused != 0
	if c.state&stateDead == 0 && paused == on {
		c.state ^= statePaused
		l.watch(c)
	}
}

// flush writes what waits, as far as the socket takes it.
func (l *loop) flush(c *Conn) {
	if c.state&stateDead != 0 {
		return
	}
	c.mu.Lock()
	c.flags &^= flagDirty
	if c.state&stateWaiting != 0 {
		c.mu.Unlock()
		return // EPOLLOUT comes back here
	}
	q := c.out
	c.out = nil
	finishing := c.flags&flagFinishing != 0
	c.mu.Unlock()

	if q != nil {
		n, err := l.write(c, q)
		c.mu.Lock()
		c.written(n)
		full := err == nil && !q.empty()
		drained := c.outbound == 0 && c.flags&flagPressed != 0
		switch {
		case full:
			q.join(c.out)
			c.out = q
		case drained:
			c.flags &^= flagPressed
		}
		c.mu.Unlock()
		switch {
		case err != nil:
			q.free()
			l.close(c, err)
			return
		case full:
			c.state |= stateWaiting
			l.watch(c)
			return
		}
		q.free()
		if drained {
			c.handler.Drained(c)
		}
	}
	if finishing && c.state&(stateFinished|stateDead) == 0 && c.Outbound() == 0 {
		l.finish(c)
	}
}

// write writes until the queue is empty or the socket full.
func (l *loop) write(c *Conn, q *queue) (total int, err error) {
	for !q.empty() {
		b := q.next(l.wbuf)
		n, err := write(c.fd, b)
		if err == unix.EAGAIN {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		total += n
		q.advance(n)
		if n < len(b) {
			return total, nil
		}
	}
	return total, nil
}

func (l *loop) finish(c *Conn) {
	c.state |= stateFinished
	if c.state&stateReadEnd != 0 {
		l.close(c, nil)
		return
	}
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		l.close(c, err)
	}
}

func (l *loop) detach(c *Conn) (net.Conn, error) {
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_DEL, int(c.fd), nil); err != nil {
		return nil, fmt.Errorf("netpoll: epoll_ctl del: %w", err)
	}
	l.forget(c)
	f := os.NewFile(uintptr(c.fd), "detached")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("netpoll: detach: %w", err)
	}
	return nc, nil
}

func (l *loop) listen(fd int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: slotListener}
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("netpoll: epoll_ctl add listener: %w", err)
	}
	l.listening = true
	return nil
}

func (l *loop) closeListener() {
	if l.id != 0 || l.p.lfd < 0 {
		return
	}
	unix.Close(l.p.lfd) // leaves the epoll set by itself
	l.p.lfd = -1
	l.listening = false
	l.acceptAgain = 0
}

func (l *loop) pauseAccepting() {
	l.acceptAgain = l.now + uint32(acceptPause/Tick) + 1
	l.watchListener(0)
}

func (l *loop) resumeAccepting() {
	l.acceptAgain = 0
	if l.listening {
		l.watchListener(unix.EPOLLIN)
	}
}

func (l *loop) watchListener(events uint32) {
	e := unix.EpollEvent{Events: events, Fd: slotListener}
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_MOD, l.p.lfd, &e); err != nil {
		l.p.opt.Log.Error("epoll_ctl mod listener failed", "error", err)
	}
}
