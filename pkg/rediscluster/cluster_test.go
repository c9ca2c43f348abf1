package rediscluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/breaker"
)

func logger() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// rig is a running Cluster and what it told.
type rig struct {
	*Cluster
	stop func()
	mu   sync.Mutex
	list []string
}

func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func start(t *testing.T, o Options) *rig {
	t.Helper()
	o.Log = logger()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Cluster: c}
	c.OnChange(func(reason string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, reason)
	})
	if c.Trusted() {
		t.Fatal("trusted before the first look")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func eventually(t *testing.T, limit time.Duration, what string, f func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !f() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

func TestSlot(t *testing.T) {
	c, err := Open(Options{Addrs: servers.Redis(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	keys := []string{"", "a", "123456789", "{}", "{}x", "a{b}c{d}", "{", "x{y", "{{a}b}", "sess:{0198}"}
	for range 50 {
		keys = append(keys, fmt.Sprintf("k%d", rand.Int()))
	}
	for _, k := range keys {
		want, err := c.Client().ClusterKeySlot(t.Context(), k).Result()
		if err != nil {
			t.Fatal(err)
		}
		if got := Slot(k); got != int(want) {
			t.Errorf("slot of %q: %d, want %d", k, got, want)
		}
	}
	for i, k := range canaries("some-prefix:") {
		if Slot(k)/(slots/regions) != i || !strings.HasPrefix(k, "some-prefix:") {
			t.Errorf("canary %d: %s in slot %d", i, k, Slot(k))
		}
	}
}

func TestRoundTripsByPurpose(t *testing.T) {
	c, err := Open(Options{Addrs: servers.Redis(t), Prefix: servers.Unique("t")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx := t.Context()
	for range 3 {
		if err := c.Client().Get(For(ctx, Claim), c.Prefix()+"none").Err(); err == nil {
			t.Fatal("found")
		}
	}
	pipe := c.Client().Pipeline()
	for i := range 100 {
		pipe.Exists(ctx, fmt.Sprint(c.Prefix(), i))
	}
	if _, err := pipe.Exec(For(ctx, Routes)); err != nil {
		t.Fatal(err)
	}
	if now, err := c.Time(ctx); err != nil || time.Since(now).Abs() > time.Minute {
		t.Fatal(now, err)
	}
	got := c.RoundTrips()
	if got[Claim] != 3 || got[Routes] != 1 || got[Topology] != 1 || got[Other] != 0 || c.Sent() < 5 {
		t.Fatal(got, c.Sent())
	}
	names := map[string]bool{}
	for p := range got {
		names[p.String()] = true
	}
	if len(names) != int(purposes) {
		t.Fatal(names)
	}
}

// TestTrust: a cluster whose canaries are new isn't trusted until they are old enough, by whoever looks; then it is, until
// data is lost or an engine says so.
func TestTrust(t *testing.T) {
	const settle = 1500 * time.Millisecond
	o := Options{Addrs: servers.Redis(t), Prefix: servers.Unique("t"), Poll: 50 * time.Millisecond, Settle: settle}
	a := start(t, o)
	eventually(t, 5*time.Second, "up", a.Up)
	if a.Trusted() {
		t.Fatal("trusted although all may have been lost a moment ago")
	}
	if d := eventually(t, 10*time.Second, "trusted", a.Trusted); d < settle/2 {
		t.Fatalf("trusted after %v", d)
	}
	b := start(t, o)
	if d := eventually(t, 5*time.Second, "trusted by another", b.Trusted); d > time.Second {
		t.Fatalf("the second had to wait %v although the canaries are old", d)
	}
	if err := a.Client().Del(t.Context(), a.watch.keys[3]).Err(); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*rig{a, b} {
		eventually(t, 5*time.Second, "noticed", func() bool { return !r.Trusted() })
	}
	c := start(t, o)
	eventually(t, 5*time.Second, "up", c.Up)
	if c.Trusted() {
		t.Fatal("a third doesn't know of the loss")
	}
	eventually(t, 5*time.Second, "told", func() bool { return len(a.told()) == 1 && len(b.told()) == 1 })
	for _, r := range []*rig{a, b, c} {
		eventually(t, 10*time.Second, "trusted again", r.Trusted)
	}
	if got := append(a.told(), b.told()...); len(got) != 2 || !strings.HasPrefix(got[0], "data lost: 1 of") || got[0] != got[1] {
		t.Fatal(got)
	}
	b.Suspect("a claim is gone")
	if b.Trusted() || !b.Up() || !a.Trusted() {
		t.Fatal("suspicion")
	}
	a.stop()
	if a.Up() || a.Trusted() {
		t.Fatal("trusted although nobody looks")
	}
}

// TestADeadNodeCostsLittle: what refuses or stays silent is asked five times, then not at all.
func TestADeadNodeCostsLittle(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections into its backlog and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refuses := gone.Addr().String()
	_ = gone.Close()
	for _, addr := range []string{silent.Addr().String(), refuses} {
		c, err := Open(Options{Addrs: []string{addr}, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := c.Client().Get(t.Context(), "x").Err(); err == nil || errors.Is(err, breaker.ErrOpen) {
				t.Fatal(err)
			}
		}
		began := time.Now()
		for range 100 {
			if err := c.Client().Get(t.Context(), "x").Err(); !errors.Is(err, breaker.ErrOpen) {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d > 50*time.Millisecond {
			t.Errorf("%v for a hundred refusals", d)
		}
		if n := c.Nodes(); len(n) != 1 || n[0].Addr != addr || n[0].Breaker != breaker.Open || n[0].Trips != 1 {
			t.Errorf("%+v", n)
		}
		_ = c.Close()
	}
}

func TestWhatCountsAgainstANode(t *testing.T) {
	c, err := Open(Options{Addrs: servers.Redis(t), Prefix: servers.Unique("t")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	key := c.Prefix() + "text"
	if err := c.Client().Set(t.Context(), key, "x", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := c.Client().HGetAll(t.Context(), key).Err(); err == nil || errors.Is(err, breaker.ErrOpen) {
			t.Fatal("a wrong type", err)
		}
		if err := c.Client().Get(ended, key).Err(); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	for _, n := range c.Nodes() {
		if n.Breaker != breaker.Closed || n.Trips != 0 {
			t.Errorf("%+v", n)
		}
	}
}

func TestNoAddresses(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Fatal("opened")
	}
}
