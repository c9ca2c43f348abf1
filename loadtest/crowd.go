package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/check"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/protocol"
)

// crowd is the people of one kill -9 round: each writes on, keeps what isn't acked, and after the crash sends that again
// under the same clientMessageId. Its fields belong to the loop while it runs.
type crowd struct {
	r   *rig
	o   CrashOptions
	rng *rand.Rand
	res *CrashRound

	check  *check.Checker
	log    []check.Event
	ps     []*person
	convs  []chat.ConversationID // of the pairs of those online
	group  chat.ConversationID
	seats  []*seat
	byConn map[*wire.Client]*seat
	seq    uint32

	writing, alive  bool // messages are made; the server (as far as we know) lives
	due             int64
	turn            int
	onWire          int64
	got             int64 // receipts, for progress
	acked           int64
	frame           protocol.ClientFrame
	refusal         error
	afterQuiescence map[*seat]int // pending offered to a device after everything was acked
}

// seat is one device of one person.
type seat struct {
	p       *person
	n       int // index of the person
	c       *wire.Client
	primary bool
	online  bool // should be connected
	retry   bool // connect again on the next turn
	synced  bool
	unacked []*outgoing // in order of sending
	byKey   map[chat.ClientMessageID]*outgoing
	last    map[chat.ConversationID]chat.MessageID // newest message received
}

// outgoing is a message that its sender hasn't seen acked.
type outgoing struct {
	conv    chat.ConversationID
	key     chat.ClientMessageID
	content string
	replyTo chat.MessageID
	done    bool
	again   bool // was on the wire before
}

func (c *crowd) add(e check.Event) {
	e.At = time.Now().UnixMicro()
	c.log = append(c.log, e)
	c.check.Add(e)
}

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

// missing counts devices that should be connected and synced and aren't.
func (c *crowd) missing() int {
	n := 0
	for _, st := range c.seats {
		if !st.c.Connected() || !st.synced {
			n++
		}
	}
	return n
}

// tick connects who should be, and writes what is due.
func (c *crowd) tick(int64) time.Duration {
	now := time.Now().UnixNano()
	if c.alive {
		for _, st := range c.seats {
			if st.retry {
				st.retry, st.synced = false, false
				if err := st.c.Connect(); err != nil {
					c.refusal, st.retry = err, true
				}
			}
		}
	}
	if !c.writing {
		return 5 * time.Millisecond
	}
	interval := int64(time.Second) / crashRate
	for ; c.due <= now; c.due += interval {
		c.write()
	}
	return time.Duration(c.due - now)
}

// write makes the next message. Who has no connection writes all the same: it is sent once there is one.
func (c *crowd) write() {
	c.turn++
	st := c.seats[c.turn%(crashOnline+crashDevices)]
	if len(st.unacked) > 200 {
		return // bounded, as a client's outbox is
	}
	conv := c.convs[st.n/2]
	if c.rng.IntN(groupShare) == 0 {
		conv = c.group
	}
	c.seq++
	o := &outgoing{conv: conv, key: clientID(time.Now().UnixNano(), uint32(st.c.Data), c.seq), content: text(int64(c.seq))}
	if c.rng.IntN(replyShare) == 0 {
		o.replyTo = st.last[conv]
	}
	if read := st.last[conv]; read != 0 && c.rng.IntN(readShare) == 0 && st.c.Connected() {
		c.add(check.Event{Kind: check.ReadSent, User: st.p.id, Device: st.c.Device, Conversation: conv, Message: read})
		st.c.Send(&protocol.ClientFrame{Type: protocol.TypeRead, Read: protocol.ReadFrame{Conversation: conv, UpTo: read}})
	}
	st.unacked = append(st.unacked, o)
	st.byKey[o.key] = o
	if st.c.Connected() && st.synced {
		c.put(st, o)
	}
}

// put sends one message, the first time or again.
func (c *crowd) put(st *seat, o *outgoing) {
	c.frame.Message = protocol.SendFrame{
		Conversation: o.conv, ClientMessage: o.key, Content: o.content, ContentType: chat.Text, Resend: o.again, ReplyTo: o.replyTo,
	}
	o.again = true
	c.add(check.Event{Kind: check.Sent, User: st.p.id, Device: st.c.Device, Conversation: o.conv, Client: o.key, Digest: check.Digest(o.content), ReplyTo: o.replyTo})
	if c.alive {
		c.onWire++
	}
	st.c.Send(&c.frame)
}

