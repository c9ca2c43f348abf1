package pebblestore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

func TestFindMessage(t *testing.T) {
	db, err := Open(Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	where := map[chat.MessageID]chat.ConversationID{}
	for range 20 {
		conv := chat.NewConversationID(time.Now())
		for range 3 {
			m, err := db.Clock().Next()
			if err != nil {
				t.Fatal(err)
			}
			msg := chat.Message{ID: chat.MessageID(m), Conversation: conv, Sender: chat.NewUserID(time.Now()), ContentType: chat.Text, Content: "x"}
			if _, err := db.Ports().Messages.Append(ctx, &store.Append{Message: msg, Kind: chat.Group}); err != nil {
				t.Fatal(err)
			}
			where[msg.ID] = conv
		}
	}
	for m, want := range where {
		if got, err := db.FindMessage(ctx, m); err != nil || got != want {
			t.Errorf("FindMessage(%v) = %v, %v; want %v", m, got, err, want)
		}
		if _, err := db.FindMessage(ctx, m+7); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("FindMessage of a missing id: %v", err)
		}
	}
	for m, c := range where {
		if err := db.Ports().Messages.Bury(ctx, store.Ref{Conversation: c, Kind: chat.Group, Message: m + 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := db.FindMessage(ctx, m+1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("FindMessage of a buried id: %v", err)
		}
		break
	}
}
