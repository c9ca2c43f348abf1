package redisbus

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/pkg/rediscluster"
)

// private is a Redis Cluster of this test's own, with a watcher's view of it.
type private struct {
	*native.Cluster
	view *rediscluster.Cluster
}

func newPrivate(t *testing.T) *private {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := native.Up(ctx, native.Options{Dir: t.TempDir(), Subnet: fmt.Sprintf("127.241.%d", 1+os.Getpid()%250), Redis: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p := &private{Cluster: c, view: open(t, c.Redis())}
	watching, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.view.Run(watching) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

// master is the node that owns the gateway's channel.
func (r *rig) master(t *testing.T) *redis.Client {
	t.Helper()
	n, err := r.cluster.Client().MasterForKey(t.Context(), r.channel(r.self))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// back waits until an envelope published now is received, and returns how long that took.
func (r *rig) back(t *testing.T, within time.Duration) time.Duration {
	t.Helper()
	begun := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for seq := uint64(1e6); ; seq++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := r.Publish(ctx, r.self, envelope(seq))
		cancel()
		r.mu.Lock()
		arrived := len(r.got) > 0 && r.got[len(r.got)-1] >= 1e6
		gaps := len(r.gaps)
		r.mu.Unlock()
		switch took := time.Since(begun); {
		case arrived && gaps > 0:
			return took
		case took > within:
			t.Fatalf("not back after %v: %d gaps, last publish %v, %+v", took, gaps, err, r.Stats())
		}
		<-tick.C
	}
}

// forget makes the rig as new, for the next trouble.
func (r *rig) forget() {
	r.mu.Lock()
	r.got, r.gaps = nil, nil
	r.mu.Unlock()
}

// TestTrouble does to a cluster of its own what breaks a subscription, one after the other; each time the receiver is told of
// a gap and hears again.
func TestTrouble(t *testing.T) {
	p := newPrivate(t)
	r := start(t, Options{Cluster: p.view})
	r.send(t, 1)
	for _, trouble := range []struct {
		name   string
		do     func(t *testing.T, p *private, r *rig) (undo func())
		within time.Duration
	}{
		{"connection killed", killConnection, 5 * time.Second},
		{"slot migrated", migrateSlot, 5 * time.Second},
		{"subscription ended by the server", migrateSlot, 5 * time.Second}, // and back again
		{"master killed", killMaster, 20 * time.Second},
		{"master stalled", stallMaster, 25 * time.Second},
		{"all of redis restarted", restartAll, 10 * time.Second},
	} {
		r.forget()
		before := r.Stats()
		undo := trouble.do(t, p, r)
		took := r.back(t, trouble.within)
		t.Logf("%s: live again after %v; gaps %q", trouble.name, took.Round(time.Millisecond), r.gaps)
		if s := r.Stats(); s.Rebuilds == before.Rebuilds {
			t.Errorf("%s: no rebuild counted: %+v", trouble.name, s)
		}
		undo()
		p.whole(t)
	}
}

func killConnection(t *testing.T, _ *private, r *rig) func() {
	n, err := r.master(t).ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result()
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	return func() {}
}

// migrateSlot moves the channel's slot to another master, which ends the subscription by sunsubscribe.
func migrateSlot(t *testing.T, p *private, r *rig) func() {
	slot := rediscluster.Slot(r.channel(r.self))
	from := r.master(t)
	fromID := nodeID(t, from)
	var to *redis.Client
	for _, addr := range p.Redis() {
		n := redis.NewClient(&redis.Options{Addr: addr})
		defer func() { _ = n.Close() }()
		if role, err := n.Info(t.Context(), "replication").Result(); err == nil && strings.Contains(role, "role:master") && nodeID(t, n) != fromID {
			to = n
		}
	}
	toID := nodeID(t, to)
	for _, step := range []struct {
		at   redis.UniversalClient
		what []any
	}{
		{to, []any{"cluster", "setslot", slot, "importing", fromID}}, {from, []any{"cluster", "setslot", slot, "migrating", toID}},
		{to, []any{"cluster", "setslot", slot, "node", toID}}, {from, []any{"cluster", "setslot", slot, "node", toID}},
	} {
		keys, err := from.ClusterGetKeysInSlot(t.Context(), slot, 10).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys { // canaries
			if err := from.Del(t.Context(), k).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := step.at.Do(t.Context(), step.what...).Err(); err != nil {
			t.Fatalf("%v: %v", step.what, err)
		}
	}
	return func() {}
}

func nodeID(t *testing.T, n *redis.Client) string {
	t.Helper()
	id, err := n.Do(t.Context(), "cluster", "myid").Text()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// member is the name of the process that a client speaks to.
func (p *private) member(t *testing.T, n *redis.Client) string {
	t.Helper()
	for _, name := range p.Members() {
		if p.Addr(name) == n.Options().Addr {
			return name
		}
	}
	t.Fatalf("nobody is %s", n.Options().Addr)
	return ""
}

func killMaster(t *testing.T, p *private, r *rig) func() {
	name := p.member(t, r.master(t))
	if err := p.Kill(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := p.Start(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}

func stallMaster(t *testing.T, p *private, r *rig) func() {
	name := p.member(t, r.master(t))
	if err := p.Stop(name); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := p.Cont(name); err != nil {
			t.Error(err)
		}
	}
}

func restartAll(t *testing.T, p *private, r *rig) func() {
	for _, name := range p.Members() {
		if err := p.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Publish(t.Context(), r.self, envelope(1)); err == nil {
		t.Fatal("published without redis")
	}
	for _, name := range p.Members() {
		if err := p.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return func() {}
}

// whole waits until every master has its replica again.
func (p *private) whole(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		masters, served := 0, 0
		for _, addr := range p.Redis() {
			n := redis.NewClient(&redis.Options{Addr: addr})
			info, err := n.Info(t.Context(), "replication").Result()
			_ = n.Close()
			if err == nil && strings.Contains(info, "role:master") {
				masters++
				if strings.Contains(info, "state=online") {
					served++
				}
			}
		}
		if masters == 3 && served == 3 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d masters, %d with a replica", masters, served)
		}
	}
}
