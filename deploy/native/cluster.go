package native

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what a cluster consists of. What is left out isn't started.
type Options struct {
	Dir    string // for data, logs and pid files; made when missing
	Subnet string // three numbers of an address, such as 127.0.20, which no other cluster may have; "": a free one

	Cassandra []Node // 127.0.20.1 …
	Redis     bool   // six nodes, 127.0.20.11 … 16; the first three begin as masters
	RedisMB   int    // the most that each of them keeps, MiB; 0: 256, enough for some hundred thousand users
	S3        S3     // 127.0.20.21; one bucket, Bucket, is there when gateways are

	Binary      string   // bin/murre; needed for what follows
	RF          int      // replicas a datacenter that `murre migrate` is told; 0: as many as nodes, at most 3
	Gateways    int      // 127.0.20.31 …, without the balancer's address; rate limits off; at most 223
	GatewayArgs []string // added to `murre serve` of every gateway
	GatewayEnv  []string // NAME=value, added to every gateway's environment
	HAProxy     bool     // 127.0.20.41, before the gateways

	Log *slog.Logger // nil: silent
}

// Default is the cluster of `make cluster`: docker-compose.yml's, without what only watches.
func Default(dir, binary string) Options {
	return Options{
		Dir: dir, Subnet: "127.0.20", Cassandra: make([]Node, 1), Redis: true, S3: MinIO,
		Binary: binary, Gateways: 3, HAProxy: true,
	}
}

// Roles counts what the options start, by role; migrate is the job that makes the schema.
func (o Options) Roles() map[string]int {
	count := map[string]int{"store": len(o.Cassandra), "gateway": o.Gateways}
	if o.Redis {
		count["redis"] = redisNodes
	}
	if o.S3 != NoS3 {
		count["s3"] = 1
	}
	if o.HAProxy {
		count["haproxy"] = 1
	}
	if len(o.Cassandra) > 0 && o.Gateways > 0 {
		count["migrate"] = 1
	}
	return count
}

// Cluster is a set of running servers. Its methods may be called at once from many goroutines, but not two for one member.
type Cluster struct {
	dir, subnet string
	log         *slog.Logger
	nodes       []Node
	s3          S3
	binary      string // "": no gateways
	gatewayEnv  []string

	mu      sync.Mutex
	members []*member // in the order they start
}

// member is a process that has a name and an address.
type member struct {
	*process
	addr string
}

// Where members live in their subnet.
const (
	redisFirst   = 11
	objectsAt    = 21
	gatewayFirst = 31
	balancerAt   = 41
)

// startedAtOnce is how many gateways start together: many on few cores would all be late.
const startedAtOnce = 8

