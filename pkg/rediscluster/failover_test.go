package rediscluster

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/pkg/breaker"
)

// TestFaults breaks a Redis Cluster of its own in turn; parts depend on those before.
func TestFaults(t *testing.T) {
	subnet := fmt.Sprintf("127.%d.%d", 230+os.Getpid()%20, 1+os.Getpid()/20%250)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	servers, err := native.Up(ctx, native.Options{Dir: t.TempDir(), Subnet: subnet, Redis: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := servers.Down(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	name := make(map[string]string) // by address
	for _, m := range servers.Members() {
		name[servers.Addr(m)] = m
	}
	const settle = 2 * time.Second
	r := start(t, Options{Addrs: servers.Redis(), Settle: settle})
	eventually(t, time.Minute, "trusted", r.Trusted)

	// write says whether a key on the shard of the canary can be written.
	write := func(i int) error {
		call, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return r.Client().Set(call, strings.Replace(r.watch.keys[i], "canary", "x", 1), "1", 0).Err()
	}
	master := func(i int) string {
		n, err := r.Client().MasterForKey(ctx, r.watch.keys[i])
		if err != nil {
			t.Fatal(err)
		}
		return n.Options().Addr
	}
	// change waits until the cluster told of something new and is trusted again.
	change := func(t *testing.T, known int, what string) {
		t.Helper()
		d := eventually(t, time.Minute, "told: "+what, func() bool { return len(r.told()) > known })
		if r.Trusted() {
			t.Error("trusted all the same")
		}
		t.Logf("%s: told after %v: %v", what, d, r.told()[known:])
		eventually(t, time.Minute, "trusted again", r.Trusted)
	}

	// written waits until the shard of a canary can be written.
	written := func(t *testing.T, i int) {
		t.Helper()
		began := time.Now()
		var err error
		for err = write(i); err != nil; err = write(i) {
			if time.Since(began) > time.Minute {
				for _, a := range servers.Redis() {
					n := redis.NewClient(&redis.Options{Addr: a})
					t.Log(a, n.ClusterNodes(ctx))
					_ = n.Close()
				}
				t.Fatalf("not written within %v: %v", time.Since(began), err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Logf("writes go on after %v", time.Since(began))
	}

	t.Run("kill a master", func(t *testing.T) {
		known, dead := len(r.told()), master(0)
		if err := servers.Kill(ctx, name[dead]); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < regions; i++ { // the other shards go on
			if master(i) != dead {
				if err := write(i); err != nil {
					t.Fatalf("shard of %s: %v", master(i), err)
				}
			}
		}
		written(t, 0)
		change(t, known, "kill")
		eventually(t, time.Minute, "another master", func() bool { return master(0) != dead })
		if err := servers.Start(ctx, name[dead]); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("stop a master for a moment", func(t *testing.T) {
		known, frozen := len(r.told()), master(15)
		if err := servers.Stop(name[frozen]); err != nil {
			t.Fatal(err)
		}
		written(t, 15)
		change(t, known, "freeze")
		if err := servers.Cont(name[frozen]); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "up", r.Up)
	})
	t.Run("flush", func(t *testing.T) {
		known := len(r.told())
		if err := r.Client().ForEachMaster(ctx, func(ctx context.Context, n *redis.Client) error { return n.FlushAll(ctx).Err() }); err != nil {
			t.Fatal(err)
		}
		change(t, known, "flush")
	})
	t.Run("move a canary's slot", func(t *testing.T) {
		known, key := len(r.told()), r.watch.keys[5]
		slot, from := Slot(key), master(5)
		to := master(0)
		if to == from {
			to = master(15)
		}
		node := func(addr string) *redis.Client { return redis.NewClient(&redis.Options{Addr: addr}) }
		a, b := node(from), node(to)
		defer func() { _, _ = a.Close(), b.Close() }()
		ids := [2]string{a.Do(ctx, "cluster", "myid").Val().(string), b.Do(ctx, "cluster", "myid").Val().(string)}
		do := func(n *redis.Client, args ...any) {
			t.Helper()
			if err := n.Do(ctx, args...).Err(); err != nil {
				t.Fatal(args, err)
			}
			if err := write(5); err != nil && !redis.HasErrorPrefix(err, "TRYAGAIN") {
				t.Fatalf("writing after %v: %v", args, err)
			}
		}
		ip, port, _ := strings.Cut(to, ":")
		do(b, "cluster", "setslot", slot, "importing", ids[0])
		do(a, "cluster", "setslot", slot, "migrating", ids[1])
		keys, err := a.ClusterGetKeysInSlot(ctx, slot, 100).Result()
		if err != nil || len(keys) == 0 {
			t.Fatal(keys, err)
		}
		for _, k := range keys {
			do(a, "migrate", ip, port, k, 0, 1000)
		}
		do(b, "cluster", "setslot", slot, "node", ids[1])
		do(a, "cluster", "setslot", slot, "node", ids[1])
		eventually(t, time.Minute, "the slot map is new", func() bool { return master(5) == to })
		if got := r.told(); len(got) != known || !r.Trusted() {
			t.Error("a move lost nothing, and yet:", got[known:])
		}
	})
	t.Run("restart a master before anybody takes over", func(t *testing.T) {
		known, quick := len(r.told()), master(7)
		if err := servers.Kill(ctx, name[quick]); err != nil {
			t.Fatal(err)
		}
		if err := servers.Start(ctx, name[quick]); err != nil {
			t.Fatal(err)
		}
		change(t, known, "restart")
	})
	t.Run("stop everything", func(t *testing.T) {
		known := len(r.told())
		for _, m := range servers.Members() {
			if err := servers.Kill(ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, time.Minute, "breakers open", func() bool {
			_ = write(0)
			for _, n := range r.Nodes() {
				if n.Master && n.Breaker != breaker.Open {
					return false
				}
			}
			return true
		})
		eventually(t, time.Minute, "down", func() bool { return !r.Up() && !r.Trusted() })
		for _, m := range servers.Members() {
			if err := servers.Start(ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		written(t, 0) // not after the breakers' 30 s
		change(t, known, "stop")
		eventually(t, time.Minute, "breakers closed", func() bool {
			for _, n := range r.Nodes() {
				if n.Master && n.Breaker != breaker.Closed {
					return false
				}
			}
			return true
		})
	})
}
