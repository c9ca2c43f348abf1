package wsconn

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// upgrades runs Handler.Upgrade: at most max at once, the rest in a bounded queue, for a bounded time. A worker exists only while there is work.
type upgrades struct {
	srv *Server

	mu      sync.Mutex // guards the rest; a leaf
	base    context.Context
	queue   []upgrade
	head    int
	running int
	idle    sync.Cond // running became 0
}

type upgrade struct {
	at  time.Time // when it was queued
	c   *Conn
	r   *Request
	ctx context.Context
	end context.CancelFunc
}

// start lets upgrades run until ctx ends.
func (u *upgrades) start(ctx context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.base = ctx
}

// add queues c's upgrade. On c's loop.
func (u *upgrades) add(c *Conn) {
	o := &u.srv.opt
	u.mu.Lock()
	late := u.head < len(u.queue) && time.Since(u.queue[u.head].at) > o.MaxUpgradeWait
	if late || len(u.queue)-u.head >= o.MaxUpgradeQueue { // who comes behind those would wait in vain
		u.mu.Unlock()
		c.refuse(refusedBusy, u.srv.busy())
		return
	}
	ctx, cancel := context.WithTimeout(u.base, o.UpgradeTimeout)
	c.hs.cancel = cancel
	// A little longer than the context, so that what the handler makes of its end still counts.
	c.t.SetTimeout(o.UpgradeTimeout + o.UpgradeTimeout/4)
	if u.head > 0 && u.head == len(u.queue) {
		u.queue, u.head = u.queue[:0], 0
	}
	u.queue = append(u.queue, upgrade{time.Now(), c, c.hs.request, ctx, cancel})
	start := u.running < o.MaxUpgrades
	if start {
		u.running++
	}
	u.mu.Unlock()
	if start {
		go u.work()
	}
}

func (u *upgrades) work() {
	for {
		u.mu.Lock()
		if u.head == len(u.queue) {
			if u.running--; u.running == 0 {
				u.idle.Broadcast()
			}
			u.mu.Unlock()
			return
		}
		next := u.queue[u.head]
		u.queue[u.head] = upgrade{}
		u.head++
		u.mu.Unlock()
		u.run(next)
	}
}

func (u *upgrades) run(next upgrade) {
	defer next.end()
	var a Accept
	var refusal *Refusal
	// Who waited long is refused at once: served in turn with too many behind them, all would be served when they have given up.
	if next.ctx.Err() != nil || time.Since(next.at) > u.srv.opt.MaxUpgradeWait {
		r := u.srv.busy()
		refusal = &r
	} else {
		a, refusal = u.srv.opt.Handler.Upgrade(next.ctx, next.r)
	}
	if !next.c.t.Post(func() { next.c.answer(a, refusal) }) && refusal == nil && a.Peer != nil {
		a.Peer.Closed(next.c, codeAbnormal, ErrEnded) // the transport has stopped
	}
}

// wait returns when no worker is left.
func (u *upgrades) wait() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.running > 0 {
		u.idle.Wait()
	}
}

func (s *Server) busy() Refusal {
	after := time.Second
	if s.opt.Away != nil {
		after = max(s.opt.Away(), after)
	}
	r := problem(http.StatusServiceUnavailable, "the server is busy")
	r.Header = http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(after.Seconds())))}}
	return r
}
