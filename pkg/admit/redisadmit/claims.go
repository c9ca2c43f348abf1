package redisadmit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/flight"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/store"
)

// What the script does with a claim's key.
const (
	take = "take" // write it unless one stands
	look = "look" // only read it
	none = "none"
)

// decide counts a message against its sender's rate and finds the claim that holds for it.
func (a *Admission) decide(ctx context.Context, r admit.Request) (admit.Decision, error) {
	key := flight.KeyOf(r.Claim)
	counted := false // once, however often we look
	for {
		held, mark, joined := a.flying.Join(key)
		if joined {
			if !counted {
				if ans := a.ask(ctx, r.Claim, "", none, true); ans.wait > 0 {
					a.flying.Done(key)
					return admit.Decision{RetryAfter: ans.wait, Limit: admit.LimitMessage}, nil
				}
			}
			return admit.Decision{Fresh: held.Message == r.Claim.Message, Held: held}, nil
		}
		trusted := a.opt.Trusted()
		what, v := look, value(r.Claim)
		if trusted {
			what = take
		}
		if r.Durable {
			v = valueUnsure(r.Claim)
		}
		ans := a.ask(ctx, r.Claim, v, what, !counted)
		if ans.wait > 0 {
			return admit.Decision{RetryAfter: ans.wait, Limit: admit.LimitMessage}, nil
		}
		if err := ctx.Err(); err != nil {
			return admit.Decision{}, fmt.Errorf("redisadmit: admit: %w", err)
		}
		counted = true
		var d admit.Decision
		var err error
		if trusted && ans.ok && a.opt.Trusted() {
			d, err = a.believe(ctx, r, ans)
		} else {
			d, err = a.makeSure(ctx, r, ans)
		}
		if err != nil {
			return admit.Decision{}, err
		}
		if a.flying.Enter(d.Held, mark) {
			return d, nil
		}
	}
}

// answer is what Redis said.
type answer struct {
	ok    bool          // it did answer
	wait  time.Duration // over the rate
	held  *store.Claim  // the claim that stood
	value string        // what the claim's key holds now; "" when it holds none, or that isn't known
}

// ask runs the script; v is what the claim's key is to hold. Without an answer the rate is counted here.
func (a *Admission) ask(ctx context.Context, c store.Claim, v, what string, count bool) (ans answer) {
	n, width := 0, time.Duration(0)
	if count && a.shared(admit.LimitMessage) {
		n, width = a.opt.Rates[admit.LimitMessage].Count, a.opt.Rates[admit.LimitMessage].Window
	}
	if count && n == 0 && a.local[admit.LimitMessage] != nil { // too many for Redis
		if ans.wait = a.takeLocal(c); ans.wait > 0 {
			return ans
		}
	}
	if n == 0 && what == none {
		return answer{ok: true}
	}
	call, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Claim), a.opt.Timeout)
	defer cancel()
	keys := []string{a.rateKey(admit.LimitMessage, admit.Key(c.User)), a.claimKey(c)}
	reply, err := a.admit.Run(call, a.cluster.Client(), keys, a.opt.Now().UnixMilli(), n, milliseconds(width), what, v, milliseconds(a.opt.TTL)).Result()
	if err == nil {
		switch r := reply.(type) {
		case int64:
			ans = answer{ok: true, wait: time.Duration(r) * time.Millisecond}
			if r == 0 && what == take {
				ans.value = v
			}
			return ans
		case string:
			held, bad := claimOf(r, c)
			if bad == nil {
				return answer{ok: true, held: &held, value: r}
			}
			err = bad
		default:
			err = fmt.Errorf("unexpected answer %T", reply)
		}
		a.opt.Log.Warn("redis answered nonsense to a claim", "error", err)
	}
	a.counts.failed.Add(1)
	if n > 0 && ctx.Err() == nil {
		ans.wait = a.takeLocal(c)
	}
	return ans
}

func (a *Admission) takeLocal(c store.Claim) time.Duration {
	return a.local[admit.LimitMessage].Take(admit.Key(c.User), a.tick())
}

// believe decides by what Redis said. A claim that was taken for something sent again isn't believed before its row was looked
// for: an attempt that Redis knows nothing of may have made it with another id, and who took the claim may have got no further.
func (a *Admission) believe(ctx context.Context, r admit.Request, ans answer) (admit.Decision, error) {
	held := r.Claim
	if ans.held != nil {
		held = *ans.held
	}
	// Our own id stands there when the script was repeated after a lost answer, or when we look again.
	fresh := held.Message == r.Claim.Message
	if look := isUnsure(ans.value) || r.Durable && fresh; look {
		row, err := a.row(ctx, r.Claim)
		if err != nil {
			return admit.Decision{}, err
		}
		if row != nil {
			a.replace(ctx, ans.value, *row)
			return admit.Decision{Held: *row, Written: true}, nil
		}
	}
	return admit.Decision{Fresh: fresh, Held: held}, nil
}

// patience is how long an earlier attempt of what is sent again may still take.
func (a *Admission) patience(r admit.Request) time.Duration {
	switch {
	case !r.Resend:
		return 0
	case r.Since.IsZero():
		return a.opt.Wait
	}
	return min(a.opt.Wait, a.opt.Wait-a.opt.Now().Sub(r.Since))
}

// makeSure decides by the claim row, which it makes where there is none. What Redis holds is at best the claim of an attempt
// that got no further, so its id is as good as ours.
func (a *Admission) makeSure(ctx context.Context, r admit.Request, ans answer) (admit.Decision, error) {
	own := r.Claim
	if r.Durable {
		row, err := a.row(ctx, r.Claim)
		if err != nil {
			return admit.Decision{}, err
		}
		if wait := a.patience(r); row == nil && wait > 0 {
			a.counts.waits.Add(1)
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
				return admit.Decision{}, fmt.Errorf("redisadmit: wait for an earlier attempt: %w", ctx.Err())
			}
			if r.Renew != nil {
				if own.Message, err = r.Renew(); err != nil {
					return admit.Decision{}, fmt.Errorf("redisadmit: a new id after waiting: %w", err)
				}
			}
		}
	}
	want := own
	if ans.held != nil {
		want = *ans.held
	}
	a.counts.writes.Add(1)
	row, err := a.claims.PutIfAbsent(ctx, want)
	if err != nil {
		return admit.Decision{}, fmt.Errorf("make a claim row: %w", err)
	}
	if ans.ok && ans.value != value(row) {
		a.replace(ctx, ans.value, row)
	}
	return admit.Decision{Fresh: row.Message == own.Message, Held: row, Written: true}, nil
}

// row reads a claim row; nil when there is none.
func (a *Admission) row(ctx context.Context, c store.Claim) (*store.Claim, error) {
	a.counts.reads.Add(1)
	row, err := a.claims.Get(ctx, c.User, c.ClientMessage)
	switch {
	case err == nil:
		return &row, nil
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	}
	return nil, fmt.Errorf("read a claim: %w", err)
}

// replace lets Redis hold another claim than what it was last known to hold. Best effort: the row is the truth, and who
// finds a claim in Redis that isn't the row's fails to move it and asks again.
func (a *Admission) replace(ctx context.Context, old string, c store.Claim) {
	ctx, cancel := context.WithTimeout(rediscluster.For(ctx, rediscluster.Claim), a.opt.Timeout)
	defer cancel()
	if err := a.put.Run(ctx, a.cluster.Client(), []string{a.claimKey(c)}, old, value(c), milliseconds(a.opt.TTL)).Err(); err != nil {
		a.counts.failed.Add(1)
	}
}
