package redissession

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	callTimeout = 2 * time.Second
	fastBatch   = 500
	fastPause   = 50 * time.Millisecond // 10,000 a second
	fastJitter  = 2 * time.Second       // gateways don't all begin at once
	slowBatch   = 100
	slowRound   = 8 * time.Minute // for everybody, and a pause of up to a minute before it
	slowPause   = time.Minute
	minPause    = 20 * time.Millisecond
)

// Run implements session.Registry: it holds the lease of Self, registers again what may be lost and takes out what is dead.
// When ctx ends it gives up the lease: whatever is still registered stops counting at once.
func (r *Registry) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { r.runAgain(ctx) })
	wg.Go(func() { r.runFree(ctx) })
	r.runLease(ctx)
	wg.Wait()
	last, cancel := context.WithTimeout(rediscluster.For(context.WithoutCancel(ctx), rediscluster.Session), callTimeout)
	defer cancel()
	if err := r.client.ZRem(last, r.prefix+"gateways", r.self).Err(); err != nil {
		r.log.Warn("give up the session lease; it ends by itself", "error", err)
	}
	return nil
}

func (r *Registry) runLease(ctx context.Context) {
	every := r.o.Lease / 6
	tick := time.NewTicker(every)
	defer tick.Stop()
	var renewed int64 // when the lease was last renewed; 0: never
	failing := false
	for {
		call, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Session), min(callTimeout, every))
		began := r.now()
		v, was, err := r.leases(call, r.self)
		cancel()
		switch {
		case err != nil:
			if !failing && ctx.Err() == nil {
				r.log.Warn("renew the session lease", "error", err)
			}
			failing = true
		default:
			if was != "live" && renewed != 0 {
				r.counts.LeaseNil.Add(1)
				if was == "gone" && time.Duration(began-renewed) < r.o.Lease { // it hadn't run out: Redis lost it
					r.o.Redis.Suspect("the session lease is gone")
				}
				r.onChange("the session lease was " + was) // others may have taken our entries out
			}
			renewed, failing = max(began, 1), false
			r.conflicts(v)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// conflicts tells of gateways that started under our name after us.
func (r *Registry) conflicts(v *view) {
	for gw := range v.live {
		g, ok := decode(gw)
		if !ok || g.Name != r.o.Self.Name || g.Epoch <= r.o.Self.Epoch {
			continue
		}
		r.mu.Lock()
		_, told := r.warned[gw]
		if len(r.warned) < maxAbsent {
			r.warned[gw] = struct{}{}
		}
		r.mu.Unlock()
		if told {
			continue
		}
		r.log.Error("another gateway was started under our name", "name", g.Name, "epoch", g.Epoch)
		if r.o.Conflict != nil {
			r.o.Conflict(g)
		}
	}
}

// runAgain registers the local connections and followed channels again: fast after a change, slowly always.
func (r *Registry) runAgain(ctx context.Context) {
	wait := time.Duration(rand.Int64N(int64(slowPause))) + slowPause
	var before int // connections met in the last slow round
	for {
		select {
		case <-ctx.Done():
			return
		case reason := <-r.changed:
			r.fast(ctx, reason)
			continue
		case <-time.After(wait):
		}
		wait = slowPause
		pause := slowPause / 4
		if before > 0 {
			pause = min(pause, slowRound/time.Duration(before/slowBatch+1))
		}
		n, reason := r.again(ctx, slowBatch, max(pause, minPause))
		if reason != "" {
			r.fast(ctx, reason)
			continue
		}
		before = n
	}
}

// fast registers everything again now. A change meanwhile begins it anew.
func (r *Registry) fast(ctx context.Context, reason string) {
	for reason != "" {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(rand.Int64N(int64(fastJitter)))):
		}
		began := time.Now()
		var n int
		n, reason = r.again(ctx, fastBatch, fastPause)
		r.log.Info("registered connections again", "connections", n, "took", time.Since(began))
	}
}

// again goes once over everything, pausing after each batch. It ends early, and says why, when the cluster changes.
func (r *Registry) again(ctx context.Context, size int, pause time.Duration) (n int, reason string) {
	r.mu.Lock()
	channels := slices.Collect(maps.Keys(r.follows))
	r.mu.Unlock()
	for part := range slices.Chunk(channels, size) {
		r.followAgain(ctx, part)
		if stop, why := r.rest(ctx, pause); stop {
			return n, why
		}
	}
	local := r.local.Load()
	if local == nil {
		return n, ""
	}
	r.noteRemovals(true)
	defer r.noteRemovals(false)
	part := make([]session.Entry, 0, size)
	stopped := false
	(*local)(func(e session.Entry) bool {
		if part = append(part, e); len(part) < size {
			return true
		}
		n += len(part)
		r.registerAgain(ctx, part)
		part = part[:0]
		if stopped, reason = r.rest(ctx, pause); !stopped && r.overflowed() {
			stopped, reason = true, "too many connections ended meanwhile"
		}
		return !stopped
	})
	if !stopped && len(part) > 0 {
		n += len(part)
		r.registerAgain(ctx, part)
	}
	return n, reason
}

// rest waits between batches.
func (r *Registry) rest(ctx context.Context, pause time.Duration) (stop bool, reason string) {
	select {
	case <-ctx.Done():
		return true, ""
	case reason = <-r.changed:
		return true, reason
	case <-time.After(pause):
		return false, ""
	}
}

// noteRemovals begins or ends the noting of removals.
func (r *Registry) noteRemovals(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed = nil
	if on {
		r.removed = make(map[chat.DeviceID]int64)
	}
}

func (r *Registry) overflowed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.removed) >= maxNoted
}

// registerAgain registers a batch. What ended since it was met, or ends while it is written, is not left behind.
func (r *Registry) registerAgain(ctx context.Context, part []session.Entry) {
	part = slices.DeleteFunc(part, r.wasRemoved)
	if len(part) == 0 {
		return
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Session), callTimeout)
	defer cancel()
	cmds := r.o.Redis.Batch(ctx, r.script.register, registerCalls(r, part))
	if err := rediscluster.FirstError(cmds); err != nil {
		r.log.Debug("register connections again", "error", err)
	}
	for i, c := range cmds {
		answer, err := c.StringSlice()
		if err != nil {
			r.owe(r.missing, part[i])
			continue
		}
		r.counts.Again.Add(1)
		r.tellReplaced(part[i], answer)
	}
	if ended := slices.DeleteFunc(part, func(e session.Entry) bool { return !r.wasRemoved(e) }); len(ended) > 0 {
		r.removeAll(whole, ended)
	}
}

func (r *Registry) followAgain(ctx context.Context, part []chat.ConversationID) {
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Session), callTimeout)
	defer cancel()
	r.mu.Lock()
	on := make([]bool, len(part))
	for i, ch := range part {
		_, on[i] = r.follows[ch]
		delete(r.owedFollows, ch) // from here on a failing Follow owes it anew
	}
	r.mu.Unlock()
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, ch := range part {
			follow(ctx, p, r.channelKey(ch), r.self, on[i])
		}
		return nil
	})
	if err != nil {
		r.log.Debug("follow channels again", "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, ch := range part {
		if _, now := r.follows[ch]; err != nil || now != on[i] { // changed meanwhile: the order of writing is not known
			r.oweFollow(ch)
		}
	}
}
