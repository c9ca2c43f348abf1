package rediscluster

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/breaker"
)

// newNode makes the client of one node with its breaker.
func (c *Cluster) newNode(o *redis.Options) *redis.Client {
	n := redis.NewClient(o)
	n.AddHook(nodeHook{c: c, b: c.breaker(o.Addr)})
	return n
}

func (c *Cluster) breaker(addr string) *breaker.Breaker {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.breakers[addr]
	if b == nil {
		b = breaker.New(breaker.Options{Name: "redis " + addr, Failure: nodeFailed, Log: c.log})
		c.breakers[addr] = b
	}
	return b
}

// forget drops the breakers of nodes that hold no slots when there are too many.
func (c *Cluster) forget(masters map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.breakers) <= maxNodes {
		return
	}
	for addr := range c.breakers {
		if _, ok := masters[addr]; !ok {
			delete(c.breakers, addr)
		}
	}
}

// nodeFailed: only connections that can't be made, break or stay silent count. Any answer shows that the node lives, and a
// full pool says nothing of the node.
func nodeFailed(err error) bool {
	var answer redis.Error
	if errors.As(err, &answer) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrClosed) {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

// nodeHook stands before each node.
type nodeHook struct {
	c *Cluster
	b *breaker.Breaker
}

func (h nodeHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h nodeHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if purposeOf(ctx) == Topology && cmd.Name() == "info" {
			return h.look(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
		}
		return h.guard(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

func (h nodeHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h.guard(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

// insideKey marks calls made on behalf of another that passed already: the driver sends a new connection's first commands
// through the same hooks. They must not ask again, or the one trial of a half-open breaker would refuse itself.
type insideKey struct{}

func (h nodeHook) guard(ctx context.Context, f func(context.Context) error) error {
	if ctx.Value(insideKey{}) != nil {
		return f(ctx)
	}
	if err := ctx.Err(); err != nil { // its caller's time is up: that says nothing of the node
		return err
	}
	h.c.sent.Add(1)
	ctx = context.WithValue(ctx, insideKey{}, true)
	err := h.b.Do(func() error { return f(ctx) })
	if err != nil && (errors.Is(err, breaker.ErrOpen) || nodeFailed(err)) {
		h.c.reloadSoon(ctx)
	}
	return err
}

// look asks a node even while its breaker is open, and closes it when the node answers: nobody need wait out the reset
// once the node is known to be back.
func (h nodeHook) look(ctx context.Context, f func(context.Context) error) error {
	h.c.sent.Add(1)
	ctx = context.WithValue(ctx, insideKey{}, true)
	err := h.b.Do(func() error { return f(ctx) })
	if !errors.Is(err, breaker.ErrOpen) {
		return err
	}
	if err = f(ctx); err == nil {
		h.b.Restore()
	}
	return err
}

// clusterHook counts, and gives a deadline to calls that have none.
type clusterHook struct{ c *Cluster }

func (h clusterHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h clusterHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, cancel := h.begin(ctx)
		defer cancel()
		return next(ctx, cmd)
	}
}

func (h clusterHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, cancel := h.begin(ctx)
		defer cancel()
		return next(ctx, cmds)
	}
}

func (h clusterHook) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	h.c.trips[purposeOf(ctx)].Add(1)
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, 3*h.c.opt.Timeout)
}
