package cqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// Each statement of an Append fails in turn: nothing is acked then, and the retry makes it whole.
func testAppendWhole(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	ports := d.Ports()
	for _, f := range []*faulty{
		{purpose: "append", n: 1}, {purpose: "claim", n: 1}, {purpose: "bucket", n: 1}, {purpose: "inbox", n: 1}, {purpose: "inbox", n: 2}, {purpose: "own_inbox", n: 1},
	} {
		for _, after := range []bool{false, true} {
			f := &faulty{purpose: f.purpose, n: f.n, after: after}
			a := newMessage(t, d, chat.Group, chat.NewUserID(time.Now()), chat.NewUserID(time.Now()))
			a.Recipients = append(a.Recipients, a.Message.Sender)
			var err error
			d.intercepted(f.intercept, func() { _, err = ports.Messages.Append(t.Context(), a) })
			if !f.hit || !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%s: hit %t, and Append said %v", f.purpose, f.hit, err)
			}
			ev, err := ports.Messages.Append(t.Context(), a)
			ok(t, err)
			page, err := ports.Messages.History(t.Context(), store.History{Conversation: a.Message.Conversation, Kind: a.Kind, Limit: 5})
			ok(t, err)
			if len(page) != 1 || page[0].Content != "hello" {
				t.Fatalf("%s failed: history is %v", f.purpose, page)
			}
			_, err = ports.Claims.Get(t.Context(), a.Message.Sender, a.Claim.ClientMessage)
			ok(t, err)
			for _, u := range a.Recipients {
				if log := d.logSince(t, u, ev-1); len(log) != 1 || log[0].ID != ev {
					t.Fatalf("%s failed: log is %v, want %s", f.purpose, log, ev)
				}
			}
		}
	}
}

// A write that took longer than D is told again, so the event that is returned is one the horizon holds for.
func testSlowWrites(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	var now time.Duration
	d.deliveryState.boot = func() time.Duration { return now }
	slow := func(times int) func(context.Context, *statement, func() error) error {
		return func(_ context.Context, s *statement, run func() error) error {
			if s.purpose == forInbox && times > 0 {
				times--
				now += d.patience() + 1
			}
			return run()
		}
	}
	to := chat.NewUserID(time.Now())
	for _, again := range []int{0, 1, 3} {
		hook := intercept(slow(again))
		d.hook.Store(&hook)
		before, err := d.event()
		ok(t, err)
		ev, err := messages{d}.Append(t.Context(), newMessage(t, d, chat.Direct, to))
		ok(t, err)
		log := d.logSince(t, to, before)
		if len(log) != again+1 || log[again].ID != ev {
			t.Fatalf("%d events, last %s, want %d and %s", len(log), log[len(log)-1].ID, again+1, ev)
		}
	}
	// A database that never gets faster is not written to for ever.
	hook := intercept(slow(1000))
	d.hook.Store(&hook)
	if _, err := (messages{d}).Append(t.Context(), newMessage(t, d, chat.Direct, to)); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
}

// A fan-out to a large group writes every row, also when no helper is free.
func testFanoutWithoutHelpers(t *testing.T, r *rig) {
	d := r.open(t, time.Minute)
	to := make([]chat.UserID, 100)
	for i := range to {
		to[i] = chat.NewUserID(time.Now())
	}
	for _, taken := range []int{0, maxHelpers} {
		for range taken {
			d.helpers <- struct{}{}
		}
		ev, err := inbox{d}.Append(t.Context(), store.Fanout{Event: chat.Event{Kind: chat.EventConversation, Change: chat.ChangeRenamed}, Recipients: to})
		ok(t, err)
		for _, u := range to {
			if log := d.logSince(t, u, ev-1); len(log) != 1 {
				t.Fatalf("%s misses %s: %v", u, ev, log)
			}
		}
	}
	if len(d.helpers) != maxHelpers {
		t.Fatalf("%d tokens taken, want %d", len(d.helpers), maxHelpers)
	}
}

