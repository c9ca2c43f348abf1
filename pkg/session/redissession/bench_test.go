package redissession

import (
	"fmt"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

// BenchmarkRoutes: one round trip; its time is what a live push to another gateway waits for.
func BenchmarkRoutes(b *testing.B) {
	c, err := rediscluster.Open(rediscluster.Options{Addrs: servers.Redis(b), Prefix: servers.Unique("b")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	r := New(Options{Redis: c, Self: g1, Lease: 10 * time.Minute})
	if err := r.Lease(b.Context(), g2); err != nil {
		b.Fatal(err)
	}
	var us []chat.UserID
	for range 256 {
		us = append(us, user())
		if _, err := r.Register(b.Context(), session.Entry{User: us[len(us)-1], Device: device(), Gateway: g2, Seq: 1}); err != nil {
			b.Fatal(err)
		}
	}
	for _, n := range []int{1, 2, 256} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rs, err := r.Routes(b.Context(), g1, us[:n]); err != nil || len(rs) != 1 || len(rs[0].Users) != n {
					b.Fatal(rs, err)
				}
			}
		})
	}
}
