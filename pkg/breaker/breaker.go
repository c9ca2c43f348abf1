package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// ErrOpen is returned instead of a call while the breaker is open, or half-open with its one request under way.
var ErrOpen = errors.New("circuit breaker is open")

const (
	defaultThreshold = 5
	defaultReset     = 30 * time.Second
)

// State of a Breaker; the numbers are what metrics show.
type State int

// The states.
const (
	Closed   State = iota // calls go through
	HalfOpen              // one call goes through; its outcome decides
	Open                  // calls are refused
)

// String returns "closed", "half-open" or "open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "unknown"
}

// Options of a Breaker.
type Options struct {
	Name      string        // for the log: which peer
	Threshold uint32        // consecutive failures that open it; default 5
	Reset     time.Duration // how long it stays open before one call may try; default 30 s
	// Failure says which errors count. Others count as successes: the peer answered. A canceled context counts as neither
	// and is never shown to Failure. Default: every error but context.Canceled.
	Failure func(error) bool
	Log     *slog.Logger
}

// Breaker guards calls to one peer. It is safe for concurrent use.
type Breaker struct {
	settings gobreaker.Settings
	current  atomic.Pointer[gobreaker.TwoStepCircuitBreaker[struct{}]]
	trips    atomic.Uint64
	log      *slog.Logger
}

// New makes a closed Breaker.
func New(o Options) *Breaker {
	if o.Threshold == 0 {
		o.Threshold = defaultThreshold
	}
	if o.Reset == 0 {
		o.Reset = defaultReset
	}
	if o.Failure == nil {
		o.Failure = func(error) bool { return true }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Breaker{log: o.Log}
	b.settings = gobreaker.Settings{
		Name:         o.Name,
		MaxRequests:  1,
		Timeout:      o.Reset,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= o.Threshold },
		IsSuccessful: func(err error) bool { return err == nil || !o.Failure(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.trips.Add(1)
			}
			level := slog.LevelInfo
			if from == gobreaker.StateClosed {
				level = slog.LevelWarn
			}
			b.log.Log(context.Background(), level, "circuit breaker", "peer", o.Name, "from", from.String(), "to", to.String())
		},
	}
	b.current.Store(gobreaker.NewTwoStepCircuitBreaker[struct{}](b.settings))
	return b
}

// Do calls f unless the breaker is open: then it returns ErrOpen.
func (b *Breaker) Do(f func() error) error {
	done, err := b.Allow()
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // f panicked: the one request of a half-open breaker must not stay taken
			done(errors.New("panic"))
		}
	}()
	err = f()
	ended = true
	done(err)
	return err
}

// Allow asks for one call. On success the caller calls done with the call's outcome, exactly once; otherwise it gets
// ErrOpen.
func (b *Breaker) Allow() (done func(error), err error) {
	done, err = b.current.Load().Allow()
	if err != nil {
		return nil, ErrOpen
	}
	return done, nil
}

// State returns the state now: an open breaker whose time is up reads as half-open.
func (b *Breaker) State() State {
	switch b.current.Load().State() {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	default:
		return Closed
	}
}

// Trips counts how often the breaker opened.
func (b *Breaker) Trips() uint64 { return b.trips.Load() }

// Restore closes the breaker at once: something else saw the peer healthy, so nobody need wait for the reset.
func (b *Breaker) Restore() {
	if from := b.State(); from != Closed {
		b.current.Store(gobreaker.NewTwoStepCircuitBreaker[struct{}](b.settings))
		b.log.Info("circuit breaker", "peer", b.settings.Name, "from", from.String(), "to", Closed.String())
	}
}
