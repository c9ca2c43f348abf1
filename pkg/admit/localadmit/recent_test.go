package localadmit

import (
	"context"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/flight"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// countingClaims is a store without claims that counts how often it is asked.
type countingClaims struct {
	store.Claims
	gets int
}

func (c *countingClaims) Get(context.Context, chat.UserID, chat.ClientMessageID) (store.Claim, error) {
	c.gets++
	return store.Claim{}, store.ErrNotFound
}

func TestFilterSparesTheStore(t *testing.T) {
	now := time.Now()
	rows := &countingClaims{}
	a := New(Options{Claims: rows, Now: func() time.Time { return now }})
	user := chat.NewUserID(now)
	send := func(made time.Time, durable bool) (chat.ClientMessageID, int) {
		key := chat.NewClientMessageID(made)
		c := store.Claim{User: user, ClientMessage: key, Message: 1}
		before := rows.gets
		d, err := a.Admit(context.Background(), admit.Request{Claim: c, Durable: durable})
		if err != nil || !d.Fresh {
			t.Fatalf("admit: %+v, %v", d, err)
		}
		a.Done(c)
		return key, rows.gets - before
	}
	if _, n := send(now, false); n != 1 {
		t.Errorf("just started: asked the store %d times, want 1: the key may be from before", n)
	}
	now = now.Add(2*keyAge + time.Second)
	key, n := send(now, false)
	if n != 0 {
		t.Errorf("a fresh key asked the store %d times, want 0", n)
	}
	for name, c := range map[string]struct {
		made    time.Time
		durable bool
	}{"resend": {now, true}, "old key": {now.Add(-keyAge - time.Second), false}, "key of the future": {now.Add(keyAge + time.Second), false}} {
		if _, n := send(c.made, c.durable); n != 1 {
			t.Errorf("%s: asked the store %d times, want 1", name, n)
		}
	}
	before := rows.gets
	if _, err := a.Admit(context.Background(), admit.Request{Claim: store.Claim{User: user, ClientMessage: key, Message: 2}}); err != nil || rows.gets != before+1 {
		t.Errorf("a known key must be looked up: %d gets, %v", rows.gets-before, err)
	}
}

func TestFilterForgetsOldestAndSaysSo(t *testing.T) {
	start := time.Now()
	now := start
	r := newRecent(now)
	key := func() flight.Key { return flight.Key{ClientMessage: chat.NewClientMessageID(now)} }
	now = now.Add(time.Hour)
	first := key()
	for range blockClaims {
		r.add(first, now)
	}
	now = now.Add(time.Second)
	wrong := 0
	for range 10_000 {
		if !r.unknown(key(), now) {
			wrong++
		}
	}
	if wrong > 20 || r.unknown(first, now) {
		t.Errorf("%d of 10,000 new keys taken for known; known key unknown: %v", wrong, r.unknown(first, now))
	}
	for range maxBlocks * blockClaims {
		r.add(first, now)
	}
	if len(r.blocks) != maxBlocks || r.unknown(key(), now) {
		t.Errorf("a full filter of %d blocks must drop the oldest and not be certain any more", len(r.blocks))
	}
}

func TestFilterFalsePositivesWhenFull(t *testing.T) {
	now := time.Now()
	r := newRecent(now.Add(-time.Hour))
	for range blockClaims {
		r.add(flight.Key{ClientMessage: chat.NewClientMessageID(now)}, now)
	}
	wrong := 0
	for range 100_000 {
		if !r.unknown(flight.Key{ClientMessage: chat.NewClientMessageID(now)}, now) {
			wrong++
		}
	}
	if wrong > 1500 {
		t.Errorf("%d of 100,000 new keys taken for known in a full block, want less than 1.5 %%", wrong)
	}
}
