package id

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Defaults of ClockOptions and the times of the clock checks.
const (
	// DefaultSlack is S, the bound on the difference of two gateways' clocks.
	DefaultSlack = 2 * time.Second
	// DefaultAhead is how far ahead ids are reserved.
	DefaultAhead = 10 * time.Second
	// CheckEvery is how often Run compares the clock with its references.
	CheckEvery = 5 * time.Second
	// CheckLife is how long a successful check holds.
	CheckLife = 30 * time.Second
	tick      = time.Second
)

// Errors of a Clock; they come wrapped with the reason.
var (
	// ErrNotReady: the clock makes no ids now (unchecked, off, or its reservation is used up).
	ErrNotReady = errors.New("id clock: not ready")
	// ErrFuture: an id to merge lies too far ahead to be true.
	ErrFuture = errors.New("id clock: id from the future")
)

// Reference is another clock to compare with: the store's, Redis's, a peer's. It must answer within the context.
type Reference func(ctx context.Context) (time.Time, error)

// ClockOptions say how a Clock works. The zero value is a clock of slot 0 without reservation and checks.
type ClockOptions struct {
	// Slot is the node slot, 0..MaxSlot.
	Slot int
	// Wall is the wall clock, default time.Now. Only checks look at it; between checks time comes from Boot.
	Wall func() time.Time
	// Boot is a monotonic clock that counts time asleep, default CLOCK_BOOTTIME where there is one.
	Boot func() time.Duration
	// HighWater is the reservation of the slot's earlier holders: every id made is at or above it.
	HighWater ID
	// Reserve makes it durable that ids below upTo may be used. Nil: ids need no reservation. It may be retried.
	Reserve func(ctx context.Context, upTo ID) error
	// Ahead is how far ahead ids are reserved, default DefaultAhead; it is renewed at half of it.
	Ahead time.Duration
	// Slack is S, default DefaultSlack. A reference that differs by more than half of it makes the clock unready.
	Slack time.Duration
	// MaxMerge is how far ahead of the clock a merged id may lie, default DefaultAhead + DefaultSlack: a peer that has
	// just taken over a slot is ahead by its reservation.
	MaxMerge time.Duration
	// References, when any, must be checked with success before the first id and every CheckLife.
	References []Reference
	// Log gets changes of readiness; default slog.Default().
	Log *slog.Logger
}

// Clock makes ids: unique and increasing over restarts and clock steps, above every id merged. Safe for concurrent use.
type Clock struct {
	o    ClockOptions
	kick chan struct{} // Next found the reservation used up
	// renewing serialises Renew and Check, which do I/O; it is taken before mu.
	renewing sync.Mutex

	mu         sync.Mutex
	floor      ID            // the largest id made or merged
	reserved   ID            // ids stay below
	anchorWall int64         // Unix ms at anchorBoot
	anchorBoot time.Duration // when the wall clock was last looked at
	checked    time.Duration // Boot at the last successful check
	unready    string        // why no ids are made; "" = ready
	off        bool          // the last check that was answered found the wall clock off
}

// NewClock returns a clock. With Reserve set it makes ids once Renew (or Run) reserved some.
func NewClock(o ClockOptions) *Clock {
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Boot == nil {
		o.Boot = NewBoot()
	}
	if o.Ahead <= 0 {
		o.Ahead = DefaultAhead
	}
	if o.Slack <= 0 {
		o.Slack = DefaultSlack
	}
	if o.MaxMerge <= 0 {
		o.MaxMerge = DefaultAhead + DefaultSlack
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Clock{o: o, kick: make(chan struct{}, 1), anchorWall: o.Wall().UnixMilli(), anchorBoot: o.Boot()}
	if o.HighWater > 0 {
		c.floor = o.HighWater - 1
	}
	if len(o.References) > 0 {
		c.unready = "clock not checked yet"
	}
	return c
}

// Next returns a fresh id, above all made and merged before. ErrNotReady.
func (c *Clock) Next() (ID, error) {
	boot := c.o.Boot()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.readyLocked(boot); err != nil {
		return 0, err
	}
	next := c.after(c.floor, c.nowLocked(boot))
	if c.o.Reserve != nil && next >= c.reserved {
		select {
		case c.kick <- struct{}{}:
		default:
		}
		return 0, fmt.Errorf("%w: reserved ids used up", ErrNotReady)
	}
	c.floor = next
	return next, nil
}

// after returns this slot's smallest id above floor that isn't before a moment (ms since the epoch).
func (c *Clock) after(floor ID, now int64) ID {
	ms := int64(floor) >> (SlotBits + SeqBits)
	if now > ms {
		return Make(now, c.o.Slot, 0)
	}
	switch slot := floor.Slot(); {
	case c.o.Slot > slot:
		return Make(ms, c.o.Slot, 0)
	case c.o.Slot == slot && floor.Seq() < MaxSeq:
		return floor + 1
	}
	return Make(ms+1, c.o.Slot, 0)
}

// nowLocked is the time in ms since the epoch, monotonic since the last check.
func (c *Clock) nowLocked(boot time.Duration) int64 {
	return max(c.anchorWall+(boot-c.anchorBoot).Milliseconds()-EpochMillis, 0)
}

// Merge raises the clock above an id met elsewhere (Lamport): the next id sorts after it. An id further ahead than
// MaxMerge is refused with ErrFuture and changes nothing, so that one poisoned id can't push the clock away.
func (c *Clock) Merge(met ID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if met <= c.floor {
		return nil
	}
	now := max(c.nowLocked(c.o.Boot()), int64(c.floor)>>(SlotBits+SeqBits))
	if ahead := int64(met)>>(SlotBits+SeqBits) - now; ahead > c.o.MaxMerge.Milliseconds() {
		return fmt.Errorf("%w: %s is %d ms ahead", ErrFuture, met, ahead)
	}
	c.floor = met
	return nil
}

// Last returns the largest id made or merged (or the high water before any): nothing made later is at or below it.
func (c *Clock) Last() ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor
}

