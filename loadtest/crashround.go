package loadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/check"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/protocol"
)

// run is the round: populate, load, kill, resume, quiesce, read what is left, judge.
func (c *crowd) run(ctx context.Context) error {
	c.check = check.New(check.Options{Exact: true, AllListed: true, ClockSlack: 2 * time.Millisecond})
	if err := c.r.start(ctx); err != nil {
		return err
	}
	if err := c.populate(ctx); err != nil {
		return err
	}
	life := time.Duration(1500+c.rng.IntN(2000)) * time.Millisecond
	began := time.Now()
	if err := c.r.on(ctx, func() { c.alive, c.writing, c.due = true, true, began.UnixNano(); c.r.l.Schedule(c.tick) }); err != nil {
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
	if err := c.r.on(ctx, func() { c.writing = false }); err != nil {
		return err
	}
	if err := c.quiesce(ctx); err != nil {
		return err
	}
	c.res.CaughtUpMs = time.Since(back).Milliseconds()
	if err := c.pendingIsEmpty(ctx); err != nil {
		return err
	}
	if err := c.histories(ctx); err != nil {
		return err
	}
	c.res.Changes = c.changes
	c.res.judge(c.check.Finish())
	return nil
}

// kill ends the server by SIGKILL under load and notes it.
func (c *crowd) kill(ctx context.Context, note func(died time.Time)) error {
	c.r.s.Kill()
	died := time.Now()
	return c.r.on(ctx, func() {
		c.alive = false
		note(died)
		c.add(check.Event{Kind: check.Restart})
	})
}

// resume starts the server on its data and lets everybody come back, also those who were away.
func (c *crowd) resume(ctx context.Context) error {
	if err := c.r.start(ctx); err != nil {
		return fmt.Errorf("start again after the kill: %w", err)
	}
	c.res.ReadyMs = max(c.res.ReadyMs, c.r.s.Ready.Milliseconds())
	return c.r.on(ctx, func() {
		c.alive = true
		for _, s := range c.seats {
			s.c.Target = c.r.s.Target
			s.online, s.retry = true, true
		}
	})
}

// populate makes people, conversations and connections.
func (c *crowd) populate(ctx context.Context) error {
	s := c.r.s
	c.ps = people(s, "crowd", crashMembers)
	if err := meet(ctx, s, c.ps); err != nil {
		return err
	}
	var err error
	if c.convs, err = directs(ctx, c.ps[:crashOnline]); err != nil {
		return err
	}
	if c.group, err = group(ctx, c.ps); err != nil {
		return err
	}
	c.byConn = map[*wire.Client]*seat{}
	c.frame.Type = protocol.TypeMessage
	for i, p := range c.ps {
		devices := 1
		if i < crashDevices {
			devices = 2
		}
		for d := range devices {
			st := &seat{p: p, n: i, primary: d == 0, online: i < crashOnline, byKey: map[chat.ClientMessageID]*outgoing{}, last: map[chat.ConversationID]chat.MessageID{}}
			st.c = p.socket(c.r.l, s, d, c, len(c.seats))
			c.seats = append(c.seats, st)
			c.byConn[st.c] = st
			c.add(check.Event{Kind: check.DeviceAdded, User: p.id, Device: st.c.Device})
		}
	}
	for i, conv := range c.convs {
		for _, p := range c.ps[2*i : 2*i+2] {
			c.add(check.Event{Kind: check.Joined, User: p.id, Conversation: conv})
		}
	}
	for _, p := range c.ps {
		c.add(check.Event{Kind: check.Joined, User: p.id, Conversation: c.group})
	}
	// Everybody connects once, so that every device is known; then those who are away leave.
	if err := c.r.on(ctx, func() {
		c.alive = true
		for _, st := range c.seats {
			st.retry = true
		}
		c.r.l.Schedule(c.tick)
	}); err != nil {
		return err
	}
	if err := c.until(ctx, 30*time.Second, "everybody connected and synced", func() bool { return c.missing() == 0 }); err != nil {
		return err
	}
	return c.r.on(ctx, func() {
		for _, st := range c.seats {
			if !st.online {
				st.c.Close()
				st.synced = false
			}
		}
	})
}

// until waits for a condition asked on the loop.
func (c *crowd) until(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(limit); ; {
		var good bool
		var state string
		if err := c.r.on(ctx, func() {
			good = ok()
			unacked := 0
			for _, st := range c.seats {
				for _, o := range st.unacked {
					if !o.done {
						unacked++
					}
				}
			}
			state = fmt.Sprintf("%d devices not synced, %d messages not acked, last refusal: %v", c.missing(), unacked, c.refusal)
		}); err != nil {
			return err
		}
		if good {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not after %s: %s (%s)", limit, what, state)
		}
		select {
		case <-poll.C:
		case <-c.r.s.done:
			return c.r.s.Died()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// quiesce waits until all is acked and nothing arrives any more: whoever misses a message then will be found by the
// checker, not by waiting for it.
func (c *crowd) quiesce(ctx context.Context) error {
	var still int64 = -1
	since := time.Now()
	return c.until(ctx, 60*time.Second, "everything acked and quiet", func() bool {
		open := 0
		for _, st := range c.seats {
			open += len(st.byKey)
		}
		if open > 0 || c.missing() > 0 || c.got != still {
			still, since = c.got, time.Now()
			return false
		}
		return time.Since(since) > 1500*time.Millisecond
	})
}

// pendingIsEmpty connects everybody once more: nothing may be pending now that everything was acked.
func (c *crowd) pendingIsEmpty(ctx context.Context) error {
	if err := c.r.on(ctx, func() {
		c.afterQuiescence = map[*seat]int{}
		for _, st := range c.seats {
			st.c.Close()
			st.retry, st.synced = true, false
		}
	}); err != nil {
		return err
	}
	if err := c.until(ctx, 30*time.Second, "everybody back and synced", func() bool { return c.missing() == 0 }); err != nil {
		return err
	}
	return c.r.on(ctx, func() {
		for _, st := range c.seats {
			c.add(check.Event{Kind: check.Pending, User: st.p.id, Device: st.c.Device, Count: c.afterQuiescence[st]})
		}
	})
}

// histories reads every conversation from its start: direct ones by both, the group by four.
func (c *crowd) histories(ctx context.Context) error {
	if err := c.r.on(ctx, func() { c.r.l.Schedule(nil) }); err != nil {
		return err
	}
	if err := meet(ctx, c.r.s, c.ps); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, conv := range c.convs {
		for _, p := range c.ps[2*i : 2*i+2] {
			g.Go(func() error { return c.history(ctx, p, conv) })
		}
	}
	for _, p := range []*person{c.ps[0], c.ps[1], c.ps[crashOnline], c.ps[crashMembers-1]} {
		g.Go(func() error { return c.history(ctx, p, c.group) })
	}
	g.Go(func() error { return c.receipts(ctx, c.ps[0], c.group) })
	for i, conv := range c.convs {
		g.Go(func() error { return c.receipts(ctx, c.ps[2*i], conv) })
	}
	return g.Wait()
}

// receipts reads the watermarks of a conversation.
func (c *crowd) receipts(ctx context.Context, p *person, conv chat.ConversationID) error {
	list, err := p.rest.Receipts(ctx, conv, 0)
	if err != nil {
		return fmt.Errorf("receipts of %s: %w", conv, err)
	}
	return c.r.on(ctx, func() {
		for _, w := range list {
			c.add(check.Event{Kind: check.ReceiptSeen, User: p.id, Conversation: conv, Sender: w.User, Message: w.DeliveredTo, ReadTo: w.ReadTo})
		}
	})
}

// history reads one history forward, page by page, and records it whole.
func (c *crowd) history(ctx context.Context, p *person, conv chat.ConversationID) error {
	began := time.Now().UnixMicro()
	var rows []check.Event
	var since chat.MessageID
	for {
		asked := time.Now().UnixMicro()
		page, err := p.rest.History(ctx, conv, client.HistoryQuery{Since: since, Limit: chat.MaxHistory, SinceTime: time.UnixMilli(1)})
		if err != nil {
			return fmt.Errorf("history of %s: %w", conv, err)
		}
		for _, m := range page.Messages {
			rows = append(rows, check.Event{
				Kind: check.Row, User: p.id, Conversation: conv, Message: m.ID, Sender: m.Sender, Client: m.ClientMessageID,
				Digest: check.Digest(m.Content), ReplyTo: m.ReplyTo, Deleted: m.Deleted, Began: asked,
			})
			since = m.ID
		}
		if !page.HasMore {
			break
		}
		if len(page.Messages) == 0 {
			return errors.New("history: a page that has more is empty")
		}
	}
	rows = append(rows, check.Event{Kind: check.RowsEnd, User: p.id, Conversation: conv, Began: began})
	return c.r.on(ctx, func() {
		for _, e := range rows {
			c.add(e)
		}
	})
}

// record writes the history of a red round.
func (c *crowd) record(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("record the history: %w", err)
	}
	return errors.Join(check.WriteLog(f, c.log), f.Close())
}