// An edit that was under way when the message was deleted, and a late retry of the message itself, bring nothing back.
func testDeletion(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	a := newMessage(t, d, chat.Direct)
	m := messages{d}
	_, err := m.Append(t.Context(), a)
	ok(t, err)
	next := func() chat.MessageID {
		ev, err := d.event()
		ok(t, err)
		return chat.MessageID(ev)
	}
	_, _, err = m.Update(t.Context(), store.Update{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID, Version: next(), Delete: true})
	ok(t, err)
	late := next() + 1<<40 // minutes ahead
	ok(t, d.exec(t.Context(), editMessage, micros(late), int64(late), int64(1), "back", uuid(a.Message.Conversation), MessageBucket(a.Kind, a.Message.ID), int64(a.Message.ID)))
	_, err = m.Append(t.Context(), a)
	ok(t, err)
	got, err := m.Message(t.Context(), store.Ref{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID})
	ok(t, err)
	if !got.Deleted || got.Content != "" || got.Version != 0 {
		t.Fatalf("%+v", got)
	}
	// It is gone from the table, not only hidden.
	var content, edit string
	var v, at int64
	var b bool
	ok(t, d.one(t.Context(), written(forMessage, "SELECT content, edit, deleted FROM messages WHERE conversation_id = ? AND bucket = ? AND message_id = ?"),
		[]any{uuid(a.Message.Conversation), MessageBucket(a.Kind, a.Message.ID), int64(a.Message.ID)}, &content, &v, &at, &edit, &b))
	if content != "" || edit != "" {
		t.Fatalf("%q, %q are still in the table", content, edit)
	}
}

// Edits made by two gateways at once converge to the larger version, in one millisecond too, whatever order they come in.
func testEditsConverge(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	m := messages{d}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		a := newMessage(t, d, chat.Direct)
		_, err := m.Append(t.Context(), a)
		ok(t, err)
		for _, i := range order {
			v := a.Message.ID + 1 + chat.MessageID(i)
			// As both do that read the row before either wrote.
			ok(t, d.exec(t.Context(), editMessage, micros(v), int64(v), int64(i), string(rune('z'-i)), uuid(a.Message.Conversation), MessageBucket(a.Kind, a.Message.ID), int64(a.Message.ID)))
		}
		got, err := m.Message(t.Context(), store.Ref{Conversation: a.Message.Conversation, Kind: a.Kind, Message: a.Message.ID})
		ok(t, err)
		if got.Content != "x" || got.Version != a.Message.ID+3 {
			t.Fatalf("order %v: %+v", order, got)
		}
	}
}

// What was left of buried messages counts for no page.
func testBuriedPages(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	m := messages{d}
	c := chat.NewConversationID(time.Now())
	var want []chat.MessageID
	for i := range 60 {
		a := newMessage(t, d, chat.Group)
		a.Message.Conversation = c
		_, err := m.Append(t.Context(), a)
		ok(t, err)
		if i%4 != 0 {
			ref := store.Ref{Conversation: c, Kind: chat.Group, Message: a.Message.ID}
			v := a.Message.ID + 1
			// An edit that meets the burial leaves a row without a message.
			ok(t, d.exec(t.Context(), editMessage, micros(v)+9, int64(v), int64(0), "x", uuid(c), MessageBucket(chat.Group, v), int64(ref.Message)))
			ok(t, m.Bury(t.Context(), ref))
			continue
		}
		want = append(want, a.Message.ID)
	}
	for _, newest := range []bool{false, true} {
		page, err := m.History(t.Context(), store.History{Conversation: c, Kind: chat.Group, Limit: 7, Newest: newest})
		ok(t, err)
		var got []chat.MessageID
		for _, msg := range page {
			got = append(got, msg.ID)
		}
		expect := want[:7]
		if newest {
			expect = slices.Clone(want[len(want)-7:])
			slices.Reverse(expect)
		}
		if !slices.Equal(got, expect) {
			t.Fatalf("got %v, want %v", got, expect)
		}
	}
}

