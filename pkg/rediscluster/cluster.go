package rediscluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/murre-chat/murre/pkg/breaker"
)

const (
	defaultTimeout = time.Second
	defaultPoll    = 2 * time.Second
	defaultSettle  = time.Minute
	defaultPool    = 32
	bufferSize     = 16 << 10
	maxNodes       = 256 // breakers kept; beyond it those of nodes that are no masters are forgotten
)

// Options of a Cluster.
type Options struct {
	Addrs    []string // host:port of some nodes; the rest is found
	Username string
	Password string
	TLS      *tls.Config
	// Timeout bounds a dial, a read and a write each; default and at most 1 s. A call whose context has no deadline gets
	// three times it.
	Timeout  time.Duration
	PoolSize int           // connections a node; default 32
	Poll     time.Duration // between looks at the topology; default 2 s
	Settle   time.Duration // how long Redis isn't trusted after data may have been lost; default 1 min
	Prefix   string        // before every key and channel of ours; default none. Tests that share a cluster keep apart by it.
	Log      *slog.Logger
}

// Cluster is the connection to one Redis Cluster. It is safe for concurrent use.
type Cluster struct {
	opt    Options
	log    *slog.Logger
	client *redis.ClusterClient
	trips  [purposes]atomic.Uint64
	sent   atomic.Uint64

	mu       sync.Mutex
	breakers map[string]*breaker.Breaker // by address

	// What Trusted reads. Times are nanoseconds since start, so that no step of the wall clock matters.
	start    time.Time
	okUntil  atomic.Int64 // the last successful poll counts until then
	distrust atomic.Int64 // until then
	masters  atomic.Pointer[[]string]
	onMaster atomic.Pointer[[]*breaker.Breaker]
	reloaded atomic.Int64 // when the slot map was last asked for because of a failure

	suspects  chan string
	listeners []func(reason string) // set before Run
	watch     watch                 // Run's
}

// Open makes a Cluster without any I/O. It fails when there is no address.
func Open(o Options) (*Cluster, error) {
	if len(o.Addrs) == 0 {
		return nil, errors.New("redis cluster: no addresses")
	}
	if o.Timeout <= 0 || o.Timeout > defaultTimeout {
		o.Timeout = defaultTimeout
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Settle <= 0 {
		o.Settle = defaultSettle
	}
	if o.PoolSize <= 0 {
		o.PoolSize = defaultPool
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cluster{
		opt: o, log: o.Log, start: time.Now(), breakers: make(map[string]*breaker.Breaker), suspects: make(chan string, 1),
		watch: watch{keys: canaries(o.Prefix)},
	}
	c.masters.Store(&[]string{})
	c.onMaster.Store(&[]*breaker.Breaker{})
	redis.SetLogger(driverLog{o.Log}) // the driver has one for the process, which is standard error
	c.client = redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: slices.Clone(o.Addrs), Username: o.Username, Password: o.Password, TLSConfig: o.TLS,
		NewClient: c.newNode,
		// A redirect or two, and one more try: with the timeout above a call ends while its caller still waits.
		MaxRedirects: 3, MaxRetries: -1, MinRetryBackoff: 8 * time.Millisecond, MaxRetryBackoff: 100 * time.Millisecond,
		DialTimeout: o.Timeout, DialerRetries: 1, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout,
		ContextTimeoutEnabled: true,
		PoolSize:              o.PoolSize, PoolTimeout: o.Timeout, ConnMaxIdleTime: 5 * time.Minute,
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		// RESP2: nothing here needs pushed frames, and looking for them costs a system call a command.
		Protocol:                 2,
		DisableIdentity:          true, // saves a round trip a connection
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		// One command is one round trip to one node; the driver's own splitting of commands over shards isn't used.
		DisableRoutingPolicies:     true,
		ClusterStateReloadInterval: 10 * time.Second, // Run reloads far more often; this is for programs without Run
	})
	c.client.AddHook(clusterHook{c})
	return c, nil
}

// driverLog takes what the driver has to say, such as each failed dial: what matters of it is counted or told of elsewhere.
type driverLog struct{ log *slog.Logger }

func (l driverLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.Log(ctx, slog.LevelDebug, "redis driver", "says", fmt.Sprintf(format, v...))
	}
}

// Client is the driver's client: its calls pass the breakers and are counted. An open breaker shows as breaker.ErrOpen.
func (c *Cluster) Client() *redis.ClusterClient { return c.client }

// Prefix stands before every key and channel name.
func (c *Cluster) Prefix() string { return c.opt.Prefix }

// OnChange adds a listener that is told, in a few words for the log, when data may have been lost or Redis came back. It is
// called by Run's goroutine and must not block. Call OnChange before Run.
func (c *Cluster) OnChange(f func(reason string)) { c.listeners = append(c.listeners, f) }

// Trusted reports whether what was written to Redis can be expected to be there: the last look at the cluster succeeded
// and is fresh, no master's breaker is open, and no data was lost within the last minute (Options.Settle).
func (c *Cluster) Trusted() bool {
	now := int64(time.Since(c.start))
	if now < c.distrust.Load() || !c.Up() {
		return false
	}
	return true
}

// Up reports whether the last look at the cluster succeeded, is fresh, and no master's breaker is open.
func (c *Cluster) Up() bool {
	if int64(time.Since(c.start)) >= c.okUntil.Load() {
		return false
	}
	for _, b := range *c.onMaster.Load() {
		if b.State() != breaker.Closed {
			return false
		}
	}
	return true
}

// Suspect tells that an engine found data gone that nobody had removed: Redis isn't trusted for a while and the listeners
// are told. It never blocks.
func (c *Cluster) Suspect(reason string) {
	c.distrustFor(c.opt.Settle)
	select {
	case c.suspects <- reason:
	default: // one is on its way already
	}
}

func (c *Cluster) distrustFor(d time.Duration) {
	until := int64(time.Since(c.start) + d)
	for {
		old := c.distrust.Load()
		if old >= until || c.distrust.CompareAndSwap(old, until) {
			return
		}
	}
}

// Time asks a node of the cluster for its clock.
func (c *Cluster) Time(ctx context.Context) (time.Time, error) {
	t, err := c.client.Time(For(ctx, Topology)).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("ask redis for its time: %w", err)
	}
	return t, nil
}

// Node is what is known of one node.
type Node struct {
	Addr    string
	Master  bool // holds slots, as of the last look
	Breaker breaker.State
	Trips   uint64 // how often the breaker opened
}

// Nodes returns the nodes met so far, by address.
func (c *Cluster) Nodes() []Node {
	masters := *c.masters.Load()
	c.mu.Lock()
	out := make([]Node, 0, len(c.breakers))
	for addr, b := range c.breakers {
		out = append(out, Node{Addr: addr, Master: slices.Contains(masters, addr), Breaker: b.State(), Trips: b.Trips()})
	}
	c.mu.Unlock()
	slices.SortFunc(out, func(a, b Node) int { return strings.Compare(a.Addr, b.Addr) })
	return out
}

// Close closes all connections; call it after Run returned.
func (c *Cluster) Close() error {
	if err := c.client.Close(); err != nil {
		return fmt.Errorf("close redis cluster: %w", err)
	}
	return nil
}
