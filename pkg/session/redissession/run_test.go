package redissession

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

// crowd are the connections of a gateway.
type crowd struct {
	mu   sync.Mutex
	list []session.Entry
	met  func(session.Entry) // called when one was met
}

func (c *crowd) all(yield func(session.Entry) bool) {
	c.mu.Lock()
	list := slices.Clone(c.list)
	met := c.met
	c.mu.Unlock()
	for _, e := range list {
		if met != nil {
			met(e)
		}
		if !yield(e) {
			return
		}
	}
}

// wipe deletes what the registry keeps, as FLUSHALL would.
func wipe(t *testing.T, r *Registry, es []session.Entry, channels ...chat.ConversationID) {
	t.Helper()
	pipe := r.client.Pipeline()
	pipe.Del(t.Context(), r.prefix+"gateways")
	for _, e := range es {
		pipe.Del(t.Context(), r.userKey(e.User))
	}
	for _, ch := range channels {
		pipe.Del(t.Context(), r.channelKey(ch))
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRegistersAgain: after Redis forgot everything, sessions and followed channels come back, and the cluster is told.
func TestRegistersAgain(t *testing.T) {
	prefix := servers.Unique("t")
	var replaced []string
	var mu sync.Mutex
	crowd := &crowd{}
	c := open(t, prefix)
	r := New(Options{Redis: c, Self: g1, Lease: 1200 * time.Millisecond, Log: logger(), Local: crowd.all, Replaced: func(local, newer session.Entry) {
		mu.Lock()
		defer mu.Unlock()
		replaced = append(replaced, fmt.Sprintf("%v %d %d %s", local.Device == newer.Device, local.Seq, newer.Seq, newer.Gateway.Name))
	}})
	start(t, r)
	ch, left := chat.NewConversationID(time.Now()), chat.NewConversationID(time.Now())
	var us []chat.UserID
	for i := range 2 * fastBatch {
		e := session.Entry{User: user(), Device: device(), Gateway: g1, Seq: int64(i + 1)}
		register(t, r, e)
		crowd.list = append(crowd.list, e)
		us = append(us, e.User)
	}
	for _, x := range []struct {
		ch chat.ConversationID
		on bool
	}{{ch, true}, {left, true}, {left, false}} {
		if err := r.Follow(t.Context(), g1, x.ch, x.on); err != nil {
			t.Fatal(err)
		}
	}
	wipe(t, r, crowd.list, ch)
	if err := r.Lease(t.Context(), g2); err != nil {
		t.Fatal(err)
	}
	newer := crowd.list[3]
	newer.Gateway, newer.Seq = g2, 1<<40 // it came to another gateway, and ours missed it
	register(t, r, newer)
	ended := crowd.list[2*fastBatch-1]
	crowd.mu.Lock()
	crowd.met = func(e session.Entry) { // ends after the round met it
		if e == ended {
			if _, err := r.Remove(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
	}
	crowd.mu.Unlock()
	began := time.Now()
	eventually(t, 15*time.Second, func() error {
		on, err := r.Online(t.Context(), us)
		if err != nil {
			return err
		}
		n := 0
		for _, o := range on {
			if o {
				n++
			}
		}
		if n != len(us)-1 {
			return fmt.Errorf("%d of %d came back", n, len(us))
		}
		if gs, err := r.Followers(t.Context(), g2, ch); err != nil || !slices.Equal(gs, []session.GatewayID{g1}) {
			return fmt.Errorf("followers %v: %w", gs, err)
		}
		return nil
	})
	t.Logf("back after %v", time.Since(began))
	if on, err := r.Online(t.Context(), []chat.UserID{ended.User}); err != nil || on[0] {
		t.Fatal("registered although it had ended", err)
	}
	if gs, err := r.Followers(t.Context(), g2, left); err != nil || len(gs) != 0 {
		t.Fatal(gs, err)
	}
	if n := r.counts.LeaseNil.Load(); n == 0 {
		t.Fatal("the lease was not missed")
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "true 4 1099511627776 g2"; !slices.Contains(replaced, want) || len(slices.Compact(replaced)) != 1 {
		t.Fatal(replaced, want)
	}
}

// TestARemovalIsMadeUpFor: one that failed for want of Redis is done later.
func TestARemovalIsMadeUpFor(t *testing.T) {
	r := New(Options{Redis: open(t, servers.Unique("t")), Self: g1, Lease: time.Second})
	e := session.Entry{User: user(), Device: device(), Gateway: g1, Seq: 5}
	register(t, r, e)
	again := session.Entry{User: user(), Device: device(), Gateway: g1, Seq: 5}
	register(t, r, again)
	r.owe(r.owed, e)
	r.owe(r.owed, again)
	again.Seq = 6 // the device connected again meanwhile
	register(t, r, again)
	start(t, r)
	eventually(t, 10*time.Second, func() error {
		on, err := r.Online(t.Context(), []chat.UserID{e.User, again.User})
		if err == nil && (on[0] || !on[1]) {
			err = fmt.Errorf("online: %v", on)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.owed) != 0 {
			err = errors.Join(err, fmt.Errorf("%d owed", len(r.owed)))
		}
		return err
	})
}

// TestARegistrationIsMadeUpFor: one that failed for want of Redis is done later, unless the connection ended.
func TestARegistrationIsMadeUpFor(t *testing.T) {
	down, err := rediscluster.Open(rediscluster.Options{Addrs: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = down.Close() }()
	r := New(Options{Redis: down, Self: g1, Lease: time.Second})
	var us []chat.UserID
	var es []session.Entry
	for range 3 {
		e := session.Entry{User: user(), Device: device(), Gateway: g1, Seq: 5}
		if _, err := r.Register(t.Context(), e); err == nil {
			t.Fatal("registered without Redis")
		}
		es, us = append(es, e), append(us, e.User)
	}
	if _, err := r.Remove(t.Context(), es[1]); err == nil {
		t.Fatal("removed without Redis")
	}
	ch, left := chat.NewConversationID(time.Now()), chat.NewConversationID(time.Now())
	for _, c := range []chat.ConversationID{ch, left} {
		if err := r.Follow(t.Context(), g1, c, true); err == nil {
			t.Fatal("followed without Redis")
		}
	}
	if err := r.Follow(t.Context(), g1, left, false); err == nil {
		t.Fatal("followed without Redis")
	}
	c := open(t, servers.Unique("t")) // Redis comes back
	r.o.Redis, r.client, r.prefix = c, c.Client(), c.Prefix()
	if err := r.client.SAdd(t.Context(), r.channelKey(left), encode(g1)).Err(); err != nil {
		t.Fatal(err)
	}
	start(t, r)
	eventually(t, 10*time.Second, func() error {
		on, err := r.Online(t.Context(), us)
		if err == nil && (!on[0] || on[1] || !on[2]) {
			err = fmt.Errorf("online: %v", on)
		}
		gs, e1 := r.Followers(t.Context(), g2, ch)
		none, e2 := r.Followers(t.Context(), g2, left)
		if len(gs) != 1 || len(none) != 0 {
			err = errors.Join(err, fmt.Errorf("followers %v, %v", gs, none))
		}
		return errors.Join(err, e1, e2)
	})
}

// TestALeaseThatEnded: others may have taken the entries out meanwhile, so everything is registered again.
func TestALeaseThatEnded(t *testing.T) {
	crowd := &crowd{}
	for i := range 10 {
		crowd.list = append(crowd.list, session.Entry{User: user(), Device: device(), Gateway: g1, Seq: int64(i)})
	}
	r := New(Options{Redis: open(t, servers.Unique("t")), Self: g1, Lease: time.Second, Local: crowd.all})
	start(t, r)
	if err := r.client.ZAdd(t.Context(), r.prefix+"gateways", redis.Z{Score: float64(time.Now().Add(-time.Second).UnixMilli()), Member: r.self}).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error {
		if n := r.counts.Again.Load(); n < 10 {
			return fmt.Errorf("%d registered again", n)
		}
		return nil
	})
}

// TestOneNameTwice: the gateway that started first is told of the second.
func TestOneNameTwice(t *testing.T) {
	prefix := servers.Unique("t")
	told := make(chan session.GatewayID, 10)
	first := New(Options{Redis: open(t, prefix), Self: session.GatewayID{Name: "g", Epoch: 100}, Lease: 600 * time.Millisecond, Conflict: func(g session.GatewayID) { told <- g }})
	start(t, first)
	second := session.GatewayID{Name: "g", Epoch: 200}
	start(t, New(Options{Redis: open(t, prefix), Self: second, Lease: 600 * time.Millisecond, Conflict: func(g session.GatewayID) { t.Errorf("the later one was told of %v", g) }}))
	select {
	case g := <-told:
		if g != second {
			t.Fatal(g)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nobody noticed")
	}
}
