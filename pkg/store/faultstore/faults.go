package faultstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/store"
)

// Fault says which calls go wrong, and how. The zero value fails every call with store.ErrUnavailable.
type Fault struct {
	// Op is an operation ("Messages.Append"), a port ("Messages.") or "" for all.
	Op string
	// Nth is the matching call that goes wrong, counted from 1 since the fault was added; 0: any.
	Nth int
	// Times bounds how often it fires; 0: no bound.
	Times int
	// Probability with which a matching call goes wrong, 0 and 1: always.
	Probability float64
	// Delay is waited first, or until the context ends.
	Delay time.Duration
	// Applied does the call before it fails: the caller can't tell.
	Applied bool
	// Only Delay: the call does not fail.
	OnlyDelay bool
	// Err is what the call answers, default store.ErrUnavailable.
	Err error
}

type armed struct {
	Fault
	seen, fired int
}

// Faults is a set of faults shared by the ports of a wrapped store. Safe for concurrent use.
type Faults struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults []*armed
	calls  map[string]int
}

// New returns a set without faults; the seed decides those with a probability.
func New(seed uint64) *Faults {
	return &Faults{rng: rand.New(rand.NewPCG(seed, 0)), calls: make(map[string]int)}
}

// Add arms a fault and returns how to disarm it.
func (f *Faults) Add(fault Fault) (remove func()) {
	a := &armed{Fault: fault}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, a)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i, have := range f.faults {
			if have == a {
				f.faults = append(f.faults[:i:i], f.faults[i+1:]...)
				return
			}
		}
	}
}

// Clear disarms all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Calls returns how often an operation (or, with a port's "Messages.", any of a port) was called.
func (f *Faults) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for name, c := range f.calls {
		if matches(op, name) {
			n += c
		}
	}
	return n
}

func matches(pattern, op string) bool {
	return pattern == "" || pattern == op || (strings.HasSuffix(pattern, ".") && strings.HasPrefix(op, pattern))
}

// draw counts a call and returns the fault that hits it, if any.
func (f *Faults) draw(op string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	var hit *armed
	for _, a := range f.faults {
		if !matches(a.Op, op) {
			continue
		}
		a.seen++
		if hit != nil || (a.Nth > 0 && a.seen != a.Nth) || (a.Times > 0 && a.fired >= a.Times) {
			continue
		}
		if p := a.Probability; p > 0 && p < 1 && f.rng.Float64() >= p {
			continue
		}
		a.fired++
		hit = a
	}
	if hit == nil {
		return Fault{}, false
	}
	return hit.Fault, true
}

// call does one call of the wrapped engine, unless a fault says otherwise.
func call[T any](ctx context.Context, f *Faults, op string, do func() (T, error)) (T, error) {
	fault, ok := f.draw(op)
	if !ok {
		return do()
	}
	var zero T
	if fault.Delay > 0 {
		t := time.NewTimer(fault.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return zero, fmt.Errorf("faultstore: %s: %w: %w", op, store.ErrUnavailable, ctx.Err())
		}
	}
	if fault.OnlyDelay {
		return do()
	}
	if fault.Applied {
		if out, err := do(); err != nil {
			return out, err
		}
	}
	err := fault.Err
	if err == nil {
		err = store.ErrUnavailable
	}
	return zero, fmt.Errorf("faultstore: %s: %w", op, err)
}
