package rediscluster

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Call is one run of a script in a Batch.
type Call struct {
	Key  string
	Args []any
}

// Batch runs one script many times in one round trip, or two when a node doesn't know the script yet. Every command that it
// returns has an error of its own.
func (c *Cluster) Batch(ctx context.Context, s *redis.Script, calls []Call) []*redis.Cmd {
	pipe := c.client.Pipeline()
	cmds := make([]*redis.Cmd, len(calls))
	for i, call := range calls {
		cmds[i] = pipe.EvalSha(ctx, s.Hash(), []string{call.Key}, call.Args...)
	}
	_, _ = pipe.Exec(ctx)
	var unknown []int
	for i, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) == 0 {
		return cmds
	}
	pipe = c.client.Pipeline()
	for _, i := range unknown {
		cmds[i] = s.Eval(ctx, pipe, []string{calls[i].Key}, calls[i].Args...)
	}
	_, _ = pipe.Exec(ctx)
	return cmds
}

// FirstError returns the first error of a batch; a nil answer is none.
func FirstError(cmds []*redis.Cmd) error {
	for _, c := range cmds {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}
