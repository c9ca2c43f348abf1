package bustest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

// Engine is one bus to test.
type Engine struct {
	Bus bus.Bus
	// Settle waits until a subscription made before the call is known everywhere.
	Settle func(ctx context.Context) error
}

// wait bounds every wait of the suite.
const wait = 10 * time.Second

// Run runs the suite; open makes a fresh engine for each test.
func Run(t *testing.T, open func(t *testing.T) Engine) {
	t.Run("delivers in order", func(t *testing.T) { inOrder(t, start(t, open)) })
	t.Run("nobody listens", func(t *testing.T) { nobody(t, start(t, open)) })
	t.Run("only to the gateway named", func(t *testing.T) { onlyNamed(t, start(t, open)) })
	t.Run("a restarted gateway is another", func(t *testing.T) { epochs(t, start(t, open)) })
	t.Run("many publishers at once", func(t *testing.T) { concurrent(t, start(t, open)) })
	t.Run("batches", func(t *testing.T) { batches(t, start(t, open)) })
	t.Run("a large batch", func(t *testing.T) { large(t, start(t, open)) })
	t.Run("nothing to publish", func(t *testing.T) { nothing(t, start(t, open)) })
	t.Run("a cancelled context", func(t *testing.T) { cancelled(t, start(t, open)) })
}

func start(t *testing.T, open func(t *testing.T) Engine) Engine {
	e := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Bus.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(wait):
			t.Error("Run did not end with its context")
		}
	})
	return e
}

func gateway(name string, epoch int64) session.GatewayID {
	return session.GatewayID{Name: name, Epoch: epoch}
}

// inbox collects what a receiver gets.
type inbox struct {
	mu   sync.Mutex
	got  []bus.Envelope
	gaps int
	more chan struct{}
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 1)} }

func (r *inbox) Receive(e bus.Envelope) {
	r.mu.Lock()
	r.got = append(r.got, e)
	r.mu.Unlock()
	r.signal()
}

func (r *inbox) Gap(string) {
	r.mu.Lock()
	r.gaps++
	r.mu.Unlock()
	r.signal()
}

func (r *inbox) signal() {
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// await waits for n envelopes; fewer are accepted only if a gap was announced.
func (r *inbox) await(t *testing.T, n int) []bus.Envelope {
	t.Helper()
	deadline := time.After(wait)
	for {
		r.mu.Lock()
		got, gaps := append([]bus.Envelope(nil), r.got...), r.gaps
		r.mu.Unlock()
		if len(got) >= n || gaps > 0 {
			return got
		}
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("got %d of %d envelopes and no gap was announced", len(got), n)
		}
	}
}

func publish(t *testing.T, e Engine, to session.GatewayID, env bus.Envelope) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := e.Bus.Publish(ctx, to, env); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

