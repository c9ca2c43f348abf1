package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

func TestRegisterAndLogin(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	u, token := s.account(t, "alice")
	require.True(t, isSessionToken(token))
	id, err := s.Authenticate(ctx, token)
	require.NoError(t, err)
	require.Equal(t, u.ID, id.User)
	require.Equal(t, hashToken(token), id.Session)
	require.Equal(t, s.clock.now().Add(SessionLife).UnixMilli(), id.Expires)

	_, second, err := s.Login(ctx, "Alice", password, Client{})
	require.NoError(t, err, "capitals in a username are forgiven at sign-in")
	require.NotEqual(t, token, second)
	for _, c := range []struct{ name, password string }{{"alice", "wrong password"}, {"nobody", password}, {"not a name!", password}, {"alice", strings.Repeat("x", 2000)}} {
		_, _, err = s.Login(ctx, c.name, c.password, Client{})
		requireCode(t, chat.CodeUnauthenticated, err)
		require.Equal(t, "UNAUTHENTICATED: wrong username or password", err.Error(), "the same for all")
	}
	_, _, err = s.Register(ctx, Registration{Username: "alice", Password: password}, Client{})
	requireCode(t, chat.CodeConflict, err)

	row, err := s.store.Users.ByUsername(ctx, "alice")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(row.Password, "$argon2id$v=19$m=19456,t=2,p=1$"), row.Password)
	require.Equal(t, "alice", row.DisplayName)
}

