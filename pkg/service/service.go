package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/store"
)

// Times of the delivery rules (see ARCHITECTURE.md).
const (
	// AckDeadline is D: an acked message's rows were all written within it.
	AckDeadline = 10 * time.Second
	// ClockSlack is S: clocks of gateways differ by less.
	ClockSlack = 2 * time.Second
)

// Caller is who asks: an authenticated user, and the device and sign-in they ask from.
type Caller struct {
	User    chat.UserID
	Device  chat.DeviceID // zero over REST
	Session [32]byte      // hash of the token; zero for external identities
	// Since is when the connection began, or a later send on it ended unknown; zero over REST.
	Since time.Time
	// Sole is what OpenDevice said of the device, as long as no device of the user was added or removed since; else 0.
	Sole Sole
}

// Sole, when not 0, says that a device was its user's only one when it was opened. It counts for as long as what is cached does.
type Sole uint32

// Clock makes ids.
type Clock interface {
	Next() (id.ID, error)
	Merge(id.ID) error
}

// Router shows pushes live. It is best effort: what it drops is found in the log.
type Router interface {
	Push(ctx context.Context, p *chat.Push)
}

// Options are what a Service works with. All but Presence and Now are required.
type Options struct {
	Store  store.Store
	Clock  Clock
	Router Router
	Admit  admit.Admission
	Log    *slog.Logger
	// Presence knows who is online; nil: nobody's presence is shown. Whoever makes it runs it.
	Presence presence.Presence
	Now      func() time.Time // default time.Now
	// MaxCommits bounds the messages that are being stored at once; one to very many counts for several. What finds no place
	// within commitPatience is refused and comes again: a store with too much to do answers late, and what times out there is
	// work done twice. 0: no bound, where the store has its own.
	MaxCommits int
	// Load says when messages are refused at once, to be sent again a little later.
	Load overload.Signals
}

// Service is the set of use cases. Its methods are safe for concurrent use.
type Service struct {
	store    store.Store
	clock    Clock
	router   Router
	admit    admit.Admission
	log      *slog.Logger
	now      func() time.Time
	inflight inflight
	receipts *receipts
	caches   *caches
	heads    *heads
	recents  *recents
	turns    *turnstiles
	presence presence.Presence
	typing   *presence.Typing
	watchers []func(e *store.ChangeEntry)
	gate     *overload.Gate
	commits  *semaphore.Weighted // nil: unbounded
	capacity int64
	lag      time.Duration // of the store's horizon
}

// New makes a Service; nothing runs before Run.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{
		store: o.Store, clock: o.Clock, router: o.Router, admit: o.Admit, log: o.Log, now: o.Now,
		receipts: newReceipts(), caches: newCaches(o.Now()), heads: newHeads(), recents: new(recents), turns: newTurnstiles(), presence: o.Presence,
		lag: o.Store.Inbox.Lag(), gate: overload.NewGate(o.Load),
	}
	if o.MaxCommits > 0 {
		s.commits, s.capacity = semaphore.NewWeighted(int64(o.MaxCommits)), int64(o.MaxCommits)
	}
	s.typing = presence.NewTyping(o.Now, s.typingStopped)
	if s.presence != nil {
		s.presence.Subscribe(s.announcePresence)
	}
	return s
}

// MessageHorizon returns an id such that no message with a smaller or equal one is still being stored: exactly where
// this process is the only one, by the age of ids where others store too.
func (s *Service) MessageHorizon() chat.MessageID {
	if s.lag > 0 {
		return chat.MessageID(id.At(s.now().Add(-s.lag)))
	}
	return s.inflight.horizon(s.clock)
}

// Run does the service's background work until ctx ends: receipts (and what other files of this package start here).
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.runReceipts(ctx) })
	wg.Go(func() { s.runChanges(ctx) })
	wg.Go(func() { s.runHeads(ctx) })
	wg.Go(func() { _ = s.typing.Run(ctx) }) // ends with ctx only
	wg.Wait()
	return nil
}

// member returns a conversation's membership and the row of an active member. A stranger gets FORBIDDEN, whether the
// conversation exists or not.
func (s *Service) member(ctx context.Context, user chat.UserID, conv chat.ConversationID) (*chat.Membership, chat.Member, error) {
	m, err := s.membership(ctx, conv)
	if errors.Is(err, store.ErrNotFound) {
		return nil, chat.Member{}, notMember()
	}
	if err != nil {
		return nil, chat.Member{}, chat.Unavailable("read a membership", err)
	}
	me, ok := m.Find(user)
	if m.Conversation.Kind == chat.Channel {
		me, err = s.store.Members.Member(ctx, conv, user)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, chat.Member{}, chat.Unavailable("read a member", err)
		}
		ok = err == nil
	}
	if !ok || !me.Active() {
		return nil, chat.Member{}, notMember()
	}
	return m, me, nil
}

func notMember() error { return chat.Forbidden("you are not a member of this conversation") }