func subscribe(t *testing.T, e Engine, id session.GatewayID, r bus.Receiver) {
	t.Helper()
	e.Bus.Subscribe(id, r)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := e.Settle(ctx); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

func typing(n int) *chat.Push {
	return &chat.Push{Kind: chat.PushTyping, Typing: &chat.Typing{Username: string(rune('a' + n%26)), On: n%2 == 0}}
}

func inOrder(t *testing.T, e Engine) {
	a, b := gateway("a", 1), gateway("b", 1)
	r := newInbox()
	subscribe(t, e, b, r)
	const n = 1000
	for i := 1; i <= n; i++ {
		publish(t, e, b, bus.Envelope{From: a, Seq: uint64(i), Push: typing(i)})
	}
	last := uint64(0)
	for _, env := range r.await(t, n) {
		if env.Seq <= last {
			t.Fatalf("sequence %d after %d", env.Seq, last)
		}
		if env.From != a {
			t.Fatalf("from %v, want %v", env.From, a)
		}
		if env.Push == nil || env.Push.Typing == nil || *env.Push.Typing != *typing(int(env.Seq)).Typing {
			t.Fatalf("envelope %d carries %+v", env.Seq, env.Push)
		}
		last = env.Seq
	}
}

func nobody(t *testing.T, e Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	err := e.Bus.Publish(ctx, gateway("gone", 7), bus.Envelope{From: gateway("a", 1), Seq: 1, Push: typing(1)})
	if !errors.Is(err, bus.ErrNoReceiver) {
		t.Fatalf("Publish to nobody: %v, want ErrNoReceiver", err)
	}
}

func onlyNamed(t *testing.T, e Engine) {
	b, c := newInbox(), newInbox()
	subscribe(t, e, gateway("b", 1), b)
	subscribe(t, e, gateway("c", 1), c)
	publish(t, e, gateway("b", 1), bus.Envelope{From: gateway("a", 1), Seq: 1, Push: typing(1)})
	publish(t, e, gateway("c", 1), bus.Envelope{From: gateway("a", 1), Seq: 2, Push: typing(2)})
	for _, env := range b.await(t, 1) {
		if env.Seq != 1 {
			t.Errorf("b got the envelope of c")
		}
	}
	for _, env := range c.await(t, 1) {
		if env.Seq != 2 {
			t.Errorf("c got the envelope of b")
		}
	}
}

func epochs(t *testing.T, e Engine) {
	old, fresh := newInbox(), newInbox()
	subscribe(t, e, gateway("b", 1), old)
	e.Bus.Subscribe(gateway("b", 1), nil)
	subscribe(t, e, gateway("b", 2), fresh)
	publish(t, e, gateway("b", 2), bus.Envelope{From: gateway("a", 1), Seq: 1, Push: typing(1)})
	fresh.await(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := e.Bus.Publish(ctx, gateway("b", 1), bus.Envelope{From: gateway("a", 1), Seq: 2, Push: typing(2)}); !errors.Is(err, bus.ErrNoReceiver) {
		t.Errorf("Publish to an ended epoch: %v, want ErrNoReceiver", err)
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	if len(old.got) != 0 {
		t.Errorf("an ended subscription received %d envelopes", len(old.got))
	}
}

func concurrent(t *testing.T, e Engine) {
	const publishers, each = 8, 200
	b := gateway("b", 1)
	r := newInbox()
	subscribe(t, e, b, r)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			from := gateway(string(rune('p'+p)), 1)
			for i := 1; i <= each; i++ {
				ctx, cancel := context.WithTimeout(context.Background(), wait)
				err := e.Bus.Publish(ctx, b, bus.Envelope{From: from, Seq: uint64(i), Push: typing(i)})
				cancel()
				if err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	last := map[session.GatewayID]uint64{}
	for _, env := range r.await(t, publishers*each) {
		if env.Seq <= last[env.From] {
			t.Fatalf("from %v: sequence %d after %d", env.From, env.Seq, last[env.From])
		}
		last[env.From] = env.Seq
	}
}

func cancelled(t *testing.T, e Engine) {
	b := gateway("b", 1)
	subscribe(t, e, b, newInbox())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Bus.Publish(ctx, b, bus.Envelope{From: gateway("a", 1), Seq: 1, Push: typing(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish with a cancelled context: %v", err)
	}
}

// batches: the envelopes of one publisher keep their order within and across its batches, whoever else publishes.
func batches(t *testing.T, e Engine) {
	const publishers, rounds = 8, 30
	b := gateway("b", 1)
	r := newInbox()
	subscribe(t, e, b, r)
	var wg sync.WaitGroup
	total := 0
	for p := range publishers {
		total += rounds * (p + 1)
		wg.Go(func() {
			from, seq := gateway(string(rune('p'+p)), 1), uint64(0)
			for range rounds {
				var batch []bus.Envelope
				for range p + 1 {
					seq++
					batch = append(batch, bus.Envelope{From: from, Seq: seq, Push: typing(int(seq))})
				}
				ctx, cancel := context.WithTimeout(context.Background(), wait)
				err := e.Bus.Publish(ctx, b, batch...)
				cancel()
				if err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	last := map[session.GatewayID]uint64{}
	for _, env := range r.await(t, total) {
		if env.Seq <= last[env.From] {
			t.Fatalf("from %v: sequence %d after %d", env.From, env.Seq, last[env.From])
		}
		last[env.From] = env.Seq
		if *env.Push.Typing != *typing(int(env.Seq)).Typing {
			t.Fatalf("envelope %d carries %+v", env.Seq, env.Push)
		}
	}
}

// large: a batch of 2 MB, among it a push of the largest message to the largest group, arrives whole and in order.
func large(t *testing.T, e Engine) {
	a, b := gateway("a", 1), gateway("b", 1)
	r := newInbox()
	subscribe(t, e, b, r)
	now := time.Now()
	members := make([]chat.UserID, chat.MaxGroupMembers)
	for i := range members {
		members[i] = chat.NewUserID(now)
	}
	var batch []bus.Envelope
	for i := range 200 {
		text := strings.Repeat("x", i*50)
		if i == 100 {
			text = strings.Repeat("\U0001F426", chat.MaxContent)
		}
		m := &chat.Message{ID: chat.MessageID(i + 1), Sender: members[0], Content: text}
		batch = append(batch, bus.Envelope{From: a, Seq: uint64(i + 1), Push: &chat.Push{Kind: chat.PushMessage, Recipients: members, Message: m}})
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := e.Bus.Publish(ctx, b, batch...); err != nil {
		t.Fatalf("Publish: %v", err)
	}
	for i, env := range r.await(t, len(batch)) {
		want := batch[i].Push
		if env.Seq != uint64(i+1) || env.Push.Message.Content != want.Message.Content || len(env.Push.Recipients) != len(members) {
			t.Fatalf("envelope %d is %d, %d bytes to %d", i+1, env.Seq, len(env.Push.Message.Content), len(env.Push.Recipients))
		}
	}
}

func nothing(t *testing.T, e Engine) {
	b := gateway("b", 1)
	r := newInbox()
	subscribe(t, e, b, r)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := e.Bus.Publish(ctx, b); err != nil {
		t.Fatalf("Publish of nothing: %v", err)
	}
	publish(t, e, b, bus.Envelope{From: gateway("a", 1), Seq: 1, Push: nil}) // says only how far the sequence has come
	for _, env := range r.await(t, 1) {
		if env.Seq != 1 || env.Push != nil {
			t.Fatalf("got %+v", env)
		}
	}
}