// Up starts a cluster and returns once all of it serves. Members that already run in the same folder are kept; processes
// that an earlier cluster left in the folder and that don't belong to this one are ended. On an error nothing is ended:
// look at the logs, then call Down on the folder.
func Up(ctx context.Context, opt Options) (*Cluster, error) {
	c, err := plan(ctx, opt)
	if err != nil {
		return nil, err
	}
	unlock, err := Lock(filepath.Join(c.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := c.endStrangers(ctx); err != nil {
		return nil, err
	}
	if err := c.startAll(ctx, opt.RF); err != nil {
		return nil, fmt.Errorf("cluster up: %w", err)
	}
	return c, nil
}

// startAll starts the servers, then makes the schema, then starts the gateways, then the balancer.
func (c *Cluster) startAll(ctx context.Context, replicas int) error {
	if err := c.startServers(ctx); err != nil {
		return err
	}
	if err := c.migrate(ctx, replicas); err != nil {
		return err
	}
	for _, prefix := range []string{"gateway-", balancer} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(startedAtOnce)
		for _, m := range c.kind(prefix) {
			g.Go(func() error { return c.startAndWait(ctx, m) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// plan is a cluster whose processes are described but not started.
func plan(ctx context.Context, opt Options) (*Cluster, error) {
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	subnet, err := opt.subnet(dir)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	c := &Cluster{dir: dir, subnet: subnet, log: cmp.Or(opt.Log, slog.New(slog.NewTextHandler(io.Discard, nil))), nodes: opt.Cassandra, s3: opt.S3}
	if err := c.planServers(ctx, opt); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if err := c.planGateways(opt); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return c, nil
}

func (c *Cluster) planServers(ctx context.Context, opt Options) error {
	if len(opt.Cassandra) > 0 {
		jars, err := cassandraJars(ctx)
		if err != nil {
			return err
		}
		for i, node := range opt.Cassandra {
			p, err := cassandraNode(c.dir, jars, c.subnet, i+1, len(opt.Cassandra), node)
			if err != nil {
				return err
			}
			c.add(p, i+1, CQLPort)
		}
	}
	if opt.Redis {
		for i := range redisNodes {
			p, err := redisNode(c.dir, fmt.Sprintf("redis-%d", i+1), c.ip(redisFirst+i), cmp.Or(opt.RedisMB, 256))
			if err != nil {
				return err
			}
			c.add(p, redisFirst+i, RedisPort)
		}
	}
	if opt.S3 != NoS3 {
		p, err := objectServer(ctx, c.dir, "s3", c.ip(objectsAt), opt.S3)
		if err != nil {
			return err
		}
		c.add(p, objectsAt, S3Port)
	}
	return nil
}

// startServers starts everything and waits for it: all at once, but the first Cassandra node before the others, which ask
// it for the ring.
func (c *Cluster) startServers(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.startRing(ctx) })
	g.Go(func() error { return c.startRedis(ctx) })
	for _, m := range c.kind("s3") {
		g.Go(func() error { return c.startAndWait(ctx, m) })
	}
	return g.Wait()
}

func (c *Cluster) startRing(ctx context.Context) error {
	ring := c.kind("cassandra-")
	if len(ring) == 0 {
		return nil
	}
	for _, m := range ring {
		if err := c.startAndWait(ctx, m); err != nil {
			return err
		}
	}
	return eventually(ctx, ring[0].wait, 200*time.Millisecond, ringProbe(c.CQL()))
}

func (c *Cluster) startRedis(ctx context.Context) error {
	nodes := c.kind("redis-")
	if len(nodes) == 0 {
		return nil
	}
	for _, m := range nodes {
		if err := c.startAndWait(ctx, m); err != nil {
			return err
		}
	}
	return redisJoin(ctx, c.Redis())
}

func (c *Cluster) startAndWait(ctx context.Context, m *member) error {
	c.log.Debug("starting", "member", m.name, "addr", m.addr)
	if err := m.start(); err != nil {
		return err
	}
	if err := m.awaitReady(ctx); err != nil {
		return err
	}
	c.log.Info("up", "member", m.name, "addr", m.addr)
	return nil
}

// Down ends everything in reverse order of start. The data stays; see Remove.
func (c *Cluster) Down(ctx context.Context) error { return Down(ctx, c.dir) }

// Down ends every process whose pid file is in a cluster's folder, whoever started it: load balancers and gateways first,
// then the servers they use.
func Down(ctx context.Context, dir string) error {
	names, err := recorded(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, prefix := range []string{balancer, "gateway-", ""} {
		var g errgroup.Group
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				g.Go(func() error { return ended(dir, name).end(ctx) })
			}
		}
		errs = append(errs, g.Wait())
	}
	return errors.Join(errs...)
}

// Remove deletes the folder of a cluster that is down, data and logs.
func Remove(dir string) error {
	names, err := recorded(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if pid, _ := readPid(filepath.Join(dir, "pid", name+".pid")); pid != 0 {
			return fmt.Errorf("remove %s: %s still runs as %d", dir, name, pid)
		}
	}
	// The lock's file stays: a waiter must not hold a lock on a file that is gone. So does the subnet.
	for _, sub := range []string{"pid", "log", "data"} {
		if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
	}
	return nil
}

// recorded are the names of the processes with pid files in a folder.
func recorded(dir string) (names []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "pid", "*.pid"))
	if err != nil {
		return nil, fmt.Errorf("pid files: %w", err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".pid"))
	}
	return names, nil
}

// ended is just enough of a process to end it.
func ended(dir, name string) *process {
	return &process{name: name, dir: dir, grace: graceOf(name)}
}

