package loadtest

import (
	"context"
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/check"
)

// crashRun is one kill -9 round: its people, and what is known of it so far.
type crashRun struct {
	*crowd
	res *CrashRound
}

// crashShape: everybody online writes rate/users messages a second, and those away come only after the crash.
func crashShape() shape {
	all := make([]int, crashMembers)
	for i := range all {
		all[i] = i
	}
	return shape{
		people: crashMembers, online: crashOnline, devices: crashDevices, groups: [][]int{all}, rate: crashRate, groupShare: groupShare, outbox: 200, family: "crowd",
	}
}

// run is the round: populate, load, kill, resume, quiesce, read what is left, judge.
func (c *crashRun) run(ctx context.Context) error {
	if err := c.populate(ctx); err != nil {
		return err
	}
	life := time.Duration(1500+c.rng.IntN(2000)) * time.Millisecond
	began := time.Now()
	if err := c.write(ctx); err != nil {
		return err
	}
	if err := c.r.sleep(ctx, life); err != nil {
		return err
	}
	c.res.Kills = 1
	err := c.kill(ctx, func(died time.Time) {
		c.res.KilledAfter, c.res.Rate = died.Sub(began).Seconds(), float64(c.onWire)/died.Sub(began).Seconds()
		c.res.AckedBefore = int(c.acked)
		for _, s := range c.seats {
			c.res.Unknown += len(s.unacked)
		}
	})
	if err != nil {
		return err
	}
	if c.rng.IntN(killTwice) == 0 {
		// Once more, while everybody is coming back and sends again.
		if err := c.resume(ctx); err != nil {
			return err
		}
		if err := c.r.sleep(ctx, time.Duration(20+c.rng.IntN(700))*time.Millisecond); err != nil {
			return err
		}
		c.res.Kills = 2
		if err := c.kill(ctx, func(time.Time) {}); err != nil {
			return err
		}
	}
	back := time.Now()
	if err := c.resume(ctx); err != nil {
		return err
	}
	if err := c.r.sleep(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	if err := c.stopWriting(ctx); err != nil {
		return err
	}
	if err := c.quiesce(ctx, 60*time.Second, silence); err != nil {
		return err
	}
	c.res.CaughtUpMs = time.Since(back).Milliseconds()
	if _, err := c.pendingIsEmpty(ctx, 30*time.Second); err != nil {
		return err
	}
	if err := c.histories(ctx); err != nil {
		return err
	}
	c.res.Changes, c.res.Dropped = c.changes, c.dropped
	c.res.judge(c.check.Finish())
	return nil
}

// kill ends the server by SIGKILL under load and notes it.
func (c *crashRun) kill(ctx context.Context, note func(died time.Time)) error {
	c.r.s.Kill()
	died := time.Now()
	return c.r.on(ctx, func() {
		c.alive = false
		note(died)
		c.add(check.Event{Kind: check.Restart})
	})
}

// resume starts the server on its data and lets everybody come back, also those who were away.
func (c *crashRun) resume(ctx context.Context) error {
	if err := c.r.start(ctx); err != nil {
		return fmt.Errorf("start again after the kill: %w", err)
	}
	c.res.ReadyMs = max(c.res.ReadyMs, c.r.s.Ready.Milliseconds())
	return c.r.on(ctx, func() {
		c.alive = true
		for _, s := range c.seats {
			s.c.Target = c.r.s.Target
			s.online, s.retryAt = true, 1
		}
	})
}
