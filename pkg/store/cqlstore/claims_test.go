package cqlstore

import (
	"errors"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// A claim whose compare-and-set was done, or not done, without an answer is settled by a serial read; one that was written the
// usual way, without compare-and-set, can be moved too.
func testClaimFaults(t *testing.T, r *rig) {
	d := r.open(t, time.Second)
	c := claims{d}
	for _, after := range []bool{false, true} {
		first := newMessage(t, d, chat.Direct).Claim
		f := &faulty{purpose: "claim_cas", n: 1, after: after}
		var holds store.Claim
		var err error
		d.intercepted(f.intercept, func() { holds, err = c.PutIfAbsent(t.Context(), first) })
		ok(t, err)
		if !f.hit || holds != first {
			t.Fatalf("after %t: hit %t, holds %+v", after, f.hit, holds)
		}
		moved := first
		moved.Message++
		f = &faulty{purpose: "claim_cas", n: 1, after: after}
		d.intercepted(f.intercept, func() { err = c.Move(t.Context(), moved, first.Message) })
		ok(t, err)
		if holds, err = c.Get(t.Context(), first.User, first.ClientMessage); err != nil || holds != moved {
			t.Fatalf("after %t: %+v, %v", after, holds, err)
		}
	}
	a := newMessage(t, d, chat.Direct)
	_, err := messages{d}.Append(t.Context(), a)
	ok(t, err)
	moved := a.Claim
	moved.Message++
	ok(t, c.Move(t.Context(), moved, a.Message.ID))
	ok(t, c.Move(t.Context(), moved, a.Message.ID)) // a retry
	if err := c.Move(t.Context(), a.Claim, a.Message.ID+7); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	// A slow attempt of the first id doesn't take it back.
	_, err = messages{d}.Append(t.Context(), a)
	ok(t, err)
	if holds, err := c.Get(t.Context(), moved.User, moved.ClientMessage); err != nil || holds != moved {
		t.Fatalf("%+v, %v", holds, err)
	}
}