func TestRegisterRaces(t *testing.T) {
	s := newStack(t, nil)
	var wg sync.WaitGroup
	errs := make(chan error, 6)
	for range 6 {
		wg.Go(func() {
			_, _, err := s.Register(context.Background(), Registration{Username: "alice", Password: password}, Client{})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	won := 0
	for err := range errs {
		if err == nil {
			won++
			continue
		}
		requireCode(t, chat.CodeConflict, err)
	}
	require.Equal(t, 1, won)
}

func TestClosed(t *testing.T) {
	s := newStack(t, func(o *Options) { o.Closed = true })
	require.False(t, s.Open())
	_, _, err := s.Register(context.Background(), Registration{Username: "alice", Password: password}, Client{})
	requireCode(t, chat.CodeForbidden, err)
	_, err = s.CreateUser(context.Background(), Registration{Username: "alice", Password: password})
	require.NoError(t, err, "an operator may")
}

func TestBadRegistrations(t *testing.T) {
	s := newStack(t, nil)
	for field, r := range map[string]Registration{
		"username":    {Username: "a!", Password: password},
		"password":    {Username: "alice", Password: "123456789"},
		"displayName": {Username: "alice", Password: password, DisplayName: "a\x00b"},
	} {
		_, err := s.CreateUser(context.Background(), r)
		var e *chat.Error
		require.True(t, errors.As(err, &e), field)
		require.Equal(t, field, e.Field)
	}
	_, err := s.CreateUser(context.Background(), Registration{Username: "alice", Password: strings.Repeat("é", 128)})
	require.NoError(t, err, "characters are counted, not bytes")
}

// TestPasswordNormal: the two ways to type é are one password.
func TestPasswordNormal(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	_, err := s.CreateUser(ctx, Registration{Username: "alice", Password: "caf\u00e9 au lait"})
	require.NoError(t, err)
	_, _, err = s.Login(ctx, "alice", "cafe\u0301 au lait", Client{})
	require.NoError(t, err)
}

func TestRevocation(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	_, _, err := s.store.Changes.Since(ctx, 0, 1)
	require.NoError(t, err)
	_, end, err := s.store.Changes.Since(ctx, 0, 10)
	require.NoError(t, err)
	u, token := s.account(t, "alice")
	id, err := s.Authenticate(ctx, token)
	require.NoError(t, err)

	require.NoError(t, s.Logout(ctx, id))
	_, err = s.Authenticate(ctx, token)
	requireCode(t, chat.CodeUnauthenticated, err)
	require.Len(t, s.router.pushes, 1)
	p := s.router.pushes[0]
	require.Equal(t, chat.PushControl, p.Kind)
	require.Equal(t, []chat.UserID{u.ID}, p.Recipients)
	require.Equal(t, chat.Control{Kind: chat.ControlRevoked, Session: id.Session}, *p.Control)
	entries, _, err := s.store.Changes.Since(ctx, max(end, 1), 10)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, store.LogSession, entries[0].Kind)
	require.Equal(t, id.Session, entries[0].Session)
	require.NoError(t, s.Logout(ctx, id), "twice is no error")
}

// TestRevokedElsewhere: without any word of it an answer stands 4 s at most.
func TestRevokedElsewhere(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	_, token := s.account(t, "alice")
	_, err := s.Authenticate(ctx, token)
	require.NoError(t, err)
	require.NoError(t, s.store.Sessions.Delete(ctx, hashToken(token)))
	s.clock.add(cacheFor)
	_, err = s.Authenticate(ctx, token)
	requireCode(t, chat.CodeUnauthenticated, err)
}

// TestRevokedWhileRead: an answer read before a revocation doesn't bring the session back afterwards.
func TestRevokedWhileRead(t *testing.T) {
	ctx := context.Background()
	var slow *slowSessions
	s := newStack(t, func(o *Options) {
		slow = &slowSessions{Sessions: o.Sessions, read: make(chan struct{}), goOn: make(chan struct{})}
		o.Sessions = slow
	})
	u, token := s.account(t, "alice")
	slow.on = true
	result := make(chan error)
	go func() {
		_, err := s.Authenticate(ctx, token)
		result <- err
	}()
	<-slow.read
	require.NoError(t, s.revoke(ctx, u.ID, [][32]byte{hashToken(token)}))
	close(slow.goOn)
	requireCode(t, chat.CodeUnauthenticated, <-result)
	slow.on = false
	_, err := s.Authenticate(ctx, token)
	requireCode(t, chat.CodeUnauthenticated, err)
}

type slowSessions struct {
	store.Sessions
	on         bool
	read, goOn chan struct{}
}

func (s *slowSessions) Get(ctx context.Context, h [32]byte) (chat.Session, error) {
	row, err := s.Sessions.Get(ctx, h)
	if s.on {
		close(s.read)
		<-s.goOn
	}
	return row, err
}

func TestExpiryAndSliding(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	s.run(t)
	_, token := s.account(t, "alice")
	first, err := s.Authenticate(ctx, token)
	require.NoError(t, err)
	s.clock.add(23 * time.Hour)
	same, err := s.Authenticate(ctx, token)
	require.NoError(t, err)
	require.Equal(t, first.Expires, same.Expires, "not more than once a day")
	s.clock.add(2 * time.Hour)
	_, err = s.Authenticate(ctx, token)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		row, err := s.store.Sessions.Get(ctx, hashToken(token))
		return err == nil && row.Expires == s.clock.now().Add(SessionLife).UnixMilli()
	}, 5*time.Second, time.Millisecond)
	s.clock.add(SessionLife + time.Millisecond)
	_, err = s.Authenticate(ctx, token)
	requireCode(t, chat.CodeUnauthenticated, err)
}

func TestChangePassword(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	u, token := s.account(t, "alice")
	_, other, err := s.Login(ctx, "alice", password, Client{})
	require.NoError(t, err)
	err = s.ChangePassword(ctx, u.ID, hashToken(token), "wrong", "new password 1")
	requireCode(t, chat.CodeUnauthenticated, err)
	requireCode(t, chat.CodeValidation, s.ChangePassword(ctx, u.ID, hashToken(token), password, "short"))
	require.NoError(t, s.ChangePassword(ctx, u.ID, hashToken(token), password, "new password 1"))
	_, err = s.Authenticate(ctx, token)
	require.NoError(t, err, "the own session stays")
	_, err = s.Authenticate(ctx, other)
	requireCode(t, chat.CodeUnauthenticated, err)
	_, _, err = s.Login(ctx, "alice", password, Client{})
	requireCode(t, chat.CodeUnauthenticated, err)
	_, _, err = s.Login(ctx, "alice", "new password 1", Client{})
	require.NoError(t, err)
}

