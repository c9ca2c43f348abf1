package netpoll

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// acceptBatch bounds the connections accepted in one turn, so that a storm of new ones leaves time for the others.
const acceptBatch = 64

// poller is the epoll transport. Its first loop accepts and deals connections out in turn: a listener shared by all loops
// (SO_REUSEPORT, EPOLLEXCLUSIVE) would hand them out unevenly, and REUSEPORT lets a second server bind the port unseen.
type poller struct {
	opt            Options
	start          time.Time
	loops          []*loop
	open           atomic.Int64
	accepted, full atomic.Uint64
	turn           int // loop that gets the next connection; of the accepting loop alone

	stopOnce sync.Once
	lfd      int
}

func newEpoll(o Options) (Transport, error) {
	p := &poller{opt: o, start: time.Now()}
	l, ok := o.Listener.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("netpoll: epoll needs a TCP listener, not %T", o.Listener)
	}
	fd, err := takeListener(l)
	if err != nil {
		return nil, err
	}
	p.lfd = fd
	for i := range o.Loops {
		loop, err := newLoop(p, i)
		if err != nil {
			for _, l := range p.loops {
				l.release()
			}
			unix.Close(fd)
			return nil, err
		}
		p.loops = append(p.loops, loop)
	}
	return p, nil
}

// takeListener moves the listening socket out of the Go runtime's poller, which would wake up for every connection too.
func takeListener(l *net.TCPListener) (int, error) {
	f, err := l.File()
	if err != nil {
		return -1, fmt.Errorf("netpoll: listener's descriptor: %w", err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("netpoll: duplicate the listener: %w", err)
	}
	l.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("netpoll: listener non-blocking: %w", err)
	}
	// Accepted sockets inherit it: one call for all of them.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("netpoll: TCP_NODELAY: %w", err)
	}
	return fd, nil
}

func (p *poller) Loops() int { return len(p.loops) }

// Stats implements Transport.
func (p *poller) Stats() Stats {
	s := Stats{Open: p.open.Load(), Accepted: p.accepted.Load(), Full: p.full.Load()}
	for _, l := range p.loops {
		l.count.addTo(&s)
	}
	return s
}

func (p *poller) Run(ctx context.Context) error {
	if err := p.loops[0].listen(p.lfd); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		for _, l := range p.loops {
			l.stop()
		}
	})
	defer stop()
	var wg sync.WaitGroup
	for _, l := range p.loops {
		wg.Go(l.run)
	}
	wg.Wait()
	for _, l := range p.loops {
		l.release()
	}
	p.StopAccepting()
	return nil
}

// StopAccepting closes the listener. The descriptor is closed on the first loop, so that none accepts on a reused one.
func (p *poller) StopAccepting() {
	p.stopOnce.Do(func() {
		l := p.loops[0]
		l.submit(func() { l.closeListener() })
	})
}

// accept takes new connections and deals them out.
func (p *poller) accept(l *loop) {
	for range acceptBatch {
		fd, sa, err := unix.Accept4(p.lfd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default: // EMFILE, ENFILE, ENOBUFS, ENOMEM: a level-triggered listener would spin
			l.pauseAccepting()
			p.opt.Log.Error("accept failed; pausing", "error", err, "pause", acceptPause)
			return
		}
		if p.open.Add(1) > int64(p.opt.MaxConns) {
			p.open.Add(-1)
			p.full.Add(1)
			unix.Close(fd)
			continue
		}
		p.accepted.Add(1)
		to := p.loops[p.turn%len(p.loops)]
		p.turn++
		if to == l {
			l.register(fd, sockAddr(sa))
			continue
		}
		to.hand(newcomer{fd, sockAddr(sa)})
	}
}

type newcomer struct {
	fd     int
	remote netip.AddrPort
}
