package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/store"
)

// chunk is a stretch of one table. It is handled as a whole, by one worker.
type chunk struct {
	rows    []Row
	orphans int64
	handled int64
	last    []byte
	bytes   int
	checked Checked
	done    chan error // gets one value
}

// table copies what is left of one table. Chunks are read in order, handled by the workers in any, and noted in order, so that
// everything up to the noted key was handled.
func (c *copier) table(ctx context.Context, t Table) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	work := make(chan *chunk)
	order := make(chan *chunk, windowChunks*c.o.Workers)
	read := make(chan error, 1)
	wg.Go(func() {
		defer close(order)
		defer close(work)
		read <- c.read(ctx, t, work, order)
	})
	for range c.o.Workers {
		wg.Go(func() {
			for k := range work {
				k.done <- c.handle(ctx, k)
			}
		})
	}
	for k := range order {
		select {
		case err := <-k.done:
			if err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		c.state.Tables[t].add(k.last, k.handled, k.orphans, &k.checked)
		for _, w := range k.checked.Wrong {
			if len(c.wrong) < shownWrong {
				c.wrong = append(c.wrong, w)
			}
		}
		if err := c.note(false); err != nil {
			return err
		}
		c.show(t, false)
	}
	return <-read
}

// read cuts a table into chunks and hands them out.
func (c *copier) read(ctx context.Context, t Table, work, order chan<- *chunk) error {
	k := new(chunk)
	hand := func() error {
		k.done = make(chan error, 1)
		for _, to := range []chan<- *chunk{order, work} {
			select {
			case to <- k:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		k = new(chunk)
		return nil
	}
	err := c.o.Source.Rows(ctx, t, c.state.Tables[t].Key, func(r Row) error {
		k.handled++
		k.last = r.Key
		if _, orphan := r.Value.(OrphanRow); orphan {
			k.orphans++
		} else {
			k.rows = append(k.rows, r)
			k.bytes += r.Size
		}
		if k.handled == chunkRows || k.bytes >= chunkBytes {
			return hand()
		}
		return nil
	})
	if err == nil && k.handled > 0 {
		err = hand()
	}
	return err
}

// handle writes one chunk and reads it back.
func (c *copier) handle(ctx context.Context, k *chunk) error {
	if len(k.rows) == 0 {
		return nil
	}
	if !c.o.VerifyOnly {
		if err := c.insist(ctx, func() error { return c.o.Target.Write(ctx, k.rows) }); err != nil {
			return err
		}
	}
	err := c.insist(ctx, func() (err error) {
		k.checked, err = c.o.Target.Check(ctx, k.rows)
		return err
	})
	k.rows = nil
	if err != nil || c.o.VerifyOnly || k.checked.Missing+k.checked.Differ == 0 {
		return err
	}
	w := Difference{What: "?"}
	if len(k.checked.Wrong) > 0 {
		w = k.checked.Wrong[0]
	}
	return fmt.Errorf("%w although just written: %d missing, %d otherwise; the first: %s %s: %s",
		ErrWrong, k.checked.Missing, k.checked.Differ, w.Table, w.Row, w.What)
}

// insist tries again while the target doesn't answer.
func (c *copier) insist(ctx context.Context, do func() error) error {
	began, wait := time.Now(), firstBackoff
	for {
		err := do()
		if err == nil || !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil || time.Since(began) > patience {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
		wait = min(2*wait, lastBackoff)
	}
}
