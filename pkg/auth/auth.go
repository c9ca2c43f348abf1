package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Times and sizes of sign-ins.
const (
	// SessionLife is how long a sign-in lives without being used; using it slides the end.
	SessionLife = 30 * 24 * time.Hour
	// extendEvery: the end slides at most once in this time, so that a use costs no write.
	extendEvery = 24 * time.Hour
	// cacheFor is the longest that an answer of Authenticate stands without asking the store.
	cacheFor = 4 * time.Second
	// MaxSessions a user may have; signing in once more ends the one unused longest.
	MaxSessions = 100
	// maxToken is the longest credential looked at, in bytes.
	maxToken = 8 << 10

	cacheSize    = 4096
	extendsQueue = 1024
)

// Router shows pushes live; auth uses it to have open sockets closed.
type Router interface {
	Push(ctx context.Context, p *chat.Push)
}

// Options are what an Auth works with.
type Options struct {
	Users    store.Users
	Sessions store.Sessions
	Changes  store.Changes
	Router   Router
	Log      *slog.Logger
	// Closed refuses self-registration.
	Closed bool
	// JWT checks external tokens; nil accepts none.
	JWT *Verifier
	// HashSlots is how many passwords are hashed at once (19 MiB each); default: the number of CPUs.
	HashSlots int
	// HashQueue is how many more may wait for a slot before sign-ins are refused with UNAVAILABLE; default 64 a slot.
	HashQueue int
	Now       func() time.Time // default time.Now
}

// Identity is who a credential speaks for.
type Identity struct {
	User    chat.UserID
	Session [32]byte // hash of the token; zero for an external JWT
	Expires int64    // Unix milliseconds; for a session it slides
}

// Auth holds accounts and sign-ins. Safe for concurrent use.
type Auth struct {
	o        Options
	hash     *hasher
	now      func() time.Time
	cache    *answers
	subjects *lru.Cache[string, chat.UserID] // external subjects; the binding never changes
	extends  chan [32]byte
}

// New returns an Auth; Run does its background work.
func New(o Options) (*Auth, error) {
	if o.Users == nil || o.Sessions == nil || o.Changes == nil || o.Router == nil || o.Log == nil {
		return nil, errors.New("auth: Users, Sessions, Changes, Router and Log are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	cache, err := newAnswers(cacheSize)
	if err != nil {
		return nil, err
	}
	subjects, err := lru.New[string, chat.UserID](cacheSize)
	if err != nil {
		return nil, fmt.Errorf("auth: cache: %w", err)
	}
	return &Auth{
		o: o, now: o.Now, hash: newHasher(o.HashSlots, o.HashQueue),
		cache: cache, subjects: subjects, extends: make(chan [32]byte, extendsQueue),
	}, nil
}

// Run slides the ends of used sessions and keeps the keys of the JWKS fresh, until ctx ends.
func (a *Auth) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if a.o.JWT != nil {
			a.o.JWT.run(ctx, a.o.Log)
		}
	}()
	defer func() { <-done }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-a.extends:
			now := a.now()
			if err := a.o.Sessions.Extend(ctx, h, now.UnixMilli(), now.Add(SessionLife).UnixMilli()); err != nil && ctx.Err() == nil {
				a.o.Log.Warn("a session could not be extended", "err", err)
			}
		}
	}
}

// Open reports whether anyone may register.
func (a *Auth) Open() bool { return !a.o.Closed }

func unauthenticated(message string) *chat.Error {
	return &chat.Error{Code: chat.CodeUnauthenticated, Message: message}
}

// storeError turns a port's failure into what a client may see.
func storeError(op string, err error) error { return chat.Unavailable(op, err) }

func hashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }
