package loadtest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/loadtest/wire"
)

// fleetGateways is how many gateways a cluster under test has.
const fleetGateways = 3

// fleet is a native cluster under test: started once, put in order before each use.
type fleet struct {
	bin    string
	work   string // its folder is below it
	subnet string
	log    io.Writer
	args   []string // further flags of the gateways
	heapMB int      // of a Cassandra node; 0: native's own
	direct bool     // sockets go to the gateways themselves, in turn, not through the balancer
	o      FaultOptions

	c     *native.Cluster
	srv   *Server // the balancer, as people see it
	dir   string
	nodes int // of Cassandra
	runs  int
	keep  bool // data and logs stay at the end

	warmed *native.Cluster // has borne the whole load before
}

// up brings the cluster up with so many Cassandra nodes, or what has ended of it; one of another size is replaced.
func (fl *fleet) up(ctx context.Context, nodes int) error {
	if fl.c != nil && fl.nodes != nodes {
		if err := fl.down(ctx); err != nil {
			return err
		}
	}
	if fl.c != nil {
		return fl.repair(ctx)
	}
	if fl.dir == "" {
		fl.dir = filepath.Join(fl.work, "cluster")
	}
	if err := os.MkdirAll(fl.dir, 0o755); err != nil {
		return fmt.Errorf("folder of the cluster: %w", err)
	}
	// Whatever an interrupted run left is ended, and its data with it. Who may not set packet filters has left none.
	_ = passPackets(ctx)
	if err := errors.Join(native.Down(ctx, fl.dir), native.Remove(fl.dir)); err != nil {
		return err
	}
	secretFile := filepath.Join(fl.dir, "jwt-secret")
	secret, err := os.ReadFile(secretFile)
	if errors.Is(err, os.ErrNotExist) {
		secret = []byte(hex.EncodeToString(random(32)))
		err = os.WriteFile(secretFile, secret, 0o600)
	}
	if err != nil {
		return fmt.Errorf("token secret: %w", err)
	}
	ring := make([]native.Node, nodes)
	for i := range ring {
		ring[i].HeapMB = fl.heapMB
	}
	began := time.Now()
	c, err := native.Up(ctx, native.Options{
		Dir: fl.dir, Subnet: fl.subnet, Cassandra: ring, Redis: true, S3: native.MinIO, Binary: fl.bin,
		Gateways: fleetGateways, GatewayArgs: append([]string{"--jwt-secret-file", secretFile}, fl.args...), HAProxy: true,
		Log: slog.New(slog.NewTextHandler(fl.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(strings.TrimPrefix(c.URL(), "http://"))
	if err != nil {
		return fmt.Errorf("address of the balancer: %w", err)
	}
	fl.c, fl.nodes = c, nodes
	fl.srv = &Server{URL: c.URL(), Target: wire.Target{Addr: at, Path: "/ws"}, Secret: secret, done: make(chan struct{}), log: &tail{}, fleet: fl, began: began}
	for _, name := range fl.gateways() {
		if at, err := netip.ParseAddrPort(c.Addr(name)); err == nil && fl.direct {
			fl.srv.spread = append(fl.srv.spread, wire.Target{Addr: at, Path: "/ws"})
		}
	}
	return nil
}

// steady waits until the cluster is what it is in the long run: gateways that have just met Redis claim every message by
// compare-and-set, which three Cassandra nodes on one machine can't do at the rate of a siege. The short form is slower.
func (fl *fleet) steady(ctx context.Context) error {
	if fl.o.Short {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, trustWait)
	defer cancel()
	return fl.c.AwaitTrust(ctx)
}

// repair starts what has ended.
func (fl *fleet) repair(ctx context.Context) error {
	for _, name := range fl.c.Members() {
		if fl.c.Pid(name) == 0 && strings.HasPrefix(name, "gateway-") {
			fl.srv.began = time.Now()
		}
		if err := fl.c.Start(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// down ends the cluster. Data and logs stay for whoever looks for the reason of a red run; the next up deletes them.
func (fl *fleet) down(ctx context.Context) error {
	if fl.c == nil {
		return nil
	}
	c := fl.c
	fl.c = nil
	if err := c.Down(ctx); err != nil || fl.keep {
		return err
	}
	return native.Remove(fl.dir)
}

// gateways are the names of the gateways.
func (fl *fleet) gateways() (names []string) {
	for _, m := range fl.c.Members() {
		if strings.HasPrefix(m, "gateway-") {
			names = append(names, m)
		}
	}
	return names
}

// endGateways ends the gateways in peace, all at once; up starts them again.
func (fl *fleet) endGateways(ctx context.Context) error {
	var g errgroup.Group
	for _, name := range fl.gateways() {
		g.Go(func() error { return fl.c.End(ctx, name) })
	}
	return g.Wait()
}

// tag begins the names of people who must be nobody else's on this cluster.
func (fl *fleet) tag() string {
	fl.runs++
	return fmt.Sprintf("r%d-%d-", os.Getpid(), fl.runs)
}

// member is the n-th of a kind, counted around.
func (fl *fleet) member(kind string, n int) string {
	var all []string
	for _, m := range fl.c.Members() {
		if strings.HasPrefix(m, kind) {
			all = append(all, m)
		}
	}
	return all[n%len(all)]
}

// at is the member that listens at an address.
func (fl *fleet) at(addr string) string {
	for _, m := range fl.c.Members() {
		if fl.c.Addr(m) == addr {
			return m
		}
	}
	return addr
}
