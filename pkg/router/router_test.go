package router_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/bus/localbus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/router"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/session/localsession"
)

// gate is what a gateway was shown.
type gate struct {
	mu     sync.Mutex
	got    []*chat.Push
	reread int
}

func (g *gate) Deliver(p *chat.Push) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, p)
}

func (g *gate) Reread(string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reread++
}

func (g *gate) shown() (int, int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.got), g.reread
}

// lossy drops the publishes that drop says.
type lossy struct {
	bus.Bus
	mu   sync.Mutex
	n    int
	drop func(n int) bool
}

func (l *lossy) Publish(ctx context.Context, to session.GatewayID, batch ...bus.Envelope) error {
	l.mu.Lock()
	l.n++
	lose := l.drop != nil && l.drop(l.n)
	l.mu.Unlock()
	if lose {
		return nil
	}
	return l.Bus.Publish(ctx, to, batch...)
}

var one, two = session.GatewayID{Name: "one", Epoch: 1}, session.GatewayID{Name: "two", Epoch: 7}

type pair struct {
	a, b     *router.Router
	ga, gb   *gate
	sessions *localsession.Registry
	bus      *lossy
}

func run(t *testing.T, drop func(n int) bool, test func(t *testing.T, p *pair)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{ga: &gate{}, gb: &gate{}, sessions: localsession.New(), bus: &lossy{Bus: localbus.New(), drop: drop}}
		log := slog.New(slog.DiscardHandler)
		p.a = router.New(router.Options{Self: one, Sessions: p.sessions, Bus: p.bus, Log: log})
		p.b = router.New(router.Options{Self: two, Sessions: p.sessions, Bus: p.bus, Log: log})
		p.a.SetLocal(p.ga)
		p.b.SetLocal(p.gb)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.a.Run(ctx) })
		wg.Go(func() { _ = p.b.Run(ctx) })
		synctest.Wait()
		test(t, p)
		cancel()
		wg.Wait()
	})
}

func (p *pair) connect(t *testing.T, g session.GatewayID) chat.UserID {
	t.Helper()
	u := chat.NewUserID(time.Now())
	if _, err := p.sessions.Register(t.Context(), session.Entry{User: u, Device: chat.NewDeviceID(time.Now()), Gateway: g, Seq: 1}); err != nil {
		t.Fatal(err)
	}
	return u
}

func typing(us ...chat.UserID) *chat.Push {
	return &chat.Push{Kind: chat.PushTyping, Recipients: us, Typing: &chat.Typing{On: true}}
}

func TestOnePartForEachGateway(t *testing.T) {
	run(t, nil, func(t *testing.T, p *pair) {
		here, there, also := p.connect(t, one), p.connect(t, two), p.connect(t, two)
		p.a.Push(t.Context(), typing(here, there, also, chat.NewUserID(time.Now())))
		synctest.Wait()
		if n, _ := p.ga.shown(); n != 1 {
			t.Fatalf("%d shown here", n)
		}
		if n, _ := p.gb.shown(); n != 1 || len(p.gb.got[0].Recipients) != 2 {
			t.Fatalf("%d shown there: %+v", n, p.gb.got)
		}
		if n := p.a.Publishes.Load(); n != 1 {
			t.Fatalf("%d publishes for one push to one gateway", n)
		}
	})
}

func TestOrderOfAConversation(t *testing.T) {
	run(t, nil, func(t *testing.T, p *pair) {
		u := p.connect(t, two)
		c := chat.NewConversationID(time.Now())
		const n = 5000
		for i := range n {
			p.a.Push(t.Context(), &chat.Push{Kind: chat.PushMessage, Recipients: []chat.UserID{u}, Event: chat.Event{ID: chat.EventID(i + 1), Conversation: c}, Message: &chat.Message{}})
		}
		synctest.Wait()
		if got, gaps := p.gb.shown(); got != n || gaps != 0 {
			t.Fatalf("%d of %d, %d gaps", got, n, gaps)
		}
		for i, q := range p.gb.got {
			if q.Event.ID != chat.EventID(i+1) {
				t.Fatalf("place %d holds %d", i, q.Event.ID)
			}
		}
	})
}

func TestChannelGoesToFollowers(t *testing.T) {
	run(t, nil, func(t *testing.T, p *pair) {
		c := chat.NewConversationID(time.Now())
		push := &chat.Push{Kind: chat.PushMessage, Channel: true, Event: chat.Event{Conversation: c}, Message: &chat.Message{}}
		p.a.Push(t.Context(), push)
		synctest.Wait()
		if n, _ := p.gb.shown(); n != 0 {
			t.Fatal("shown where nobody follows")
		}
		if err := p.sessions.Follow(t.Context(), two, c, true); err != nil {
			t.Fatal(err)
		}
		p.a.Push(t.Context(), push)
		synctest.Wait()
		if n, _ := p.gb.shown(); n != 1 {
			t.Fatalf("%d shown where somebody follows", n)
		}
	})
}

func TestAHoleIsSeen(t *testing.T) {
	run(t, func(n int) bool { return n == 2 }, func(t *testing.T, p *pair) {
		u := p.connect(t, two)
		for range 3 {
			p.a.Push(t.Context(), typing(u))
			synctest.Wait()
		}
		if n, gaps := p.gb.shown(); n != 2 || gaps != 1 {
			t.Fatalf("%d shown, %d gaps", n, gaps)
		}
	})
}

func TestALostLastPushIsSeen(t *testing.T) {
	for _, lost := range []int{1, 2} { // the first of all, and a later one
		run(t, func(n int) bool { return n == lost }, func(t *testing.T, p *pair) {
			u := p.connect(t, two)
			for range lost {
				p.a.Push(t.Context(), typing(u))
				synctest.Wait()
			}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			if n, gaps := p.gb.shown(); n != lost-1 || gaps != 1 {
				t.Fatalf("%d shown, %d gaps", n, gaps)
			}
			time.Sleep(time.Minute)
			if _, gaps := p.gb.shown(); gaps != 1 {
				t.Fatalf("%d gaps for one loss", gaps)
			}
			if n := p.a.Publishes.Load(); n != int64(lost)+3 {
				t.Fatalf("%d publishes, want 3 repeats", n)
			}
		})
	}
}

func TestTellNamesTheGateway(t *testing.T) {
	run(t, nil, func(t *testing.T, p *pair) {
		for to, want := range map[session.GatewayID]error{two: nil, one: nil, {Name: "gone", Epoch: 3}: bus.ErrNoReceiver} {
			if err := p.a.Tell(t.Context(), to, typing(chat.NewUserID(time.Now()))); !errors.Is(err, want) {
				t.Fatalf("%v: %v, want %v", to, err, want)
			}
		}
		if n, _ := p.gb.shown(); n != 1 {
			t.Fatalf("%d shown", n)
		}
		if n, _ := p.ga.shown(); n != 0 {
			t.Fatalf("%d shown here", n)
		}
		if p.a.Failed.Load() != 0 {
			t.Fatal("a gateway that is gone is no failure")
		}
	})
}

// An order that ends access has reached the other gateway when Push returns.
func TestOrdersAreAwaited(t *testing.T) {
	run(t, nil, func(t *testing.T, p *pair) {
		u := p.connect(t, two)
		for i := range 100 {
			p.a.Push(t.Context(), &chat.Push{Kind: chat.PushControl, Recipients: []chat.UserID{u}, Control: &chat.Control{Kind: chat.ControlRevoked}})
			if n, _ := p.gb.shown(); n != i+1 {
				t.Fatalf("%d of %d orders have arrived", n, i+1)
			}
		}
	})
}
