package auth

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

const password = "correct horse battery"

// recorder is a router that remembers.
type recorder struct {
	mu     sync.Mutex
	pushes []*chat.Push
}

func (r *recorder) Push(_ context.Context, p *chat.Push) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushes = append(r.pushes, p)
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type stack struct {
	*Auth
	store  store.Store
	router *recorder
	clock  *clock
}

func newStack(t testing.TB, change func(*Options)) *stack {
	t.Helper()
	db, err := pebblestore.Open(pebblestore.Options{Dir: t.TempDir(), NoSync: true, MemTableBytes: 4 << 20, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := &stack{store: db.Ports(), router: &recorder{}, clock: &clock{at: time.Now()}}
	o := Options{
		Users: s.store.Users, Sessions: s.store.Sessions, Changes: s.store.Changes, Router: s.router,
		Log: slog.New(slog.DiscardHandler), Now: s.clock.now,
	}
	if change != nil {
		change(&o)
	}
	s.Auth, err = New(o)
	require.NoError(t, err)
	return s
}

// run starts the background work, ended with the test.
func (s *stack) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func (s *stack) account(t testing.TB, name string) (chat.User, string) {
	t.Helper()
	u, token, err := s.Register(context.Background(), Registration{Username: name, Password: password}, Client{UserAgent: "test", Address: "192.0.2.1"})
	require.NoError(t, err)
	return u, token
}

func requireCode(t testing.TB, code chat.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code.String(), chat.CodeOf(err).String(), "%v", err)
}
