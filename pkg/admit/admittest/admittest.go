// Package admittest is the suite that every admit.Admission passes.
package admittest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// Engine is an Admission under test, the durable claims it stands before, and a clock to turn.
type Engine struct {
	Admission admit.Admission
	Claims    store.Claims
	// Advance moves the engine's clock forward.
	Advance func(d time.Duration)
}

// Run tests the engine that make returns with the rates given; each test gets a new one.
func Run(t *testing.T, make func(t *testing.T, rates [admit.NumLimits]admit.Rate) Engine) {
	for name, test := range map[string]func(*testing.T, func(rates ...rate) Engine){
		"a window slides":        testSlides,
		"limits are apart":       testApart,
		"off":                    testOff,
		"message rates":          testMessages,
		"claims":                 testClaims,
		"durable claims":         testDurable,
		"unfinished claims":      testUnfinished,
		"one fresh among many":   testOneFresh,
		"never two for one key":  testNeverTwo,
		"refused claims nothing": testRefused,
		"a moved claim":          testMoved,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, func(rates ...rate) Engine {
				var r [admit.NumLimits]admit.Rate
				for _, x := range rates {
					r[x.limit] = admit.Rate{Count: x.count, Window: x.window}
				}
				return make(t, r)
			})
		})
	}
}

type rate struct {
	limit  admit.Limit
	count  int
	window time.Duration
}

// newID is an id of now: a store may forget the claims of old ones.
func newID() chat.MessageID { return chat.MessageID(id.At(time.Now())) + chat.MessageID(ids.Add(1)) }

var ids atomic.Int64

func claim(n int) store.Claim {
	now := time.Now()
	return store.Claim{
		User: chat.NewUserID(now), ClientMessage: chat.NewClientMessageID(now), Message: newID(),
		Conversation: chat.NewConversationID(now), Digest: [16]byte{byte(n)},
	}
}

func allow(t *testing.T, e Engine, l admit.Limit, key byte) time.Duration {
	t.Helper()
	wait, err := e.Admission.Allow(t.Context(), l, [16]byte{key})
	if err != nil {
		t.Fatal(err)
	}
	return wait
}

