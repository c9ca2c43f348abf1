package cqlstore

import (
	"sync"
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

func TestBuckets(t *testing.T) {
	at := id.AtMillis(1_795_333_276_543) // 2026-11-22T07:41:16.543Z
	for kind, want := range map[chat.Kind]int64{chat.Direct: 1_794_528_000_000, chat.Group: 1_795_305_600_000, chat.Channel: 1_795_330_800_000} {
		if got := MessageBucket(kind, chat.MessageID(at)); got != want {
			t.Errorf("%s: %d, want %d", kind, got, want)
		}
	}
	if got := InboxBucket(chat.EventID(at)); got != 1_795_305_600_000 {
		t.Errorf("inbox: %d", got)
	}
}

func TestRecentIsBounded(t *testing.T) {
	const size = 16 * recentShards
	r := newRecent[int, int](size)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for k := range 10_000 {
				r.update(-1, func(int) int { return 7 })
				r.update(4*k+w, func(v int) int { return v + k })
				r.get(k)
				r.forget(k / 2)
			}
		})
	}
	wg.Wait()
	held := 0
	for i := range r.shards {
		held += len(r.shards[i].young) + len(r.shards[i].old)
	}
	if held > size {
		t.Fatalf("%d keys held, at most %d", held, size)
	}
	if v, ok := r.get(-1); !ok || v != 7 {
		t.Fatal("a key in use was forgotten")
	}
	r.update(5, func(int) int { return 1 })
	r.update(5, func(v int) int { return v + 1 })
	if v, _ := r.get(5); v != 2 {
		t.Fatalf("got %d", v)
	}
	r.forget(5)
	if _, ok := r.get(5); ok {
		t.Fatal("it was not forgotten")
	}
}