// A log is read over all its days, empty ones among them.
func testLogOverDays(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	u := chat.NewUserID(time.Now().Add(-40 * 24 * time.Hour))
	var want []chat.EventID
	for _, days := range []int{29, 28, 15, 1, 0} {
		at := chat.EventID(id.At(time.Now().Add(-time.Duration(days) * 24 * time.Hour)))
		for i := range chat.EventID(3) {
			e := chat.Event{ID: at + i, Kind: chat.EventMessage}
			ok(t, d.write(t.Context(), []bound{inboxRow(u, &e)}))
			want = append(want, e.ID)
		}
	}
	for _, limit := range []int{1, 2, 4, 1000} {
		var got []chat.EventID
		for at := chat.EventID(0); ; {
			p, err := inbox{d}.Read(t.Context(), u, at, limit)
			ok(t, err)
			for _, e := range p.Events {
				got = append(got, e.ID)
				at = e.ID
			}
			if !p.More {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("limit %d: got %v, want %v", limit, got, want)
		}
	}
}

// The log of one who is new is looked at where it can hold something only.
func testNewLog(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	reads := 0
	d.intercepted(func(_ context.Context, _ *statement, run func() error) error {
		reads++
		return run()
	}, func() { d.logSince(t, chat.NewUserID(time.Now()), 0) })
	if reads > 2 {
		t.Fatalf("%d reads", reads)
	}
}

// The horizon follows the clock's own time, never goes back, and stands still while that can't be trusted.
func TestHorizonStandsStillWithoutAClock(t *testing.T) {
	c := &setClock{Clock: id.NewClock(id.ClockOptions{})}
	d := &DB{o: Options{Lag: time.Second}}
	d.deliveryState.init(d)
	d.SetClock(c)
	in := inbox{d}
	first := in.Horizon()
	if at := first.Time(); time.Since(at) < time.Second || time.Since(at) > 2*time.Second {
		t.Fatalf("the horizon is at %s", at)
	}
	if err := c.Merge(id.At(time.Now().Add(10 * time.Second))); err != nil {
		t.Fatal(err)
	}
	if h := in.Horizon(); h.Time().After(time.Now().Add(-time.Second)) {
		t.Fatalf("the horizon followed an id that was met: %s", h.Time())
	}
	c.set(time.Hour, errors.New("off by an hour"))
	if h := in.Horizon(); time.Since(h.Time()) < time.Second {
		t.Fatalf("the horizon followed a clock that isn't trusted: %s", h.Time())
	}
	c.set(0, nil)
	last := in.Horizon()
	c.set(-time.Minute, nil)
	if h := in.Horizon(); h < last || last < first {
		t.Fatalf("the horizon went back from %s to %s", last, h)
	}
}

// Rows of a message go to a node together as far as they are small, and every one of them is there.
func testRowsTogether(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	to := make([]chat.UserID, 25)
	for i := range to {
		to[i] = chat.NewUserID(time.Now())
	}
	begun := func() (n uint64) {
		for p := range purposes {
			n += d.stats.begun[p].Load()
		}
		return n
	}
	for _, c := range []struct {
		name       string
		content    string
		recipients int
		statements uint64 // for the message, its bucket, its claim and the inbox rows
		batched    uint64 // of these rows, together with others
	}{
		{"one recipient", "hello", 1, 1, 4},
		{"a large message goes alone", strings.Repeat("x", largeRow), 1, 2, 3},
		{"at most ten rows", "hello", 25, 3, 28},
	} {
		a := newMessage(t, d, chat.Direct, to[:c.recipients]...)
		a.Message.Content = c.content
		before, batched := begun(), d.Stats().Batched
		ev, err := messages{d}.Append(t.Context(), a)
		ok(t, err)
		if n := begun() - before; n != c.statements {
			t.Errorf("%s: %d statements, want %d", c.name, n, c.statements)
		}
		if n := d.Stats().Batched - batched; n != c.batched {
			t.Errorf("%s: %d rows in batches, want %d", c.name, n, c.batched)
		}
		page, err := messages{d}.History(t.Context(), store.History{Conversation: a.Message.Conversation, Kind: a.Kind, Limit: 5})
		ok(t, err)
		if len(page) != 1 || page[0].Content != c.content {
			t.Fatalf("%s: history is %v", c.name, page)
		}
		_, err = claims{d}.Get(t.Context(), a.Message.Sender, a.Claim.ClientMessage)
		ok(t, err)
		for _, u := range to[:c.recipients] {
			if log := d.logSince(t, u, ev-1); len(log) != 1 || log[0].ID != ev {
				t.Fatalf("%s: log is %v, want %s", c.name, log, ev)
			}
		}
	}
}
