package router_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
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

// blind is a registry that can't be asked for a while.
type blind struct {
	session.Registry
	on atomic.Bool
}

var errBlind = errors.New("can't be asked")

func (b *blind) Routes(ctx context.Context, self session.GatewayID, users []chat.UserID) ([]session.Route, error) {
	if b.on.Load() {
		return nil, errBlind
	}
	return b.Registry.Routes(ctx, self, users)
}

func (b *blind) Followers(ctx context.Context, self session.GatewayID, ch chat.ConversationID) ([]session.GatewayID, error) {
	if b.on.Load() {
		return nil, errBlind
	}
	return b.Registry.Followers(ctx, self, ch)
}

// TestWhatCouldNotBeLookedUpIsSeen: the registry's part for one user is away, the bus isn't. What is pushed within a moment of it
// comes when it is back. The user's gateway hears of no loss by itself: after a longer one it is told to look into the logs.
func TestWhatCouldNotBeLookedUpIsSeen(t *testing.T) {
	ch := chat.NewConversationID(time.Now())
	for name, push := range map[string]func(u chat.UserID) *chat.Push{
		"message": func(u chat.UserID) *chat.Push {
			return &chat.Push{Kind: chat.PushMessage, Recipients: []chat.UserID{u}, Event: chat.Event{ID: 5, Conversation: ch}, Message: &chat.Message{}}
		},
		"channel": func(chat.UserID) *chat.Push {
			return &chat.Push{Kind: chat.PushMessage, Channel: true, Event: chat.Event{ID: 5, Conversation: ch}, Message: &chat.Message{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sessions := &blind{Registry: localsession.New()}
				between, log := localbus.New(), slog.New(slog.DiscardHandler)
				a := router.New(router.Options{Self: one, Sessions: sessions, Bus: between, Log: log})
				b := router.New(router.Options{Self: two, Sessions: sessions, Bus: between, Log: log})
				ga, gb := &gate{}, &gate{}
				a.SetLocal(ga)
				b.SetLocal(gb)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() { _ = a.Run(ctx) })
				wg.Go(func() { _ = b.Run(ctx) })
				synctest.Wait()
				p := &pair{sessions: sessions.Registry.(*localsession.Registry)}
				here, there := p.connect(t, one), p.connect(t, two)
				b.Push(ctx, typing(here)) // one has heard of two
				synctest.Wait()
				if err := sessions.Follow(ctx, two, ch, true); err != nil {
					t.Fatal(err)
				}
				sessions.on.Store(true)
				a.Push(ctx, push(there))
				time.Sleep(time.Second)
				sessions.on.Store(false)
				time.Sleep(15 * time.Second)
				synctest.Wait()
				if n, reread := gb.shown(); n != 2 || reread != 0 {
					t.Fatalf("%d shown (one of its own), want 2; the logs were read again %d times", n, reread)
				}
				sessions.on.Store(true)
				a.Push(ctx, push(there))
				time.Sleep(30 * time.Second)
				sessions.on.Store(false)
				time.Sleep(15 * time.Second)
				synctest.Wait()
				if n, reread := gb.shown(); n != 2 || reread != 1 {
					t.Fatalf("%d shown, the logs were read again %d times, want once", n, reread)
				}
				if _, reread := ga.shown(); reread != 0 {
					t.Fatal("who lost nothing reads its logs")
				}
				cancel()
				wg.Wait()
			})
		})
	}
}

// cutOff is a bus that can't be reached for a while.
type cutOff struct {
	bus.Bus
	on atomic.Bool
}

func (c *cutOff) Publish(ctx context.Context, to session.GatewayID, batch ...bus.Envelope) error {
	if c.on.Load() {
		return bus.ErrUnavailable
	}
	return c.Bus.Publish(ctx, to, batch...)
}

// TestWhatCouldNotBePublishedIsSeenAfterwards: a gateway is cut off from the bus for longer than numbers are repeated, and has
// nothing to say afterwards. The others, who heard it all the time, learn that they missed something.
func TestWhatCouldNotBePublishedIsSeenAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions, between, log := localsession.New(), localbus.New(), slog.New(slog.DiscardHandler)
		cut := &cutOff{Bus: between}
		a := router.New(router.Options{Self: one, Sessions: sessions, Bus: cut, Log: log})
		b := router.New(router.Options{Self: two, Sessions: sessions, Bus: between, Log: log})
		gb := &gate{}
		b.SetLocal(gb)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = a.Run(ctx) })
		wg.Go(func() { _ = b.Run(ctx) })
		synctest.Wait()
		u := (&pair{sessions: sessions}).connect(t, two)
		push := func() {
			a.Push(ctx, &chat.Push{Kind: chat.PushMessage, Recipients: []chat.UserID{u}, Event: chat.Event{ID: 5}, Message: &chat.Message{}})
			synctest.Wait()
		}
		push()
		cut.on.Store(true)
		push()
		time.Sleep(time.Minute)
		cut.on.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n, reread := gb.shown(); n != 1 || reread != 1 {
			t.Fatalf("%d shown, the logs were read again %d times, want once each", n, reread)
		}
		time.Sleep(time.Minute)
		if n := a.Publishes.Load(); n > 80 {
			t.Errorf("%d publishes", n)
		}
		cancel()
		wg.Wait()
	})
}

// slow is a bus on which it takes a while to say how far the numbers have come.
type slow struct{ bus.Bus }

func (s slow) Publish(ctx context.Context, to session.GatewayID, batch ...bus.Envelope) error {
	if batch[0].Push == nil {
		time.Sleep(time.Second)
	}
	return s.Bus.Publish(ctx, to, batch...)
}

// TestNothingOvertakesARepeatedNumber: what is pushed while a number is said again comes after it, and nobody takes it for a hole.
func TestNothingOvertakesARepeatedNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions, between, log := localsession.New(), localbus.New(), slog.New(slog.DiscardHandler)
		a := router.New(router.Options{Self: one, Sessions: sessions, Bus: slow{between}, Log: log})
		b := router.New(router.Options{Self: two, Sessions: sessions, Bus: between, Log: log})
		gb := &gate{}
		b.SetLocal(gb)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = a.Run(ctx) })
		wg.Go(func() { _ = b.Run(ctx) })
		synctest.Wait()
		u := (&pair{sessions: sessions}).connect(t, two)
		for n := range 200 { // some while a number is said again
			a.Push(ctx, &chat.Push{Kind: chat.PushMessage, Recipients: []chat.UserID{u}, Event: chat.Event{ID: chat.EventID(n + 1)}, Message: &chat.Message{}})
			time.Sleep(2300 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n, reread := gb.shown(); n != 200 || reread != 0 {
			t.Errorf("%d shown, the logs were read again %d times, want 200 and never", n, reread)
		}
		cancel()
		wg.Wait()
	})
}
