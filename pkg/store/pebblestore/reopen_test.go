package pebblestore

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

func TestReopenKeepsEverything(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	now := time.Now()
	a, b := chat.NewUserID(now), chat.NewUserID(now)
	conv := chat.DirectID(a, b)
	var ids []chat.MessageID
	var events []chat.EventID
	for round := range 3 {
		d, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		p := d.Ports()
		if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrInUse) {
			t.Fatalf("second open: %v", err)
		}
		for range 10 {
			next, err := d.Clock().Next()
			if err != nil {
				t.Fatal(err)
			}
			id := chat.MessageID(next)
			if len(ids) > 0 && id <= ids[len(ids)-1] {
				t.Fatalf("id %s after %s", id, ids[len(ids)-1])
			}
			key := chat.NewClientMessageID(now)
			ev, err := p.Messages.Append(t.Context(), &store.Append{
				Message:    chat.Message{ID: id, Conversation: conv, Sender: a, ClientMessageID: key, ContentType: chat.Text, Content: "hello"},
				Kind:       chat.Direct,
				Claim:      store.Claim{User: a, ClientMessage: key, Message: id, Conversation: conv},
				Recipients: []chat.UserID{b},
			})
			if err != nil {
				t.Fatal(err)
			}
			ids, events = append(ids, id), append(events, ev)
			if c, err := p.Claims.Get(t.Context(), a, key); err != nil || c.Message != id {
				t.Fatal(c, err)
			}
		}
		page, err := p.Inbox.Read(t.Context(), b, 0, 1000)
		if err != nil || len(page.Events) != len(events) || page.Horizon < events[len(events)-1] {
			t.Fatalf("round %d: %d events of %d, %v", round, len(page.Events), len(events), err)
		}
		for i, e := range page.Events {
			if e.ID != events[i] || e.Message != ids[i] {
				t.Fatalf("event %d is %v", i, e)
			}
		}
		h, err := p.Messages.History(t.Context(), store.History{Conversation: conv, Kind: chat.Direct, Newest: true, Limit: 5})
		if err != nil || len(h) != 5 || h[0].ID != ids[len(ids)-1] {
			t.Fatal(h, err)
		}
		if err := p.Engine.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Inbox.Read(t.Context(), b, 0, 1000); !errors.Is(err, store.ErrClosed) {
			t.Fatal(err)
		}
	}
}
