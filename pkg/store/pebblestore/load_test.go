package pebblestore

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// flood sends messages of 4 KiB from some goroutines until one is refused, and returns the acked.
func flood(t *testing.T, d *DB, each func(total int64)) []acked {
	t.Helper()
	users := randomUsers(8)
	text := string(make([]byte, 4<<10))
	var mu sync.Mutex
	var out []acked
	var total atomic.Int64
	var wg sync.WaitGroup
	for i := range users {
		wg.Go(func() {
			for {
				next, err := d.Clock().Next()
				if err != nil {
					if !d.space.full.Load() && d.engine.Load() != nil {
						t.Error(err)
					}
					return
				}
				key := chat.NewClientMessageID(time.Now())
				to := []chat.UserID{users[(i+1)%len(users)]}
				m := chat.Message{ID: chat.MessageID(next), Conversation: chat.DirectID(users[i], to[0]), Sender: users[i], ClientMessageID: key, ContentType: chat.Text, Content: text}
				c := store.Claim{User: users[i], ClientMessage: key, Message: m.ID, Conversation: m.Conversation}
				ev, err := d.Ports().Messages.Append(t.Context(), &store.Append{Message: m, Kind: chat.Direct, Claim: c, Recipients: to})
				if err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("want ErrUnavailable, got %v", err)
					}
					return
				}
				mu.Lock()
				out = append(out, acked{m, c, ev, to})
				mu.Unlock()
				each(total.Add(1))
			}
		})
	}
	wg.Wait()
	return out
}

// waitFor polls: what it waits for (the watch of the free space, the opening of a new engine) runs on its own time.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("no %s within 20 s", what)
		}
	}
}

func checkAcked(t *testing.T, d *DB, all []acked) {
	t.Helper()
	p := d.Ports()
	logs := make(map[chat.UserID]map[chat.EventID]chat.MessageID)
	for _, a := range all {
		m, err := p.Messages.Message(t.Context(), store.Ref{Conversation: a.message.Conversation, Kind: chat.Direct, Message: a.message.ID})
		if err != nil || m.ClientMessageID != a.message.ClientMessageID || m.Content != a.message.Content {
			t.Fatalf("acked message %s: %v", a.message.ID, err)
		}
		u := a.to[0]
		if logs[u] == nil {
			if logs[u], err = readWholeLog(t.Context(), p, u); err != nil {
				t.Fatal(err)
			}
		}
		if logs[u][a.event] != a.message.ID {
			t.Fatalf("acked message %s: its event %s is missing", a.message.ID, a.event)
		}
	}
}

// few sends 100 messages.
func few(t *testing.T, d *DB) (out []acked) {
	t.Helper()
	users := randomUsers(2)
	for range 100 {
		next, err := d.Clock().Next()
		if err != nil {
			t.Fatal(err)
		}
		key := chat.NewClientMessageID(time.Now())
		m := chat.Message{ID: chat.MessageID(next), Conversation: chat.DirectID(users[0], users[1]), Sender: users[0], ClientMessageID: key, ContentType: chat.Text, Content: "after"}
		c := store.Claim{User: users[0], ClientMessage: key, Message: m.ID, Conversation: m.Conversation}
		ev, err := d.Ports().Messages.Append(t.Context(), &store.Append{Message: m, Kind: chat.Direct, Claim: c, Recipients: users[1:]})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, acked{m, c, ev, users[1:]})
	}
	return out
}
