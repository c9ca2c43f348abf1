package redissession

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

// deadSlot is a user with an entry of a dead gateway.
type deadSlot struct {
	user    chat.UserID
	channel chat.ConversationID
	gateway string
}

// free has an entry of a dead gateway taken out.
func (r *Registry) free(u chat.UserID, gw string) {
	select {
	case r.dead <- deadSlot{user: u, gateway: gw}:
	default:
	}
}

// runFree takes entries of the dead out, and makes up for removals that failed, until ctx ends.
func (r *Registry) runFree(ctx context.Context) {
	retry := time.NewTicker(r.o.Lease / 3)
	defer retry.Stop()
	for {
		var slots []deadSlot
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
			r.payOwed(ctx)
			continue
		case s := <-r.dead:
			slots = append(slots, s)
		}
	more:
		for len(slots) < pipelined {
			select {
			case s := <-r.dead:
				slots = append(slots, s)
			default:
				break more
			}
		}
		call, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Session), callTimeout)
		r.freeAll(call, slots)
		cancel()
	}
}

func (r *Registry) freeAll(ctx context.Context, slots []deadSlot) {
	calls := make([]rediscluster.Call, 0, len(slots))
	pipe := r.client.Pipeline()
	for _, s := range slots {
		if s.user.IsZero() {
			pipe.SRem(ctx, r.channelKey(s.channel), s.gateway)
			continue
		}
		calls = append(calls, rediscluster.Call{Key: r.userKey(s.user), Args: []any{s.gateway}})
	}
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			r.log.Debug("take dead followers out", "error", err)
		}
	}
	if len(calls) == 0 {
		return
	}
	cmds := r.o.Redis.Batch(ctx, r.script.free, calls)
	for _, c := range cmds {
		n, _ := c.Int()
		r.counts.Freed.Add(uint64(max(n, 0)))
	}
	if err := rediscluster.FirstError(cmds); err != nil {
		r.log.Debug("take dead sessions out", "error", err)
	}
}

// noteRemoved remembers a removal while a round of registering again runs, which may just have met that connection.
func (r *Registry) noteRemoved(e session.Entry) {
	if e.Gateway != r.o.Self {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.removed != nil && len(r.removed) < maxNoted {
		r.removed[e.Device] = max(r.removed[e.Device], e.Seq)
	}
}

// wasRemoved reports whether a connection ended since the round began.
func (r *Registry) wasRemoved(e session.Entry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	seq, ok := r.removed[e.Device]
	return ok && seq >= e.Seq
}

func (r *Registry) owe(e session.Entry) {
	if e.Gateway != r.o.Self {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.owed[e.Device]; (ok || len(r.owed) < maxOwed) && old.Seq <= e.Seq {
		r.owed[e.Device] = e
	}
}

// payOwed repeats removals that failed, at most one pipeline of them.
func (r *Registry) payOwed(ctx context.Context) {
	r.mu.Lock()
	part := make([]session.Entry, 0, min(len(r.owed), pipelined))
	for _, e := range r.owed {
		if len(part) == pipelined {
			break
		}
		part = append(part, e)
	}
	r.mu.Unlock()
	if len(part) > 0 {
		r.removeAll(ctx, part)
	}
}

// removeAll removes entries in one round trip and remembers those that couldn't be.
func (r *Registry) removeAll(ctx context.Context, part []session.Entry) {
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Session), callTimeout)
	defer cancel()
	calls := make([]rediscluster.Call, len(part))
	for i, e := range part {
		calls[i] = rediscluster.Call{Key: r.userKey(e.User), Args: []any{e.Device.String(), value(e)}}
	}
	cmds := r.o.Redis.Batch(ctx, r.script.remove, calls)
	for i, c := range cmds {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			r.owe(part[i])
			continue
		}
		r.mu.Lock()
		if e := r.owed[part[i].Device]; e == part[i] {
			delete(r.owed, e.Device)
		}
		r.mu.Unlock()
	}
}
