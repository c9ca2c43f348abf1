package service

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

func TestCacheReadsOnceForAllWhoWait(t *testing.T) {
	c := newCache[chat.UserID, int](100, nil)
	k := chat.NewUserID(time.Now())
	started, release := make(chan struct{}), make(chan struct{})
	reads := 0
	read := func(context.Context) (int, error) {
		reads++
		close(started)
		<-release
		return 7, nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if v, err := c.load(t.Context(), k, read); v != 7 || err != nil {
			t.Error(v, err)
		}
	})
	<-started
	for range 8 {
		wg.Go(func() {
			if v, err := c.load(t.Context(), k, read); v != 7 || err != nil {
				t.Error(v, err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.load(gone, k, read); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(release)
	wg.Wait()
	if v, ok := c.get(k); !ok || v != 7 || reads != 1 {
		t.Fatal(v, ok, reads)
	}
}

// TestCacheForgetsWhatIsReadWhileItIsDropped: a removal that commits during a read must not be hidden by that read.
func TestCacheForgetsWhatIsReadWhileItIsDropped(t *testing.T) {
	c := newCache[chat.UserID, int](100, nil)
	k := chat.NewUserID(time.Now())
	_, err := c.load(t.Context(), k, func(ctx context.Context) (int, error) {
		c.drop(k)
		v, err := c.load(ctx, k, func(context.Context) (int, error) { return 2, nil }) // doesn't wait for the first
		if v != 2 || err != nil {
			t.Error(v, err)
		}
		return 1, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := c.get(k); !ok || v != 2 {
		t.Fatal(v, ok)
	}
	stamp := c.drops.Load()
	c.drop(k)
	c.keep(k, 1, stamp)
	if _, ok := c.get(k); ok {
		t.Fatal("kept what was read before the drop")
	}
	boom := errors.New("boom")
	if _, err := c.load(t.Context(), k, func(context.Context) (int, error) { return 1, boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if _, ok := c.get(k); ok {
		t.Fatal("a failure is held")
	}
}

func TestCacheIsBoundedByWeight(t *testing.T) {
	c := newCache[chat.UserID](cacheShards*10, func(v int) int { return v })
	for range 10_000 {
		c.keep(chat.NewUserID(time.Now()), 3, 0)
	}
	for i := range c.shards {
		sh := &c.shards[i]
		n := 0
		for e := sh.newest; e != nil; e = e.older {
			n++
		}
		if n != len(sh.entries) || n > 3 || sh.held != 3*n {
			t.Fatalf("shard %d: %d linked, %d entries, weight %d", i, n, len(sh.entries), sh.held)
		}
	}
	// The least recently used leaves first.
	k := [4]chat.UserID{{12: 0}, {12: 16}, {12: 32}, {12: 48}} // one shard
	c.clear()
	stamp := c.drops.Load()
	for i := range 3 {
		c.keep(k[i], 3, stamp)
	}
	c.get(k[0])
	c.keep(k[3], 3, stamp)
	if _, ok := c.get(k[1]); ok {
		t.Fatal("the wrong one left")
	}
	if _, ok := c.get(k[0]); !ok {
		t.Fatal("the one used last left")
	}
}

// TestCachesCountForFiveSeconds: without a recent reading of the change log every read goes to the store.
func TestCachesCountForFiveSeconds(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	g := r.create(p[0], chat.Group, "g", p[1])
	m, err := r.membership(ctx, g)
	r.code(err, 0)
	// Another gateway removes p[1].
	row := r.row(g, p[1].User)
	row.LeftID = row.JoinedID
	_, _, err = r.store.Members.Change(ctx, store.MemberChange{
		Conversation: g, Version: m.Version, Set: []chat.Member{row},
		Log: []store.ChangeEntry{{Kind: store.LogMembers, Conversation: g}},
	})
	r.code(err, 0)
	_, err = r.History(ctx, p[1], HistoryRequest{Conversation: g})
	r.code(err, 0) // not known yet
	for _, far := range []time.Duration{6 * time.Second, -6 * time.Second} {
		*r.offset = far
		_, err = r.History(ctx, p[1], HistoryRequest{Conversation: g})
		r.code(err, chat.CodeForbidden)
	}
	*r.offset = 0
	r.poll()
	_, err = r.History(ctx, p[1], HistoryRequest{Conversation: g})
	r.code(err, chat.CodeForbidden)
}
