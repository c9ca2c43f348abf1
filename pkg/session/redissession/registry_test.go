package redissession

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/session/sessiontest"
)

var (
	g1 = session.GatewayID{Name: "g1", Epoch: 1}
	g2 = session.GatewayID{Name: "g2", Epoch: 7 << 55}
)

// open connects to the test cluster below a prefix of the test's own.
func open(t *testing.T, prefix string) *rediscluster.Cluster {
	t.Helper()
	c, err := rediscluster.Open(rediscluster.Options{Addrs: servers.Redis(t), Prefix: prefix, Settle: time.Millisecond, Log: logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func logger() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// start runs a registry until the test ends or stop is called.
func start(t *testing.T, r *Registry) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	eventually(t, 5*time.Second, func() error {
		gs, err := r.Gateways(t.Context())
		if err == nil && !slices.ContainsFunc(gs, func(g Gateway) bool { return g.GatewayID == r.o.Self }) {
			err = fmt.Errorf("no lease yet: %v", gs)
		}
		return err
	})
	return stop
}

func eventually(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func user() chat.UserID     { return chat.NewUserID(time.Now()) }
func device() chat.DeviceID { return chat.NewDeviceID(time.Now()) }

func register(t *testing.T, r *Registry, e session.Entry) {
	t.Helper()
	if _, err := r.Register(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func routes(t *testing.T, r *Registry, self session.GatewayID, us ...chat.UserID) string {
	t.Helper()
	rs, err := r.Routes(t.Context(), self, us)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range rs {
		out = append(out, fmt.Sprintf("%s@%d:%d", x.Gateway.Name, x.Gateway.Epoch, len(x.Users)))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestSuite(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T) session.Registry {
		r := New(Options{Redis: open(t, servers.Unique("t")), Self: session.GatewayID{Name: "test"}, Lease: 10 * time.Minute})
		for _, g := range []session.GatewayID{{Name: "g1", Epoch: 1}, {Name: "g1", Epoch: 2}, {Name: "g2", Epoch: 1}, {Name: "g3", Epoch: 1}} {
			if err := r.Lease(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		return r
	})
}

// TestTheDeadDisappear: a gateway that doesn't renew its lease, and one that gives it up, hold nobody.
func TestTheDeadDisappear(t *testing.T) {
	prefix := servers.Unique("t")
	const lease = 900 * time.Millisecond
	a := New(Options{Redis: open(t, prefix), Self: g1, Lease: lease, Log: logger()})
	start(t, a)
	b := New(Options{Redis: open(t, prefix), Self: g2, Lease: lease, Log: logger()})
	stopB := start(t, b)
	dead := session.GatewayID{Name: "dead", Epoch: 5}
	if err := a.Lease(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	u, ch := user(), chat.NewConversationID(time.Now())
	es := []session.Entry{
		{User: u, Device: device(), Gateway: dead, Seq: 1}, {User: u, Device: device(), Gateway: dead, Seq: 2},
		{User: u, Device: device(), Gateway: g2, Seq: 3}, {User: u, Device: device(), Gateway: g1, Seq: 4},
	}
	for _, e := range es {
		register(t, a, e)
		if err := a.Follow(t.Context(), e.Gateway, ch, true); err != nil {
			t.Fatal(err)
		}
	}
	if got := routes(t, a, g1, u); got != "dead@5:1 g2@252201579132747776:1" {
		t.Fatal(got)
	}
	began := time.Now()
	eventually(t, 5*time.Second, func() error {
		if got := routes(t, a, g1, u); got != "g2@252201579132747776:1" {
			return fmt.Errorf("after %v: %s", time.Since(began), got)
		}
		return nil
	})
	if gs, err := a.Followers(t.Context(), g1, ch); err != nil || !slices.Equal(gs, []session.GatewayID{g2}) {
		t.Fatal(gs, err)
	}
	eventually(t, 5*time.Second, func() error { // their entries are taken out
		n, err := a.client.HLen(t.Context(), a.userKey(u)).Result()
		f, err2 := a.client.SCard(t.Context(), a.channelKey(ch)).Result()
		if err != nil || err2 != nil || n != 2 || f != 2 {
			return fmt.Errorf("%d entries, %d followers left: %v %v", n, f, err, err2)
		}
		return nil
	})
	stopB() // gives its lease up
	eventually(t, lease, func() error {
		if got := routes(t, a, g1, u); got != "" {
			return fmt.Errorf("after the end: %s", got)
		}
		return nil
	})
	if last, err := a.Remove(t.Context(), es[3]); err != nil || !last { // g2's entry may still stand, but doesn't count
		t.Fatal(last, err)
	}
	if on, err := a.Online(t.Context(), []chat.UserID{u}); err != nil || on[0] {
		t.Fatal(on, err)
	}
}

// TestAnUnknownGatewayIsAskedFor: a gateway that joined a moment ago counts at once, and one without a lease is asked for
// once.
func TestAnUnknownGatewayIsAskedFor(t *testing.T) {
	prefix := servers.Unique("t")
	c := open(t, prefix)
	a := New(Options{Redis: c, Self: g1, Lease: 10 * time.Minute})
	start(t, a)
	late, ghost := session.GatewayID{Name: "late", Epoch: 9}, session.GatewayID{Name: "ghost", Epoch: 9}
	other := New(Options{Redis: open(t, prefix), Self: late, Lease: 10 * time.Minute})
	if err := other.Lease(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	u, v := user(), user()
	register(t, other, session.Entry{User: u, Device: device(), Gateway: late, Seq: 1})
	register(t, other, session.Entry{User: v, Device: device(), Gateway: ghost, Seq: 1})
	if got := routes(t, a, g1, u, v); got != "late@9:1" {
		t.Fatal(got)
	}
	before := c.RoundTrips()[rediscluster.Routes]
	const n = 50
	for range n {
		w := user()
		register(t, other, session.Entry{User: w, Device: device(), Gateway: ghost, Seq: 1})
		if got := routes(t, a, g1, w); got != "" {
			t.Fatal(got)
		}
	}
	if trips := c.RoundTrips()[rediscluster.Routes] - before; trips != n {
		t.Fatalf("%d round trips for %d look-ups", trips, n)
	}
}

// TestRoutesRoundTrips: one user or five hundred, one round trip.
func TestRoutesRoundTrips(t *testing.T) {
	c := open(t, servers.Unique("t"))
	r := New(Options{Redis: c, Self: g1, Lease: 10 * time.Minute})
	if err := r.Lease(t.Context(), g2); err != nil {
		t.Fatal(err)
	}
	var us []chat.UserID
	for i := range 500 {
		us = append(us, user())
		register(t, r, session.Entry{User: us[i], Device: device(), Gateway: g2, Seq: 1})
	}
	if got := routes(t, r, g1, us[0]); got == "" {
		t.Fatal("nothing")
	}
	for _, n := range []int{1, 500} {
		before := c.RoundTrips()[rediscluster.Routes]
		began := time.Now()
		if got, want := routes(t, r, g1, append(us[:n:n], us[:n]...)...), fmt.Sprintf("g2@%d:%d", g2.Epoch, n); got != want {
			t.Fatal(got, want)
		}
		t.Logf("%d users: %v", n, time.Since(began))
		if trips := c.RoundTrips()[rediscluster.Routes] - before; trips != 1 {
			t.Fatalf("%d round trips for %d users", trips, n)
		}
	}
}

// TestMemory measures what an entry costs Redis.
func TestMemory(t *testing.T) {
	r := New(Options{Redis: open(t, servers.Unique("t")), Self: g1})
	e := session.Entry{User: user(), Device: device(), Gateway: session.GatewayID{Name: "gateway-1", Epoch: time.Now().UnixNano()}, Seq: time.Now().UnixNano()}
	register(t, r, e)
	one, err := r.client.MemoryUsage(t.Context(), r.userKey(e.User)).Result()
	if err != nil {
		t.Fatal(err)
	}
	e.Device = device()
	register(t, r, e)
	two, err := r.client.MemoryUsage(t.Context(), r.userKey(e.User)).Result()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes for a user's first device, %d for the second", one, two-one)
	if one > 320 || two-one > 160 {
		t.Errorf("%d bytes for a user's first device, %d for the second", one, two-one)
	}
}
