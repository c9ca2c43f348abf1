package rediscluster

import "context"

// Purpose says what a round trip was for.
type Purpose uint8

// The purposes that round trips are counted by.
const (
	Other Purpose = iota
	Claim
	Rate
	Routes
	Publish
	Session
	Presence
	Probe
	Topology
	purposes
)

// String returns the purpose's name for metrics.
func (p Purpose) String() string {
	if p >= purposes {
		return "other"
	}
	return [purposes]string{"other", "claim", "rate", "routes", "publish", "session", "presence", "probe", "topology"}[p]
}

type purposeKey struct{}

// For marks the calls made with the context it returns.
func For(ctx context.Context, p Purpose) context.Context {
	return context.WithValue(ctx, purposeKey{}, p)
}

// ForUnless is For, unless the caller said already what its calls are for.
func ForUnless(ctx context.Context, p Purpose) context.Context {
	if _, said := ctx.Value(purposeKey{}).(Purpose); said {
		return ctx
	}
	return For(ctx, p)
}

func purposeOf(ctx context.Context) Purpose {
	p, _ := ctx.Value(purposeKey{}).(Purpose)
	return p
}

// RoundTrips counts calls since the start by purpose; a pipeline is one, whatever number of nodes it goes to at once.
func (c *Cluster) RoundTrips() map[Purpose]uint64 {
	out := make(map[Purpose]uint64, purposes)
	for p := range purposes {
		out[p] = c.trips[p].Load()
	}
	return out
}

// Sent counts what went to nodes since the start: the round trips, once a node, with redirects and repeats.
func (c *Cluster) Sent() uint64 { return c.sent.Load() }
