package redisbus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/bus/bustest"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

const patience = 10 * time.Second

func cluster(t testing.TB) *rediscluster.Cluster {
	t.Helper()
	var name [6]byte
	_, _ = rand.Read(name[:])
	c, err := rediscluster.Open(rediscluster.Options{
		Addrs: servers.Redis(t), Prefix: "test-" + hex.EncodeToString(name[:]) + ":", Log: slog.New(slog.DiscardHandler),
	})
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

func TestSuite(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Engine {
		b := New(Options{Cluster: cluster(t)})
		return bustest.Engine{Bus: b, Settle: b.Settled}
	})
}

// rig is a bus that runs, with one gateway listening.
type rig struct {
	*Bus
	self session.GatewayID
	mu   sync.Mutex
	got  []uint64
	gaps []string
	more chan struct{}
}

func (r *rig) Receive(e bus.Envelope) {
	r.mu.Lock()
	r.got = append(r.got, e.Seq)
	r.mu.Unlock()
	r.signal()
}

func (r *rig) Gap(reason string) {
	r.mu.Lock()
	r.gaps = append(r.gaps, reason)
	r.mu.Unlock()
	r.signal()
}

func (r *rig) signal() {
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// until waits for a state of what was received.
func (r *rig) until(t testing.TB, what string, ok func(got []uint64, gaps []string) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		done := ok(r.got, r.gaps)
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("%s: got %v, gaps %q, %+v", what, r.got, r.gaps, r.Stats())
		}
	}
}

func start(t testing.TB, o Options) *rig {
	t.Helper()
	if o.Cluster == nil {
		o.Cluster = cluster(t)
	}
	r := &rig{Bus: New(o), self: session.GatewayID{Name: "here", Epoch: 3}, more: make(chan struct{}, 1)}
	r.Subscribe(r.self, r)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("Run did not end")
		}
	})
	settle, cancelSettle := context.WithTimeout(t.Context(), patience)
	defer cancelSettle()
	if err := r.Settled(settle); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) send(t testing.TB, seq uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Publish(ctx, r.self, envelope(seq)); err != nil {
		t.Fatalf("publish %d: %v", seq, err)
	}
}

func envelope(seq uint64) bus.Envelope {
	return bus.Envelope{From: session.GatewayID{Name: "there", Epoch: 1}, Seq: seq, Push: &chat.Push{Kind: chat.PushTyping, Typing: &chat.Typing{On: true}}}
}

// master is the driver's client of the node that owns the gateway's channel.
func (r *rig) master(t testing.TB) *redis.Client {
	t.Helper()
	n, err := r.cluster.Client().MasterForKey(t.Context(), r.channel(r.self))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// listening returns the ids of the connections subscribed to the gateway's channel: a test has a node's only one with its
// own name, so it looks for a shard channel subscription that came with this rig.
func (r *rig) listening(t testing.TB) map[string]string {
	t.Helper()
	list, err := r.master(t).ClientList(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for line := range strings.Lines(list) {
		fields := make(map[string]string)
		for f := range strings.FieldsSeq(line) {
			k, v, _ := strings.Cut(f, "=")
			fields[k] = v
		}
		if fields["ssub"] != "" && fields["ssub"] != "0" {
			out[fields["id"]] = fields["laddr"]
		}
	}
	return out
}

func TestKilledConnectionIsReplaced(t *testing.T) {
	c := cluster(t)
	before := (&rig{Bus: New(Options{Cluster: c}), self: session.GatewayID{Name: "here", Epoch: 3}}).listening(t)
	r := start(t, Options{Cluster: c})
	r.send(t, 1)
	killed := 0
	for id := range r.listening(t) {
		if _, old := before[id]; old {
			continue
		}
		// Others may subscribe meanwhile: only a connection of this process may be killed, which is not told apart by id.
		if n, err := r.master(t).ClientKillByFilter(t.Context(), "ID", id).Result(); err != nil {
			t.Fatal(err)
		} else if n == 1 {
			killed++
		}
	}
	if killed == 0 {
		t.Fatal("no connection of ours was found")
	}
	r.until(t, "the gap", func(_ []uint64, gaps []string) bool { return len(gaps) == 1 })
	r.send(t, 2)
	r.until(t, "the second envelope", func(got []uint64, _ []string) bool { return len(got) == 2 && got[1] == 2 })
	if s := r.Stats(); s.Rebuilds != 1 || s.Subscribed != 1 {
		t.Errorf("%+v", s)
	}
}
