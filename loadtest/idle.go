package loadtest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
)

func selfPID() int { return os.Getpid() }

// connectWindow is how many connections are being made at once.
const connectWindow = 200

// runIdle measures how fast people connect and what they cost while nothing happens. The users and devices are made by
// a first round of connections, on another server process, so that the second counts connecting alone and starts from
// a fresh process's memory.
func runIdle(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	n := r.scale.idle
	ps := r.people("idle", n)
	h := &hooks{}
	sockets := func() []*wire.Client {
		cs := make([]*wire.Client, n)
		for i, p := range ps {
			cs[i] = p.socket(r.l, r.s, 0, h, i)
		}
		return cs
	}
	first := sockets()
	p, err := r.connect(ctx, h, first, connectWindow, 0)
	if err != nil {
		return err
	}
	r.res.other("idle", "connects on first sight (user and device made)", "/s", float64(n)/p.lastUp.Sub(p.began).Seconds(), "")
	if err := r.on(ctx, func() { cutAll(first) }); err != nil {
		return err
	}
	if err := r.stopServer(ctx); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	// A few connections first, so that what a server allocates once isn't counted by connection.
	clients := sockets()
	few := min(100, n/2)
	if _, err := r.connect(ctx, h, clients[:few], connectWindow, 0); err != nil {
		return err
	}
	if err := r.sleep(ctx, time.Second); err != nil {
		return err
	}
	before, err := r.s.rss()
	if err != nil {
		return err
	}
	cpu0, err := r.s.cpu()
	if err != nil {
		return err
	}
	p, err = r.connect(ctx, h, clients[few:], connectWindow, 0)
	if err != nil {
		return err
	}
	cpu1, err := r.s.cpu()
	if err != nil {
		return err
	}
	peak, err := r.s.rss()
	if err != nil {
		return err
	}
	if err := r.sleep(ctx, r.scale.settle); err != nil {
		return err
	}
	after, err := r.s.rss()
	if err != nil {
		return err
	}
	if err := <-r.profile(ctx, "heap", "heap?gc=1"); err != nil {
		return err
	}
	up := 0
	if err := r.on(ctx, func() {
		for _, c := range clients {
			if c.Connected() {
				up++
			}
		}
	}); err != nil {
		return err
	}
	if up != n {
		return fmt.Errorf("%d of %d connections stand after %s of silence", up, n, r.scale.settle)
	}
	m := float64(n - few)
	r.res.add("idle", "idle: RSS a connection", float64(after-before)/1024/m,
		fmt.Sprintf("%d connections, %s after the last; right after it %.2f KiB; process %d MiB", n, r.scale.settle, float64(peak-before)/1024/m, after>>20))
	r.res.add("idle", "connects", m/p.lastUp.Sub(p.began).Seconds(), fmt.Sprintf("%d refused", p.refused))
	r.res.add("idle", "server CPU for 1,000 connects", (cpu1-cpu0).Seconds()/m*1000, "until all are synced")
	return nil
}

func cutAll(cs []*wire.Client) {
	for _, c := range cs {
		c.Cut()
	}
}

// runStorm cuts off everybody at once and lets them come back.
func runStorm(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	n := r.scale.storm
	ps := r.people("storm", n)
	h := &hooks{}
	clients := make([]*wire.Client, n)
	for i, p := range ps {
		clients[i] = p.socket(r.l, r.s, 0, h, i)
	}
	if _, err := r.connect(ctx, h, clients, connectWindow, 0); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.scale.warm); err != nil {
		return err
	}
	began := time.Now()
	if err := r.on(ctx, func() { cutAll(clients) }); err != nil {
		return err
	}
	p, err := r.connect(ctx, h, clients, 1000, n*99/100)
	if err != nil {
		return err
	}
	r.res.add("storm", "storm: 99% back and caught up", time.Since(began).Seconds(), fmt.Sprintf("%d connections, %d refused on the way", n, p.refused))
	return nil
}
