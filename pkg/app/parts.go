package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// part is something that runs until its context ends.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// running is a started part.
type running struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed
}

// parts runs parts started one after the other and ends them in the opposite order, each before the one it stands on.
type parts struct {
	log    *slog.Logger
	list   []*running
	failed chan error // the first part that ended without being asked to
}

func newParts(log *slog.Logger) *parts {
	return &parts{log: log, failed: make(chan error, 1)}
}

// start runs a part until stop.
func (ps *parts) start(p part) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{name: p.name, cancel: cancel, done: make(chan struct{})}
	ps.list = append(ps.list, r)
	go func() {
		defer close(r.done)
		r.err = p.run(ctx)
		if ctx.Err() == nil {
			err := r.err
			if err == nil {
				err = errors.New("ended by itself")
			}
			select {
			case ps.failed <- fmt.Errorf("%s: %w", p.name, err):
			default:
			}
		}
	}()
}

// stop ends all parts, the last started first, and waits for each until the context ends. A part that doesn't end in
// time is named in the error, and the rest is told to end too.
func (ps *parts) stop(ctx context.Context) error {
	var errs []error
	for i := len(ps.list) - 1; i >= 0; i-- {
		r := ps.list[i]
		began := time.Now()
		r.cancel()
		select {
		case <-r.done:
			if r.err != nil && !errors.Is(r.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("%s: %w", r.name, r.err))
			}
			ps.log.Debug("part stopped", "part", r.name, "took", time.Since(began))
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s did not stop in time", r.name))
		}
	}
	ps.list = nil
	return errors.Join(errs...)
}
