package loadtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/store"
)

// runBacklog: one person comes back to a million pending messages in ten thousand conversations; what counts is the
// first batch.
func runBacklog(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	ps := r.people("hermit", 1)
	if err := meet(ctx, r.s, ps); err != nil {
		return err
	}
	if err := r.stopServer(ctx); err != nil {
		return err
	}
	me := ps[0]
	now := time.Now()
	others := make([]chat.User, r.scale.backlogConvs)
	for i := range others {
		name := fmt.Sprintf("bulk_%s%d", r.uniqueTag(), i)
		others[i] = chat.User{ID: chat.NewUserID(now), Username: name, DisplayName: name, CreatedAt: now.UnixMilli()}
	}
	// A log is read from the making of its user's account: what is pending came right after it.
	base := id.At(now).UnixMillis() - id.EpochMillis + 100
	if err := r.bulk(ctx, func(ctx context.Context, s stock) error {
		if err := s.direct(ctx, me.id, others); err != nil {
			return err
		}
		return s.messages(ctx, r.scale.backlog, len(others), func(i int) *store.Append {
			from := others[i%len(others)].ID
			return &store.Append{Kind: chat.Direct, Recipients: []chat.UserID{me.id}, Message: chat.Message{
				ID: chat.MessageID(id.Make(base+int64(i)/400, bulkSlot, i%400)), Conversation: chat.DirectID(me.id, from), Sender: from,
				ClientMessageID: chat.NewClientMessageID(now), ContentType: chat.Text, Content: text(int64(i)),
			}}
		})
	}); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	note := fmt.Sprintf("%d messages in %d conversations", r.scale.backlog, r.scale.backlogConvs)
	h := &hooks{}
	const devices = 5
	for i := range devices {
		// A new device of somebody whose other devices were never here starts at the log's start.
		c := me.socket(r.l, r.s, 0, h, i)
		c.Manual = true // nothing is acked: the next one finds the same
		took, err := r.fetch(ctx, h, c, 1)
		if err != nil {
			return err
		}
		r.res.add("backlog", "first batch of 1,000,000 pending", took.Seconds()*1000, note)
	}
	return nil
}

// runHistory: pages anywhere in one conversation's long history, over REST, and the start of a server on that data.
func runHistory(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	ps := r.people("reader", 2)
	if err := meet(ctx, r.s, ps); err != nil {
		return err
	}
	convs, err := directs(ctx, ps)
	if err != nil {
		return err
	}
	if err := r.stopServer(ctx); err != nil {
		return err
	}
	const span = 600 * 24 * time.Hour
	n := r.scale.history
	content := strings.Repeat(filler, 1+r.scale.historyText/len(filler))[:r.scale.historyText]
	first := time.Now().Add(-span).UnixMilli() - id.EpochMillis
	at := func(i int) chat.MessageID {
		return chat.MessageID(id.Make(first+int64(float64(i)*float64(span.Milliseconds()-3600_000)/float64(n)), bulkSlot, i%id.MaxSeq))
	}
	if err := r.bulk(ctx, func(ctx context.Context, s stock) error {
		return s.messages(ctx, n, 1, func(i int) *store.Append {
			return &store.Append{Kind: chat.Direct, Message: chat.Message{
				ID: at(i), Conversation: convs[0], Sender: ps[i%2].id, ClientMessageID: chat.NewClientMessageID(time.Now()),
				ContentType: chat.Text, Content: content,
			}}
		})
	}); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if r.fleet == nil {
		size, err := folderBytes(filepath.Join(r.dir, "data"))
		if err != nil {
			return err
		}
		r.res.add("history", "start to ready with the big conversation", r.s.Ready.Seconds(), fmt.Sprintf("%.2f GB of data", float64(size)/1e9))
	}
	if err := meet(ctx, r.s, ps); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	took := make([]time.Duration, 0, r.scale.pages)
	for i := range r.scale.pages {
		q := client.HistoryQuery{Limit: 50}
		switch target := at(rng.IntN(n)); i % 3 {
		case 0:
			q.Before = target
		case 1:
			q.Since = target
		default:
			q.Around = target
		}
		began := time.Now()
		page, err := ps[0].rest.History(ctx, convs[0], q)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		if len(page.Messages) == 0 {
			return fmt.Errorf("page %d (%+v) is empty", i, q)
		}
	}
	took = took[len(took)/20:] // the first ones warm up
	slices.Sort(took)
	r.res.add("history", "history page of 50, p99", took[len(took)*99/100].Seconds()*1000,
		fmt.Sprintf("%d messages; over REST; p50 %.2f ms", n, took[len(took)/2].Seconds()*1000))
	return nil
}
