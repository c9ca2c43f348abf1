package redispresence

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/presence/presencetest"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/session/redissession"
	"github.com/murre-chat/murre/pkg/store"
)

func logger() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// open makes the presence of a gateway of its own.
func open(t *testing.T, prefix, name string, users store.Users) (presencetest.Engine, *Presence, *redissession.Registry) {
	t.Helper()
	c, err := rediscluster.Open(rediscluster.Options{Addrs: servers.Redis(t), Prefix: prefix, Log: logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	self := session.GatewayID{Name: name, Epoch: 1}
	reg := redissession.New(redissession.Options{Redis: c, Self: self, Lease: 10 * time.Minute})
	if err := reg.Lease(t.Context(), self); err != nil {
		t.Fatal(err)
	}
	p := New(Options{Redis: c, Sessions: reg, Self: self, Users: users, Log: logger()})
	var seq atomic.Int64
	return presencetest.Engine{
		Presence: p,
		Connect: func(u chat.UserID, d chat.DeviceID) {
			if _, err := reg.Register(t.Context(), session.Entry{User: u, Device: d, Gateway: self, Seq: seq.Add(1)}); err != nil {
				t.Error(err)
			}
			p.Connected(u, d)
		},
		Disconnect: func(u chat.UserID, d chat.DeviceID) {
			if _, err := reg.Remove(t.Context(), session.Entry{User: u, Device: d, Gateway: self, Seq: seq.Load()}); err != nil {
				t.Error(err)
			}
			p.Disconnected(u, d)
		},
	}, p, reg
}

func TestSuite(t *testing.T) {
	presencetest.Run(t, func(t *testing.T, users store.Users) presencetest.Engine {
		e, _, _ := open(t, servers.Unique("t"), "g1", users)
		return e
	})
}

func person() chat.UserID   { return chat.NewUserID(time.Now()) }
func device() chat.DeviceID { return chat.NewDeviceID(time.Now()) }

const soon = 5 * time.Second

func told(r *presencetest.Running, u chat.UserID) (out []string) {
	for _, n := range r.News() {
		if n.State.User == u {
			out = append(out, fmt.Sprint(n.State.Online, " ", len(n.Watchers)))
		}
	}
	return out
}

// TestTwoGateways: a watcher at one gateway hears of a user at another; who is still connected elsewhere isn't offline.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	prefix := servers.Unique("t")
	users := presencetest.NewUsers()
	ea, _, _ := open(t, prefix, "a", users)
	eb, pb, _ := open(t, prefix, "b", users)
	a, b := presencetest.Start(t, ea), presencetest.Start(t, eb)
	anna, ben := person(), person()
	b.Watch(ben, []chat.UserID{anna})
	presencetest.Eventually(t, soon, "interest", func() bool {
		n, err := pb.interests.redis.Client().ZCard(t.Context(), pb.interests.key(anna)).Result()
		return err == nil && n == 1
	})
	phone, laptop := device(), device()
	a.Connect(anna, phone)
	presencetest.Eventually(t, soon, "told", func() bool { return slices.Equal(told(a, anna), []string{"true 1"}) })
	for _, r := range []*presencetest.Running{a, b} {
		s, err := r.States(t.Context(), []chat.UserID{ben, anna})
		if err != nil || s[0].Online || !s[1].Online {
			t.Fatal(s, err)
		}
	}
	b.Connect(anna, laptop)
	presencetest.Eventually(t, soon, "told again", func() bool { return slices.Equal(told(b, anna), []string{"true 1"}) })
	a.Disconnect(anna, phone)
	left := time.Now()
	// When the mark, who left later, was told of, anna was judged.
	mark := person()
	a.Watch(ben, []chat.UserID{mark})
	a.Connect(mark, phone)
	a.Disconnect(mark, phone)
	presencetest.Eventually(t, presence.Grace+soon, "mark", func() bool { return slices.Contains(told(a, mark), "false 1") })
	if got := told(a, anna); !slices.Equal(got, []string{"true 1"}) {
		t.Fatal("told that she left although she is connected to b:", got)
	}
	b.Disconnect(anna, laptop)
	presencetest.Eventually(t, presence.Grace+soon, "told of the end", func() bool { return slices.Equal(told(b, anna), []string{"true 1", "false 1"}) })
	t.Logf("told %v after she left a", time.Since(left))
	s, err := a.States(t.Context(), []chat.UserID{anna})
	if err != nil || s[0].Online {
		t.Fatal(s, err)
	}
}

// TestWithoutRedis: those at this gateway still hear of each other.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	c, err := rediscluster.Open(rediscluster.Options{Addrs: []string{"127.0.0.1:1"}, Log: logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	self := session.GatewayID{Name: "alone", Epoch: 1}
	users := presencetest.NewUsers()
	p := New(Options{Redis: c, Self: self, Users: users, Sessions: redissession.New(redissession.Options{Redis: c, Self: self})})
	r := presencetest.Start(t, presencetest.Engine{Presence: p, Connect: p.Connected, Disconnect: p.Disconnected})
	anna, ben, cleo := person(), person(), person()
	r.Watch(ben, []chat.UserID{anna})
	d := device()
	r.Connect(anna, d)
	presencetest.Eventually(t, soon, "told", func() bool { return slices.Equal(told(r, anna), []string{"true 1"}) })
	r.Disconnect(anna, d)
	presencetest.Eventually(t, presence.Grace+soon, "told", func() bool { return slices.Equal(told(r, anna), []string{"true 1", "false 1"}) })
	if s, err := r.States(t.Context(), []chat.UserID{anna, cleo}); err != nil || s[0].Online || s[0].LastSeen == 0 || s[1].Online {
		t.Fatal(s, err)
	}
	if p.Unsure() == 0 {
		t.Error("it was sure")
	}
	for range 2 * maxQueue { // never blocks
		p.Watch(person(), []chat.UserID{person()})
	}
}

// TestInterestIsBounded: in number and in time.
func TestInterestIsBounded(t *testing.T) {
	t.Parallel()
	e, p, _ := open(t, servers.Unique("t"), "g", presencetest.NewUsers())
	presencetest.Start(t, e)
	anna := person()
	for range maxPerWatched + 100 {
		p.Watch(person(), []chat.UserID{anna})
	}
	key, client := p.interests.key(anna), p.interests.redis.Client()
	presencetest.Eventually(t, soon, "all written", func() bool { return client.ZCard(t.Context(), key).Val() >= maxPerWatched })
	many := make([]rediscluster.Call, 0, 10)
	for range 10 {
		many = p.interests.append(many, asking{person(), []chat.UserID{anna}})
	}
	p.interests.write(context.Background(), many)
	if n := client.ZCard(t.Context(), key).Val(); n != maxPerWatched {
		t.Fatalf("%d watchers", n)
	}
	if d := client.PTTL(t.Context(), key).Val(); d <= 0 || d > presence.InterestFor {
		t.Fatal("kept for", d)
	}
}
