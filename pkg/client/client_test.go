package client

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func answer(f *protocol.ClientFrame, id int, event chat.EventID) []byte {
	s := &f.Message
	return protocol.AppendMessage(nil, &chat.Message{
		ID: chat.MessageID(id), Conversation: s.Conversation, Sender: me, Content: s.Content, ContentType: s.ContentType, ClientMessageID: s.ClientMessage,
	}, event, chat.Sent)
}

func TestSendIsAnswered(t *testing.T) {
	p := newPeer(t)
	c, pc, _ := start(t, p, nil)
	d, err := c.Post(Outgoing{Conversation: room, Content: "hi \x00 there"})
	if err != nil {
		t.Fatal(err)
	}
	f := pc.frame()
	if f.Message.Content != "hi \x00 there" || f.Message.Resend || f.Message.ClientMessage != d.ClientMessageID() {
		t.Errorf("%+v", f.Message)
	}
	pc.send(answer(f, 7, 0))
	m, err := d.Wait(t.Context())
	if err != nil || m.ID != 7 || m.Status != "sent" {
		t.Errorf("%+v, %v", m, err)
	}
	if c.User() != me || !c.Connected() {
		t.Error("user or connection is not known")
	}
}

func TestResendKeepsIdAndOrder(t *testing.T) {
	p := newPeer(t)
	c, pc, _ := start(t, p, nil)
	var want []chat.ClientMessageID
	var sent []*Delivery
	post := func() {
		d, err := c.Post(Outgoing{Conversation: room, Content: "x"})
		if err != nil {
			t.Fatal(err)
		}
		sent, want = append(sent, d), append(want, d.ClientMessageID())
	}
	for range 3 {
		post()
	}
	pc.send(answer(pc.frame(), 1, 0)) // the first is answered, the others are lost with the connection
	if _, err := sent[0].Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	pc.frame()
	pc.frame()
	_ = pc.c.Close()
	pc = p.next()
	post() // never written before: not a retry
	for i, id := range want[1:] {
		f := pc.frame()
		if f.Message.ClientMessage != id || f.Message.Resend != (i < 2) {
			t.Errorf("%d: %+v", i, f.Message)
		}
		pc.send(answer(f, i+2, 0))
	}
	for _, d := range sent {
		if _, err := d.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestUnansweredIsSentAgain(t *testing.T) {
	p := newPeer(t)
	c, pc, _ := start(t, p, func(o *Options) { o.AckTimeout = time.Second })
	d, err := c.Post(Outgoing{Conversation: room, Content: "x"})
	if err != nil {
		t.Fatal(err)
	}
	first, second := pc.frame(), pc.frame()
	if first.Message.Resend || !second.Message.Resend || first.Message.ClientMessage != second.Message.ClientMessage {
		t.Errorf("%+v %+v", first.Message, second.Message)
	}
	pc.send(answer(second, 1, 0))
	if _, err := d.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// A peer that neither answers nor hangs up is left after two AckTimeouts, and what waited goes to the next connection.
func TestDeadConnectionIsLeft(t *testing.T) {
	p := newPeer(t)
	c, pc, _ := start(t, p, func(o *Options) { o.AckTimeout = 500 * time.Millisecond })
	d, err := c.Post(Outgoing{Conversation: room, Content: "x"})
	if err != nil {
		t.Fatal(err)
	}
	next := p.next() // pc was never read from: no pong
	f := next.frame()
	if !f.Message.Resend || f.Message.ClientMessage != d.ClientMessageID() {
		t.Errorf("%+v", f.Message)
	}
	next.send(answer(f, 1, 0))
	if _, err := d.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	_ = pc.c.Close()
}

func TestErrorsOfTheServer(t *testing.T) {
	p := newPeer(t)
	c, pc, events := start(t, p, nil)
	refuse := func(e *chat.Error) error {
		d, err := c.Post(Outgoing{Conversation: room, Content: "x"})
		if err != nil {
			t.Fatal(err)
		}
		pc.send(protocol.AppendError(nil, e, pc.frame().Message.ClientMessage, 0))
		_, err = d.Wait(t.Context())
		return err
	}
	var e *chat.Error
	if err := refuse(chat.Invalid("payload.mediaId", "no such media")); !errors.As(err, &e) || e.Code != chat.CodeValidation || e.Field != "payload.mediaId" {
		t.Error(err)
	}
	if err := refuse(&chat.Error{Code: chat.CodeRateLimited, Message: "slow down", RetryAfter: 3 * time.Second}); !errors.As(err, &e) || e.RetryAfter != 3*time.Second {
		t.Error(err)
	}
	// UNAVAILABLE is repeated by itself, under the same id.
	d, err := c.Post(Outgoing{Conversation: room, Content: "x"})
	if err != nil {
		t.Fatal(err)
	}
	f := pc.frame()
	pc.send(protocol.AppendError(nil, &chat.Error{Code: chat.CodeUnavailable, Message: "busy", RetryAfter: 10 * time.Millisecond}, f.Message.ClientMessage, 0))
	again := pc.frame()
	if !again.Message.Resend || again.Message.ClientMessage != f.Message.ClientMessage {
		t.Errorf("%+v", again.Message)
	}
	pc.send(answer(again, 1, 0))
	if _, err := d.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	// What no call waits for is an event.
	if err := c.Typing(room, true); err != nil {
		t.Fatal(err)
	}
	pc.frame()
	pc.send(protocol.AppendError(nil, chat.Forbidden("not a member"), chat.ClientMessageID{}, 0))
	if ev := event(t, events, protocol.TypeError); ev.Error.Code != chat.CodeForbidden {
		t.Error(ev.Error)
	}
	// What would be refused for its size never goes out: the connection would end with it.
	if _, err := c.Post(Outgoing{Conversation: room, Content: string(make([]byte, chat.MaxContent+1))}); !errors.As(err, &e) || e.Code != chat.CodeValidation {
		t.Error(err)
	}
}

func TestEditDeleteReactWaitForTheEvent(t *testing.T) {
	p := newPeer(t)
	c, pc, _ := start(t, p, func(o *Options) { o.AckDelay = MaxAckDelay })
	m := message(9, me, "new")
	m.EditedAt = 5
	cases := []struct {
		call  func(context.Context) error
		reply []byte
	}{
		{func(ctx context.Context) error { return c.Edit(ctx, room, 9, "new") }, protocol.AppendEdited(nil, m, 0)},
		{func(ctx context.Context) error { return c.React(ctx, room, 9, "👍") }, protocol.AppendReaction(nil, room, 9, &chat.Reaction{User: me, Emoji: "👍"}, 0)},
		{func(ctx context.Context) error { return c.Delete(ctx, room, 9) }, protocol.AppendDeleted(nil, room, 9, 0)},
	}
	for i, tc := range cases {
		for _, reply := range [][]byte{tc.reply, protocol.AppendError(nil, chat.Forbidden("no"), chat.ClientMessageID{}, 9)} {
			done := make(chan error, 1)
			go func() { done <- tc.call(t.Context()) }()
			pc.frame()
			pc.send(reply)
			if err := <-done; (err != nil) != (&reply[0] != &tc.reply[0]) {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Edit(ctx, room, 9, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A handler that sends, and waits for each answer, more than the queue holds.
func TestHandlerSends(t *testing.T) {
	const n = queueLen + 100
	p := newPeer(t)
	var c *Client
	ready, done := make(chan struct{}), make(chan error, 1)
	c, pc, _ := start(t, p, func(o *Options) {
		o.Outbox = n
		o.Handler = HandlerFunc(func(ctx context.Context, e *Event) error {
			if e.Welcome == nil {
				return nil
			}
			<-ready
			var waiting []*Delivery
			for range n {
				d, err := c.Post(Outgoing{Conversation: room, Content: "x"})
				if err != nil {
					done <- err
					return nil
				}
				waiting = append(waiting, d)
			}
			for _, d := range waiting {
				if _, err := d.Wait(ctx); err != nil {
					done <- err
					return nil
				}
			}
			done <- nil
			return nil
		})
	})
	close(ready)
	for i := range n {
		pc.send(answer(pc.frame(), i+1, 0))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLiveAcksAreGathered(t *testing.T) {
	p := newPeer(t)
	_, pc, events := start(t, p, func(o *Options) { o.AckDelay = 100 * time.Millisecond })
	for i := range 3 {
		pc.send(protocol.AppendMessage(nil, message(i+1, them, "x"), chat.EventID(i+101), 0))
	}
	pc.send(protocol.AppendDeleted(nil, room, 1, 104))
	pc.send(protocol.AppendMessage(nil, message(50, me, "my other device's, and no row for it"), 0, chat.Sent))
	event(t, events, protocol.TypeMessageDeleted)
	f := pc.frame()
	if !slices.Equal(f.Ack.Messages, []chat.MessageID{1, 2, 3}) || !slices.Equal(f.Ack.Events, []chat.EventID{104}) || f.Ack.UpTo != 0 {
		t.Errorf("%+v", f.Ack)
	}
	// A duplicate is not shown again, and acked again.
	pc.send(protocol.AppendDeleted(nil, room, 1, 104))
	if f := pc.frame(); !slices.Equal(f.Ack.Events, []chat.EventID{104}) {
		t.Errorf("%+v", f.Ack)
	}
	pc.send(protocol.AppendSynced(nil, 1))
	for {
		e := <-events
		if e.Deleted != nil {
			t.Error("shown twice")
		}
		if e.Synced != nil {
			return
		}
	}
}

func TestBatchIsAppliedInOrderAndAckedAtOnce(t *testing.T) {
	p := newPeer(t)
	c, pc, events := start(t, p, func(o *Options) { o.AckDelay = MaxAckDelay })
	var b protocol.Pending
	b.Message(message(1, them, "one"), 101, 0)
	b.Reaction(room, 1, &chat.Reaction{User: them, Emoji: "👍"}, 102)
	b.Message(message(2, them, "two"), 103, 0)
	b.Deleted(room, 1, 104)
	pc.send(b.AppendTo(nil, 104, true))
	if f := pc.frame(); f.Ack.UpTo != 104 || len(f.Ack.Messages) != 0 {
		t.Errorf("%+v", f.Ack)
	}
	b.Reset()
	b.Message(message(3, them, "three"), 105, 0)
	pc.send(b.AppendTo(nil, 105, false))
	if f := pc.frame(); f.Ack.UpTo != 105 {
		t.Errorf("%+v", f.Ack)
	}
	pc.send(protocol.AppendSynced(nil, 1_750_000_000_000))
	upTo, err := c.WaitSynced(t.Context())
	if err != nil || upTo.UnixMilli() != 1_750_000_000_000 {
		t.Errorf("%v %v", upTo, err)
	}
	var ids []chat.EventID
	for e := range events {
		if e.ID != 0 {
			ids = append(ids, e.ID)
			if !e.Pending {
				t.Errorf("%+v", e)
			}
		}
		if e.Synced != nil {
			break
		}
	}
	if !slices.Equal(ids, []chat.EventID{101, 102, 103, 104, 105}) {
		t.Error(ids)
	}
}

func TestOneSendUnderTwoIds(t *testing.T) {
	p := newPeer(t)
	_, pc, events := start(t, p, nil)
	m := message(20, them, "x")
	pc.send(protocol.AppendMessage(nil, m, 101, 0))
	if e := event(t, events, protocol.TypeMessage); e.Message.ID != 20 || e.Replaces != 0 {
		t.Errorf("%+v", e)
	}
	m.ID = 30
	pc.send(protocol.AppendMessage(nil, m, 102, 0)) // the larger id is not shown
	m.ID = 10
	pc.send(protocol.AppendMessage(nil, m, 103, 0)) // the smaller takes its place
	if e := event(t, events, protocol.TypeMessage); e.Message.ID != 10 || e.Replaces != 20 {
		t.Errorf("%+v", e)
	}
}

func TestHandlerErrorBringsTheEventBack(t *testing.T) {
	p := newPeer(t)
	var failed atomic.Bool
	seen := make(chan chat.MessageID, 16)
	_, pc, _ := start(t, p, func(o *Options) {
		o.Handler = HandlerFunc(func(_ context.Context, e *Event) error {
			if e.Message == nil {
				return nil
			}
			if failed.CompareAndSwap(false, true) {
				return errors.New("disk full")
			}
			seen <- e.Message.ID
			return nil
		})
	})
	m := message(1, them, "x")
	pc.send(protocol.AppendMessage(nil, m, 101, 0))
	pc = p.next() // without an ack
	pc.send(protocol.AppendMessage(nil, m, 101, 0))
	if f := pc.frame(); !slices.Equal(f.Ack.Messages, []chat.MessageID{1}) {
		t.Errorf("%+v", f.Ack)
	}
	if id := <-seen; id != 1 {
		t.Error(id)
	}
}

func TestNoReturnAfterFinalCloses(t *testing.T) {
	for _, code := range []protocol.CloseCode{protocol.CloseReplaced, protocol.CloseRevoked, protocol.CloseAuthExpired} {
		p := newPeer(t)
		c, pc, _ := start(t, p, nil)
		d, err := c.Post(Outgoing{Conversation: room, Content: "x"})
		if err != nil {
			t.Fatal(err)
		}
		pc.frame()
		pc.close(code)
		<-c.Done()
		var closed *CloseError
		if !errors.As(c.Err(), &closed) || closed.Code != code {
			t.Errorf("%d: %v", code, c.Err())
		}
		if _, err := d.Wait(t.Context()); !errors.As(err, &closed) {
			t.Errorf("%d: what waited got %v", code, err)
		}
		if _, err := c.Post(Outgoing{Conversation: room, Content: "x"}); err == nil {
			t.Error("posted to a dead client")
		}
	}
}

func TestComesBackAfterOtherCloses(t *testing.T) {
	p := newPeer(t)
	c, pc, _ := start(t, p, func(o *Options) { o.Cursor = 77 })
	device := c.Device().String()
	if want := "/ws?cursor=" + chat.EventID(77).String() + "&device=" + device; pc.query != want {
		t.Errorf("got %s, want %s", pc.query, want)
	}
	for _, code := range []protocol.CloseCode{protocol.CloseDrain, protocol.CloseTooSlow, 1011} {
		pc.close(code)
		pc = p.next()
		if want := "/ws?device=" + device; pc.query != want { // the cursor is for the first time only
			t.Errorf("got %s, want %s", pc.query, want)
		}
	}
	pc.send(protocol.AppendReconnect(nil, 20*time.Millisecond))
	pc = p.next()
	pc.send(protocol.AppendPong(nil))
}

func TestRefusedForGood(t *testing.T) {
	p := newPeer(t)
	p.refuse(401, `{"title":"Unauthorized","status":401,"code":"UNAUTHENTICATED","detail":"sign in"}`)
	_, err := Dial(t.Context(), Options{URL: "ws://" + p.l.Addr().String() + "/ws", Token: "bad"})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != 401 || chat.CodeOf(err) != chat.CodeUnauthenticated {
		t.Fatal(err)
	}
}

func TestRefusedForNow(t *testing.T) {
	p := newPeer(t)
	p.refuse(503, `{"title":"Service Unavailable","status":503,"code":"UNAVAILABLE","retryAfterMs":1}`)
	refusals := make(chan error, 100)
	c, err := New(Options{URL: "http://" + p.l.Addr().String(), Token: "t", BackoffMin: time.Millisecond, BackoffMax: time.Millisecond, OnState: func(connected bool, err error) {
		if !connected {
			refusals <- err
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	go func() { _ = c.Run(ctx) }()
	defer c.Close()
	if err := <-refusals; chat.CodeOf(err) != chat.CodeUnavailable {
		t.Error(err)
	}
	p.refuse(0, "")
	p.next()
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	p := newPeer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, Options{URL: "http://" + p.l.Addr().String(), Token: "t"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err) // the peer upgrades and never welcomes
	}
}

func TestBackoffIsFullJitter(t *testing.T) {
	c, err := New(Options{URL: "http://localhost", Token: "t", BackoffMin: 100 * time.Millisecond, BackoffMax: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for attempt, bound := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		bound *= time.Millisecond
		var low, high bool
		for range 1000 {
			w := c.backoff(attempt, nil)
			if w < 0 || w > bound {
				t.Fatalf("attempt %d: %v", attempt, w)
			}
			low, high = low || w < bound/4, high || w > bound*3/4
		}
		if !low || !high {
			t.Errorf("attempt %d: not spread over the whole range", attempt)
		}
	}
	if w := c.backoff(0, &drainError{after: time.Second}); w < time.Second || w > 2*time.Second {
		t.Error(w)
	}
	if w := c.backoff(0, &chat.Error{RetryAfter: time.Minute}); w < time.Minute {
		t.Error(w)
	}
}

func TestWindowIsBounded(t *testing.T) {
	w := newWindow(4)
	for i := 1; i <= 10; i++ {
		m := &protocol.Message{ID: chat.MessageID(i), Sender: them, ClientMessageID: chat.NewClientMessageID(time.Now())}
		w.addMessage(m)
		w.addEvent(chat.EventID(i))
		if seen, _ := w.message(m); !seen || !w.event(chat.EventID(i)) {
			t.Fatal("forgot at once")
		}
	}
	if len(w.messages)+len(w.events) != 4 || len(w.sends) != 2 || len(w.order) != 4 {
		t.Errorf("%d messages, %d events, %d sends", len(w.messages), len(w.events), len(w.sends))
	}
}

func TestOutboxIsBounded(t *testing.T) {
	p := newPeer(t)
	c, _, _ := start(t, p, func(o *Options) { o.Outbox = 2 })
	for range 2 {
		if _, err := c.Post(Outgoing{Conversation: room, Content: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Post(Outgoing{Conversation: room, Content: "x"}); !errors.Is(err, ErrOutboxFull) {
		t.Error(err)
	}
}
