package doctor

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// gatewaysKey holds the gateways' leases: a member each, its start in 16 hex digits and its name, scored by when it ends.
const gatewaysKey = "gateways"

// redisServers asks every node that --redis names, and every node that those know of.
func redisServers(ctx context.Context, o *Options, r *Report) {
	redis.SetLogger(unheard{}) // the driver has one for the process, which is standard error; what it says is in the errors
	var nodes []redisNode
	var gateways []gateway
	queue := slices.Clone(o.Redis.Addrs)
	for i := range queue {
		queue[i] = resolved(ctx, queue[i])
	}
	for i := 0; i < len(queue); i++ { // it grows while we walk
		if slices.Contains(queue[:i], queue[i]) {
			continue
		}
		n := redisNode{addr: queue[i]}
		c := redis.NewClient(&redis.Options{
			Addr: n.addr, Username: o.Redis.Username, Password: o.Redis.Password, TLSConfig: o.Redis.TLS,
			DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, ContextTimeoutEnabled: true, MaxRetries: -1,
			PoolSize: 1, Protocol: 2, DisableIdentity: true, DialerRetries: 1,
		})
		q := redisAsker{c: c, timeout: o.Timeout}
		n.err = brief(q.node(ctx, &n))
		if n.err == nil && n.clustered {
			queue = append(queue, q.peers(ctx)...)
			if gateways == nil {
				gateways = q.gateways(ctx)
			}
		}
		_ = c.Close() // it was only read from
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b redisNode) int { return strings.Compare(a.addr, b.addr) })
	judgeRedis(r, nodes, gateways, o.Name)
}

type unheard struct{}

func (unheard) Printf(context.Context, string, ...any) {}

// redisAsker asks one node.
type redisAsker struct {
	c       *redis.Client
	timeout time.Duration
}

func (q *redisAsker) node(ctx context.Context, n *redisNode) error {
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	text, err := q.c.Info(ctx).Result()
	if err != nil {
		return err
	}
	n.info = fields(text)
	n.version = n.info["redis_version"]
	n.clustered = n.info["cluster_enabled"] == "1"
	n.master = n.info["role"] == "master"
	n.replicas, _ = strconv.Atoi(n.info["connected_slaves"])
	if n.clustered {
		if text, err = q.c.ClusterInfo(ctx).Result(); err != nil {
			return err
		}
		about := fields(text)
		n.state = about["cluster_state"]
		n.covered, _ = strconv.Atoi(about["cluster_slots_assigned"])
	}
	for _, name := range []string{"maxmemory", "maxmemory-policy", "cluster-allow-pubsubshard-when-down", "appendonly", "save"} {
		got, err := q.c.ConfigGet(ctx, name).Result()
		if err != nil {
			n.config = nil // a managed Redis forbids it
			break
		}
		if n.config == nil {
			n.config = map[string]string{}
		}
		n.config[name] = got[name]
	}
	for range 3 {
		began := time.Now()
		now, err := q.c.Time(ctx).Result()
		if err != nil {
			return err
		}
		if took := time.Since(began); n.roundTrip == 0 || took < n.roundTrip {
			n.roundTrip, n.offset = took, now.Sub(began.Add(took/2))
		}
	}
	return nil
}

// peers are the addresses of the cluster's nodes.
func (q *redisAsker) peers(ctx context.Context) (out []string) {
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	text, err := q.c.ClusterNodes(ctx).Result()
	if err != nil {
		return nil
	}
	for line := range strings.Lines(text) { // id ip:port@bus[,host] flags …
		f := strings.Fields(line)
		if len(f) < 3 || strings.Contains(f[2], "noaddr") {
			continue
		}
		addr, _, _ := strings.Cut(f[1], "@")
		if host, _, err := net.SplitHostPort(addr); err == nil && host != "" {
			out = append(out, addr)
		}
	}
	return out
}

// gateways reads the leases, from the node that has them.
func (q *redisAsker) gateways(ctx context.Context) []gateway {
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	c := q.c
	rows, err := c.ZRangeWithScores(ctx, gatewaysKey, 0, -1).Result()
	if to, moved := movedTo(err); moved {
		o := *q.c.Options()
		o.Addr = to
		c = redis.NewClient(&o)
		defer func() { _ = c.Close() }()
		rows, err = c.ZRangeWithScores(ctx, gatewaysKey, 0, -1).Result()
	}
	if err != nil {
		return nil
	}
	now, err := c.Time(ctx).Result() // the leases end by Redis's clock
	if err != nil {
		return nil
	}
	out := []gateway{}
	for _, z := range rows {
		if m, ok := z.Member.(string); ok && len(m) > 16 {
			out = append(out, gateway{epoch: m[:16], name: m[16:], left: time.UnixMilli(int64(z.Score)).Sub(now)})
		}
	}
	return out
}

func movedTo(err error) (addr string, moved bool) {
	var e redis.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), "MOVED ") {
		return "", false
	}
	f := strings.Fields(e.Error())
	return f[len(f)-1], len(f) == 3
}

// fields reads lines of name:value.
func fields(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[k] = v
		}
	}
	return out
}
