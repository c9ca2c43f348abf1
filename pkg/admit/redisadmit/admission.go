package redisadmit

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/flight"
	"github.com/murre-chat/murre/pkg/admit/window"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	defaultWait    = 10 * time.Second
	defaultTTL     = 24 * time.Hour
	defaultTimeout = time.Second
	sweepEvery     = time.Second
	// maxLog is how many events a rate may allow to be counted in Redis.
	maxLog = 4096
)

// Options of an Admission.
type Options struct {
	// Cluster and Claims, the durable claims, are required. The cluster's owner runs and closes it.
	Cluster *rediscluster.Cluster
	Claims  store.Claims
	// Rates of each limit; a zero Rate (Count 0) is no limit.
	Rates [admit.NumLimits]admit.Rate
	// Wait is how long a Durable request that finds no claim waits while Redis isn't trusted, before it takes a new id: D,
	// in which an attempt ends; default 10 s.
	Wait time.Duration
	// TTL of claims in Redis; default 24 h.
	TTL time.Duration
	// Timeout bounds what an action waits for Redis before it goes on without; default 1 s.
	Timeout time.Duration
	// Trusted says whether what Redis remembers is complete; default the cluster's own word.
	Trusted func() bool
	Now     func() time.Time // default time.Now
	Log     *slog.Logger
}

// Admission implements admit.Admission over Redis and the store's claims.
type Admission struct {
	cluster *rediscluster.Cluster
	claims  store.Claims
	opt     Options
	start   time.Time
	flying  *flight.Table
	local   [admit.NumLimits]*window.Windows
	counts  counts

	admit, allow, put *redis.Script
}

var _ admit.Admission = (*Admission)(nil)

// New makes an Admission; it does no I/O.
func New(o Options) *Admission {
	if o.Wait <= 0 {
		o.Wait = defaultWait
	}
	if o.TTL <= 0 {
		o.TTL = defaultTTL
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Trusted == nil {
		o.Trusted = o.Cluster.Trusted
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Admission{
		cluster: o.Cluster, claims: o.Claims, opt: o, start: o.Now(), flying: flight.New(),
		admit: redis.NewScript(admitScript), allow: redis.NewScript(allowScript), put: redis.NewScript(putScript),
	}
	for l := range a.local {
		if o.Rates[l].Count > 0 && o.Rates[l].Window > 0 {
			a.local[l] = window.New(o.Rates[l])
		}
	}
	return a
}

// shared reports whether a limit is counted in Redis.
func (a *Admission) shared(l admit.Limit) bool {
	return a.local[l] != nil && l != admit.LimitConversation && a.opt.Rates[l].Count <= maxLog
}

// tick is the time that local windows count in: microseconds since New, on the monotonic clock.
func (a *Admission) tick() int64 { return a.opt.Now().Sub(a.start).Microseconds() }

// Admit implements admit.Admission. It waits for Redis at most Options.Timeout, and Options.Wait as that says, both within
// ctx.
func (a *Admission) Admit(ctx context.Context, r admit.Request) (admit.Decision, error) {
	conv := a.local[admit.LimitConversation]
	convKey := admit.Key(r.Claim.Conversation)
	if conv != nil {
		if wait := conv.Take(convKey, a.tick()); wait > 0 {
			a.counts.refused.Add(1)
			return admit.Decision{RetryAfter: wait, Limit: admit.LimitConversation}, nil
		}
	}
	d, err := a.decide(ctx, r)
	switch {
	case err != nil:
		return d, err
	case d.RetryAfter > 0:
		a.counts.refused.Add(1)
		if conv != nil {
			conv.GiveBack(convKey)
		}
	case d.Fresh:
		a.counts.fresh.Add(1)
	default:
		a.counts.held.Add(1)
	}
	return d, nil
}

// Done implements admit.Admission.
func (a *Admission) Done(c store.Claim) { a.flying.Done(flight.KeyOf(c)) }

// Moved implements admit.Admission.
func (a *Admission) Moved(ctx context.Context, c store.Claim) {
	a.flying.Move(c)
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Claim), a.opt.Timeout)
	defer cancel()
	if err := a.cluster.Client().Set(ctx, a.claimKey(c), value(c), a.opt.TTL).Err(); err != nil {
		a.counts.failed.Add(1)
	}
}

// Allow implements admit.Admission: one round trip, or none for a limit that is counted here.
func (a *Admission) Allow(ctx context.Context, l admit.Limit, key [16]byte) (time.Duration, error) {
	w := a.local[l]
	if w == nil {
		return 0, nil
	}
	if a.shared(l) {
		call, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Rate), a.opt.Timeout)
		rate := a.opt.Rates[l]
		ms, err := a.allow.Run(call, a.cluster.Client(), []string{a.rateKey(l, key)}, a.opt.Now().UnixMilli(), rate.Count, milliseconds(rate.Window)).Int64()
		cancel()
		if err == nil {
			return time.Duration(ms) * time.Millisecond, nil
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("redisadmit: allow: %w", ctx.Err())
		}
		a.counts.failed.Add(1)
	}
	return w.Take(key, a.tick()), nil
}

// Run implements admit.Admission: it sweeps one shard of each local window a second.
func (a *Admission) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for _, w := range a.local {
			if w != nil {
				w.Sweep(i%window.Shards, a.tick())
			}
		}
	}
}

// Stats counts since the start.
type Stats struct {
	Fresh   uint64 // claims taken
	Held    uint64 // requests answered with a claim that stood
	Refused uint64 // requests over a rate; those of Allow are counted by its callers
	Failed  uint64 // calls that Redis didn't answer
	Reads   uint64 // claim rows read
	Writes  uint64 // claim rows made by compare-and-set, because Redis wasn't trusted
	Waits   uint64 // Durable requests that waited for an earlier attempt's end
	Flying  int    // claims of messages under way
}

type counts struct{ fresh, held, refused, failed, reads, writes, waits atomic.Uint64 }

// Stats returns the counts so far.
func (a *Admission) Stats() Stats {
	c := &a.counts
	return Stats{
		Fresh: c.fresh.Load(), Held: c.held.Load(), Refused: c.refused.Load(), Failed: c.failed.Load(), Reads: c.reads.Load(),
		Writes: c.writes.Load(), Waits: c.waits.Load(), Flying: a.flying.Len(),
	}
}
