package redissession

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

// noteRemoved remembers a removal while a round of registering again runs, which may just have met that connection.
func (r *Registry) noteRemoved(e session.Entry) {
	if e.Gateway != r.o.Self {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.missing[e.Device]; ok && old.Seq <= e.Seq {
		delete(r.missing, e.Device)
	}
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

// owe remembers an entry of ours in owed or missing.
func (r *Registry) owe(in map[chat.DeviceID]session.Entry, e session.Entry) {
	if e.Gateway != r.o.Self {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := in[e.Device]; (ok || len(in) < maxOwed) && old.Seq <= e.Seq {
		in[e.Device] = e
	}
}

// some returns at most a pipeline's worth of what is owed.
func some[K comparable, V any](r *Registry, in map[K]V) map[K]V {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[K]V, min(len(in), pipelined))
	for k, v := range in {
		if len(out) == pipelined {
			break
		}
		out[k] = v
	}
	return out
}

// payOwed repeats what failed, at most one pipeline of each kind.
func (r *Registry) payOwed(ctx context.Context) {
	if part := values(some(r, r.owed)); len(part) > 0 {
		r.removeAll(ctx, part)
	}
	if part := values(some(r, r.missing)); len(part) > 0 {
		r.registerMissing(ctx, part)
	}
	if part := keys(some(r, r.owedFollows)); len(part) > 0 {
		r.followAgain(ctx, part)
	}
}

func values[K comparable, V any](m map[K]V) []V { return slices.Collect(maps.Values(m)) }

func keys[K comparable, V any](m map[K]V) []K { return slices.Collect(maps.Keys(m)) }

// registerMissing registers connections whose registration failed, unless they ended meanwhile.
func (r *Registry) registerMissing(ctx context.Context, part []session.Entry) {
	call, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Session), callTimeout)
	defer cancel()
	cmds := r.o.Redis.Batch(call, r.script.register, registerCalls(r, part))
	var ended []session.Entry
	for i, c := range cmds {
		answer, err := c.StringSlice()
		if err != nil {
			continue
		}
		e := part[i]
		r.mu.Lock()
		now, still := r.missing[e.Device]
		if still && now == e {
			delete(r.missing, e.Device)
		}
		r.mu.Unlock()
		if !still {
			ended = append(ended, e)
			continue
		}
		r.counts.Again.Add(1)
		r.tellReplaced(e, answer)
	}
	if len(ended) > 0 {
		r.removeAll(ctx, ended)
	}
}

// tellReplaced reads the answer to registering a connection again.
func (r *Registry) tellReplaced(e session.Entry, answer []string) {
	if _, newer := r.registered(e, answer); newer != nil && newer.Gateway != r.o.Self && r.o.Replaced != nil {
		r.o.Replaced(e, *newer)
	}
}

func registerCalls(r *Registry, part []session.Entry) []rediscluster.Call {
	calls := make([]rediscluster.Call, len(part))
	for i, e := range part {
		calls[i] = rediscluster.Call{Key: r.userKey(e.User), Args: []any{e.Device.String(), value(e), int(keepFor.Seconds())}}
	}
	return calls
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
			r.owe(r.owed, part[i])
			continue
		}
		r.mu.Lock()
		if e := r.owed[part[i].Device]; e == part[i] {
			delete(r.owed, e.Device)
		}
		r.mu.Unlock()
	}
}
