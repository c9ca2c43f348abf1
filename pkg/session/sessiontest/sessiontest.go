// Package sessiontest is the suite that every session.Registry passes.
package sessiontest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

// Run tests the registry that make returns; each test gets a new one whose gateways hold their leases.
func Run(t *testing.T, make func(t *testing.T) session.Registry) {
	for name, test := range map[string]func(*testing.T, session.Registry){
		"register and remove":   testRegister,
		"newer wins":            testNewerWins,
		"several devices":       testDevices,
		"routes":                testRoutes,
		"restarted gateway":     testEpoch,
		"everything at once":    testRaces,
		"a repeat does nothing": testRepeat,
		"channels":              testFollow,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

var (
	g1 = session.GatewayID{Name: "g1", Epoch: 1}
	g2 = session.GatewayID{Name: "g2", Epoch: 1}
	g3 = session.GatewayID{Name: "g3", Epoch: 1}
)

func user() chat.UserID     { return chat.NewUserID(time.Now()) }
func device() chat.DeviceID { return chat.NewDeviceID(time.Now()) }

func register(t *testing.T, r session.Registry, e session.Entry) *session.Entry {
	t.Helper()
	old, err := r.Register(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return old
}

func remove(t *testing.T, r session.Registry, e session.Entry, last bool) {
	t.Helper()
	got, err := r.Remove(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if got != last {
		t.Fatalf("last device: %v, want %v", got, last)
	}
}

func online(t *testing.T, r session.Registry, want bool, us ...chat.UserID) {
	t.Helper()
	got, err := r.Online(t.Context(), us)
	if err != nil || len(got) != len(us) {
		t.Fatal(got, err)
	}
	for i, on := range got {
		if on != want {
			t.Fatalf("user %d online: %v", i, on)
		}
	}
}

// routes checks the answer, whatever its order.
func routes(t *testing.T, r session.Registry, self session.GatewayID, us []chat.UserID, want ...session.Route) {
	t.Helper()
	got, err := r.Routes(t.Context(), self, us)
	if err != nil {
		t.Fatal(err)
	}
	norm := func(rs []session.Route) []session.Route {
		for i := range rs {
			rs[i].Users = slices.SortedFunc(slices.Values(rs[i].Users), chat.UserID.Compare)
		}
		slices.SortFunc(rs, func(a, b session.Route) int {
			if a.Gateway.Name < b.Gateway.Name || (a.Gateway.Name == b.Gateway.Name && a.Gateway.Epoch < b.Gateway.Epoch) {
				return -1
			}
			return 1
		})
		return rs
	}
	eq := func(a, b session.Route) bool { return a.Gateway == b.Gateway && slices.Equal(a.Users, b.Users) }
	if got, want = norm(got), norm(want); !slices.EqualFunc(got, want, eq) {
		t.Fatalf("routes %+v, want %+v", got, want)
	}
}

func testRegister(t *testing.T, r session.Registry) {
	u := user()
	e := session.Entry{User: u, Device: device(), Gateway: g1, Seq: 1}
	online(t, r, false, u)
	if old := register(t, r, e); old != nil {
		t.Fatalf("replaced %+v", old)
	}
	online(t, r, true, u)
	remove(t, r, e, true)
	online(t, r, false, u)
	remove(t, r, e, false)
	remove(t, r, session.Entry{User: user(), Device: device(), Gateway: g1, Seq: 1}, false)
}

func testNewerWins(t *testing.T, r session.Registry) {
	u, d := user(), device()
	first := session.Entry{User: u, Device: d, Gateway: g1, Seq: 10}
	second := session.Entry{User: u, Device: d, Gateway: g2, Seq: 20}
	register(t, r, first)
	if old := register(t, r, second); old == nil || *old != first {
		t.Fatalf("replaced %+v", old)
	}
	remove(t, r, first, false) // stale: the newer stands
	online(t, r, true, u)
	if old := register(t, r, first); old != nil {
		t.Fatalf("an older entry replaced %+v", old)
	}
	routes(t, r, g3, []chat.UserID{u}, session.Route{Gateway: g2, Users: []chat.UserID{u}})
	remove(t, r, second, true)
	online(t, r, false, u)
}

func testRepeat(t *testing.T, r session.Registry) {
	e := session.Entry{User: user(), Device: device(), Gateway: g1, Seq: 5}
	register(t, r, e)
	if old := register(t, r, e); old != nil { // gateways register again after trouble
		t.Fatalf("replaced itself: %+v", old)
	}
	e2 := e
	e2.Seq = 6
	if old := register(t, r, e2); old == nil || *old != e {
		t.Fatalf("replaced %+v", old)
	}
	remove(t, r, e2, true)
}

func testDevices(t *testing.T, r session.Registry) {
	u := user()
	var es []session.Entry
	for i := range 5 {
		e := session.Entry{User: u, Device: device(), Gateway: g1, Seq: int64(i + 1)}
		if old := register(t, r, e); old != nil {
			t.Fatalf("replaced %+v", old)
		}
		es = append(es, e)
	}
	for i, n := range []int{0, 4, 2, 1} { // the first, the last, the middle ones
		_ = i
		remove(t, r, es[n], false)
		online(t, r, true, u)
	}
	remove(t, r, es[3], true)
	online(t, r, false, u)
}

func testRoutes(t *testing.T, r session.Registry) {
	a, b, c, nobody := user(), user(), user(), user()
	all := []chat.UserID{a, b, c, nobody}
	reg := func(u chat.UserID, g session.GatewayID) {
		register(t, r, session.Entry{User: u, Device: device(), Gateway: g, Seq: 1})
	}
	routes(t, r, g1, all)
	reg(a, g1)
	reg(b, g1)
	routes(t, r, g1, all) // only self
	routes(t, r, g2, all, session.Route{Gateway: g1, Users: []chat.UserID{a, b}})
	reg(a, g2)
	reg(a, g2) // two devices there: one route
	reg(c, g2)
	reg(c, g3)
	routes(t, r, g1, all, session.Route{Gateway: g2, Users: []chat.UserID{a, c}}, session.Route{Gateway: g3, Users: []chat.UserID{c}})
	routes(t, r, g2, all, session.Route{Gateway: g1, Users: []chat.UserID{a, b}}, session.Route{Gateway: g3, Users: []chat.UserID{c}})
	routes(t, r, g1, nil)
}

func testEpoch(t *testing.T, r session.Registry) {
	u, d := user(), device()
	old := session.Entry{User: u, Device: d, Gateway: g1, Seq: 1}
	register(t, r, old)
	again := session.GatewayID{Name: g1.Name, Epoch: 2}
	now := session.Entry{User: u, Device: d, Gateway: again, Seq: 2}
	if was := register(t, r, now); was == nil || was.Gateway != g1 {
		t.Fatalf("%+v", was)
	}
	remove(t, r, old, false)
	routes(t, r, g2, []chat.UserID{u}, session.Route{Gateway: again, Users: []chat.UserID{u}})
}

func testRaces(t *testing.T, r session.Registry) {
	users := make([]chat.UserID, 8)
	for i := range users {
		users[i] = user()
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			g := []session.GatewayID{g1, g2}[w%2]
			for i := range 200 {
				e := session.Entry{User: users[i%len(users)], Device: device(), Gateway: g, Seq: int64(i)}
				if _, err := r.Register(t.Context(), e); err != nil {
					t.Error(err)
				}
				if _, err := r.Routes(t.Context(), g1, users); err != nil {
					t.Error(err)
				}
				if _, err := r.Remove(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	online(t, r, false, users...)
}

func testFollow(t *testing.T, r session.Registry) {
	ch := chat.NewConversationID(time.Now())
	follow := func(g session.GatewayID, on bool) {
		t.Helper()
		if err := r.Follow(t.Context(), g, ch, on); err != nil {
			t.Fatal(err)
		}
	}
	want := func(self session.GatewayID, gs ...session.GatewayID) {
		t.Helper()
		got, err := r.Followers(t.Context(), self, ch)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(a, b session.GatewayID) int { return strings.Compare(a.Name, b.Name) })
		if !slices.Equal(got, gs) {
			t.Fatalf("followers %v, want %v", got, gs)
		}
	}
	want(g1)
	follow(g1, true)
	follow(g2, true)
	follow(g2, true)
	want(g1, g2)
	want(g3, g1, g2)
	follow(g2, false)
	follow(g3, false)
	want(g1)
	want(g2, g1)
	follow(g1, false)
	want(g2)
}
