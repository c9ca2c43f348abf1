package media

import (
	"context"
	"log/slog"
	"time"

	"github.com/murre-chat/murre/pkg/store"
)

// Bounds of one sweep.
const (
	sweepEvery = 10 * time.Minute
	sweepBatch = 100
)

// Sweeper removes uploads that were never completed.
type Sweeper struct {
	rows store.Media
	log  *slog.Logger
	now  func() time.Time
}

// NewSweeper returns a Sweeper; now defaults to time.Now.
func NewSweeper(blobs Blobs, rows store.Media, log *slog.Logger, now func() time.Time) *Sweeper {
	if now == nil {
		now = time.Now
	}
	return &Sweeper{rows: Erasing(rows, blobs), log: log, now: now}
}

// Run sweeps every ten minutes until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if n, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("sweeping unfinished uploads failed", "swept", n, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Sweep removes the uploads begun before UploadLife and not completed, and returns how many.
func (s *Sweeper) Sweep(ctx context.Context) (int, error) {
	before := s.now().Add(-UploadLife).UnixMilli()
	n := 0
	for {
		ms, err := s.rows.Unfinished(ctx, before, sweepBatch)
		if err != nil {
			return n, err
		}
		for _, m := range ms {
			if err := s.rows.Delete(ctx, m.ID); err != nil {
				return n, err
			}
			n++
		}
		if len(ms) < sweepBatch {
			return n, nil
		}
	}
}
