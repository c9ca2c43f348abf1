package redisbus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

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
	return open(t, servers.Redis(t))
}

func open(t testing.TB, addrs []string) *rediscluster.Cluster {
	t.Helper()
	var name [6]byte
	_, _ = rand.Read(name[:])
	c, err := rediscluster.Open(rediscluster.Options{
		Addrs: addrs, Prefix: "test-" + hex.EncodeToString(name[:]) + ":", Log: slog.New(slog.DiscardHandler),
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

func newRig() *rig {
	return &rig{self: session.GatewayID{Name: "here", Epoch: 3}, more: make(chan struct{}, 1)}
}

func start(t testing.TB, o Options) *rig {
	t.Helper()
	if o.Cluster == nil {
		o.Cluster = cluster(t)
	}
	r := newRig()
	r.Bus = New(o)
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

func TestPublishersTakeTurns(t *testing.T) {
	r := start(t, Options{})
	const n = 2000
	before := r.cluster.RoundTrips()[rediscluster.Publish]
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for k := range n / 50 {
				r.send(t, uint64(i*1000+k))
			}
		})
	}
	wg.Wait()
	r.until(t, "all of them", func(got []uint64, _ []string) bool { return len(got) == n })
	s, trips := r.Stats(), r.cluster.RoundTrips()[rediscluster.Publish]-before
	if s.Published != n || s.Received != n || s.Batches != trips || trips > n/2 {
		t.Errorf("%d round trips, %+v", trips, s)
	}
	t.Logf("%d publishes by 50 at once in %d round trips", n, trips)
}

func TestAMessageThatComesTwiceIsReceivedOnce(t *testing.T) {
	r := start(t, Options{})
	body := appendHead(nil, kindBatch, [8]byte{1}, 7)
	body = bus.AppendEnvelopes(body, []bus.Envelope{envelope(1)})
	next := bus.AppendEnvelopes(appendHead(nil, kindBatch, [8]byte{1}, 8), []bus.Envelope{envelope(2)})
	for _, b := range [][]byte{body, body, next} {
		if err := r.cluster.Client().SPublish(t.Context(), r.channel(r.self), b).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r.until(t, "the second", func(got []uint64, _ []string) bool { return len(got) > 0 && got[len(got)-1] == 2 })
	if s := r.Stats(); len(r.got) != 2 || s.Repeated != 1 {
		t.Errorf("got %v, %+v", r.got, s)
	}
}

func TestWhatCannotBeReadIsAGap(t *testing.T) {
	r := start(t, Options{})
	unknown := append(appendHead(nil, kindBatch, [8]byte{1}, 1), bus.WireVersion+1)
	for _, b := range [][]byte{nil, []byte("x"), unknown} {
		if err := r.cluster.Client().SPublish(t.Context(), r.channel(r.self), b).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r.until(t, "the gap", func(_ []uint64, gaps []string) bool { return len(gaps) == 1 })
	r.send(t, 1)
	r.until(t, "the envelope after it", func(got []uint64, _ []string) bool { return len(got) == 1 })
	if s := r.Stats(); s.DecodeErrors != 3 || len(r.gaps) != 1 || s.Rebuilds != 0 {
		t.Errorf("%d gaps, %+v", len(r.gaps), s)
	}
}

// TestDeafSubscriptionIsNoticed: the connection is well and no probe comes.
func TestDeafSubscriptionIsNoticed(t *testing.T) {
	b := New(Options{Cluster: cluster(t), Probe: 10 * time.Millisecond})
	s := newSubscription(b, session.GatewayID{Name: "deaf", Epoch: 1}, newRig())
	ps := b.cluster.Client().SSubscribe(t.Context())
	t.Cleanup(func() {
		if err := ps.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.subscribe(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
	if err := s.read(t.Context(), ps, [8]byte{1}, func() { t.Error("proven without a probe") }); !errors.Is(err, errDeaf) {
		t.Errorf("read ended with %v", err)
	}
	if n := b.Stats().ProbesMissed; n != 1 {
		t.Errorf("%d probes missed", n)
	}
}

// While Redis is down nobody says anything, and a receiver has to look for itself again and again.
func TestWithoutRedisTheGapIsToldAgain(t *testing.T) {
	r := &rig{self: session.GatewayID{Name: "deaf"}, more: make(chan struct{}, 1)}
	b := New(Options{Cluster: open(t, []string{"127.0.0.1:1"}), Deaf: 50 * time.Millisecond})
	b.Subscribe(r.self, r)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	r.until(t, "gaps", func(_ []uint64, gaps []string) bool { return len(gaps) >= 3 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestPublishFailsFastWithoutRedis(t *testing.T) {
	b := New(Options{Cluster: open(t, []string{"127.0.0.1:1"})})
	for i := range 10 {
		begun := time.Now()
		err := b.Publish(t.Context(), session.GatewayID{Name: "x"}, envelope(uint64(i)))
		if !errors.Is(err, bus.ErrUnavailable) || errors.Is(err, bus.ErrNoReceiver) || time.Since(begun) > time.Second {
			t.Fatalf("after %v: %v", time.Since(begun), err)
		}
	}
	if s := b.Stats(); s.Failed != 10 || len(b.out) != 0 {
		t.Errorf("%d outboxes, %+v", len(b.out), s)
	}
}

func TestQueueIsBounded(t *testing.T) {
	b := New(Options{Cluster: cluster(t), Queue: 1000})
	to := session.GatewayID{Name: "slow"}
	big := envelope(1)
	big.Push = &chat.Push{Kind: chat.PushMessage, Message: &chat.Message{Content: string(make([]byte, 600))}}
	if leads, err := b.enqueue(to, wrap([]bus.Envelope{big})); !leads || err != nil {
		t.Fatal(leads, err)
	}
	if err := b.Publish(t.Context(), to, big); !errors.Is(err, bus.ErrUnavailable) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := b.Publish(ctx, to, envelope(2)); !errors.Is(err, context.Canceled) { // waits for the leader, who never sends
		t.Fatal(err)
	}
	if o := b.out[to]; len(o.queue) != 1 {
		t.Errorf("%d wait", len(o.queue))
	}
}

func BenchmarkPublish(b *testing.B) {
	r := start(b, Options{})
	env := envelope(1)
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := r.Publish(context.Background(), r.self, env); err != nil {
				b.Error(err)
				return
			}
		}
	})
	s := r.Stats()
	b.ReportMetric(float64(s.Published)/float64(s.Batches), "envelopes/SPUBLISH")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
}
