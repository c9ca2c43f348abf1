package localadmit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	shards     = 64
	sweepEvery = time.Second
)

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
	windows [admit.NumLimits]*windows
	flying  [shards]flying
	recent  *recent
}

// flying are the claims of messages that are being committed.
type flying struct {
	mu    sync.Mutex
	held  map[flyingKey]flight
	dones uint64 // grows whenever a claim leaves
}

type flyingKey struct {
	user chat.UserID
	key  chat.ClientMessageID
}

type flight struct {
	claim   store.Claim
	holders int
}

var _ admit.Admission = (*Admission)(nil)

// New makes an Admission.
func New(o Options) *Admission {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Admission{claims: o.Claims, now: o.Now, start: o.Now(), recent: newRecent(o.Now())}
	for l := range a.windows {
		if o.Rates[l].Count > 0 && o.Rates[l].Window > 0 {
			a.windows[l] = newWindows(o.Rates[l])
		}
	}
	for i := range a.flying {
		a.flying[i].held = make(map[flyingKey]flight)
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
	key := flyingKey{user: r.Claim.User, key: r.Claim.ClientMessage}
	f := &a.flying[binary.LittleEndian.Uint32(key.key[12:])%shards]
	for {
		held, dones, ok := f.join(key)
		if ok {
			return admit.Decision{Held: held}, nil
		}
		if !r.Durable && a.recent.unknown(key, a.now()) {
			if f.enter(key, r.Claim, dones) {
				a.recent.add(key, a.now())
				return admit.Decision{Fresh: true, Held: r.Claim}, nil
			}
			continue
		}
		// A claim that left since then is durable by now, or nothing of it is: look again.
		row, err := a.claims.Get(ctx, key.user, key.key)
		switch {
		case err == nil:
			if !f.enter(key, row, dones) {
				continue
			}
			return admit.Decision{Held: row, Written: true}, nil
		case !errors.Is(err, store.ErrNotFound):
			return admit.Decision{}, fmt.Errorf("read a claim: %w", err)
		}
		if f.enter(key, r.Claim, dones) {
			a.recent.add(key, a.now())
			return admit.Decision{Fresh: true, Held: r.Claim}, nil
		}
	}
}

// join adds a holder to a claim that is flying; otherwise it returns how many claims have left so far.
func (f *flying) join(k flyingKey) (store.Claim, uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl, ok := f.held[k]
	if ok {
		fl.holders++
		f.held[k] = fl
	}
	return fl.claim, f.dones, ok
}

// enter lets a claim fly, unless one entered, or any left, since dones was read.
func (f *flying) enter(k flyingKey, c store.Claim, dones uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.held[k]; ok || f.dones != dones {
		return false
	}
	f.held[k] = flight{claim: c, holders: 1}
	return true
}

// Done implements admit.Admission. Each Decision that isn't a refusal is ended by one Done.
func (a *Admission) Done(c store.Claim) {
	k := flyingKey{user: c.User, key: c.ClientMessage}
	f := &a.flying[binary.LittleEndian.Uint32(k.key[12:])%shards]
	f.mu.Lock()
	defer f.mu.Unlock()
	fl, ok := f.held[k]
	if !ok {
		return
	}
	if fl.holders--; fl.holders > 0 {
		f.held[k] = fl
		return
	}
	delete(f.held, k)
	f.dones++
}

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
		if wait := user.take(admit.Key(r.Claim.User), now); wait > 0 {
			return admit.Decision{RetryAfter: wait, Limit: admit.LimitMessage}
		}
	}
	if conv != nil {
		if wait := conv.take(admit.Key(r.Claim.Conversation), now); wait > 0 {
			if user != nil {
				user.giveBack(admit.Key(r.Claim.User))
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
	return w.take(key, a.tick()), nil
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
				w.sweep(i%shards, a.tick())
			}
		}
	}
}
