package pebblestore

import (
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
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

// TestCloseUnderUse closes a store that is being read and written: everyone gets an answer, ErrClosed in the end.
func TestCloseUnderUse(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d, err := Open(Options{Dir: t.TempDir(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	p := d.Ports()
	all := few(t, d)
	var wg sync.WaitGroup
	var busy sync.WaitGroup
	for i := range 8 {
		busy.Add(1)
		wg.Go(func() {
			var once sync.Once
			for n := 0; ; n++ {
				var err error
				if i%2 == 0 {
					_, err = p.Inbox.Read(t.Context(), all[0].to[0], 0, 100)
				} else {
					_, err = p.Inbox.Append(t.Context(), store.Fanout{Recipients: all[0].to})
				}
				_ = d.Stats()
				if n == 10 || err != nil {
					once.Do(busy.Done)
				}
				if err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	busy.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// TestCleanCloseDoesNotRunAhead: the ids after a clean restart go on at the time it is, not at the end of the reservation.
func TestCleanCloseDoesNotRunAhead(t *testing.T) {
	dir := t.TempDir()
	last := id.ID(0)
	for range 5 {
		d, err := Open(Options{Dir: dir, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		next, err := d.Clock().Next()
		if err != nil {
			t.Fatal(err)
		}
		if ahead := time.Until(next.Time()); next <= last || ahead > 100*time.Millisecond {
			t.Fatalf("id %s after %s, %s ahead", next, last, ahead)
		}
		last = next
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
