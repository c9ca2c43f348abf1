package cqlstore

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gocql/gocql"
)

// inOrder offers its nodes in their order.
type inOrder struct {
	gocql.HostSelectionPolicy
	hosts []*gocql.HostInfo
}

func (p inOrder) Pick(gocql.ExecutableQuery) gocql.NextHost {
	i := 0
	return func() gocql.SelectedHost {
		if i == len(p.hosts) {
			return nil
		}
		i++
		return offered{p.hosts[i-1]}
	}
}

func (p inOrder) HostDown(*gocql.HostInfo) {}

type offered struct{ h *gocql.HostInfo }

func (o offered) Info() *gocql.HostInfo { return o.h }
func (o offered) Token() gocql.Token    { return nil }
func (o offered) Mark(error)            {}

func threeNodes() inOrder {
	var p inOrder
	for i := range byte(3) {
		h := gocql.HostInfoBuilder{HostId: gocql.UUID{15: i + 1}.String(), ConnectAddress: net.IPv4(127, 0, 0, i+1), Port: 9042}.Build()
		p.hosts = append(p.hosts, &h)
	}
	return p
}

func order(q *quietLast) (got []int) {
	next := q.Pick(nil)
	for h := next(); h != nil; h = next() {
		got = append(got, int(h.Info().ConnectAddress()[15]))
	}
	return got
}

func wantOrder(t *testing.T, q *quietLast, want ...int) {
	t.Helper()
	got := order(q)
	if len(got) != len(want) {
		t.Fatalf("asked %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("asked %v, want %v", got, want)
		}
	}
}

func TestSilentNodeIsAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers atomic.Bool
		var asked, told atomic.Int32
		nodes := threeNodes()
		q := newQuietLast(nodes, 2*time.Second, func() { told.Add(1) }, slog.New(slog.DiscardHandler))
		q.ask = func(_ context.Context, h *gocql.HostInfo) error {
			asked.Add(1)
			if h != nodes.hosts[0] {
				t.Errorf("asked %s", h.ConnectAddress())
			}
			if answers.Load() {
				return nil
			}
			return gocql.ErrTimeoutNoResponse
		}
		defer q.close()
		first := func(err error) { q.Pick(nil)().Mark(err) }

		// Other errors say nothing about a node's silence, nor do single timeouts far apart.
		for range silentAfter {
			first(errors.New("overloaded"))
		}
		for range 2 * silentAfter {
			first(gocql.ErrTimeoutNoResponse)
			time.Sleep(time.Second)
		}
		wantOrder(t, q, 1, 2, 3)

		time.Sleep(10 * time.Second)
		for range silentAfter {
			wantOrder(t, q, 1, 2, 3)
			first(gocql.ErrTimeoutNoResponse)
		}
		wantOrder(t, q, 2, 3, 1)

		// It stays there until it answers a question, which is put once a second.
		time.Sleep(10*time.Second + time.Millisecond)
		wantOrder(t, q, 2, 3, 1)
		if n := asked.Load(); n != 10 {
			t.Errorf("asked %d times in 10 s", n)
		}
		answers.Store(true)
		time.Sleep(askAgain)
		wantOrder(t, q, 1, 2, 3)
		if told.Load() != 1 {
			t.Errorf("told %d times that it answers", told.Load())
		}

		// It begins anew: what was counted before is forgotten.
		for range silentAfter - 1 {
			first(gocql.ErrTimeoutNoResponse)
		}
		wantOrder(t, q, 1, 2, 3)
	})
}

func TestAllSilentNodesAreAskedInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := threeNodes()
		q := newQuietLast(nodes, 2*time.Second, func() { t.Error("none answered") }, slog.New(slog.DiscardHandler))
		q.ask = func(ctx context.Context, _ *gocql.HostInfo) error { <-ctx.Done(); return ctx.Err() }
		for _, h := range nodes.hosts {
			for range silentAfter {
				q.timedOut(h)
			}
		}
		wantOrder(t, q, 1, 2, 3)
		q.HostDown(nodes.hosts[1]) // a node that is known to be down is no longer asked
		wantOrder(t, q, 2, 1, 3)
		q.close() // ends the questions under way
		q.timedOut(nodes.hosts[1])
		wantOrder(t, q, 2, 1, 3)
	})
}
