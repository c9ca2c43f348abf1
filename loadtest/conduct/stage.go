package conduct

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/loadtest"
	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/scenario"
)

// stage is what a run drives.
type stage interface {
	// start brings it up with the population in its store.
	start(ctx context.Context, tell population.Progress) error
	// targets are the gateways, host:port.
	targets() []string
	// secret signs tokens.
	secret() []byte
	// admins are the host:port of the gateways' admin ports, as far as they are known.
	admins() []string
	// processes are those on this machine, by group.
	processes() map[string][]int
	// registered is how many sessions the registry has; 0: there is none to ask.
	registered(ctx context.Context) (int, error)
	// settled waits until it is what it is in the long run; beat is called meanwhile, again and again.
	settled(ctx context.Context, beat func() error) error
	// lifecycle of what was started.
	stageLife
}

type stageLife interface {
	restartable() []string // names of gateways
	restart(ctx context.Context, name string) error
	lost() []string     // names of gateways that don't run, and should
	died() <-chan error // says why it has ended by itself
	close(ctx context.Context, remove bool) error
}

func newStage(r *run) (stage, error) {
	switch r.sc.Server.Engine {
	case scenario.Embedded:
		return &embedded{r: r, ended: make(chan error, 1)}, nil
	case scenario.Cluster:
		return &cluster{r: r}, nil
	}
	secret, err := os.ReadFile(r.sc.Server.Secret)
	if err != nil {
		return nil, fmt.Errorf("the targets' secret: %w", err)
	}
	return &given{r: r, key: []byte(strings.TrimSpace(string(secret)))}, nil
}

