package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/app"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/config"
)

const (
	diskMiB  = 192
	patience = 30 * time.Second
)

// smallDisk mounts a file system of diskMiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("murre-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", diskMiB)); err != nil {
		t.Fatalf("this test mounts a small tmpfs, which needs root (or CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// serve runs a server on a data folder until the test ends, or stop.
func serve(t *testing.T, data string) (url string, stop func()) {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.Admin, cfg.Data = "127.0.0.1:0", "off", data
	cfg.StoreCache, cfg.StoreMemory = 8<<20, 4<<20
	must(t, cfg.Rates.Set("off"))
	a, err := app.New(context.Background(), cfg, app.Info{Version: "test", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	return a.URL(), stop
}

// person is a user of the server, by REST.
func person(t *testing.T, ctx context.Context, url, name string) (*client.REST, client.Account) {
	t.Helper()
	rest, err := client.NewREST(url, "", nil)
	must(t, err)
	account, err := rest.Register(ctx, name, "correct horse", "")
	must(t, err)
	return rest.WithToken(account.Token), account
}

// ledger is what a sender was told, and what a receiver got.
type ledger struct {
	mu    sync.Mutex
	acked map[chat.MessageID]string
	got   map[chat.MessageID]int
}

func (l *ledger) Handle(_ context.Context, e *client.Event) error {
	if e.Message != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got[e.Message.ID]++
	}
	return nil
}

func (l *ledger) missing() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for m := range l.acked {
		if l.got[m] == 0 {
			n++
		}
	}
	return n
}

// TestDiskFull fills the disk under a running server: sends are refused with UNAVAILABLE, reads go on, and when space
// returns sends work again; nothing acked is lost, what was refused is stored once when it is sent again.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t)
	data, filler := filepath.Join(disk, "data"), filepath.Join(disk, "filler")
	url, stop := serve(t, data)
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	rest, _ := person(t, ctx, url, "sender")
	_, to := person(t, ctx, url, "receiver")
	conv, err := rest.Direct(ctx, to.User.ID)
	must(t, err)
	l := &ledger{acked: make(map[chat.MessageID]string), got: make(map[chat.MessageID]int)}
	device := chat.NewDeviceID(time.Now())
	receiver, err := client.Dial(ctx, client.Options{URL: url, Token: to.Token, Device: device, Handler: l})
	must(t, err)
	defer receiver.Close()

	sent := 0
	send := func(key chat.ClientMessageID, again bool) error {
		sent++
		text := fmt.Sprint("message ", sent)
		if again {
			text = "refused at first"
		}
		m, err := rest.Send(ctx, client.Outgoing{Conversation: conv.ID, Content: text, ClientMessageID: key, Resend: again})
		if err == nil {
			l.mu.Lock()
			l.acked[m.ID] = text
			l.mu.Unlock()
		}
		return err
	}
	for range 50 {
		must(t, send(chat.ClientMessageID{}, false))
	}
	var refused []chat.ClientMessageID
	for round := range 2 {
		fill(t, filler)
		deadline := time.Now().Add(patience)
		for refusals := 0; refusals < 5; {
			key := chat.NewClientMessageID(time.Now())
			m, err := rest.Send(ctx, client.Outgoing{Conversation: conv.ID, Content: "refused at first", ClientMessageID: key})
			switch {
			case err == nil:
				l.mu.Lock()
				l.acked[m.ID] = "refused at first"
				l.mu.Unlock()
			case chat.CodeOf(err) != chat.CodeUnavailable:
				t.Fatalf("round %d: on a full disk: %v", round, err)
			default:
				refusals++
				refused = append(refused, key)
			}
			if time.Now().After(deadline) {
				t.Fatalf("round %d: sends are taken on a full disk", round)
			}
		}
		if _, err := rest.History(ctx, conv.ID, client.HistoryQuery{}); err != nil {
			t.Errorf("round %d: history on a full disk: %v", round, err)
		}
		must(t, os.Remove(filler))
		for deadline := time.Now().Add(patience); ; {
			err := send(chat.ClientMessageID{}, false)
			if err == nil {
				break
			}
			if chat.CodeOf(err) != chat.CodeUnavailable || time.Now().After(deadline) {
				t.Fatalf("round %d: with space again: %v", round, err)
			}
		}
	}
	for _, key := range refused {
		must(t, send(key, true))
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); l.missing() > 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d acked messages never came", l.missing(), len(l.acked))
		}
	}
	check(t, ctx, rest, conv.ID, l)
	receiver.Close()
	stop()
	url, _ = serve(t, data) // and after a restart
	rest, err = client.NewREST(url, "", nil)
	must(t, err)
	account, err := rest.Login(ctx, "sender", "correct horse")
	must(t, err)
	check(t, ctx, rest.WithToken(account.Token), conv.ID, l)
}

// check compares history with what was acked: all of it, once.
func check(t *testing.T, ctx context.Context, rest *client.REST, conv chat.ConversationID, l *ledger) {
	t.Helper()
	seen := make(map[chat.MessageID]bool)
	keys := make(map[chat.ClientMessageID]bool)
	for after := chat.MessageID(1); ; {
		page, err := rest.History(ctx, conv, client.HistoryQuery{Since: after, Limit: 100})
		must(t, err)
		for _, m := range page.Messages {
			if keys[m.ClientMessageID] {
				t.Errorf("message %s is in history twice", m.ID)
			}
			seen[m.ID], keys[m.ClientMessageID] = true, true
			after = m.ID
			if want, ok := l.acked[m.ID]; ok && want != m.Content {
				t.Errorf("message %s is %q, was %q", m.ID, m.Content, want)
			}
		}
		if !page.HasMore {
			break
		}
	}
	for m := range l.acked {
		if !seen[m] {
			t.Errorf("acked message %s is lost", m)
		}
	}
}
