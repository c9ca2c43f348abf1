package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/test/e2e"
)

// behind is the three gateways behind the balancer, which all tests share.
type behind struct{ c *native.Cluster }

func (b behind) URLs() []string { return []string{b.c.URL()} }

// own are three gateways of a test's own, on the same servers, so that it may stop them.
type own struct {
	c     *native.Cluster
	names []string
}

func (o own) URLs() (urls []string) {
	for _, n := range o.names {
		urls = append(urls, "http://"+o.c.Addr(n))
	}
	return urls
}

// Restart implements e2e.Restarter: all of them end, then all come back.
func (o own) Restart(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	together := func(what string, do func(name string) error) {
		var wg sync.WaitGroup
		for _, n := range o.names {
			wg.Go(func() {
				if err := do(n); err != nil {
					t.Errorf("%s %s: %v", what, n, err)
				}
			})
		}
		wg.Wait()
	}
	together("end", func(n string) error { return o.c.End(ctx, n) })
	together("start", func(n string) error { return o.c.Start(ctx, n) })
}

// program builds the server.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "murre")
	if out, err := exec.Command("go", "build", "-o", file, "github.com/murre-chat/murre/cmd/murre").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return file
}

// startCluster runs one Cassandra node, a Redis Cluster, MinIO, three gateways and the balancer until the test ends.
func startCluster(t *testing.T) *native.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir := t.TempDir()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := native.Down(ctx, dir); err != nil {
			t.Errorf("end the cluster: %v", err)
		}
	})
	c, err := native.Up(ctx, native.Options{
		Dir: dir, Cassandra: []native.Node{{HeapMB: 512}}, Redis: true, S3: native.MinIO,
		Binary: program(t), Gateways: 3, HAProxy: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitTrust(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCluster is the suite of the embedded server, unchanged.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	var mu sync.Mutex
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, n := range c.Members() {
			if text, err := os.ReadFile(c.Log(n)); err == nil && slices.Contains([]string{"gateway-1", "gateway-2", "gateway-3"}, n) {
				t.Logf("%s:\n%s", n, text[max(0, len(text)-4000):])
			}
		}
	})
	t.Run("suite", func(t *testing.T) {
		e2e.Run(t, func(t *testing.T) e2e.Harness {
			if filepath.Base(t.Name()) != "restart" {
				return behind{c}
			}
			mu.Lock()
			defer mu.Unlock()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			o := own{c: c}
			for range 3 {
				n, err := c.AddGateway()
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Start(ctx, n); err != nil {
					t.Fatal(err)
				}
				o.names = append(o.names, n)
			}
			return o
		})
	})
}