// endStrangers ends what an earlier cluster left in the folder and this one doesn't have.
func (c *Cluster) endStrangers(ctx context.Context) error {
	names, err := recorded(c.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if c.find(name) == nil {
			if err := ended(c.dir, name).end(ctx); err != nil {
				return err
			}
			if err := os.Remove(filepath.Join(c.dir, "pid", name+".pid")); err != nil {
				return fmt.Errorf("forget %s: %w", name, err)
			}
		}
	}
	return nil
}

func (c *Cluster) ip(last int) string { return fmt.Sprintf("%s.%d", c.subnet, last) }

func (c *Cluster) add(p *process, last, port int) {
	p.grace = graceOf(p.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members = append(c.members, &member{process: p, addr: fmt.Sprintf("%s:%d", c.ip(last), port)})
}

// kind are the members whose names begin so, in order.
func (c *Cluster) kind(prefix string) (found []*member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if strings.HasPrefix(m.name, prefix) {
			found = append(found, m)
		}
	}
	return found
}

func (c *Cluster) addrs(prefix string) (addrs []string) {
	for _, m := range c.kind(prefix) {
		addrs = append(addrs, m.addr)
	}
	return addrs
}

// CQL are the addresses (host:port) of the Cassandra nodes.
func (c *Cluster) CQL() []string { return c.addrs("cassandra-") }

// Redis are the addresses (host:port) of the nodes of the Redis Cluster.
func (c *Cluster) Redis() []string { return c.addrs("redis-") }

// S3 is the URL of the object server, "" without one. Its key is S3AccessKey, S3SecretKey.
func (c *Cluster) S3() string {
	if m := c.find("s3"); m != nil {
		return "http://" + m.addr
	}
	return ""
}

func (c *Cluster) find(name string) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.members, func(m *member) bool { return m.name == name }); i >= 0 {
		return c.members[i]
	}
	return nil
}

// Members are the names: cassandra-1 …, redis-1 …, s3, gateway-1 …, haproxy.
func (c *Cluster) Members() (names []string) {
	for _, m := range c.kind("") {
		names = append(names, m.name)
	}
	return names
}

// Addr is where a member listens (host:port), "" when there is no such member.
func (c *Cluster) Addr(name string) string {
	if m := c.find(name); m != nil {
		return m.addr
	}
	return ""
}

// Pid is the process of a member, 0 when it isn't running.
func (c *Cluster) Pid(name string) int {
	m := c.find(name)
	if m == nil {
		return 0
	}
	pid, _ := m.running()
	return pid
}

// Log is the file that a member's output is appended to.
func (c *Cluster) Log(name string) string { return filepath.Join(c.dir, "log", name+".log") }

// Kill ends a member with SIGKILL and waits until it is gone.
func (c *Cluster) Kill(ctx context.Context, name string) error {
	return c.with(name, func(m *member) error { return m.kill(ctx) })
}

// End asks a member to end (SIGTERM) and waits; it is killed after its grace, which is longer than a gateway's drain.
func (c *Cluster) End(ctx context.Context, name string) error {
	return c.with(name, func(m *member) error { return m.end(ctx) })
}

// Stop freezes a member with SIGSTOP: its connections stay open and nobody answers.
func (c *Cluster) Stop(name string) error {
	return c.with(name, func(m *member) error { return m.signal(syscall.SIGSTOP) })
}

// Cont lets a frozen member go on.
func (c *Cluster) Cont(name string) error {
	return c.with(name, func(m *member) error { return m.signal(syscall.SIGCONT) })
}

// Start starts a member that was killed or ended, on its old data, and waits until it serves. A member that runs is left
// alone.
func (c *Cluster) Start(ctx context.Context, name string) error {
	return c.with(name, func(m *member) error { return c.startAndWait(ctx, m) })
}

func (c *Cluster) with(name string, do func(*member) error) error {
	m := c.find(name)
	if m == nil {
		return fmt.Errorf("cluster: no member %q; there are %s", name, strings.Join(c.Members(), ", "))
	}
	return do(m)
}

// Process is one running server of a folder.
type Process struct {
	Name string
	Pid  int
}

// Running lists the processes of a cluster's folder that run now, whoever started them.
func Running(dir string) (list []Process, err error) {
	names, err := recorded(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if pid, _ := readPid(filepath.Join(dir, "pid", name+".pid")); pid != 0 {
			list = append(list, Process{Name: name, Pid: pid})
		}
	}
	return list, nil
}
