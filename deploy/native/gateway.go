package native

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/murre-chat/murre/deploy/haproxy"
)

// Ports of a gateway and of the balancer.
const (
	GatewayPort = 8080 // the gateway's, and the balancer's
	AdminPort   = 9090 // metrics, health and profiles of a gateway
	pagePort    = 8404 // the balancer's own page and metrics
)

// Keyspace and bucket of every native cluster.
const (
	Keyspace = "murre"
	Bucket   = "murre"
)

// planGateways describes gateways and the balancer.
func (c *Cluster) planGateways(opt Options) error {
	if opt.Gateways == 0 && !opt.HAProxy {
		return nil
	}
	var err error
	if c.binary, err = filepath.Abs(opt.Binary); err != nil {
		return fmt.Errorf("gateways: %w", err)
	}
	c.gatewayEnv = opt.GatewayEnv
	if _, err := os.Stat(c.binary); err != nil {
		return fmt.Errorf("gateways: the program to run (Options.Binary): %w", err)
	}
	if c.s3 != NoS3 {
		// Both object servers take a folder for a bucket.
		if err := os.MkdirAll(filepath.Join(c.dir, "data", "s3", "store", Bucket), 0o755); err != nil {
			return fmt.Errorf("make bucket: %w", err)
		}
	}
	for range opt.Gateways {
		if _, err := c.AddGateway(opt.GatewayArgs...); err != nil {
			return err
		}
	}
	if opt.HAProxy {
		return c.planBalancer()
	}
	return nil
}

// AddGateway describes one more gateway, its arguments after those of every gateway, and returns its member name:
// gateway-N. It isn't started (Start, Launch), and a balancer that was planned before doesn't know it.
func (c *Cluster) AddGateway(args ...string) (string, error) {
	n := len(c.kind("gateway-")) + 1
	name, last := fmt.Sprintf("gateway-%d", n), gatewayFirst+n-1
	if last >= balancerAt {
		last++ // the balancer's
	}
	if last > 254 {
		return "", fmt.Errorf("%s: a native cluster has room for %d gateways", name, 254-gatewayFirst)
	}
	ip := c.ip(last)
	home := filepath.Join(c.dir, "data", name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	admin := fmt.Sprintf("%s:%d", ip, AdminPort)
	argv := []string{
		c.binary, "serve", "--name", name, "--listen", fmt.Sprintf("%s:%d", ip, GatewayPort), "--admin", admin, "--data", home,
		"--trusted-proxies", c.ip(balancerAt) + "/32", "--rate", "off",
	}
	argv = append(argv, c.ServerArgs()...)
	c.add(&process{
		name: name, dir: c.dir, cwd: home, argv: append(argv, args...), env: c.gatewayEnv,
		ready: httpProbe("http://" + admin + "/readyz"), wait: 2 * time.Minute,
	}, last, GatewayPort)
	return name, nil
}

// ServerArgs are the options that name this cluster's servers to murre: --store, --redis, --s3, as far as it has them.
func (c *Cluster) ServerArgs() (args []string) {
	if hosts := c.CQL(); len(hosts) > 0 {
		args = append(args, "--store", c.StoreURL())
	}
	if addrs := c.Redis(); len(addrs) > 0 {
		args = append(args, "--redis", "redis://"+strings.Join(addrs, ","))
	}
	if m := c.find("s3"); m != nil {
		args = append(args, "--s3", fmt.Sprintf("http://%s:%s@%s/%s?region=us-east-1", S3AccessKey, S3SecretKey, m.addr, Bucket))
	}
	return args
}

// StoreURL names the Cassandra ring as --store takes it.
func (c *Cluster) StoreURL() string {
	return fmt.Sprintf("cql://%s/%s?dc=%s", strings.Join(c.CQL(), ","), Keyspace, c.nodes[0].dc())
}

// Admin is the host:port of a gateway's admin port.
func (c *Cluster) Admin(name string) string {
	return strings.TrimSuffix(c.Addr(name), fmt.Sprint(":", GatewayPort)) + fmt.Sprint(":", AdminPort)
}

// URL is where clients connect: the balancer, or the first gateway where there is none.
func (c *Cluster) URL() string {
	if addr := c.Addr(balancer); addr != "" {
		return "http://" + addr
	}
	return "http://" + c.Addr("gateway-1")
}

// BalancerPage is the host:port of the balancer's own page, with metrics below /metrics.
func (c *Cluster) BalancerPage() string { return fmt.Sprintf("%s:%d", c.ip(balancerAt), pagePort) }

// Gateways are the addresses (host:port) of the gateways.
func (c *Cluster) Gateways() []string { return c.addrs("gateway-") }

// migrate makes or updates the schema with `murre migrate`.
func (c *Cluster) migrate(ctx context.Context, replicas int) error {
	if len(c.nodes) == 0 || c.binary == "" {
		return nil
	}
	count := map[string]int{}
	for _, n := range c.nodes {
		count[n.dc()]++
	}
	var replication []string
	for dc, n := range count {
		if replicas > 0 {
			n = min(n, replicas)
		}
		replication = append(replication, fmt.Sprintf("%s=%d", dc, min(n, 3)))
	}
	slices.Sort(replication)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return output(exec.CommandContext(ctx, c.binary, "migrate", "--store", c.StoreURL(), "--replication", strings.Join(replication, ",")))
}

// Launch starts a gateway that isn't running, with more arguments than it was planned with, and does not wait: for those
// that are meant to stay unready, or to end.
func (c *Cluster) Launch(name string, args ...string) error {
	return c.with(name, func(m *member) error {
		p := *m.process
		p.argv = append(slices.Clone(p.argv), args...)
		return p.start()
	})
}

// AwaitReady waits until a member that was launched serves.
func (c *Cluster) AwaitReady(ctx context.Context, name string) error {
	return c.with(name, func(m *member) error { return m.awaitReady(ctx) })
}

// AwaitTrust waits until every gateway believes what Redis remembers, which takes a minute after they first met, or after
// data was lost. Until then they claim each message by compare-and-set in the store. ctx bounds it.
func (c *Cluster) AwaitTrust(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for _, m := range c.kind("gateway-") {
		name := m.name
		for !c.trusts(ctx, name) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("native: %s doesn't trust Redis: %w", name, ctx.Err())
			}
		}
	}
	return nil
}