func admitted(t *testing.T, e Engine, c store.Claim) admit.Decision {
	t.Helper()
	d, err := e.Admission.Admit(t.Context(), admit.Request{Claim: c})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func testSlides(t *testing.T, with func(...rate) Engine) {
	e := with(rate{admit.LimitOther, 10, time.Minute})
	for i := range 10 { // one every second
		if w := allow(t, e, admit.LimitOther, 1); w != 0 {
			t.Fatalf("event %d waits %v", i, w)
		}
		e.Advance(time.Second)
	}
	for range 3 { // refusals don't count
		w := allow(t, e, admit.LimitOther, 1)
		if w <= 49*time.Second || w > 51*time.Second {
			t.Fatalf("waits %v, the first event leaves the window in 50 s", w)
		}
	}
	w := allow(t, e, admit.LimitOther, 1)
	e.Advance(w)
	if w := allow(t, e, admit.LimitOther, 1); w != 0 {
		t.Fatalf("still waits %v after waiting", w)
	}
	if w := allow(t, e, admit.LimitOther, 1); w == 0 {
		t.Fatal("one left the window and two came")
	}
	e.Advance(2 * time.Minute)
	for i := range 10 {
		if w := allow(t, e, admit.LimitOther, 1); w != 0 {
			t.Fatalf("event %d of a new window waits %v", i, w)
		}
	}
	if w := allow(t, e, admit.LimitOther, 1); w == 0 || w > time.Minute {
		t.Fatal(w)
	}
}

func testApart(t *testing.T, with func(...rate) Engine) {
	e := with(rate{admit.LimitOther, 1, time.Minute}, rate{admit.LimitTyping, 1, time.Minute})
	for _, l := range []admit.Limit{admit.LimitOther, admit.LimitTyping} {
		for key := range byte(3) {
			if w := allow(t, e, l, key); w != 0 {
				t.Fatal(w)
			}
			if w := allow(t, e, l, key); w == 0 {
				t.Fatal("not limited")
			}
		}
	}
}

func testOff(t *testing.T, with func(...rate) Engine) {
	e := with()
	for range 1000 {
		for l := range admit.NumLimits {
			if w := allow(t, e, l, 1); w != 0 {
				t.Fatal(w)
			}
		}
	}
}

func testMessages(t *testing.T, with func(...rate) Engine) {
	e := with(rate{admit.LimitMessage, 3, time.Minute}, rate{admit.LimitConversation, 4, time.Minute})
	c := claim(0)
	next := func(user chat.UserID) admit.Decision {
		n := claim(1)
		n.User, n.Conversation = user, c.Conversation
		d := admitted(t, e, n)
		if d.RetryAfter == 0 {
			e.Admission.Done(n)
		}
		return d
	}
	a, b := chat.NewUserID(time.Now()), chat.NewUserID(time.Now())
	for range 3 {
		if d := next(a); !d.Fresh {
			t.Fatalf("%+v", d)
		}
	}
	if d := next(a); d.RetryAfter <= 0 || d.Limit != admit.LimitMessage || d.Fresh {
		t.Fatalf("%+v", d)
	}
	if d := next(b); !d.Fresh {
		t.Fatalf("%+v", d)
	}
	for range 5 { // refused by the conversation: the sender's own messages elsewhere are not touched
		if d := next(b); d.RetryAfter <= 0 || d.Limit != admit.LimitConversation {
			t.Fatalf("%+v", d)
		}
	}
	for range 2 {
		n := claim(2)
		n.User = b
		if d := admitted(t, e, n); !d.Fresh {
			t.Fatalf("%+v", d)
		}
		e.Admission.Done(n)
	}
}

func testClaims(t *testing.T, with func(...rate) Engine) {
	e := with()
	c := claim(1)
	d := admitted(t, e, c)
	if !d.Fresh || d.Held != c {
		t.Fatalf("%+v", d)
	}
	// An engine may have made the row already, and then says so.
	if row, err := e.Claims.Get(t.Context(), c.User, c.ClientMessage); (err == nil) != d.Written || (d.Written && row != c) {
		t.Fatalf("written: %v, but the row is %+v, %v", d.Written, row, err)
	}
	retry := c
	retry.Message, retry.Digest = newID(), [16]byte{9}
	d = admitted(t, e, retry)
	if d.Fresh || d.Held != c {
		t.Fatalf("%+v", d)
	}
	other := retry
	other.User = chat.NewUserID(time.Now()) // keys are a user's own
	if d := admitted(t, e, other); !d.Fresh {
		t.Fatalf("%+v", d)
	}
}

func testDurable(t *testing.T, with func(...rate) Engine) {
	e := with()
	c := claim(1)
	if _, err := e.Claims.PutIfAbsent(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	retry := c
	retry.Message = newID()
	d, err := e.Admission.Admit(t.Context(), admit.Request{Claim: retry, Durable: true})
	if err != nil || d.Fresh || d.Held != c || !d.Written {
		t.Fatalf("%+v %v", d, err)
	}
	e.Admission.Done(d.Held)
}

// testMoved: after a claim was moved, whoever asks is told of the id that it was moved to.
func testMoved(t *testing.T, with func(...rate) Engine) {
	e := with()
	c := claim(1)
	d := admitted(t, e, c)
	if _, err := e.Claims.PutIfAbsent(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	moved := c
	moved.Message = newID()
	if err := e.Claims.Move(t.Context(), moved, c.Message); err != nil {
		t.Fatal(err)
	}
	e.Admission.Moved(t.Context(), moved)
	e.Admission.Done(d.Held)
	retry := c
	retry.Message = newID()
	d, err := e.Admission.Admit(t.Context(), admit.Request{Claim: retry, Durable: true})
	if err != nil || d.Fresh || d.Held != moved {
		t.Fatalf("%+v %v, want %v", d, err, moved.Message)
	}
	e.Admission.Done(d.Held)
}

// testUnfinished: a claim whose commit failed before anything was written is free again, but only once everybody who
// holds it is done.
func testUnfinished(t *testing.T, with func(...rate) Engine) {
	e := with()
	c := claim(1)
	admitted(t, e, c)
	retry := c
	retry.Message = newID()
	second := admitted(t, e, retry)
	e.Admission.Done(second.Held)
	third := admitted(t, e, retry)
	if third.Fresh || third.Held != c {
		t.Fatalf("freed while the first is under way: %+v", third)
	}
	e.Admission.Done(third.Held)
	e.Admission.Done(c)
	last, err := e.Admission.Admit(t.Context(), admit.Request{Claim: retry, Durable: true})
	if err != nil || (!last.Fresh && last.Held != c) { // an engine may remember longer
		t.Fatalf("%+v %v", last, err)
	}
}

func testOneFresh(t *testing.T, with func(...rate) Engine) {
	e := with()
	for range 50 {
		c := claim(1)
		var fresh atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				try := c
				try.Message = newID()
				d, err := e.Admission.Admit(t.Context(), admit.Request{Claim: try})
				if err != nil {
					t.Error(err)
				}
				if d.Fresh {
					fresh.Add(1)
				}
			})
		}
		wg.Wait()
		if n := fresh.Load(); n != 1 {
			t.Fatalf("%d of one key are fresh", n)
		}
	}
}

// testNeverTwo sends each key many times at once, some attempts failing before the commit: no two message ids are ever
// committed for a key.
func testNeverTwo(t *testing.T, with func(...rate) Engine) {
	e := with()
	for round := range 100 {
		c := claim(round)
		var mu sync.Mutex
		committed := map[chat.MessageID]bool{}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				try := c
				try.Message = newID()
				d, err := e.Admission.Admit(t.Context(), admit.Request{Claim: try, Durable: i%2 == 0})
				if err != nil {
					t.Error(err)
					return
				}
				defer e.Admission.Done(d.Held)
				if d.Fresh && i == 3 {
					return // dies before the commit
				}
				held, err := e.Claims.PutIfAbsent(t.Context(), d.Held)
				if err != nil {
					t.Error(err)
					return
				}
				if held.Message != d.Held.Message {
					t.Errorf("the store holds %v, admission says %v", held.Message, d.Held.Message)
				}
				mu.Lock()
				committed[d.Held.Message] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(committed) > 1 {
			t.Fatalf("%d messages for one key: %v", len(committed), committed)
		}
	}
}

func testRefused(t *testing.T, with func(...rate) Engine) {
	e := with(rate{admit.LimitMessage, 1, time.Minute})
	first := claim(1)
	admitted(t, e, first)
	refused := claim(2)
	refused.User = first.User
	if d := admitted(t, e, refused); d.RetryAfter == 0 {
		t.Fatalf("%+v", d)
	}
	if _, err := e.Claims.Get(t.Context(), refused.User, refused.ClientMessage); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	e.Advance(2 * time.Minute)
	if d := admitted(t, e, refused); !d.Fresh {
		t.Fatalf("a refused message left a claim: %+v", d)
	}
}

// Never is a store.Claims that fails every read, for tests of what an engine does then.
type Never struct{ store.Claims }

// ErrNever is what Never answers.
var ErrNever = errors.New("claims can't be read")

// Get implements store.Claims.
func (Never) Get(context.Context, chat.UserID, chat.ClientMessageID) (store.Claim, error) {
	return store.Claim{}, ErrNever
}
