package redissession

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

// Follow implements session.Registry. What fails for Self is made up for by Run.
func (r *Registry) Follow(ctx context.Context, g session.GatewayID, channel chat.ConversationID, on bool) error {
	ctx = rediscluster.For(ctx, rediscluster.Session)
	if g == r.o.Self {
		r.mu.Lock()
		if on {
			r.follows[channel] = struct{}{}
		} else {
			delete(r.follows, channel)
		}
		r.mu.Unlock()
	}
	key := r.channelKey(channel)
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		follow(ctx, p, key, encode(g), on)
		return nil
	})
	if err != nil {
		if g == r.o.Self {
			r.mu.Lock()
			r.oweFollow(channel)
			r.mu.Unlock()
		}
		return fmt.Errorf("follow a channel: %w", err)
	}
	return nil
}

func follow(ctx context.Context, p redis.Pipeliner, key, gw string, on bool) {
	if !on {
		p.SRem(ctx, key, gw)
		return
	}
	p.SAdd(ctx, key, gw)
	p.Expire(ctx, key, keepFor)
}

// oweFollow remembers a channel whose following in Redis may not be ours; mu is held.
func (r *Registry) oweFollow(ch chat.ConversationID) {
	if len(r.owedFollows) < maxOwed {
		r.owedFollows[ch] = struct{}{}
	}
}

// Followers implements session.Registry.
func (r *Registry) Followers(ctx context.Context, self session.GatewayID, channel chat.ConversationID) ([]session.GatewayID, error) {
	ctx = rediscluster.For(ctx, rediscluster.Routes)
	all, err := r.client.SMembers(ctx, r.channelKey(channel)).Result()
	if err != nil {
		return nil, fmt.Errorf("look up a channel's followers: %w", err)
	}
	var out []session.GatewayID
	for _, gw := range all {
		g, ok := decode(gw)
		if !ok || g == self {
			continue
		}
		if !r.alive(ctx, gw) {
			select {
			case r.dead <- deadSlot{channel: channel, gateway: gw}:
			default:
			}
			continue
		}
		out = append(out, g)
	}
	return out, nil
}