// trusts reports whether a gateway's metrics say that it trusts Redis.
func (c *Cluster) trusts(ctx context.Context, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	text, err := httpText(ctx, "http://"+c.Admin(name)+"/metrics", http.StatusOK)
	return err == nil && strings.Contains(text, "\nmurre_redis_trusted 1\n")
}

// AwaitEnd waits until a member has ended by itself.
func (c *Cluster) AwaitEnd(ctx context.Context, name string, wait time.Duration) error {
	return c.with(name, func(m *member) error { return m.gone(ctx, wait) })
}

const balancer = "haproxy"

// planBalancer describes HAProxy before the gateways that are planned by now.
func (c *Cluster) planBalancer() error {
	home := filepath.Join(c.dir, "data", balancer)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return fmt.Errorf("haproxy: %w", err)
	}
	text, err := haproxy.Config(c.Gateways())
	if err != nil {
		return fmt.Errorf("haproxy: %w", err)
	}
	file := filepath.Join(home, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("haproxy: %w", err)
	}
	ip := c.ip(balancerAt)
	page := c.BalancerPage()
	want := len(c.Gateways())
	c.add(&process{
		name: balancer, dir: c.dir, cwd: home, argv: []string{"haproxy", "-db", "-f", file},
		env:   []string{fmt.Sprintf("BIND=%s:%d", ip, GatewayPort), "STATS=" + page, "SOURCE=" + ip, fmt.Sprint("MAXCONN=", balancerConns())},
		ready: func(ctx context.Context) error { return balancerProbe(ctx, page, want) }, wait: 30 * time.Second,
	}, balancerAt, GatewayPort)
	return nil
}

// balancerConns is how many clients the balancer may have: two descriptors each, as many as the system gives it. It says
// no at its start when it is told more, which is right on a server and a nuisance on a laptop.
func balancerConns() uint64 {
	const spare, most = 500, 200_000
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Max < 4*spare {
		return spare
	}
	return min((l.Max-spare)/2, most)
}

// balancerProbe is nil once the balancer sees all gateways up.
func balancerProbe(ctx context.Context, page string, want int) error {
	text, err := httpText(ctx, "http://"+page+"/;csv", http.StatusOK)
	if err != nil {
		return err
	}
	up := 0
	for line := range strings.Lines(text) {
		if f := strings.Split(line, ","); len(f) > 17 && strings.HasPrefix(f[1], "gateway-") && strings.HasPrefix(f[17], "UP") {
			up++
		}
	}
	if up < want {
		return errors.New("the balancer sees " + fmt.Sprintf("%d of %d gateways", up, want))
	}
	return nil
}