// Now is the clock's own time: the wall clock's at the last check, monotonic since, never before an id made.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.UnixMilli(max(c.nowLocked(c.o.Boot())+EpochMillis, c.floor.UnixMillis()))
}

// Time is the clock's time without the ids it met: the wall clock's at the last check, monotonic since. Unlike Now it isn't
// ahead after a merge, so that what lies in the past of one clock does so for all. ErrNotReady: it can't be trusted now.
func (c *Clock) Time() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	boot := c.o.Boot()
	if err := c.readyLocked(boot); err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(c.nowLocked(boot) + EpochMillis), nil
}

// Ready returns nil when the clock makes ids, or ErrNotReady with the reason.
func (c *Clock) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	boot := c.o.Boot()
	if err := c.readyLocked(boot); err != nil {
		return err
	}
	if c.o.Reserve != nil && c.after(c.floor, c.nowLocked(boot)) >= c.reserved {
		return fmt.Errorf("%w: reserved ids used up", ErrNotReady)
	}
	return nil
}

// Off returns why the wall clock can't be right, as the last check that was answered found; nil when it found no fault, or
// none was answered. Unlike Ready it says that the fault is here, and that others do better.
func (c *Clock) Off() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.off {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotReady, c.unready)
}

func (c *Clock) readyLocked(boot time.Duration) error {
	if c.unready != "" {
		return fmt.Errorf("%w: %s", ErrNotReady, c.unready)
	}
	if len(c.o.References) > 0 && boot-c.checked > CheckLife {
		return fmt.Errorf("%w: last clock check %s ago", ErrNotReady, (boot - c.checked).Round(time.Second))
	}
	return nil
}

// Renew reserves ids ahead if less than half of Ahead is left. The caller is Run, or who starts a clock before Run.
func (c *Clock) Renew(ctx context.Context) error {
	if c.o.Reserve == nil {
		return nil
	}
	c.renewing.Lock()
	defer c.renewing.Unlock()
	c.mu.Lock()
	now := max(c.nowLocked(c.o.Boot()), int64(c.floor)>>(SlotBits+SeqBits))
	left := int64(c.reserved)>>(SlotBits+SeqBits) - now
	c.mu.Unlock()
	if left >= c.o.Ahead.Milliseconds()/2 {
		return nil
	}
	upTo := Make(now+c.o.Ahead.Milliseconds(), 0, 0)
	if err := c.o.Reserve(ctx, upTo); err != nil {
		return fmt.Errorf("id clock: reserve: %w", err)
	}
	c.mu.Lock()
	c.reserved = max(c.reserved, upTo)
	c.mu.Unlock()
	return nil
}

// Run renews the reservation and checks the clock until the context ends; it returns nil then.
func (c *Clock) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	lastCheck := c.o.Boot() - CheckEvery
	failing := false
	for {
		err := c.Renew(ctx)
		if boot := c.o.Boot(); boot-lastCheck >= CheckEvery {
			lastCheck = boot
			err = errors.Join(err, c.Check(ctx))
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			c.o.Log.Warn("id clock failing", slog.Any("err", err))
		} else if err == nil && failing {
			c.o.Log.Info("id clock works again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-c.kick:
		}
	}
}
