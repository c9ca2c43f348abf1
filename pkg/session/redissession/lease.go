package redissession

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	maxAbsent = 4096
	stale     = 10 * time.Second // a view older than this says nothing about who is dead
)

// view is who held a lease when it was read.
type view struct {
	at   int64            // when the reading began, since start
	live map[string]int64 // until when, since start
}

// Gateway is a live gateway.
type Gateway struct {
	session.GatewayID
	Left time.Duration // of its lease
}

// Gateways asks who is alive now.
func (r *Registry) Gateways(ctx context.Context) ([]Gateway, error) {
	v, _, err := r.leases(rediscluster.For(ctx, rediscluster.Session), "")
	if err != nil {
		return nil, err
	}
	out := make([]Gateway, 0, len(v.live))
	for gw, until := range v.live {
		if g, ok := decode(gw); ok {
			out = append(out, Gateway{GatewayID: g, Left: time.Duration(until - v.at)})
		}
	}
	return out, nil
}

// Lease gives a gateway a lease, or renews it, as Run does for Self.
func (r *Registry) Lease(ctx context.Context, g session.GatewayID) error {
	_, _, err := r.leases(rediscluster.For(ctx, rediscluster.Session), encode(g))
	return err
}

// leases reads all leases and renews one, if it is named. It tells what that one was before.
func (r *Registry) leases(ctx context.Context, renew string) (_ *view, was string, _ error) {
	v := &view{at: r.now(), live: make(map[string]int64)}
	answer, err := r.script.lease.Run(ctx, r.client, []string{r.prefix + "gateways"}, renew, r.o.Lease.Milliseconds()).StringSlice()
	if err != nil {
		return nil, "", fmt.Errorf("read the gateways' leases: %w", err)
	}
	if len(answer)%2 != 1 {
		return nil, "", errors.New("read the gateways' leases: unexpected answer")
	}
	for i := 1; i < len(answer); i += 2 {
		left, err := strconv.ParseInt(answer[i+1], 10, 64)
		if err != nil {
			return nil, "", fmt.Errorf("read the gateways' leases: %w", err)
		}
		v.live[answer[i]] = v.at + left*int64(time.Millisecond)
	}
	r.see(v)
	return v, answer[0], nil
}

// see takes a newer view.
func (r *Registry) see(v *view) {
	for {
		old := r.view.Load()
		if old != nil && old.at >= v.at {
			return
		}
		if r.view.CompareAndSwap(old, v) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for gw := range r.absent {
		if _, back := v.live[gw]; back {
			delete(r.absent, gw)
		}
	}
}

// alive reports whether a gateway's sessions count. It asks Redis only about a gateway it never heard of, or when nobody
// renews the view.
func (r *Registry) alive(ctx context.Context, gw string) bool {
	if gw == r.self {
		return true
	}
	now := r.now()
	v := r.view.Load()
	if v == nil || now-v.at > int64(stale) {
		if v = r.ask(ctx, now); v == nil {
			return true
		}
	}
	if now < r.mild.Load() || now-v.at > int64(stale) {
		return true
	}
	if until, known := v.live[gw]; known {
		return now < until
	}
	r.mu.Lock()
	_, gone := r.absent[gw]
	r.mu.Unlock()
	if gone {
		return false
	}
	v = r.ask(ctx, now)
	if v == nil || v.at < now {
		return true // couldn't be asked: it may well live
	}
	if _, known := v.live[gw]; known {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.absent) >= maxAbsent {
		clear(r.absent)
	}
	r.absent[gw] = struct{}{}
	return false
}

// ask reads the leases on the spot, for everybody who waits at once, and again at the earliest 100 ms after a failure. It
// returns the newest view, nil when there is none.
func (r *Registry) ask(ctx context.Context, since int64) *view {
	select {
	case <-r.fetch:
	case <-ctx.Done():
		return r.view.Load()
	}
	defer func() { r.fetch <- struct{}{} }()
	if v := r.view.Load(); v != nil && v.at >= since {
		return v
	}
	if last := r.asked.Load(); last != 0 && r.now()-last < int64(100*time.Millisecond) {
		return r.view.Load()
	}
	v, _, err := r.leases(ctx, "")
	if err != nil {
		r.asked.Store(r.now())
		return r.view.Load()
	}
	return v
}
