package conduct

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/result"
)

// beside is what goes on beside the chat: gateways are restarted, watermarks read.
type beside struct {
	cancel context.CancelFunc
	done   chan error
}

func newBeside(ctx context.Context, r *run) *beside {
	ctx, cancel := context.WithCancel(ctx)
	b := &beside{cancel: cancel, done: make(chan error, 1)}
	var g errgroup.Group
	g.Go(func() error { return r.restarts(ctx) })
	g.Go(func() error {
		r.watch.during(ctx, r.sc.Duration)
		return nil
	})
	go func() { b.done <- g.Wait() }()
	return b
}

// wait waits for what has begun; workers go on meanwhile.
func (b *beside) wait(ctx context.Context, r *run) error {
	for {
		select {
		case err := <-b.done:
			b.done <- nil
			return err
		default:
		}
		if err := r.pump(ctx, 100*time.Millisecond, nil); err != nil {
			return err
		}
	}
}

func (b *beside) stop() {
	b.cancel()
	<-b.done
}

// pause waits; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// restarts restarts a share of the gateways, one after the other.
func (r *run) restarts(ctx context.Context) error {
	names := r.stage.restartable()
	n := min(len(names), int(math.Ceil(r.sc.Restart.Share*float64(len(names)))))
	if n == 0 || !pause(ctx, r.sc.Restart.At) {
		return nil
	}
	for i, name := range names[:n] {
		if i > 0 && !pause(ctx, r.sc.Restart.Pause) {
			return nil
		}
		began := time.Now()
		r.crew.events <- result.Event{At: r.now(), Kind: result.EventRestart, Detail: name}
		if err := r.stage.restart(ctx, name); err != nil {
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return fmt.Errorf("restart %s: %w", name, err)
		}
		r.crew.events <- result.Event{At: r.now(), Kind: result.EventRestarted, Detail: name, Seconds: time.Since(began).Seconds()}
	}
	return nil
}
