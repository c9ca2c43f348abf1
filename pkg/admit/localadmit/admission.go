package localadmit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/flight"
	"github.com/murre-chat/murre/pkg/admit/window"
	"github.com/murre-chat/murre/pkg/store"
)

const sweepEvery = time.Second

// Options of an Admission.
type Options struct {
	// Claims are the durable claims; required.
	Claims store.Claims
	// Rates of each limit; a zero Rate (Count 0) is no limit.
	Rates [admit.NumLimits]admit.Rate
	Now   func() time.Time // default time.Now
}

// Admission implements admit.Admission for one process.
type Admission struct {
	claims  store.Claims
	now     func() time.Time
	start   time.Time
	windows [admit.NumLimits]*window.Windows
	flying  *flight.Table
	recent  *recent
}

var _ admit.Admission = (*Admission)(nil)

// New makes an Admission.
func New(o Options) *Admission {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Admission{claims: o.Claims, now: o.Now, start: o.Now(), flying: flight.New(), recent: newRecent(o.Now())}
	for l := range a.windows {
		if o.Rates[l].Count > 0 && o.Rates[l].Window > 0 {
			a.windows[l] = window.New(o.Rates[l])
		}
	}
	return a
}

// tick is the time that windows count in: microseconds since New, on the monotonic clock.
func (a *Admission) tick() int64 { return a.now().Sub(a.start).Microseconds() }

// Admit implements admit.Admission.
func (a *Admission) Admit(ctx context.Context, r admit.Request) (admit.Decision, error) {
	if d := a.rates(r); d.RetryAfter > 0 {
		return d, nil
	}
	key := flight.KeyOf(r.Claim)
	for {
		held, mark, ok := a.flying.Join(key)
		if ok {
			return admit.Decision{Held: held}, nil
		}
		if !r.Durable && a.recent.unknown(key, a.now()) {
			if a.flying.Enter(r.Claim, mark) {
				a.recent.add(key, a.now())
				return admit.Decision{Fresh: true, Held: r.Claim}, nil
			}
			continue
		}
		// A claim that left since then is durable by now, or nothing of it is: look again.
		row, err := a.claims.Get(ctx, key.User, key.ClientMessage)
		switch {
		case err == nil:
			if !a.flying.Enter(row, mark) {
				continue
			}
			return admit.Decision{Held: row, Written: true}, nil
		case !errors.Is(err, store.ErrNotFound):
			return admit.Decision{}, fmt.Errorf("read a claim: %w", err)
		}
		if a.flying.Enter(r.Claim, mark) {
			a.recent.add(key, a.now())
			return admit.Decision{Fresh: true, Held: r.Claim}, nil
		}
	}
}

// Done implements admit.Admission. Each Decision that isn't a refusal is ended by one Done.
func (a *Admission) Done(c store.Claim) { a.flying.Done(flight.KeyOf(c)) }

// Moved implements admit.Admission: the durable claim is all there is.
func (a *Admission) Moved(context.Context, store.Claim) {}

// rates counts a message of its sender and its conversation, or neither.
func (a *Admission) rates(r admit.Request) admit.Decision {
	user, conv := a.windows[admit.LimitMessage], a.windows[admit.LimitConversation]
	if user == nil && conv == nil {
		return admit.Decision{}
	}
	now := a.tick()
	if user != nil {
		if wait := user.Take(admit.Key(r.Claim.User), now); wait > 0 {
			return admit.Decision{RetryAfter: wait, Limit: admit.LimitMessage}
		}
	}
	if conv != nil {
		if wait := conv.Take(admit.Key(r.Claim.Conversation), now); wait > 0 {
			if user != nil {
				user.GiveBack(admit.Key(r.Claim.User))
			}
			return admit.Decision{RetryAfter: wait, Limit: admit.LimitConversation}
		}
	}
	return admit.Decision{}
}

// Allow implements admit.Admission.
func (a *Admission) Allow(_ context.Context, l admit.Limit, key [16]byte) (time.Duration, error) {
	w := a.windows[l]
	if w == nil {
		return 0, nil
	}
	return w.Take(key, a.tick()), nil
}

// Run implements admit.Admission: it sweeps one shard of each limit a second.
func (a *Admission) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for _, w := range a.windows {
			if w != nil {
				w.Sweep(i%window.Shards, a.tick())
			}
		}
	}
}
