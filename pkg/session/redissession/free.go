package redissession

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
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

// runFree takes entries of the dead out, and makes up for what failed, until ctx ends.
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
