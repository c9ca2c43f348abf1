package id

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check compares the wall clock with the references and, when it may be trusted, takes its time from it. At least one
// reference must answer, and none that answers may differ by more than half of Slack, in either direction: then the
// clock is unready until a check succeeds. A check nobody answers leaves the last one to hold for CheckLife. Without
// references it only takes over the wall clock's time.
func (c *Clock) Check(ctx context.Context) error {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	var errs []error
	answered := 0
	for i, ref := range c.o.References {
		offset, err := c.offset(ctx, ref)
		if err != nil {
			errs = append(errs, fmt.Errorf("reference %d: %w", i, err))
			continue
		}
		answered++
		if offset.Abs() > c.o.Slack/2 {
			reason := fmt.Sprintf("wall clock is off by %s from reference %d", offset.Round(time.Millisecond), i)
			c.mu.Lock()
			c.unready, c.off = reason, true
			c.mu.Unlock()
			return fmt.Errorf("%w: %s", ErrNotReady, reason)
		}
	}
	if answered == 0 && len(c.o.References) > 0 {
		return fmt.Errorf("id clock: check: %w", errors.Join(errs...))
	}
	wall, boot := c.o.Wall().UnixMilli(), c.o.Boot()
	c.mu.Lock()
	c.anchorWall, c.anchorBoot = wall, boot
	c.checked, c.unready, c.off = boot, "", false
	c.mu.Unlock()
	return nil
}

// offset measures how far the reference is ahead of the wall clock. An answer that took long says nothing.
func (c *Clock) offset(ctx context.Context, ref Reference) (time.Duration, error) {
	wall, boot := c.o.Wall(), c.o.Boot()
	at, err := ref(ctx)
	if err != nil {
		return 0, err
	}
	took := c.o.Boot() - boot
	if took > c.o.Slack/4 {
		return 0, fmt.Errorf("took %s to answer", took)
	}
	return at.Round(0).Sub(wall.Round(0)) - took/2, nil
}
