package inbox

import (
	"slices"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/store"
)

// conversation makes a group or channel of a and b, and returns b's row.
func (r *rig) conversation(t fataler, kind chat.Kind) (chat.ConversationID, chat.Member) {
	t.Helper()
	c := chat.Conversation{ID: chat.NewConversationID(time.Now()), Kind: kind, Name: "x", CreatedBy: r.a}
	me := chat.Member{User: r.b, Role: chat.RoleMember, JoinedID: r.nextID(t), LeftID: chat.NotLeft}
	_, _, err := r.store.Members.Change(r.ctx, store.MemberChange{Conversation: c.ID, Create: &c, Set: []chat.Member{
		{User: r.a, Role: chat.RoleAdmin, JoinedID: me.JoinedID, LeftID: chat.NotLeft}, me,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c.ID, me
}

func TestChannel(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	ch, me := r.conversation(t, chat.Channel)
	before := r.postAs(t, r.nextID(t), ch, chat.Channel, "before")
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	if p.show(before) {
		t.Error("a push of a channel that isn't followed")
	}
	p.dev.Follow(ch, chat.EventID(me.JoinedID))
	p.dev.Follow(ch, chat.EventID(me.JoinedID))
	p.dev.Start()
	p.until(t, "what the channel held", func() bool { return len(p.batches) == 1 })
	p.dev.AckBatch(p.batches[0].Last)
	p.untilSynced(t, 2)
	one, lost, three := r.postAs(t, r.nextID(t), ch, chat.Channel, "one"), r.postAs(t, r.nextID(t), ch, chat.Channel, "lost"), r.postAs(t, r.nextID(t), ch, chat.Channel, "three")
	p.show(one)
	p.show(three)
	p.until(t, "the lost one", func() bool { return len(p.got) == 4 })
	p.dev.AckMessages(p.messages()...)
	cursor := func() chat.EventID {
		c, err := r.store.Channels.ChannelCursor(r.ctx, r.b, dev, ch)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	p.until(t, "cursor", func() bool { return cursor() >= three.Event.ID })
	if got, want := p.messages(), []chat.MessageID{before.Message.ID, one.Message.ID, three.Message.ID, lost.Message.ID}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	p.close(t)
	q := r.connect(t, dev, 0)
	q.dev.Follow(ch, cursor())
	q.dev.Start()
	q.untilSynced(t, 1)
	if n := len(q.messages()); n != 0 {
		t.Errorf("%d messages again", n)
	}
	q.close(t)
}

// Leaving a channel whose batch is out must not leave the device waiting for its acks.
func TestUnfollowWithABatchOut(t *testing.T) {
	r := newRig(t, true)
	ch, me := r.conversation(t, chat.Channel)
	r.postAs(t, r.nextID(t), ch, chat.Channel, "x")
	p := r.connect(t, r.device(t), 0)
	p.dev.Follow(ch, chat.EventID(me.JoinedID))
	p.dev.Start()
	p.until(t, "batch", func() bool { return len(p.batches) == 1 })
	p.dev.Unfollow(ch)
	p.untilSynced(t, 1)
	x := r.post(t, "x")
	if !p.show(x) {
		t.Error("not live after leaving a channel")
	}
	if n := p.dev.Unacked(); n != 1 {
		t.Errorf("%d unacked", n)
	}
	if p.show(r.postAs(t, r.nextID(t), ch, chat.Channel, "y")) {
		t.Error("a message of a channel that was left")
	}
}

// joinOf writes b's joining of a conversation to its log, as of some time ago.
func (r *rig) joinOf(t fataler, c chat.ConversationID, me chat.Member) *chat.Push {
	t.Helper()
	e := chat.Event{Kind: chat.EventConversation, Change: chat.ChangeMemberAdded, Conversation: c, Message: me.JoinedID, Actor: r.a, Subject: r.b}
	n, err := r.store.Inbox.Append(r.ctx, store.Fanout{Event: e, Recipients: []chat.UserID{r.b}})
	if err != nil {
		t.Fatal(err)
	}
	e.ID = n
	return &chat.Push{Kind: chat.PushConversation, Event: e, Conversation: &chat.ConversationChange{}}
}

// What a sender with an older membership wrote just after a join has no row in the new member's log: the join brings it.
func TestJoinBringsWhatSendersLeftOut(t *testing.T) {
	r := newRig(t, true)
	dev := r.device(t)
	group, me := r.conversation(t, chat.Group)
	p := r.connect(t, dev, 0)
	p.untilSynced(t, 1)
	join := r.joinOf(t, group, me)
	seen := r.postAs(t, r.nextID(t), group, chat.Group, "seen", r.b)
	out1 := r.postAs(t, r.nextID(t), group, chat.Group, "left out")
	out2 := r.postAs(t, r.nextID(t), group, chat.Group, "left out too")
	p.show(join)
	p.show(seen)
	p.dev.AckEvents(join.Event.ID, seen.Event.ID)
	p.until(t, "verify read", func() bool { return r.log.Stats().VerifyReads.Load() > 0 })
	if c := r.stored(t, dev).AckedTo; c >= join.Event.ID {
		t.Errorf("the cursor %s passed the join %s, which owes a read", c, join.Event.ID)
	}
	due := func(p *phone) {
		p.dev.mu.Lock()
		defer p.dev.mu.Unlock()
		for i := range p.dev.main.w.joins {
			p.dev.main.w.joins[i].due = 0
		}
	}
	due(p)
	p.until(t, "what was left out", func() bool { return len(p.got) >= 4 })
	if got, want := p.messages(), []chat.MessageID{seen.Message.ID, out1.Message.ID, out2.Message.ID}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	p.dev.AckMessages(out1.Message.ID)
	p.close(t) // out2 isn't acked: it comes again
	if d := r.stored(t, dev); d.AckedTo >= join.Event.ID || slices.Contains(d.AckedBeyond, join.Event.ID) {
		t.Errorf("cursor %s beyond %v: the join %s is lost", d.AckedTo, d.AckedBeyond, join.Event.ID)
	}
	q := r.connect(t, dev, 0)
	q.ackAllBatches(t)
	due(q)
	q.until(t, "what was left out, again", func() bool {
		return slices.ContainsFunc(q.got, func(x chat.Push) bool { return x.Message != nil && x.Message.ID == out2.Message.ID })
	})
	q.dev.AckMessages(q.messages()...)
	q.until(t, "cursor", func() bool { return r.stored(t, dev).AckedTo >= join.Event.ID })
}

func TestJoinReadWaitsNoLongerWithTheClockSetBack(t *testing.T) {
	r := newRig(t, false)
	p := r.connect(t, r.device(t), 0)
	p.untilSynced(t, 1)
	group, me := r.conversation(t, chat.Group)
	r.notes.setWall(func() time.Time { return time.Now().Add(-time.Hour) })
	p.show(r.joinOf(t, group, me))
	p.dev.mu.Lock()
	defer p.dev.mu.Unlock()
	if wait := p.dev.main.w.joins[0].due - r.log.mono(); wait > (joinWindow + joinSlack).Milliseconds() {
		t.Errorf("the join read waits %d ms", wait)
	}
}

func TestSyncPagesByCursor(t *testing.T) {
	r := newRig(t, false)
	var want []chat.MessageID
	for range 7 {
		want = append(want, r.post(t, "x").Message.ID)
	}
	var got []chat.MessageID
	at := chat.EventID(0)
	for {
		page, err := r.log.Sync(r.ctx, r.b, at, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			got = append(got, it.Message.ID)
		}
		at = page.Last
		if !page.More {
			if page.UpTo < id.ID(at).UnixMillis() {
				t.Errorf("up to %d", page.UpTo)
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSchedule(t *testing.T) {
	l := New(Options{})
	var ds [20]Device
	for i := range ds {
		ds[i].log = l
		l.scheduleBusy(&ds[i], int64(1000+(i*7)%20))
	}
	l.scheduleBusy(&ds[3], 5)   // earlier: moves
	l.scheduleBusy(&ds[4], 1e9) // later: stays
	if l.busy[0] != &ds[3] {
		t.Error("the earliest isn't first")
	}
	l.scheduleIdle(&ds[5], 1)
	l.scheduleIdle(&ds[6], 1)
	l.scheduleIdle(&ds[7], 1)
	l.unschedule(&ds[6])
	l.unschedule(&ds[6])
	if l.idle.head != &ds[5] || l.idle.tail != &ds[7] || ds[5].next != &ds[7] || ds[7].prev != &ds[5] || len(l.busy) != 17 {
		t.Error("the idle list is broken")
	}
	last := int64(0)
	for len(l.busy) > 0 {
		d := l.busy[0]
		if d.due < last {
			t.Errorf("due %d after %d", d.due, last)
		}
		last = d.due
		l.unschedule(d)
	}
}

// ReadAll lets idle devices be read one after the other, those idle for longest first, each once, and nobody while there is too
// much to do.
func TestReadAllReadsOneAfterTheOther(t *testing.T) {
	busy := false
	l := New(Options{Load: overload.Signals{Busy: func() bool { return busy }}})
	var ds [3]Device
	for i := range ds {
		l.scheduleIdle(&ds[i], 1)
	}
	next := func(now int64) (*Device, time.Duration) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.nextLocked(now)
	}
	l.ReadAll(3 * time.Second)
	from := l.paced.from
	for l.mono() == from { // what is read in ReadAll's own millisecond counts as read before
		time.Sleep(time.Millisecond)
	}
	busy = true
	if d, wait := next(from); d != nil || wait != time.Second {
		t.Errorf("while there is too much to do: %p, %v", d, wait)
	}
	busy = false
	for i := range ds {
		at := from + int64(i)*1000
		if d, wait := next(at - 1); i > 0 && (d != nil || wait != time.Millisecond) {
			t.Errorf("a millisecond before device %d's turn: %p, %v", i, d, wait)
		}
		if d, _ := next(at); d != &ds[i] {
			t.Fatalf("%p at device %d's turn", d, i)
		}
		if d, _ := next(from + 5000); d != nil {
			t.Error("two at once")
		}
		delete(l.rereading, &ds[i]) // its step has ended
		read := from + 1
		if i == 0 {
			read = from // put off: it comes once more
		}
		l.scheduleIdle(&ds[i], read)
		if i == 0 {
			l.unschedule(&ds[0])
		}
	}
	if d, wait := next(from + 10_000); d != nil || wait < time.Minute {
		t.Errorf("all were read: %p, %v", d, wait)
	}
	l.scheduleIdle(&ds[0], from)
	if d, _ := next(from + 10_000); d != &ds[0] {
		t.Error("who was put off isn't read again")
	}
}
