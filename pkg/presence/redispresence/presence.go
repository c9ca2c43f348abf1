package redispresence

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/presence/roster"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	maxQueue      = 8192
	pipelined     = 1000
	maxPerWatched = 1024
	callTimeout   = time.Second
)

// Options of a Presence.
type Options struct {
	Redis    *rediscluster.Cluster
	Sessions session.Registry // who is connected elsewhere
	Self     session.GatewayID
	Users    store.Users // where last seen times are kept
	Log      *slog.Logger
}

// Presence implements presence.Presence for one gateway.
type Presence struct {
	*roster.Roster
	interests *interests
}

var _ presence.Presence = (*Presence)(nil)

// New makes a Presence.
func New(o Options) *Presence {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	in := &interests{
		redis: o.Redis, log: o.Log, local: roster.NewMemory(nil), queue: make(chan asking, maxQueue),
		watch: redis.NewScript(watchScript), read: redis.NewScript(readScript),
	}
	return &Presence{
		Roster: roster.New(roster.Options{
			Users: o.Users, Interests: in, Log: o.Log,
			Elsewhere: func(ctx context.Context, users []chat.UserID) ([]bool, error) { return elsewhere(ctx, o, users) },
		}),
		interests: in,
	}
}

// Dropped counts askings that found the queue full.
func (p *Presence) Dropped() uint64 { return p.interests.dropped.Load() }

// elsewhere asks the registry for connections to other gateways.
func elsewhere(ctx context.Context, o Options, users []chat.UserID) ([]bool, error) {
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Presence), callTimeout)
	defer cancel()
	routes, err := o.Sessions.Routes(ctx, o.Self, users)
	if err != nil {
		return nil, fmt.Errorf("ask who is connected elsewhere: %w", err)
	}
	on := make(map[chat.UserID]bool)
	for _, r := range routes {
		for _, u := range r.Users {
			on[u] = true
		}
	}
	out := make([]bool, len(users))
	for i, u := range users {
		out[i] = on[u]
	}
	return out, nil
}

// asking is one call of Watch.
type asking struct {
	watcher chat.UserID
	users   []chat.UserID
}

// interests keeps who wants to hear of whom in Redis, and of this gateway's watchers in memory too.
type interests struct {
	redis   *rediscluster.Cluster
	log     *slog.Logger
	local   *roster.Memory
	queue   chan asking
	dropped atomic.Uint64
	watch   *redis.Script
	read    *redis.Script
}

// watchScript: KEYS: user. ARGV: watcher, how long in ms, how many a user may have.
const watchScript = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

// readScript: KEYS: user. Returns who wants to hear of them now.
const readScript = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')`

func (in *interests) key(u chat.UserID) string {
	return in.redis.Prefix() + "watch:{" + u.String() + "}"
}

// Watch implements roster.Interests. What was asked a moment ago isn't written again.
func (in *interests) Watch(watcher chat.UserID, users []chat.UserID) {
	users = in.local.Add(watcher, users)
	if len(users) == 0 {
		return
	}
	select {
	case in.queue <- asking{watcher, users}:
	default:
		in.dropped.Add(1)
	}
}

// Watchers implements roster.Interests.
func (in *interests) Watchers(ctx context.Context, users []chat.UserID) [][]chat.UserID {
	out := in.local.Watchers(ctx, users)
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Presence), callTimeout)
	defer cancel()
	calls := make([]rediscluster.Call, len(users))
	for i, u := range users {
		calls[i] = rediscluster.Call{Key: in.key(u)}
	}
	cmds := in.redis.Batch(ctx, in.read, calls)
	for i, c := range cmds {
		members, err := c.StringSlice()
		if err != nil {
			continue // then only those here hear of it
		}
		known := make(map[chat.UserID]struct{}, len(out[i]))
		for _, w := range out[i] {
			known[w] = struct{}{}
		}
		for _, m := range members {
			if len(m) != len(chat.UserID{}) {
				continue
			}
			w := chat.UserID([]byte(m))
			if _, twice := known[w]; !twice {
				out[i] = append(out[i], w)
			}
		}
	}
	if err := rediscluster.FirstError(cmds); err != nil {
		in.log.Debug("read who wants to hear of users", "error", err)
	}
	return out
}

// Run implements roster.Interests.
func (in *interests) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.local.Run(ctx)
	}()
	defer func() { <-done }()
	for {
		var calls []rediscluster.Call
		select {
		case <-ctx.Done():
			return
		case a := <-in.queue:
			calls = in.append(calls, a)
		}
	more:
		for len(calls) < pipelined {
			select {
			case a := <-in.queue:
				calls = in.append(calls, a)
			default:
				break more
			}
		}
		for part := range slices.Chunk(calls, pipelined) {
			in.write(ctx, part)
		}
	}
}

func (in *interests) append(calls []rediscluster.Call, a asking) []rediscluster.Call {
	for _, u := range a.users {
		calls = append(calls, rediscluster.Call{Key: in.key(u), Args: []any{a.watcher[:], presence.InterestFor.Milliseconds(), maxPerWatched}})
	}
	return calls
}

func (in *interests) write(ctx context.Context, calls []rediscluster.Call) {
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Presence), callTimeout)
	defer cancel()
	if err := rediscluster.FirstError(in.redis.Batch(ctx, in.watch, calls)); err != nil {
		in.log.Debug("write who wants to hear of users", "error", err)
	}
}
