package service

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

func request(conv chat.ConversationID, text string) SendRequest {
	return SendRequest{Conversation: conv, ClientMessage: chat.NewClientMessageID(time.Now()), Content: text, ContentType: chat.Text}
}

func (r *rig) history(conv chat.ConversationID) []chat.Message {
	r.t.Helper()
	page, err := r.store.Messages.History(context.Background(), store.History{Conversation: conv, Kind: chat.Direct, Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	return page
}

func TestConcurrentAttemptsStoreOneMessage(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	for range 20 {
		req := request(conv, "once")
		var wg sync.WaitGroup
		var got [8]chat.MessageID
		for i := range got {
			q := req
			q.Resend = i%2 == 1
			wg.Go(func() {
				res, err := r.Send(t.Context(), p[0], q)
				if err != nil {
					t.Error(err)
				}
				got[i] = res.Message.ID
			})
		}
		wg.Wait()
		for _, m := range got {
			if m != got[0] {
				t.Fatalf("one message under two ids: %v", got)
			}
		}
	}
	if n := len(r.history(conv)); n != 20 {
		t.Errorf("%d messages in history, want 20", n)
	}
}

// An attempt that joins one under way keeps its id only while that one still holds the horizon back.
func TestAnAttemptThatJoinsAFailingOneIsStored(t *testing.T) {
	r, f := faulty(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	r.send(p[0], conv, "first")
	f.Add(faultstore.Fault{Op: "Messages.Append", Times: 1, Delay: 50 * time.Millisecond})
	req := request(conv, "x")
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := r.Send(t.Context(), p[0], req); chat.CodeOf(err) != chat.CodeUnavailable {
			t.Errorf("the failing attempt: %v", err)
		}
	})
	for f.Calls("Messages.Append") < 2 {
		runtime.Gosched() // until the first attempt is at the store
	}
	req.Resend = true
	before := r.MessageHorizon()
	res, err := r.Send(t.Context(), p[0], req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Message.ID <= before {
		t.Errorf("%s was stored below the horizon %s", res.Message.ID, before)
	}
	wg.Wait()
	if h := r.history(conv); len(h) != 2 || h[1].ID != res.Message.ID {
		t.Errorf("history %v", h)
	}
	if h := r.MessageHorizon(); h < res.Message.ID {
		t.Errorf("the horizon %s stays below %s", h, res.Message.ID)
	}
}

// A claim without its message, as after a crash between the two in a store that isn't atomic: the horizon has passed its
// id, so that a message under it would be found by no cursor of a channel, and be claimed as delivered.
func TestAClaimWithoutItsMessageGetsANewID(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	req := request(conv, "x")
	req.Resend = true
	old, err := r.db.Clock().Next()
	if err != nil {
		t.Fatal(err)
	}
	msg := chat.Message{Conversation: conv, Sender: p[0].User, ClientMessageID: req.ClientMessage, ContentType: chat.Text, Content: "x"}
	claim := store.Claim{User: p[0].User, ClientMessage: req.ClientMessage, Message: chat.MessageID(old), Conversation: conv, Digest: digest(&msg)}
	if _, err := r.store.Claims.PutIfAbsent(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	seen := r.send(p[0], conv, "read by everybody")
	res, err := r.Send(t.Context(), p[0], req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Message.ID <= seen.ID {
		t.Errorf("%s appeared below %s, which people have read", res.Message.ID, seen.ID)
	}
	msg.ID = chat.MessageID(old) // the write of the old attempt, under way all the time, arrives
	if _, err := r.store.Messages.Append(t.Context(), &store.Append{Message: msg, Kind: chat.Direct, Recipients: []chat.UserID{p[1].User}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the buried attempt: %v", err)
	}
	if h := r.history(conv); len(h) != 2 {
		t.Errorf("%d messages in history, want 2", len(h))
	}
	again, err := r.Send(t.Context(), p[0], req)
	if err != nil || again.Message.ID != res.Message.ID || !again.Duplicate {
		t.Errorf("sent again: %+v %v", again, err)
	}
}

func TestOneKeyForTwoMessagesIsRefused(t *testing.T) {
	r := newRig(t)
	p := r.people(3)
	conv, other := r.create(p[0], chat.Direct, "", p[1]), r.create(p[0], chat.Direct, "", p[2])
	req := request(conv, "x")
	if _, err := r.Send(t.Context(), p[0], req); err != nil {
		t.Fatal(err)
	}
	req.Resend = true
	for _, change := range []func(*SendRequest){
		func(q *SendRequest) { q.Content = "y" },
		func(q *SendRequest) { q.Conversation = other },
	} {
		q := req
		change(&q)
		var e *chat.Error
		if _, err := r.Send(t.Context(), p[0], q); !errors.As(err, &e) || e.Code != chat.CodeValidation || e.Field != "clientMessageId" {
			t.Errorf("%v", err)
		}
	}
	if n := len(r.history(conv)) + len(r.history(other)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestRepliesAfterItsParentAndNotToTheFuture(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	future := chat.MessageID(id.At(time.Now().Add(time.Hour)))
	req := request(conv, "x")
	req.ReplyTo = future
	var e *chat.Error
	if _, err := r.Send(t.Context(), p[0], req); !errors.As(err, &e) || e.Field != "replyToId" {
		t.Errorf("a reply to the future: %v", err)
	}
	if err := r.Read(t.Context(), p[0], conv, future); err != nil {
		t.Errorf("read to the future: %v", err)
	}
	m := r.send(p[0], conv, "x")
	if m.ID > future-1 {
		t.Errorf("an id that a client named moved the clock to %s", m.ID)
	}
	if err := r.Read(t.Context(), p[1], conv, future); err != nil {
		t.Fatal(err)
	}
	r.flushReceipts(t.Context())
	w, err := r.store.Watermarks.Get(t.Context(), conv, p[1].User)
	if err != nil || w.ReadTo != m.ID {
		t.Errorf("read to %s, want it clamped to %s: %v", w.ReadTo, m.ID, err)
	}
}

func TestInflightHorizon(t *testing.T) {
	c := id.NewClock(id.ClockOptions{})
	var f inflight
	h := f.horizon(c)
	if h == 0 {
		t.Error("no horizon before the first send: after a restart no delivery would ever be proved")
	}
	a, _ := f.next(c)
	b, _ := f.next(c)
	f.done(b)
	if got := f.horizon(c); got != a-1 || got < h {
		t.Errorf("horizon %s, want just below %s", got, a)
	}
	if !f.join(a) || f.join(b) {
		t.Error("join")
	}
	f.done(a)
	if got := f.horizon(c); got != a-1 {
		t.Errorf("horizon %s with a joined attempt under way", got)
	}
	f.done(a)
	if got := f.horizon(c); got != b {
		t.Errorf("horizon %s, want %s", got, b)
	}
}

// What finds no turn to be stored is refused and leaves nothing; with a turn free again it is stored.
func TestCommitsAreBounded(t *testing.T) {
	r := newRig(t)
	s := New(Options{Store: r.db.Ports(), Clock: r.db.Clock(), Router: r.pushes, Admit: r.admit, Log: r.log, MaxCommits: 2})
	done, err := s.commitTurn(t.Context(), 100) // counts for no more than all
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := s.commitTurn(t.Context(), 1); chat.CodeOf(err) != chat.CodeUnavailable || time.Since(began) < commitPatience {
		t.Fatalf("without a turn: %v after %v", err, time.Since(began))
	}
	done()
	for range 2 {
		if _, err := s.commitTurn(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
}

// slow is a store whose appends take a long time by the clock.
type slow struct {
	store.Messages
	after func()
}

func (s slow) Append(ctx context.Context, a *store.Append) (chat.EventID, error) {
	e, err := s.Messages.Append(ctx, a)
	s.after()
	return e, err
}

// A commit that takes longer than its id stands for isn't acked, and what it stored isn't taken back: another attempt, on
// another gateway, may have acked it. The resend acks the same message.
func TestLateCommitIsUnknown(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	r.lag = AckDeadline + ClockSlack // as where others store too
	quick := r.store.Messages
	r.store.Messages = slow{quick, func() { *r.offset += AckDeadline + time.Second }}
	req := request(conv, "late")
	if _, err := r.Send(t.Context(), p[0], req); chat.CodeOf(err) != chat.CodeUnavailable {
		t.Fatalf("a commit of 11 s: %v", err)
	}
	r.store.Messages = quick
	stored := r.history(conv)
	if len(stored) != 1 {
		t.Fatalf("%d rows", len(stored))
	}
	req.Resend = true
	res, err := r.Send(t.Context(), p[0], req)
	if err != nil || res.Message.ID != stored[0].ID || !res.Duplicate {
		t.Fatalf("%+v, %v; want %s", res, err, stored[0].ID)
	}
	if again := r.history(conv); len(again) != 1 || again[0].ID != stored[0].ID {
		t.Fatalf("history %+v", again)
	}
}

// What hangs on a message hangs on it when it is sent again too: its row holds the media's id alone.
func TestSentAgainWithItsMedia(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	conv := r.create(p[0], chat.Direct, "", p[1])
	m, err := r.NewMedia(t.Context(), p[0], MediaRequest{Conversation: conv, ContentType: "image/png", Size: 3, Name: "x.png"})
	r.code(err, 0)
	m, err = r.FinishMedia(t.Context(), p[0], m)
	r.code(err, 0)
	req := request(conv, "look")
	req.ContentType, req.Media = chat.Image, m.ID
	for range 2 {
		r.pushes.take(0)
		res, err := r.Send(t.Context(), p[0], req)
		r.code(err, 0)
		if res.Message.Media == nil || res.Message.Media.Name != "x.png" {
			t.Errorf("resend %t: the sender gets %+v", req.Resend, res.Message)
		}
		if ps := r.pushes.take(chat.PushMessage); len(ps) != 1 || ps[0].Message.Media == nil {
			t.Errorf("resend %t: the others get %+v", req.Resend, ps)
		}
		req.Resend = true
	}
}

// What is refused because the store has too much to do leaves nothing, and says when to come again.
func TestRefusedWhileTheStoreIsBusy(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	req := request(r.create(p[0], chat.Direct, "", p[1]), "x")
	busy := true
	r.gate = overload.NewGate(overload.Signals{Busy: func() bool { return busy }})
	_, err := r.Send(t.Context(), p[0], req)
	var e *chat.Error
	if !errors.As(err, &e) || e.Code != chat.CodeUnavailable || e.RetryAfter < time.Second || e.RetryAfter > time.Minute {
		t.Fatalf("%+v", err)
	}
	bad := req
	bad.Content = ""
	if _, err := r.Send(t.Context(), p[0], bad); chat.CodeOf(err) != chat.CodeValidation {
		t.Fatal(err)
	}
	busy = false
	req.Resend = true
	got, err := r.Send(t.Context(), p[0], req)
	if err != nil || got.Duplicate {
		t.Fatalf("%+v %v", got, err)
	}
}
