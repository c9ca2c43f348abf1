package conduct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murre-chat/murre/loadtest/result"
)

// errLate: what was waited for didn't happen in its time.
var errLate = errors.New("it took too long")

// pump takes what workers say until a condition holds, which is asked whenever something came, or the time is over: errLate
// then, or nil without a condition.
func (r *run) pump(ctx context.Context, limit time.Duration, until func() bool) error {
	if until != nil && until() {
		return nil
	}
	late := time.NewTimer(max(limit, 0))
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			if until == nil {
				return nil
			}
			return fmt.Errorf("%w (%s)", errLate, limit)
		case s := <-r.crew.said:
			if err := r.take(ctx, s); err != nil {
				return err
			}
			if until != nil && until() {
				return nil
			}
		case e := <-r.crew.events:
			r.event(e)
		case err := <-r.stage.died():
			return err
		}
	}
}

// take handles one thing that a worker said.
func (r *run) take(ctx context.Context, s said) error {
	h := r.crew.hands[s.worker]
	a := &s.answer
	switch {
	case s.err != nil:
		if h.done {
			return nil
		}
		r.event(result.Event{Kind: result.EventWorkerLost, N: s.worker, Detail: s.err.Error()})
		return fmt.Errorf("worker %d is lost: %w", s.worker, s.err)
	case a.Failed != "":
		return fmt.Errorf("worker %d: %s", s.worker, a.Failed)
	case a.Ready != nil:
		h.pid = a.Ready.PID
		h.machine = a.Ready.Machine
		r.crew.left--
	case a.Tick != nil:
		h.last = *a.Tick
		r.g.add(ctx, a.Tick)
	case a.Again != nil:
		r.crew.left--
	case a.Account != nil:
		if a.Account.Last {
			r.crew.left--
		}
		return r.judge.AddLines(a.Account.Packed)
	case a.Claims != nil:
		if a.Claims.Last {
			r.crew.left--
			return nil
		}
		if a.Claims.Worker < 0 || a.Claims.Worker >= len(r.crew.hands) {
			return fmt.Errorf("worker %d: claims for worker %d", s.worker, a.Claims.Worker)
		}
		to := r.crew.hands[a.Claims.Worker]
		to.claims = append(to.claims, a.Claims.Packed...)
	case a.Members != nil:
		r.crew.left--
		r.judge.AddMembers(a.Members.Accounts)
	case a.Done != nil:
		r.crew.left--
		h.done = true
		return r.final(h, a.Done)
	default:
		return fmt.Errorf("worker %d said nothing that is known", s.worker)
	}
	return nil
}