// Welcome implements wire.Handler.
func (c *crowd) Welcome(cl *wire.Client, w *protocol.WelcomePayload) {
	st := c.byConn[cl]
	c.add(check.Event{Kind: check.Connected, User: st.p.id, Device: cl.Device, Cursor: w.Cursor})
	if w.User != st.p.id {
		c.refusal = fmt.Errorf("welcomed as user %s, not %s", w.User, st.p.id)
	}
}

// Synced implements wire.Handler. The first one after connecting starts the outbox.
func (c *crowd) Synced(cl *wire.Client, s *protocol.SyncedPayload) {
	st := c.byConn[cl]
	c.add(check.Event{Kind: check.Synced, User: st.p.id, Device: cl.Device, UpTo: int64(s.UpTo)})
	if st.synced {
		return
	}
	st.synced = true
	for _, o := range st.unacked {
		c.put(st, o)
	}
}

// Message implements wire.Handler.
func (c *crowd) Message(cl *wire.Client, m *protocol.Message, batch bool) {
	st := c.byConn[cl]
	c.got++
	if c.afterQuiescence != nil && batch {
		c.afterQuiescence[st]++
	}
	if c.o.Drop > 0 && c.rng.IntN(c.o.Drop) == 0 {
		c.res.Dropped++
		return
	}
	st.last[m.Conversation] = max(st.last[m.Conversation], m.ID)
	via := check.Push
	if batch {
		via = check.Batch
	}
	c.add(check.Event{
		Kind: check.Received, Via: via, User: st.p.id, Device: cl.Device, Conversation: m.Conversation, Message: m.ID, Sender: m.Sender,
		Client: m.ClientMessageID, Event: m.Event, Digest: check.Digest(m.Content), ReplyTo: m.ReplyTo, Deleted: m.Deleted,
	})
}

// Sent implements wire.Handler.
func (c *crowd) Sent(cl *wire.Client, m *protocol.Message) bool {
	st := c.byConn[cl]
	o := st.byKey[m.ClientMessageID]
	if m.ClientMessageID[10] != byte(cl.Data>>8) || m.ClientMessageID[11] != byte(cl.Data) {
		return false // the user's other device wrote it
	}
	c.add(check.Event{Kind: check.Acked, User: st.p.id, Device: cl.Device, Conversation: m.Conversation, Client: m.ClientMessageID, Message: m.ID})
	if o == nil {
		return true // acked before
	}
	c.acked++
	delete(st.byKey, m.ClientMessageID)
	o.done = true
	for len(st.unacked) > 0 && st.unacked[0].done {
		st.unacked = st.unacked[1:]
	}
	return true
}

// Status implements wire.Handler.
func (c *crowd) Status(cl *wire.Client, s *protocol.StatusPayload) {
	st := c.byConn[cl]
	status := chat.Delivered
	if s.Status == "read" {
		status = chat.Read
	}
	ids := s.Messages
	if len(ids) == 0 {
		ids = []chat.MessageID{s.Message}
	}
	for _, m := range ids {
		c.add(check.Event{Kind: check.StatusSeen, User: st.p.id, Device: cl.Device, Conversation: s.Conversation, Sender: s.User, Message: m, Status: status})
	}
}

// Error implements wire.Handler.
func (c *crowd) Error(cl *wire.Client, e *protocol.ErrorPayload) {
	st := c.byConn[cl]
	o := st.byKey[e.ClientMessage]
	if o == nil {
		c.refusal = fmt.Errorf("error frame: %s %s %s", e.Code, e.Field, e.Message)
		return
	}
	retry := e.Code == chat.CodeUnavailable.String() || e.Code == chat.CodeInternal.String()
	c.add(check.Event{Kind: check.Failed, Retry: retry, User: st.p.id, Device: cl.Device, Conversation: o.conv, Client: o.key})
	if !retry {
		c.refusal = fmt.Errorf("a message was refused: %s %s %s", e.Code, e.Field, e.Message)
		return
	}
	c.put(st, o)
}

// Closed implements wire.Handler.
func (c *crowd) Closed(cl *wire.Client, err error) {
	st := c.byConn[cl]
	st.synced = false
	st.retry = true
	if c.alive {
		c.refusal = err
	}
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
		page, err := p.rest.History(ctx, conv, client.HistoryQuery{Since: since, Limit: chat.MaxHistory, SinceTime: time.UnixMilli(1)})
		if err != nil {
			return fmt.Errorf("history of %s: %w", conv, err)
		}
		for _, m := range page.Messages {
			rows = append(rows, check.Event{
				Kind: check.Row, User: p.id, Conversation: conv, Message: m.ID, Sender: m.Sender, Client: m.ClientMessageID,
				Digest: check.Digest(m.Content), ReplyTo: m.ReplyTo, Deleted: m.Deleted,
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