// version is what a murre binary says of itself; "" without one.
func version(ctx context.Context, bin string) (string, error) {
	if bin == "" {
		return "", nil
	}
	out, err := exec.CommandContext(ctx, bin, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("version of the server: %w", err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "murre version "), nil
}

// serveFlags are those of gateways that the harness starts.
func serveFlags(s *scenario.Server) []string {
	out := []string{"--gogc", fmt.Sprint(s.GOGC)}
	if s.MemoryLimit != "" {
		out = append(out, "--memory-limit", s.MemoryLimit)
	}
	return append(out, s.Flags...)
}

// embedded is one server over its own store.
type embedded struct {
	r     *run
	s     *loadtest.Server
	ended chan error
}

func (e *embedded) start(ctx context.Context, tell population.Progress) error {
	dir := e.r.dir("embedded")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("data of an earlier run: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := e.r.p.LoadEmbedded(ctx, filepath.Join(dir, "data", "store"), tell); err != nil {
		return err
	}
	var err error
	e.s, err = loadtest.StartServer(ctx, loadtest.ServerOptions{Bin: e.r.o.Server, Dir: dir, Args: serveFlags(&e.r.sc.Server)})
	if err != nil {
		return err
	}
	s := e.s
	go func() { // ends with the server
		<-s.Done()
		e.ended <- s.Died()
	}()
	return nil
}

func (e *embedded) targets() []string { return []string{e.s.Target.Addr.String()} }
func (e *embedded) secret() []byte    { return e.s.Secret }
func (e *embedded) admins() []string  { return []string{strings.TrimPrefix(e.s.Admin, "http://")} }
func (e *embedded) processes() map[string][]int {
	return map[string][]int{result.GroupGateways: {e.s.PID()}}
}
func (e *embedded) restartable() []string                       { return nil }
func (e *embedded) lost() []string                              { return nil }
func (e *embedded) died() <-chan error                          { return e.ended }
func (e *embedded) settled(context.Context, func() error) error { return nil }

func (e *embedded) registered(context.Context) (int, error) { return 0, nil }

func (e *embedded) restart(context.Context, string) error {
	return errors.New("an embedded server isn't restarted")
}

func (e *embedded) close(_ context.Context, remove bool) error {
	var err error
	if e.s != nil {
		if err = e.s.Died(); err == nil {
			err = e.s.Stop()
		}
	}
	if remove && err == nil {
		err = os.RemoveAll(e.r.dir("embedded"))
	}
	return err
}

// redisMB is the most that a node of Redis keeps, MiB: sessions of a million people on three masters, twice over.
const redisMB = 1024

// cluster is a native cluster of the run's own.
type cluster struct {
	r   *run
	c   *native.Cluster
	key []byte

	mu       sync.Mutex // guards below
	stopping string     // the gateway that is being restarted
}

func (c *cluster) start(ctx context.Context, tell population.Progress) error {
	dir, s := c.r.dir("cluster"), &c.r.sc.Server
	if err := errors.Join(native.Down(ctx, dir), native.Remove(dir)); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder of the cluster: %w", err)
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	c.key = []byte(hex.EncodeToString(random))
	secretFile := filepath.Join(dir, "jwt-secret")
	if err := os.WriteFile(secretFile, c.key, 0o600); err != nil {
		return fmt.Errorf("token secret: %w", err)
	}
	// Media go through the lighter of the two object servers.
	o := native.Options{
		Dir: dir, Subnet: c.r.o.Subnet, Cassandra: []native.Node{{HeapMB: s.HeapMB}}, Redis: true, RedisMB: redisMB, S3: native.Versity, Binary: c.r.o.Server,
		Gateways: s.Gateways, GatewayArgs: append([]string{"--jwt-secret-file", secretFile, "--log-level", "warn"}, serveFlags(s)...),
		Log: slog.New(slog.NewTextHandler(c.r.o.Log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if s.Procs > 0 {
		o.GatewayEnv = []string{fmt.Sprint("GOMAXPROCS=", s.Procs)}
	}
	var err error
	if c.c, err = native.Up(ctx, o); err != nil {
		return err
	}
	return c.r.p.LoadCQL(ctx, c.c.StoreURL(), tell)
}

func (c *cluster) targets() []string { return c.c.Gateways() }
func (c *cluster) secret() []byte    { return c.key }

func (c *cluster) admins() (out []string) {
	for _, name := range c.restartable() {
		out = append(out, c.c.Admin(name))
	}
	return out
}

func (c *cluster) restartable() (out []string) {
	for _, name := range c.c.Members() {
		if strings.HasPrefix(name, "gateway-") {
			out = append(out, name)
		}
	}
	return out
}

func (c *cluster) processes() map[string][]int {
	out := map[string][]int{}
	for _, name := range c.c.Members() {
		pid := c.c.Pid(name)
		if pid == 0 {
			continue
		}
		kind, _, _ := strings.Cut(name, "-")
		group := map[string]string{
			"gateway": result.GroupGateways, "redis": result.GroupRedis, "cassandra": result.GroupCassandra, "s3": result.GroupObjects,
		}[kind]
		out[group] = append(out[group], pid)
	}
	return out
}

func (c *cluster) registered(ctx context.Context) (int, error) {
	return countSessions(ctx, c.c.Redis())
}

// settled: gateways that have just met Redis claim every message by compare-and-set, for a minute.
func (c *cluster) settled(ctx context.Context, beat func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.c.AwaitTrust(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		default:
		}
		if err := beat(); err != nil {
			cancel()
			<-done
			return err
		}
	}
}

func (c *cluster) restart(ctx context.Context, name string) error {
	c.mark(name)
	defer c.mark("")
	if err := c.c.End(ctx, name); err != nil {
		return err
	}
	return c.c.Start(ctx, name)
}

func (c *cluster) mark(stopping string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = stopping
}

func (c *cluster) lost() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range c.restartable() {
		if name != c.stopping && c.c.Pid(name) == 0 {
			out = append(out, name)
		}
	}
	return out
}

func (c *cluster) died() <-chan error { return nil }

func (c *cluster) close(ctx context.Context, remove bool) error {
	dir := c.r.dir("cluster")
	if err := native.Down(ctx, dir); err != nil {
		return err
	}
	if !remove {
		return nil
	}
	return errors.Join(native.Remove(dir), os.RemoveAll(dir))
}

// given are gateways that run already.
type given struct {
	r   *run
	key []byte
}

func (g *given) start(ctx context.Context, tell population.Progress) error {
	for _, t := range g.targets() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("target %s: %w", t, err)
		}
		res, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
		if err != nil {
			return fmt.Errorf("target %s: %w", t, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("target %s isn't ready: %s", t, res.Status)
		}
	}
	return g.r.p.LoadCQL(ctx, g.r.sc.Server.Store, tell)
}

func (g *given) targets() []string                           { return g.r.sc.Server.Targets }
func (g *given) secret() []byte                              { return g.key }
func (g *given) admins() []string                            { return g.r.sc.Server.Admins }
func (g *given) processes() map[string][]int                 { return map[string][]int{} }
func (g *given) registered(context.Context) (int, error)     { return 0, nil }
func (g *given) settled(context.Context, func() error) error { return nil }
func (g *given) restartable() []string                       { return nil }
func (g *given) lost() []string                              { return nil }
func (g *given) died() <-chan error                          { return nil }
func (g *given) close(context.Context, bool) error           { return nil }
func (g *given) restart(context.Context, string) error {
	return errors.New("gateways that the harness hasn't started aren't restarted")
}