func TestSessionsAreBounded(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	u, first := s.account(t, "alice")
	for range MaxSessions {
		s.clock.add(time.Millisecond)
		_, err := s.Mint(ctx, u.ID, Client{UserAgent: strings.Repeat("x", 1000)})
		require.NoError(t, err)
	}
	all, err := s.Sessions(ctx, u.ID)
	require.NoError(t, err)
	require.Len(t, all, MaxSessions)
	require.Len(t, all[0].UserAgent, maxUserAgent)
	_, err = s.Authenticate(ctx, first)
	requireCode(t, chat.CodeUnauthenticated, err)
	bob, _ := s.account(t, "bob")
	requireCode(t, chat.CodeNotFound, s.Revoke(ctx, bob.ID, all[0].TokenHash))
	require.NoError(t, s.RevokeAll(ctx, u.ID, all[3].TokenHash))
	rest, err := s.Sessions(ctx, u.ID)
	require.NoError(t, err)
	require.Len(t, rest, 1)
	require.Equal(t, all[3].TokenHash, rest[0].TokenHash)
	h, ok := ParseSessionID(SessionID(all[3].TokenHash))
	require.True(t, ok)
	require.Equal(t, all[3].TokenHash, h)
}

// TestHashQueue: more sign-ins than wait are refused at once, none is lost.
func TestHashQueue(t *testing.T) {
	h := newHasher(1, 2)
	ctx := context.Background()
	require.NoError(t, h.enter(ctx)) // the slot is taken
	waiting := make(chan error, 2)
	for range 2 {
		go func() { waiting <- h.enter(ctx) }()
	}
	require.Eventually(t, func() bool { return h.waiting.Load() == 2 }, 5*time.Second, time.Millisecond)
	_, err := h.make(ctx, password)
	requireCode(t, chat.CodeUnavailable, err)
	h.leave()
	require.NoError(t, <-waiting)
	h.leave()
	require.NoError(t, <-waiting)
	h.leave()
	_, err = h.make(ctx, password)
	require.NoError(t, err)
}

// TestUnknownUserCosts: a sign-in of nobody hashes as much as a real one.
func TestUnknownUserCosts(t *testing.T) {
	h := newHasher(1, 1)
	good, err := h.make(context.Background(), password)
	require.NoError(t, err)
	cost := func(stored string) time.Duration {
		best := time.Hour
		for range 5 {
			start := time.Now()
			_, _, err := h.check(context.Background(), "something else", stored)
			require.NoError(t, err)
			best = min(best, time.Since(start))
		}
		return best
	}
	known := cost(good)
	for _, stored := range []string{"", "$argon2id$broken", "$argon2id$v=19$m=99999999,t=2,p=1$AAAA$AAAA"} {
		ratio := float64(cost(stored)) / float64(known)
		require.Greater(t, ratio, 0.3, "%q: far cheaper than a real one", stored) // wide: the machine may be busy
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	_, token := s.account(t, "alice")
	for _, bad := range []string{"", "x", token[:len(token)-1], token + "A", tokenPrefix + strings.Repeat("A", 43), strings.Repeat("a.", 5000), "a.b.c",
		strings.ToUpper(token), strings.Replace(token, "murre_", "murre-", 1)} {
		_, err := s.Authenticate(ctx, bad)
		requireCode(t, chat.CodeUnauthenticated, err)
	}
}

func TestProfile(t *testing.T) {
	s, ctx := newStack(t, nil), context.Background()
	u, _ := s.account(t, "alice")
	name := "  Alice  "
	got, err := s.ChangeProfile(ctx, u.ID, ProfileChange{DisplayName: &name})
	require.NoError(t, err)
	require.Equal(t, "Alice", got.DisplayName)
	_, err = s.ChangeProfile(ctx, chat.NewUserID(time.Now()), ProfileChange{DisplayName: &name})
	requireCode(t, chat.CodeUnauthenticated, err)
}

func BenchmarkAuthenticate(b *testing.B) {
	s, ctx := newStack(b, nil), context.Background()
	u, _ := s.account(b, "alice")
	var tokens []string
	for range MaxSessions - 1 {
		token, err := s.Mint(ctx, u.ID, Client{})
		require.NoError(b, err)
		tokens = append(tokens, token)
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Authenticate(ctx, tokens[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%len(tokens) == 0 {
				s.clock.add(cacheFor)
			}
			if _, err := s.Authenticate(ctx, tokens[i%len(tokens)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
