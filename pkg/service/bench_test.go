package service

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// benchRig is a rig that runs, so that its caches count.
func benchRig(b *testing.B) *rig {
	r := newRig(b)
	r.Service = New(Options{Store: r.db.Ports(), Clock: r.db.Clock(), Router: r.pushes, Admit: r.admit, Log: r.log, Presence: r.here})
	r.poll()
	r.caches.polledWall.Store(time.Now().Add(cacheLife).UnixMilli()) // counts for ten seconds
	r.caches.polledMono.Add(int64(cacheLife))
	return r
}

func BenchmarkMembershipHit(b *testing.B) {
	r := benchRig(b)
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	ctx := b.Context()
	if _, err := r.membership(ctx, d); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.membership(ctx, d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlockedHit(b *testing.B) {
	r := benchRig(b)
	p := r.people(2)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if yes, err := r.blocked(ctx, p[0].User, p[1].User); yes || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTouchHead(b *testing.B) {
	r := benchRig(b)
	msg := chat.Message{Conversation: chat.NewConversationID(time.Now())}
	b.ReportAllocs()
	for b.Loop() {
		msg.ID++
		r.touchHead(&msg)
	}
}

// BenchmarkConversations lists the first page of somebody who is in 10,000 conversations.
func BenchmarkConversations(b *testing.B) {
	r := benchRig(b)
	p := r.people(2)
	ctx := b.Context()
	at := chat.MessageID(id.At(time.Now()))
	for i := range 10_000 {
		conv := chat.NewConversationID(time.Now())
		at++
		row := chat.Conversation{ID: conv, Kind: chat.Group, CreatedAt: 1}
		_, _, err := r.store.Members.Change(ctx, store.MemberChange{
			Conversation: conv, Create: &row, Listed: ids(p[0]),
			Set: []chat.Member{
				{User: p[0].User, Role: chat.RoleAdmin, JoinedID: 1, LeftID: chat.NotLeft},
				{User: p[1].User, Role: chat.RoleMember, JoinedID: 1, LeftID: chat.NotLeft},
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		r.heads.touch(store.Head{Conversation: conv, Last: at})
		if i%100 == 0 {
			r.send(p[1], conv, "hello")
		}
	}
	r.flushHeads(ctx)
	b.ReportAllocs()
	for b.Loop() {
		page, err := r.Conversations(ctx, p[0], "", 50)
		if err != nil || len(page.Items) != 50 {
			b.Fatal(len(page.Items), err)
		}
	}
}

// BenchmarkHistory reads a page of 50 in the middle of 10,000 messages.
func BenchmarkHistory(b *testing.B) {
	r := benchRig(b)
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	var mid chat.MessageID
	for i := range 10_000 {
		if m := r.send(p[i%2], d, "hello there, how are you?"); i == 5000 {
			mid = m.ID
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		page, err := r.History(b.Context(), p[0], HistoryRequest{Conversation: d, Before: mid})
		if err != nil || len(page.Messages) != 50 {
			b.Fatal(len(page.Messages), err)
		}
	}
}

// BenchmarkSend sends between 200 pairs at once.
func BenchmarkSend(b *testing.B) {
	r := newRig(b)
	const pairs = 200
	p := r.people(2 * pairs)
	r.Service = New(Options{Store: r.db.Ports(), Clock: r.db.Clock(), Router: nowhere{}, Admit: r.admit, Log: r.log, Presence: r.here})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx) })
	convs := make([]chat.ConversationID, pairs)
	for i := range convs {
		convs[i] = r.create(p[2*i], chat.Direct, "", p[2*i+1])
	}
	b.ReportAllocs()
	var next atomic.Int64
	b.SetParallelism(pairs / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		i := int(next.Add(1)-1) % pairs
		for pb.Next() {
			_, err := r.Send(ctx, p[2*i], SendRequest{
				Conversation: convs[i], ClientMessage: chat.NewClientMessageID(time.Now()), Content: "hello there, how are you?", ContentType: chat.Text,
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	cancel()
	wg.Wait()
}

type nowhere struct{}

func (nowhere) Push(context.Context, *chat.Push) {}
