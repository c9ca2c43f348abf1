package loadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/check"
	"github.com/murre-chat/murre/pkg/client"
)

// silence is how long nothing may arrive before a crowd counts as quiet.
const silence = 1500 * time.Millisecond

// until waits for a condition asked on the loop.
func (c *crowd) until(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(limit); ; {
		var good bool
		var state string
		if err := c.r.on(ctx, func() {
			if good = ok(); !good {
				state = c.state()
			}
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

// quiesce waits until all is acked, everybody is connected, and every device has what it is owed and nothing arrives any
// more. What is still owed after patience of silence isn't waited for: the checker will say what it is.
func (c *crowd) quiesce(ctx context.Context, limit, patience time.Duration) error {
	var still int64 = -1
	since := time.Now()
	return c.until(ctx, limit, "everything acked and quiet", func() bool {
		if c.open() > 0 || c.missing() > 0 || c.got != still {
			still, since = c.got, time.Now()
			return false
		}
		return time.Since(since) > patience || c.owed <= 0 && time.Since(since) > silence
	})
}

// comeAgain closes every connection and waits until everybody is back and synced. It returns how many pending events
// devices were offered meanwhile.
func (c *crowd) comeAgain(ctx context.Context, limit time.Duration) (offered int, err error) {
	if err := c.r.on(ctx, func() {
		c.afterQuiescence = map[*seat]int{}
		for _, st := range c.seats {
			st.leave()
			st.retryAt = 1
		}
	}); err != nil {
		return 0, err
	}
	if err := c.until(ctx, limit, "everybody back and synced", func() bool { return c.missing() == 0 }); err != nil {
		return 0, err
	}
	err = c.r.on(ctx, func() {
		for _, n := range c.afterQuiescence {
			offered += n
		}
	})
	return offered, err
}

// pendingIsEmpty connects everybody once more: nothing may be pending now that everything was acked.
func (c *crowd) pendingIsEmpty(ctx context.Context, limit time.Duration) (int, error) {
	offered, err := c.comeAgain(ctx, limit)
	if err != nil {
		return offered, err
	}
	return offered, c.r.on(ctx, func() {
		for _, st := range c.seats {
			c.add(check.Event{Kind: check.Pending, User: st.p.id, Device: st.c.Device, Count: c.afterQuiescence[st]})
		}
	})
}

// histories reads every conversation from its start: direct ones by both, groups by four of their members.
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
		g.Go(func() error { return c.receipts(ctx, c.ps[2*i], conv) })
	}
	for i, conv := range c.groups {
		members := c.shape.groups[i]
		for _, m := range []int{members[0], members[1], members[len(members)-2], members[len(members)-1]} {
			g.Go(func() error { return c.history(ctx, c.ps[m], conv) })
		}
		g.Go(func() error { return c.receipts(ctx, c.ps[members[0]], conv) })
	}
	return g.Wait()
}

// receipts reads the watermarks of a conversation.
func (c *crowd) receipts(ctx context.Context, p *person, conv chat.ConversationID) error {
	list, err := patiently(ctx, func() ([]client.Receipt, error) { return p.rest.Receipts(ctx, conv, 0) })
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
		page, err := patiently(ctx, func() (client.HistoryPage, error) {
			return p.rest.History(ctx, conv, client.HistoryQuery{Since: since, Limit: chat.MaxHistory, SinceTime: time.UnixMilli(1)})
		})
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

// record writes the history of a red run.
func (c *crowd) record(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("record the history: %w", err)
	}
	return errors.Join(check.WriteLog(f, c.log), f.Close())
}
